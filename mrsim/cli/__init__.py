"""The command line. Nothing heavy is imported until a command is called: `mrsim --help` answers at once."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from ..core.errors import UserError, did_you_mean
from ..core.version import __version__
from . import loudness, output_streams, stopping
from .command import EXIT_CODES, IN_SHORT, dressed, named_or_meant

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("run", "Simulate a protocol, fit it, compare with truth, report."),
    "simulate": ("simulate", "Simulate a protocol and write its raw data."),
    "recon": ("recon", "Reconstruct raw data: ours, or another program's (MRD)."),
    "fit": ("fit", "Fit a signal model to images or raw data in a file."),
    "synthesize": ("synthesize", "Make images of any contrast from maps of T1, T2, PD."),
    "track": ("track", "Follow fibres through a tensor fit."),
    "shake": ("shake", "Solve for the waves in a shaken phantom."),
    "basis": ("basis", "Simulate metabolites' spectra: the basis of a fit."),
    "reproduce": ("reproduce", "Repeat a finished run and compare, bit for bit."),
    "plan": ("plan", "Foretell what a protocol will measure; answer questions."),
    "compare": ("compare", "Foretell at several fields: what each buys and costs."),
    "check": ("check", "Check a protocol against the limits of a scanner."),
    "snr": ("snr", "Predict every tissue's SNR, and where it goes."),
    "crlb": ("crlb", "Predict the least SD of maps, and what biases them."),
    "optimise": ("optimise", "Choose a protocol's free settings within time and limits."),
    "sensitivity": ("sensitivity", "Rank what biases a map: fields, motion, tissue, model."),
    "design": ("design", "Choose b-values for a tissue."),
    "plan-waves": ("plan_waves", "Plan elastography: frequency, voxel and cycles."),
    "study": ("study", "Carry out a study and judge what it claims."),
    "cohort": ("cohort", "Draw the subjects of a virtual cohort."),
    "contest": ("contest", "Rank fitters, yours and ours, on known truth."),
    "lab": (".app.command", "Open the interactive page; --export writes one file."),
    "list": ("listing", "List protocols, phantoms, tissues, scanners, models ..."),
    "show": ("show", "Show a protocol: sequence diagram, k-space, timing."),
    "phantom": ("phantom", "Draw a phantom: tissues, a property, its hard parts."),
    "tissue": ("tissue", "Print what is known of a tissue, with its sources."),
    "info": ("info", "Say what a file of mrsim holds."),
    "export": ("export", "Write BIDS, DICOM, MRD, Pulseq ... for other programs."),
    "verify": ("verify", "Verify against closed forms and other programs."),
    "bench": ("bench", "Time the engines on this machine."),
    "schema": ("schema", "Say where editors find the schemas of TOML files."),
    "completion": ("completion", "Print the script that completes in bash, zsh, fish."),
}
"""Every command: the module that holds it as `command` (of this package, or beside it), and its line in the help."""

DEFECT, BROKEN_PIPE, USER_ERROR = 1, 1, 2
"""What `perform` returns where a command did not come to its end; see `EXIT_CODES`."""

GROUPS = {"Measure": "run", "Plan": "plan", "Study": "study", "Look": "list", "Machine": "verify"}
"""Titles in the help, and the command at which each begins."""

OUT_OF_MEMORY = (
    "the machine gave no more memory; nothing was written. Smaller: a smaller matrix, fewer images, slices or coils; "
    "--max-memory refuses what is predicted to need too much before it starts"
)


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is called."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the commands' names in the order of the help."""
        return [*COMMANDS]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Return the command, imported now."""
        if name not in COMMANDS:
            return None
        return dressed(importlib.import_module(f".{COMMANDS[name][0]}", __name__).command)

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the called command; an unknown name is an error that says which is nearest."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f"no command '{args[0]}'{did_you_mean(args[0], [*COMMANDS])}", context)
        return super().resolve_command(context, args)

    def format_help(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one screen: every command on a line, without importing any."""
        titles = {first: title for title, first in GROUPS.items()}
        formatter.write(f"Usage: mrsim COMMAND [ARGUMENTS]\n\n{' '.join((self.help or '').split())}\n\n")
        for name, (_, line) in COMMANDS.items():
            formatter.write(f"{titles.get(name, ''):8}{name:13}{line}\n")
        formatter.write(
            "\nmrsim COMMAND --help: options, examples. All take --json, --quiet, --verbose.\n"
            f"Exit codes: {', '.join(f'{code} {words}' for code, words in IN_SHORT.items())}.\n"
        )


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.version_option(__version__, prog_name="mrsim", message="%(prog)s %(version)s")
def cli() -> None:
    """Know what an MR protocol will measure. Start with: mrsim run disc-t2-mese"""


def main() -> None:
    """Run the command line and leave the process with its exit code."""
    output_streams.prepare()
    stopping.listen()
    sys.exit(perform(sys.argv[1:]))


def perform(arguments: Sequence[str]) -> int:
    """Run the command line; return the exit code, one of `EXIT_CODES` (143 where a process was terminated)."""
    loudness.set_level(loudness.NORMAL)
    loudness.listen()
    try:
        code = _called(list(arguments))
        sys.stdout.flush()
    except BrokenPipeError:
        output_streams.silence()
        return BROKEN_PIPE
    except OSError as problem:
        output_streams.silence()
        return _complain(f"standard output cannot be written: {problem.strerror}", USER_ERROR)
    return code


def _called(arguments: list[str]) -> int:
    stopping.leaves()
    try:
        outcome: Any = cli.main(arguments or ["--help"], prog_name="mrsim", standalone_mode=False)
    except click.ClickException as problem:
        where = getattr(problem, "ctx", None)
        hint = f" (see '{where.command_path} --help')" if where is not None else ""
        return _complain(f"{named_or_meant(problem)}{hint}", USER_ERROR)
    except UserError as problem:
        return _complain(str(problem), USER_ERROR)
    except (KeyboardInterrupt, click.Abort):
        return _complain(stopping.message(), stopping.code())
    except BrokenPipeError:
        raise
    except OSError as problem:
        if problem.filename is None and problem.errno in output_streams.FULL:
            raise  # of what is written to standard output
        if problem.errno == errno.ENAMETOOLONG:
            return _complain(f"{problem.filename}: {problem.strerror}", USER_ERROR)
        return _defect(problem)
    except MemoryError:
        return _complain(OUT_OF_MEMORY, USER_ERROR)
    except Exception as problem:
        return _defect(problem)
    return outcome if isinstance(outcome, int) else 0


def _defect(problem: Exception) -> int:
    """Say what went wrong that no user can mend."""
    if os.environ.get("MRSIM_DEBUG") or loudness.verbose():
        raise problem
    said = " ".join(str(problem).split()) or "no message"
    return _complain(
        f"defect in mrsim: {type(problem).__name__}: {said}; --verbose shows where; please report it", DEFECT
    )


def _complain(message: str, code: int) -> int:
    """Write one message to stderr, red on a terminal."""
    said = output_streams.harmless(output_streams.shortened(f"mrsim: {message}"))
    click.echo(click.style(said, fg="red") if loudness.coloured(sys.stderr) else said, err=True)
    return code


__all__ = ["EXIT_CODES", "cli", "main", "perform"]

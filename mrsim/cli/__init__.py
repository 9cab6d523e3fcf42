"""The command line. Nothing heavy is imported until a command is called: `mrsim --help` answers at once."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from ..core.errors import UserError, did_you_mean
from ..core.version import __version__
from . import stopping
from .examples import EXAMPLES

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("run", "Simulate a protocol, fit its maps, compare them with the truth, write a report."),
    "reproduce": ("reproduce", "Repeat a finished run from its result file and compare, bit for bit."),
    "list": ("listing", "List protocols, phantoms, tissues, scanners, models and families."),
    "show": ("show", "Show a protocol: sequence diagram, k-space, timing."),
    "tissue": ("tissue", "Print what is known of a tissue, with its sources."),
    "cohort": ("cohort", "Draw the subjects of a virtual cohort."),
    "phantom": ("phantom", "Draw a phantom: tissues, a property, its hard parts in space."),
    "shake": ("shake", "Solve for the waves in a shaken phantom."),
    "check": ("check", "Check a protocol against the limits of a scanner."),
    "plan": ("plan", "Foretell what a protocol will measure, and whether it answers a question."),
    "compare": ("compare", "Forecast a protocol at several field strengths: what each buys and costs."),
    "snr": ("snr", "Predict the SNR of every tissue, and where it comes from and goes."),
    "crlb": ("crlb", "Predict the least standard deviation of a protocol's maps, and what biases them."),
    "design": ("design", "Choose the b-values of a diffusion protocol for a tissue, by the least standard deviation."),
    "sensitivity": ("sensitivity", "Rank what biases a protocol's map: fields, motion, tissue, what the fit assumes."),
    "optimise": ("optimise", "Choose a protocol's free settings: best precision within time and limits."),
    "basis": ("basis", "Simulate the spectra of metabolites in a sequence: the basis of a fit."),
    "simulate": ("simulate", "Simulate a protocol and write its raw data."),
    "export": ("export", "Write a sequence for a scanner (Pulseq) or raw data for other programs (MRD)."),
    "recon": ("recon", "Reconstruct the raw data in a file: ours, or another program's (MRD)."),
    "fit": ("fit", "Fit a signal model to images or raw data in a file."),
    "plan-waves": ("plan_waves", "Plan elastography: frequency, voxel and cycles for a tissue."),
    "synthesize": ("synthesize", "Make images of any contrast from maps of T1, T2 and PD."),
    "track": ("track", "Follow fibres through a tensor fit and write the streamlines."),
    "study": ("study", "Carry out a study with many replicates and judge what it claims."),
    "contest": ("contest", "Rank fitters, yours and ours, on images whose truth is known."),
    "lab": (".app.command", "Open the interactive page: move field, TR, TE and see image, SNR, bias, time."),
    "verify": ("verify", "Verify what is computed against closed forms, published numbers and other programs."),
    "bench": ("bench", "Time the engines on this machine, beside a plain loop and other programs."),
    "schema": ("schema", "Say where the JSON Schema of protocol, phantom or study files lies, for editors."),
    "completion": ("completion", "Print the script with which bash, zsh or fish completes commands and names."),
    "info": ("info", "Say what a file of mrsim holds."),
}
"""Every command: the module that holds it as `command` (of this package, or beside it), and its line in the help."""

USER_ERROR, DEFECT, BROKEN_PIPE = 2, 1, 1
"""Exit codes."""


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is called."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the commands' names in the order of the help."""
        return [*COMMANDS]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Return the command, imported now."""
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f".{COMMANDS[name][0]}", __name__).command
        if name in EXAMPLES:
            command.epilog = "\b\n" + "\n".join(f"mrsim {line}" for line in EXAMPLES[name])
        return command

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the called command; an unknown name is an error that says which is nearest."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f"no command '{args[0]}'{did_you_mean(args[0], [*COMMANDS])}", context)
        return super().resolve_command(context, args)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands' lines without importing the commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="mrsim", message="%(prog)s %(version)s")
def cli() -> None:
    """Know what a magnetic-resonance protocol will measure before anyone is scanned.

    Start with: mrsim run disc-t2-mese
    """


def main() -> None:
    """Run the command line and leave the process with its exit code."""
    stopping.listen()
    sys.exit(perform(sys.argv[1:]))


def perform(arguments: Sequence[str]) -> int:
    """Run the command line; return the exit code.

    0 done; 1 a defect of mrsim, or nobody reads the output; 2 a request that cannot be carried out; 3 a claim that does
    not hold; 130 interrupted, 143 terminated.
    """
    try:
        code = _called(list(arguments))
        sys.stdout.flush()
    except BrokenPipeError:
        _silence_output()
        return BROKEN_PIPE
    return code


def _called(arguments: list[str]) -> int:
    stopping.leaves()
    try:
        outcome: Any = cli.main(arguments, prog_name="mrsim", standalone_mode=False)
    except click.ClickException as problem:
        where = getattr(problem, "ctx", None)
        hint = f" (see '{where.command_path} --help')" if where is not None else ""
        return _complain(f"{problem.format_message().rstrip('.')}{hint}", USER_ERROR)
    except UserError as problem:
        return _complain(str(problem), USER_ERROR)
    except (KeyboardInterrupt, click.Abort):
        return _complain(stopping.message(), stopping.code())
    except BrokenPipeError:
        raise
    except Exception as problem:
        if os.environ.get("MRSIM_DEBUG"):
            raise
        said = " ".join(str(problem).split()) or "no message"
        return _complain(
            f"defect in mrsim: {type(problem).__name__}: {said}; set MRSIM_DEBUG=1 to see where, and report it", DEFECT
        )
    return outcome if isinstance(outcome, int) else 0


def _complain(message: str, code: int) -> int:
    """Write one message to stderr, red on a terminal."""
    coloured = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    click.echo(click.style(f"mrsim: {message}", fg="red") if coloured else f"mrsim: {message}", err=True)
    return code


def _silence_output() -> None:
    """Send what is left in the buffers to nowhere, so that leaving the process does not fail on it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


__all__ = ["cli", "main", "perform"]

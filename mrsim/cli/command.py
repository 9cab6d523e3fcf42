"""What all commands have in common: a help that fits a screen, examples, --quiet, --verbose and what a code means.

The modules of the commands declare what is theirs alone; `dressed` adds the rest, so that no command can lack it.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from . import loudness
from .examples import EXAMPLES

EXIT_CODES = {
    0: "done, and what was asked holds",
    1: "a defect of mrsim, or nobody reads the output",
    2: "a request that cannot be carried out: bad input, or 'check' found a broken limit",
    3: "carried out, but a claim, a check of 'verify' or the answer of 'plan' is not yes",
    130: "interrupted (143: terminated); nothing half-written is left",
}
"""What a process ends with, and what it means."""

IN_SHORT = {0: "done", 1: "defect", 2: "refused", 3: "the answer is no", 130: "stopped"}
"""The same for the help of the whole."""

SCREEN = (80, 40)
"""Columns and lines that a command's help takes at most."""

OUTLINED = {
    "object": ("--phantom", "--material", "--extrapolate", "--b1", "--offset"),
    "fields": ("--susceptibility", "--offset-map", "--shim", "--transmit", "--receive"),
    "engine": ("--with", "--engine", "--longest", "--threads", "--accuracy", "--precision", "--device", "--image"),
    "fit": ("--given", "--likelihood", "--noise-floor", "--rician", "--truth", "--snr", "--known", "--want"),
    "motion": ("--physiology", "--waves", "--drive"),
    "machine": ("--workers", "--cluster"),
}
"""Options that a help too long for the screen only names, by what they are about."""

SAID_ONCE = ("--json", "--quiet", "--verbose", "--help", "--help-all")
"""Options of every command: one line tells of them."""


WHOLE_HELP = "whole help"
"""Stands in a context whose help is to explain every option."""

WRITTEN = ("out", "save_maps", "figure", "export")
"""Parameters that name a file to be written."""

SHORTER = 2
"""Steps in which a help becomes shorter."""


class Command(click.Command):
    """A command whose help fits a screen and which hears --quiet and --verbose."""

    def format_help(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help: all of it if it fits a screen or was asked for, else the rarer options by name only."""
        texts = [self._written(context, 0)]
        while texts[-1].count("\n") > SCREEN[1] and len(texts) <= SHORTER and WHOLE_HELP not in context.meta:
            texts.append(self._written(context, len(texts)))
        formatter.write(texts[-1])

    def _written(self, context: click.Context, shorter: int) -> str:
        """Return the help: 0 whole, 1 rarer options by name only, 2 the others by their first clause."""
        text = click.HelpFormatter(width=SCREEN[0])
        self.format_usage(context, text)
        self.format_help_text(context, text)
        options = [one for one in self.get_params(context) if isinstance(one, click.Option)]
        rarer = {name for names in OUTLINED.values() for name in names} if shorter else set()
        own = [one for one in options if not {*SAID_ONCE, *rarer} & {*one.opts}]
        rows = [_narrow(*record) for one in own if (record := one.get_help_record(context))]
        with text.section("Options"):
            if rows:
                shown = [(left, _first_part(right) if shorter > 1 else right) for left, right in rows]
                text.write_dl(shown, col_max=28)
            text.write_text("--json  -q/--quiet  -v/--verbose  -h/--help   as every command has")
        if shorter:
            known = {name for one in options for name in one.opts}
            kept = {about: "  ".join(n for n in names if n in known) for about, names in OUTLINED.items()}
            with text.section(f"More, explained by 'mrsim {self.name} --help-all'"):
                text.write_dl([(about, names) for about, names in kept.items() if names])
        with text.section("Examples"):
            for line in EXAMPLES[str(self.name)]:
                text.write("".join(f"{part}\n" for part in _broken(f"  mrsim {line}")))
        return text.getvalue()

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Read the words; one that is empty, a shell's unset variable, is not taken for one left out."""
        words = [*args]
        rest = super().parse_args(context, args)
        if not context.resilient_parsing:
            _check_words(context, words)
        return rest

    def invoke(self, context: click.Context) -> Any:
        """Carry the command out; where every step is to be told, say how long it took."""
        start = time.perf_counter()
        _check_values(context)
        outcome = super().invoke(context)
        loudness.course(f"{self.name} took {time.perf_counter() - start:.2f} s")
        return outcome


def _check_words(context: click.Context, words: list[str]) -> None:
    for before, word in pairwise(["", *words]):
        option, equals, value = word.partition("=") if word.startswith("--") else (before, "=", word)
        if equals and not value:
            for parameter in context.command.params:
                if isinstance(parameter, click.Option) and option in parameter.opts:
                    raise click.BadParameter("is empty; leave it out or give a value", context, parameter)
            raise click.UsageError("an argument is empty; leave it out or give a value", context)


def _check_values(context: click.Context) -> None:
    """Refuse numbers that are none, and to write over a file that is read or one file twice."""
    given = {name: value if isinstance(value, tuple) else (value,) for name, value in context.params.items()}
    read = [path for name, values in given.items() if name not in WRITTEN for path in _files_in(values)]
    written: set[str] = set()
    for parameter in context.command.params:
        values = given.get(parameter.name or "", ())
        if any(isinstance(value, float) and not math.isfinite(value) for value in values):
            raise click.BadParameter("is not a finite number", context, parameter)
        for target in (str(value) for value in values if parameter.name in WRITTEN and isinstance(value, str | Path)):
            if os.path.isfile(target) and any(os.path.samefile(target, path) for path in read):
                problem = f"{target} is read by this command; name another file"
                raise click.BadParameter(problem, context, parameter)
            if (place := _place(target, context)) in written:
                raise click.BadParameter(f"{target} is named twice; name another file", context, parameter)
            written.add(place)


def _place(path: str, context: click.Context) -> str:
    try:
        return os.path.realpath(path)
    except FileNotFoundError:
        raise click.UsageError("the current folder is gone; change to another one", context) from None


def _files_in(values: Any) -> Iterator[str]:
    """Yield the files that values name: themselves, behind `=` of KEY=VALUE, or in front of `:` of FILE:PART."""
    for value in values:
        if isinstance(value, Mapping | list | tuple):
            yield from _files_in(value.values() if isinstance(value, Mapping) else value)
        elif isinstance(value, str | Path):
            whole = (str(value), str(value).partition("=")[2])
            yield from filter(os.path.isfile, (*whole, *(text.rpartition(":")[0] for text in whole)))


def dressed(declared: click.Command) -> Command:
    """Return a command as its module declares it, with what every command has."""
    shared = (
        click.Option(
            ["-q", "--quiet"], is_flag=True, expose_value=False, is_eager=True, callback=_level(loudness.QUIET),
            help="Write the result and errors only: no progress, notes or warnings.",
        ),
        click.Option(
            ["-v", "--verbose"], is_flag=True, expose_value=False, is_eager=True, callback=_level(loudness.VERBOSE),
            help="Tell every step and its time on stderr, and the trace of a defect.",
        ),
        click.Option(
            ["--help-all"], is_flag=True, expose_value=False, is_eager=True, callback=_whole_help,
            help="Explain every option.",
        ),
    )  # fmt: skip
    return Command(declared.name, callback=declared.callback, params=[*declared.params, *shared], help=declared.help)


def named_or_meant(problem: click.ClickException) -> str:
    """Return what a wrong command line is told; a wrong choice is told which one is nearest."""
    from ..core.errors import did_you_mean

    message = problem.format_message().rstrip(".")
    parameter = getattr(problem, "param", None)
    given = re.search(r"'([^']*)' is not one of", message)
    if given and parameter is not None and isinstance(parameter.type, click.Choice):
        near = did_you_mean(given[1], [str(choice) for choice in parameter.type.choices])
        message += near if "mean" in near else ""
    return message


def _level(level: int) -> Any:
    def heard(context: click.Context, parameter: click.Parameter, asked: bool) -> None:
        if asked:
            loudness.set_level(level)

    return heard


def _whole_help(context: click.Context, parameter: click.Parameter, asked: bool) -> None:
    if asked:
        context.meta[WHOLE_HELP] = True
        click.echo(context.get_help())
        context.exit()


def _narrow(left: str, right: str) -> tuple[str, str]:
    """Return an option and its help; a list of many choices moves into the help."""
    names, bracket, choices = left.partition(" [")
    if not bracket or len(left) < SCREEN[0] // 2:
        return left, right
    return f"{names} NAME", f"{right}  One of {choices.rstrip(']').replace('|', ', ')}."


def _first_part(text: str) -> str:
    """Return the first clause of an option's help."""
    return re.split(r"; |\. |: (?=[a-z])|, e\.g\. ", re.sub(r" *\[.*?\]", "", text), maxsplit=1)[0].rstrip(".") + "."


def _broken(line: str) -> list[str]:
    """Return a command line in lines that fit, broken before an option as a shell reads it."""
    lines = [line]
    while len(lines[-1]) > SCREEN[0]:
        at = lines[-1].rindex(" --", 0, SCREEN[0] - 2)
        lines[-1:] = [lines[-1][:at] + " \\", "     " + lines[-1][at:]]
    return lines

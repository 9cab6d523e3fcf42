"""How much a command says besides its result: the one place that knows of --quiet and --verbose.

A result (tables, JSON, paths of what was written) goes to stdout whatever was asked. Notes stand beside it on stdout,
warnings, progress and the course of the work on stderr. ``--quiet`` leaves out all that is not the result or an error;
``--verbose`` adds every step with its time, and the trace of a defect.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterable
from typing import Any

import click

from .output_streams import harmless

QUIET, NORMAL, VERBOSE = -1, 0, 1
_level = [NORMAL]


def set_level(level: int) -> None:
    """Say how much a command says from now on: QUIET, NORMAL or VERBOSE."""
    _level[:] = [level]


def quiet() -> bool:
    """Return whether only results and errors are wanted."""
    return _level[0] == QUIET


def verbose() -> bool:
    """Return whether every step is to be told."""
    return _level[0] == VERBOSE


def coloured(stream: Any) -> bool:
    """Return whether text for a stream may have colours: on a terminal, unless NO_COLOR is set or it has none."""
    return bool(stream.isatty()) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def notes(texts: Iterable[str]) -> None:
    """Write what stands beside a result and helps to read it."""
    for text in () if quiet() else texts:
        click.echo(f"note: {harmless(text)}")


def warnings(texts: Iterable[str]) -> None:
    """Write what makes a result doubtful, to stderr, yellow on a terminal."""
    word = click.style("warning:", fg="yellow") if coloured(sys.stderr) else "warning:"
    for text in () if quiet() else texts:
        click.echo(f"{word} {harmless(text)}", err=True)


class _Told(logging.Handler):
    """Writes what the library logs, such as how long a scan is going to take."""

    def emit(self, record: logging.LogRecord) -> None:
        if not quiet():
            click.echo(record.getMessage(), err=True)


def listen() -> None:
    """Write what the library logs to stderr from now on."""
    logger = logging.getLogger("mrsim")
    if not logger.handlers:
        logger.addHandler(_Told())
        logger.setLevel(logging.INFO)


def hint(text: str) -> None:
    """Write what a user may do next."""
    if not quiet():
        click.echo(text)


def step(text: str) -> None:
    """Write the step that begins now, to stderr, where somebody waits before a terminal or asked for it."""
    if verbose() or (sys.stderr.isatty() and not quiet()):
        click.echo(text, err=True)


def course(text: str) -> None:
    """Write what is being done, to stderr, with the time of day; only where that was asked for."""
    if verbose():
        click.echo(f"{time.strftime('%H:%M:%S')} {text}", err=True)

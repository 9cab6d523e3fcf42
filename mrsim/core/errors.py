"""Errors that a user can act on.

Every error says what is wrong, where, the value with its unit, the limit and the remedy. `UserError`
and its children end a command with exit code 2 and one message; anything else is a defect of mrsim.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


class UserError(Exception):
    """A request that cannot be carried out as asked; the message is complete and meant for the user."""


class InputError(UserError):
    """A value in a file or on the command line that is wrong.

    Parameters
    ----------
    problem : str
        What is wrong, with value, unit, limit and remedy.
    key : str, optional
        Dotted key of the value, e.g. ``"t1"`` or ``"tissue.t2"``.
    file : path or str, optional
        The file that holds the value.
    line : int, optional
        Line number in that file, counted from 1.
    """

    def __init__(
        self, problem: str, *, key: str | None = None, file: Path | str | None = None, line: int | None = None
    ) -> None:
        place = "" if file is None else f"{file}" + (f":{line}" if line else "")
        super().__init__(": ".join(part for part in (place, key, problem) if part))
        self.problem, self.key, self.file, self.line = problem, key, file, line


class InfeasibleError(UserError):
    """A protocol that the scanner cannot play; the message names the nearest feasible value."""


class StorageError(UserError):
    """A file that cannot be read or written: truncated, foreign, newer, or in a place without permission."""


def check_kind(value: Any, kinds: type | tuple[type, ...], key: str, remedy: str = "") -> None:
    """Raise an `InputError` where a caller gives something of another kind than what is asked for.

    Parameters
    ----------
    value : object
        What a caller gives, whatever is declared.
    kinds : type or tuple of type
        What it may be.
    key : str
        Name of the parameter.
    remedy : str, optional
        How to get the right kind.
    """
    if not isinstance(value, kinds):
        wanted = " or ".join(kind.__name__ for kind in (kinds if isinstance(kinds, tuple) else (kinds,)))
        known = wanted.replace("NoneType", "None")
        raise InputError(f"is a {type(value).__name__}; expected {known}{remedy and ': ' + remedy}", key=key)


def did_you_mean(word: str, known: tuple[str, ...] | list[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the known word nearest to `word`, or the list of known words."""
    from difflib import get_close_matches

    near = get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else f"; known: {', '.join(sorted(known))}"

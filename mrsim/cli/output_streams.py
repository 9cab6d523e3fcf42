"""Standard output and error as a command finds them: closed, full, short of letters, or a terminal to be misled."""

from __future__ import annotations

import errno
import os
import re
import sys

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
"""What a system says where nothing more can be written."""
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Characters that move a cursor, colour, erase or turn text round; line breaks and tabs are not among them."""

LONGEST = 4000
"""Characters of a message; a longer one repeats what a user or a file gave, and its middle is left out."""


def prepare() -> None:
    """Make both streams such that writing cannot fail for what is written; called first.

    A closed one leads to nowhere: the next file that is opened would take its number, and its text. A letter that the
    stream's encoding has not is written as its number.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    if not os.environ.get("MRSIM_DEBUG"):
        sys.unraisablehook = lambda _: None  # a file that could not be closed is told by an error, and not once more


def silence() -> None:
    """Send what is left in the buffers to nowhere, so that leaving the process does not fail on it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def harmless(text: str) -> str:
    """Return text without what a name from a file could do to a terminal."""
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def shortened(text: str) -> str:
    """Return a text, or its beginning and its end, where what is wrong and the remedy stand."""
    left_out = len(text) - LONGEST
    if left_out <= 0:
        return text
    return f"{text[: LONGEST // 2]} ... ({left_out:,} characters left out) ... {text[-LONGEST // 2 :]}"

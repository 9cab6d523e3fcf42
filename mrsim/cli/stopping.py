"""Ctrl-C and the termination signal end a command within two seconds, with one message and nothing half-written.

Python hears a signal only between two of its own steps, and a kernel or a process that is waited for may take longer.
So a thread watches as well: where the command has not ended in order after `PATIENCE`, it removes what is half-written,
says the message and ends the process. Workers end by themselves when their parent is gone.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import FrameType

PATIENCE = 0.8
"""Seconds that a command has to end in order."""
WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}

NOTHING = "nothing was written"
_remains = [NOTHING]
_begun = [0.0]
_heard: list[signal.Signals] = []
_said = threading.Event()


def leaves(what: str = NOTHING) -> None:
    """Say what the command that begins, or goes on, leaves when it is stopped."""
    if what == NOTHING:
        _begun[:] = [time.monotonic()]
    _remains[:] = [what]


def listen() -> None:
    """Take signals from now on; called once, by the main thread of a process that is a command line."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # what a shell put in the background ignores it
        signal.signal(signal.SIGINT, _raise)
    signal.signal(signal.SIGTERM, _raise)
    threading.Thread(target=_watch, args=(reading,), daemon=True, name="stopping").start()


def message() -> str:
    """Return what a stopped command says; whoever asks has to say it."""
    from ..core.replacing import finished

    _said.set()
    stands = ", ".join(map(str, finished(_begun[0]))) if _remains[0] == NOTHING else ""
    return f"{WORDS[_heard[0]] if _heard else 'interrupted'}; {f'written before: {stands}' if stands else _remains[0]}"


def code() -> int:
    """Return the exit code of a stopped command, 128 and the signal's number as shells count.

    An interrupt that passed through code that Python compiled from text (a dataclass at import) makes Python end by
    the signal, whatever it is asked for, until it has run such code again.
    """
    exec("")
    return 128 + (_heard[0] if _heard else signal.SIGINT)


def _raise(number: int, frame: FrameType | None) -> None:
    if not _heard:
        _heard.append(signal.Signals(number))
        raise KeyboardInterrupt


def _watch(reading: int) -> None:
    while True:
        number = os.read(reading, 1)[0]
        if number in WORDS:
            break
    threading.Event().wait(PATIENCE)
    from ..core.replacing import discard_unfinished

    if not _heard:
        _heard.append(signal.Signals(number))
    discard_unfinished()
    if not _said.is_set():
        os.write(sys.stderr.fileno(), f"mrsim: {message()}\n".encode())
    os._exit(code())

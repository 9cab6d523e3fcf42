"""A process that works for another ends when that one is gone, however it went."""

from __future__ import annotations

import os
import threading

EVERY = 0.5
"""Seconds between two looks."""


def end_with_parent() -> None:
    """Watch the parent from now on, in a thread; leave at once when it has died."""
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True, name="orphan").start()


def _watch(parent: int) -> None:
    pause = threading.Event()
    while os.getppid() == parent:
        pause.wait(EVERY)
    os._exit(1)

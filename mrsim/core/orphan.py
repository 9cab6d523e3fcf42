"""A process that works for another ends when that one is gone, however it went."""

from __future__ import annotations

import os
import threading
from multiprocessing import parent_process

EVERY = 0.5
"""Seconds between two looks."""


def end_with_parent() -> None:
    """Watch the process that this one works for from now on, in a thread; leave at once when it has died.

    What multiprocessing started works for the process that asked for it, which is not the parent where a server forks.
    """
    watch = _watch if parent_process() is None else _watch_owner
    threading.Thread(target=watch, args=(os.getppid(),), daemon=True, name="orphan").start()


def _watch(parent: int) -> None:
    pause = threading.Event()
    while os.getppid() == parent:
        pause.wait(EVERY)
    os._exit(1)


def _watch_owner(_: int) -> None:
    owner = parent_process()
    assert owner is not None
    owner.join()
    os._exit(1)

"""The cores that this process may use."""

from __future__ import annotations

import os
from numbers import Integral
from typing import Any

from .errors import InputError


def available_cores() -> int:
    """Return the number of cores that this process may use: its affinity counts where the system has one."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_threads(threads: Any) -> None:
    """Raise an `InputError` where a number of threads is none; None stands for all cores."""
    if threads is not None and (not isinstance(threads, Integral) or threads < 1):
        raise InputError(f"is {threads!r}; it takes a whole number from 1", key="threads")

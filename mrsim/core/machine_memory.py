"""How much memory this process holds and could still get."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path

from .errors import InfeasibleError

GIB = 1 << 30
SHARE = "MRSIM_MEMORY_SHARE"
"""Environment variable: what a worker may hold, bytes, so that all of them fit together."""


def share_bytes() -> float | None:
    """Return what this process may hold as one of several workers, bytes; None where nobody said."""
    said = os.environ.get(SHARE)
    return None if said is None else float(said)


def held_bytes() -> int:
    """Return what this process holds now, bytes; 0 where the system does not say."""
    with suppress(OSError, ValueError, IndexError):
        import resource

        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    return 0


def free_bytes() -> int | None:
    """Return what a process could still get without swapping, bytes; None where the system does not say.

    What the machine can give (Linux: ``MemAvailable``), or less where a container's limit leaves less.
    """
    found = [value for value in (_machine(), _container()) if value is not None]
    return min(found) if found else None


def check_room(wanted: float, key: str, what: str, remedy: str) -> None:
    """Raise an `InfeasibleError` where something would take more memory than this process may still get.

    Parameters
    ----------
    wanted : float
        Bytes, on top of what the process holds.
    key : str
        The value that asks for so much.
    what, remedy : str
        What it asks for, and what would be less.
    """
    free, share = free_bytes(), share_bytes()
    allowed = min(math.inf if free is None else free, math.inf if share is None else share - held_bytes())
    if wanted > allowed:
        raise InfeasibleError(
            f"{key}: {what} would need about {_spoken(wanted)} of memory, more than the "
            f"{_spoken(max(allowed, 0))} that this process can still get; {remedy}"
        )


def _spoken(size: float) -> str:
    return f"{size / GIB:,.1f} GiB"


def _machine() -> int | None:
    with suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)
    return None


def _container() -> int | None:
    """Return what is left of the limit of a control group, version 2."""
    with suppress(OSError, ValueError, IndexError):
        own = Path("/proc/self/cgroup").read_text().split("0::", 1)[1].splitlines()[0].lstrip("/")
        for folder in (Path("/sys/fs/cgroup") / own, Path("/sys/fs/cgroup")):
            limit = folder / "memory.max"
            if limit.is_file() and (text := limit.read_text().strip()) != "max":
                return max(0, int(text) - int((folder / "memory.current").read_text()))
    return None

"""What a result's numbers may depend on besides its request: the machine, its programs, and the versions of both."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from functools import lru_cache
from importlib.metadata import distributions
from pathlib import Path

LOCK = "requirements.lock"
VARIABLES = (
    "NUMBA_NUM_THREADS", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_DISABLE_JIT", "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS", "OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES",
)  # fmt: skip


def environment() -> dict[str, str]:
    """Return what to compare where a repeated run gives other numbers.

    ``lock`` is the SHA-256 of the checkout's lock file, ``packages`` that of the names and versions of everything that
    is installed; ``cpu`` decides which instructions are compiled. Variables
    that choose others stand as they are set.
    """
    from llvmlite import binding

    return {
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpu": str(binding.get_host_cpu_name()),
        "cores": str(os.cpu_count()),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "byte order": sys.byteorder,
        "lock": _lock(),
        "packages": _packages(),
        **{name: _short(os.environ[name]) for name in VARIABLES if name in os.environ},
    }


def differences(stored: dict[str, str], now: dict[str, str]) -> tuple[tuple[str, str, str], ...]:
    """Return (what, stored, now) of everything in which two environments differ."""
    names = dict.fromkeys([*stored, *now])
    return tuple(
        (name, stored.get(name, "-"), now.get(name, "-")) for name in names if stored.get(name) != now.get(name)
    )


def _short(value: str) -> str:
    """Return a value, or the SHA-256 of one that is too long to be read."""
    return value if len(value) <= 64 else hashlib.sha256(value.encode()).hexdigest()


def _lock() -> str:
    path = Path(__file__).resolve().parents[2] / LOCK
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "no lock file: not a checkout"


@lru_cache(maxsize=1)
def _packages() -> str:
    found = sorted({f"{one.metadata['Name'].lower().replace('_', '-')}=={one.version}" for one in distributions()})
    return hashlib.sha256("\n".join(found).encode()).hexdigest()

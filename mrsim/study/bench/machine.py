"""The machine under the benchmark, and what starting mrsim on it takes."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ...core.version import __version__

FIRST_CALL = """
import time
import numpy as np
from mrsim.simulate.direct import direct_signal
from mrsim.study.bench.scans import own_spins, scan
work, spins = scan(1, 1, steps=10), own_spins(16)
start = time.perf_counter()
direct_signal(work, *spins, dtype=np.float64, threads=1)
print(time.perf_counter() - start)
"""


def machine() -> dict[str, Any]:
    """Return what runs the benchmark, when, and how busy it is."""
    import numba

    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "mrsim": __version__,
    }


def _processor() -> str:
    listed = Path("/proc/cpuinfo")
    if listed.exists():
        for line in listed.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def peak_memory() -> int:
    """Return the most memory that this process has held, bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def import_seconds() -> float:
    """Return the wall time of ``import mrsim`` in a fresh Python, less that of the Python: the best of three."""
    return max(0.0, min(_python("import mrsim") for _ in range(3)) - min(_python("pass") for _ in range(3)))


def cold_start() -> dict[str, float]:
    """Return the wall time of the engine's first call, without and with compiled kernels on disk."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
        times = [
            float(
                subprocess.run(
                    [sys.executable, "-c", FIRST_CALL], capture_output=True, text=True, check=True, env=environment
                ).stdout
            )
            for _ in range(2)
        ]
    return {"compile_seconds": times[0], "first_call_seconds": times[1]}


def _python(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start

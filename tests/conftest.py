"""What holds for every test: compiled kernels of this very source, no display, one thread, few hypothesis surprises."""

import hashlib
import os
import shutil
import signal
from pathlib import Path

from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]


def kernel_hash() -> str:
    """Hash of all kernel sources: numba's own cache does not see an edit in a file that a kernel calls into."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "mrsim").rglob("_kernels/*.py")):
        digest.update(path.relative_to(ROOT).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def choose_numba_cache() -> None:
    """Point numba, before anything imports it, at a cache that belongs to these kernels; drop older ones."""
    parent = ROOT / ".numba_cache"
    chosen = parent / kernel_hash()
    if "PYTEST_XDIST_WORKER" not in os.environ and parent.is_dir():
        for old in parent.iterdir():
            if old != chosen:
                shutil.rmtree(old, ignore_errors=True)
    os.environ["NUMBA_CACHE_DIR"] = str(chosen)
    os.environ["MRSIM_CACHE"] = str(chosen / "models")


choose_numba_cache()
# What a shell puts in the background is deaf to Ctrl-C's signal, and so would be all that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ["MPLBACKEND"] = "Agg"
# Workers share the cores: threads of a matrix library in each of them would wait for one another, spinning.
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
# The same examples every time: a failure here must be one that anybody can repeat.
settings.register_profile("mrsim", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("mrsim")

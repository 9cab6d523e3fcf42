"""Widest vectors for compiled kernels.

LLVM prefers 256-bit vectors on processors that have 512-bit ones; the Bloch kernels run up to 1.7 times
faster with the wide ones. The choice must be made before numba compiles or loads anything.
"""

from __future__ import annotations

import os
import sys


def widen() -> None:
    """Let numba use the processor's widest vectors, unless numba is loaded already or the user chose."""
    if "numba" in sys.modules or "NUMBA_CPU_FEATURES" in os.environ or "NUMBA_CPU_NAME" in os.environ:
        return
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        os.environ["NUMBA_CPU_NAME"] = llvm.get_host_cpu_name()
        os.environ["NUMBA_CPU_FEATURES"] = features.flatten() + ",-prefer-256-bit"

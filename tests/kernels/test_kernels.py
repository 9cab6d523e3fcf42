"""The kernels' own lines: `check_*.py` in a process without the compiler, where they cost no compiling and are counted.

With the compiler the same kernels are tested through everything that uses them.
"""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def test_kernels_without_the_compiler():
    quick = ("-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly", "-o", "python_files=check_*.py")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", *quick, str(HERE)], cwd=HERE.parents[1], capture_output=True, text=True,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout

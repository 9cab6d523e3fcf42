"""Repeat runs as processors of other classes compute them, and say how far their numbers are apart.

    python -m tests.robustness.machines                   # every run, on both older classes
    python -m tests.robustness.machines disc-se --classes nehalem

One machine stands for others: what is compiled, the matrix library and the arrays are each told to use the
instructions of an older processor only. No fused multiplication, shorter vectors and another order of sums round
otherwise. `mrsim reproduce` then compares every number with those of this machine as it is. The exit code is 1 where a
run does not hold to its tolerance. Each class compiles everything once, a minute or two.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("--set", "matrix=32 32")
RUNS = {
    "disc-t2-mese": SMALL,
    "disc-spgr": SMALL,
    "disc-bssfp": SMALL,
    "disc-radial": ("--set", "spokes=32"),
    "sag-mdme-symri": SMALL,
    "sag-dwi": SMALL,
    "disc-se": (
        "--set",
        "matrix=64 64",
        "--set",
        "acceleration=2",
        "--set",
        "calibration_lines=16",
        "--receive",
        "spine-8",
        "--recon",
        "sense",
    ),
    "dixon-psm": SMALL,
    "exvivo-mre-gre-1000hz": (),
    "svs-press-np": ("--phantom", "mrs-sphere"),
}
"""Protocol -> what is asked besides; a run of seconds to a minute each."""
CLASSES = {"nehalem": ("Nehalem", "X86_V3 X86_V4"), "haswell": ("Haswell", "X86_V4")}
"""Processor -> its name for the matrix library, and the instructions that numpy may not use. The first has neither
fused multiplication nor vectors of 256 bits (2008), the second has both (2013)."""


def older(name: str) -> dict[str, str]:
    """Return the environment of a processor of a class."""
    library, without = CLASSES[name]
    return {
        "NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": "", "OPENBLAS_CORETYPE": library,
        "NPY_DISABLE_CPU_FEATURES": without,
    }  # fmt: skip


def called(*arguments: str, **environment: str) -> str:
    """Return what the command line prints; a failure ends the program."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "mrsim", *arguments], env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode not in (0, 3):
        raise SystemExit(f"{' '.join(arguments)} ends with {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout


def main() -> int:
    """Run the command line; the exit code is 1 where a run does not hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", nargs="*", default=[*RUNS], help="protocols [default: all]")
    parser.add_argument("--classes", nargs="*", default=[*CLASSES], choices=[*CLASSES])
    given = parser.parse_args()
    held = True
    print(f"{'run':24} {'class':8} {'object':12} largest difference, of the largest value")
    for run in given.runs:
        with TemporaryDirectory() as folder:
            called("run", run, *RUNS[run], "--out", f"{folder}/run")
            for name in given.classes:
                found = json.loads(called("reproduce", f"{folder}/run/result.h5", "--json", **older(name)))
                held &= found["holds"]
                for one in found["objects"]:
                    apart = "identical" if one["identical"] else f"{one['largest']:.1e}  {one['where']}"
                    print(f"{run:24} {name:8} {one['name']:12} {apart}", flush=True)
    print("every run holds" if held else "a run does not hold")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())

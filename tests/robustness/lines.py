"""Count the lines of the package that the tests run, by file; of compiled kernels with the compiler off.

    python -m tests.robustness.lines                                    # everything, 20 minutes of one core
    python -m tests.robustness.lines --tests tests/plan --keep          # add what these tests run to what is there
    python -m tests.robustness.lines --tests --keep                     # the report of what is there

A few files of tests of one folder are a run of its own, and so is every one of `UNCOMPILED` with the compiler off; what
they and the processes that they start have seen is put together. A run that takes longer than `--seconds` is ended,
and what it has seen by then counts. Whether the tests pass is another matter: a line that ran has run; those that
failed are named. The kernels of CUDA are left out, which need its simulator and a process that has never compiled
(`tests/cuda`).
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SEEN = ROOT / ".coverage_seen"
"""Where the runs leave what they have seen."""
LEAST = 92.0
"""Lines that must be run, per cent."""
UNCOMPILED: tuple[str, ...] = ("tests/kernels",)
"""The tests that run the kernels' own lines: small enough to go without the compiler."""
TOGETHER = 6
"""Files of tests in one run."""


def environment(compiled: bool) -> dict[str, str]:
    """Return the environment in which lines are counted."""
    chosen = {**os.environ, "COVERAGE_FILE": str(SEEN / "data"), "NUMBA_DISABLE_JIT": "0" if compiled else "1"}
    return chosen | {"PYTHONPATH": str(ROOT)}


def coverage(*arguments: str, compiled: bool = True, seconds: float | None = None) -> int:
    """Run the program that counts; return its exit code. A run longer than `seconds` is ended, what it saw is kept.

    It is ended by the signal for termination (`sigterm` in `coverage.ini`): what runs in a shell's background is deaf
    to Ctrl-C's.
    """
    settings = f"--rcfile={ROOT / 'tests/robustness/coverage.ini'}"
    command = [sys.executable, "-P", "-m", "coverage", arguments[0], settings, *arguments[1:]]
    with subprocess.Popen(command, cwd=ROOT, env=environment(compiled)) as process:
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
        return process.wait()


def count(tests: str, marked: str, compiled: bool, seconds: float) -> None:
    """Run tests and note the lines that they ran."""
    start = time.monotonic()
    quiet = ("-q", "--no-header", "--no-summary", "--tb=line", "-p", "no:cacheprovider", "-m", marked)
    patient = ("-o", "faulthandler_exit_on_timeout=false")
    code = coverage("run", "-m", "pytest", *quiet, *patient, *tests.split(), compiled=compiled, seconds=seconds)
    how = "" if compiled else ", without the compiler"
    print(f"{tests}{how}: {time.monotonic() - start:.0f} s, exit code {code}", flush=True)


def pieces(folders: list[str]) -> list[str]:
    """Return the runs: the files of tests of each folder, `TOGETHER` at a time."""
    runs = []
    for folder in folders:
        place = ROOT / folder
        files = sorted(str(path.relative_to(ROOT)) for path in place.rglob("test_*.py")) if place.is_dir() else [folder]
        runs += [" ".join(files[first : first + TOGETHER]) for first in range(0, len(files), TOGETHER)]
    return runs


def folders() -> list[str]:
    """Return the folders and files that hold tests."""
    tests = ROOT / "tests"
    found = [path for path in tests.iterdir() if path.name.startswith("test_") or any(path.rglob("test_*.py"))]
    return sorted(str(path.relative_to(ROOT)) for path in found)


def main() -> int:
    """Run the command line; the exit code is 1 where fewer lines than `LEAST` are run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tests", nargs="*", help="folders or files of tests [default: all]")
    parser.add_argument("--uncompiled", nargs="*", help="the same, with the compiler off [default: with all tests]")
    parser.add_argument("--slow", action="store_true", help="the slow tests, too")
    parser.add_argument("--seconds", type=float, default=1800, help="the longest that one run may take [default: 1800]")
    parser.add_argument("--keep", action="store_true", help="add to what earlier runs have seen")
    given = parser.parse_args()
    if not given.keep:
        shutil.rmtree(SEEN, ignore_errors=True)
    SEEN.mkdir(exist_ok=True)
    for tests in pieces(folders() if given.tests is None else given.tests):
        count(tests, "slow or not slow" if given.slow else "not slow", True, given.seconds)
    default = UNCOMPILED if given.tests is None else ()
    for tests in default if given.uncompiled is None else given.uncompiled:
        count(tests, "not slow", False, given.seconds)
    coverage("combine", "--append", "-q", str(SEEN))  # to what earlier runs have seen
    return coverage("report", "--skip-covered", "--sort=cover", f"--fail-under={LEAST}")


if __name__ == "__main__":
    sys.exit(main())

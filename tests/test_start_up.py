"""How fast and how lean mrsim starts, before it has been asked for anything."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("numba", "scipy.signal", "scipy.stats", "scipy.optimize", "matplotlib", "sympy", "sigpy", "h5py", "pypulseq")


def run(*arguments):
    """Run the tests' own Python on the checkout; return its output and its CPU time in s."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, cwd=ROOT / "docs", env=environment
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout + done.stderr, cpu


@pytest.mark.parametrize("target", ["import mrsim", "import mrsim.cli"])
def test_import_loads_nothing_heavy(target):
    log, _ = run("-X", "importtime", "-c", target)
    loaded = {line.rsplit("|", 1)[-1].strip() for line in log.splitlines() if line.startswith("import time:")}
    assert "mrsim" in loaded
    assert {name for name in HEAVY if name in loaded} == set()


def test_import_needs_no_package_at_all():
    """The bootstrap imports mrsim with a Python that has nothing installed."""
    run("-S", "-c", "import mrsim.bootstrap")


def test_help_answers_at_once():
    """Less than 0.3 s of processor time; on a machine slow enough to need 15 ms for a bare Python, 20 such starts."""
    bare = min(run("-c", "pass")[1] for _ in range(3))
    helped = min(run("-m", "mrsim", "--help")[1] for _ in range(3))
    assert helped < max(0.3, 20 * bare)

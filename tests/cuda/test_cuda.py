"""The CUDA kernels under numba's simulator, in a process of its own, against the CPU engine."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mrsim as mr
from mrsim.core.errors import InputError
from mrsim.simulate import cuda

ROOT = Path(__file__).resolve().parents[2]
CASES = ("rf", "rf on a ramp", "constant", "any", "train", "windows out of order")


@pytest.fixture(scope="module")
def simulated():
    environment = {
        **os.environ,
        "NUMBA_ENABLE_CUDASIM": "1",
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests" / "simulate"))),
    }
    script = Path(__file__).with_name("simulated.py")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_cuda_engine_equals_the_cpu_engine_in_double_precision(simulated, case):
    # the same maths; only the order of sums and the length of recurrences differ
    assert simulated["error"][f"{case} double"] < 1e-13


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_cuda_engine_keeps_its_error_in_single_precision(simulated, case):
    # phases of up to 0.3 turns per cycle of 60/m over 4 mm, rounded to 6e-8 of themselves, and tens of rotations
    assert simulated["error"][f"{case} single"] < 5e-6


@pytest.mark.slow
def test_cuda_coils_weigh_the_same_spins(simulated):
    """More coils than share sines and cosines, under both kinds of gradient, against the CPU."""
    assert max(simulated["coils"].values()) < 1e-13


@pytest.mark.slow
def test_cuda_result_is_the_same_to_the_last_bit_again_and_in_pieces(simulated):
    """Twice, and with other batches and one launch per segment."""
    assert simulated["same twice"]
    assert simulated["same in pieces"]


@pytest.mark.slow
def test_cuda_progress_shows_every_launch_and_ends_with_all_spins(simulated):
    steps = simulated["progress"]
    assert steps == sorted(steps)
    assert len(set(steps)) == steps[-1] + 1 == 11


@pytest.mark.slow
def test_cuda_engine_option_runs_on_the_device(simulated):
    """`Bloch(device="cuda")` and ``"auto"`` through `simulate`, against the CPU with the same spins."""
    assert simulated["engine"] < 1e-12
    assert simulated["engine coils"] < 1e-12
    assert simulated["device"] == ["numba's CUDA simulator"] * 2 + ["cpu"]


@pytest.mark.slow
def test_cuda_engine_refuses_exchange_and_says_so(simulated):
    assert (
        simulated["exchange"]
        == "device: pools exchange magnetisation, which the CUDA kernels do not know; run on the 'cpu'"
    )


def test_cuda_without_numba_cuda_names_the_extra(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "numba_cuda" else found(name))
    with pytest.raises(InputError, match=r"device: numba-cuda is not installed; install the extra mrsim\[cuda\]"):
        cuda.on_cuda("cuda")
    assert not cuda.on_cuda("auto")


def test_cuda_without_a_device_says_so_and_auto_takes_the_processor(monkeypatch):
    monkeypatch.setattr(cuda, "why_no_cuda", lambda: "no CUDA device answers")
    with pytest.raises(InputError, match="no CUDA device answers"):
        cuda.on_cuda("cuda")
    assert not cuda.on_cuda("auto")


def test_cuda_unknown_device_is_refused():
    with pytest.raises(InputError, match="'gpu' is neither 'cpu' nor 'cuda' nor 'auto'"):
        mr.Bloch(device="gpu")

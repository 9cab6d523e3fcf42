"""The Bloch engine against `bart sim` (bart 0.8.00, Debian): its rotation-matrix simulator, another program's code.

bart: B1 turns +z to +y (as here), offsets in rad/s, flip in degrees, TE counted from the start of the pulse, a sinc
with a Hamming window (0.54). No gyromagnetic ratio enters: flips and offsets are angles.
"""

import os
import shutil
import subprocess

import numpy as np
import pytest

from mrsim.core.nuclei import PROTON
from mrsim.sequence.timeline import Pulse
from mrsim.simulate.pulse_response import pulse_response

STEPS, LENGTH = 2000, 2e-3
T1, T2, TE, TR, FLIP = 1.0, 0.1, 5e-3, 0.1, 60.0


@pytest.fixture
def bart(tmp_path):
    """Run ``bart sim``; return (component, repetition) magnetisation."""
    program = shutil.which("bart")
    missing = "bart is not installed: apt-get install bart (Debian, Ubuntu); .ci/run does it where it may"
    if program is None and os.environ.get("CI") != "true":
        pytest.skip(missing)
    assert program, missing

    def run(offset=0.0, repetitions=1, length=LENGTH):
        sequence = f"FLASH,TR={TR},TE={TE},Nrep={repetitions},Trf={length},FA={FLIP},BWTP=4,off={offset}"
        command = [program, "sim", "--ROT", "--split-dim", "-1", f"{T1}:{T1}:1", "-2", f"{T2}:{T2}:1", "--seq"]
        subprocess.run(
            [*command, sequence, "--other", "sampling-rate=1e6", "signal"],
            cwd=tmp_path,
            check=True,
            capture_output=True,
        )
        sizes = (tmp_path / "signal.hdr").read_text().splitlines()[1].split()
        shape = [int(n) for n in sizes if int(n) > 1]
        data = np.fromfile(tmp_path / "signal.cfl", np.complex64).reshape(shape, order="F").real
        axis = shape.index(3)
        return np.moveaxis(data, axis, 0).reshape(3, -1)

    return run


def sinc(length=LENGTH):
    """The pulse of bart: a sinc of time-bandwidth product 4 in a Hamming window."""
    t = (np.arange(STEPS) + 0.5) / STEPS - 0.5
    shape = np.sinc(4 * t) * (0.54 + 0.46 * np.cos(2 * np.pi * t))
    flip = np.deg2rad(FLIP)
    b1 = shape * flip / (2 * np.pi * PROTON.gamma_bar * shape.sum() * length / STEPS)
    return Pulse(
        dt=np.full(STEPS, length / STEPS), b1=b1.astype(complex), gradient=np.zeros((STEPS, 3)), flip=flip,
        centre=length / 2, use="excitation",
    )  # fmt: skip


@pytest.mark.parametrize("offset", [0.0, 2000.0, 4000.0, 6000.0, 9000.0, 12000.0])
def test_bart_pulse_profile_equals_the_bloch_engine(bart, offset):
    """Six offsets over the profile's plateau, flank and side lobe, with relaxation during the pulse."""
    theirs = bart(offset)[:, 0]
    m = pulse_response(sinc(), PROTON.gamma_bar, offset=offset / 2 / np.pi, t1=T1, t2=T2)
    e1, e2 = np.exp(-(TE - LENGTH) / T1), np.exp(-(TE - LENGTH) / T2)
    # bart samples the pulse at its own 1 MHz raster and with single precision: 1e-4 of M0
    np.testing.assert_allclose(np.hypot(*theirs[:2]), np.hypot(m[0], m[1]) * e2, atol=1e-4)
    np.testing.assert_allclose(theirs[2], 1 + e1 * (m[2] - 1), atol=1e-4)


def test_bart_spoiled_gradient_echo_approaches_the_same_steady_state(bart):
    """Twenty repetitions, spoiled perfectly by bart, and here pulse by pulse with the transverse part set to zero."""
    count = 20
    theirs = bart(repetitions=count)
    ours, z = [], 1.0
    for _ in range(count):
        m = pulse_response(sinc(), PROTON.gamma_bar, t1=T1, t2=T2, start=(0.0, 0.0, z))
        ours.append(np.hypot(m[0], m[1]) * np.exp(-(TE - LENGTH) / T2))
        z = 1 + (m[2] - 1) * np.exp(-(TR - LENGTH) / T1)
    np.testing.assert_allclose(np.hypot(*theirs[:2]), ours, atol=2e-4)
    assert ours[0] > 2 * ours[-1]

"""The steady state with RF spoiling, solved for, against playing pulse after pulse until nothing changes."""

import numpy as np
import pytest

from mrsim.core._kernels.spoiled_steady import spoiled_steady

ORDERS = 90


def played(t1, t2, flip, tr, increment, pulses):
    """Return |M+| just after the last pulse, over M0: textbook phase graphs with the phases of the pulses."""
    plus, minus, z = (np.zeros(ORDERS + 2, complex) for _ in range(3))
    z[0] = 1.0
    e1, e2, phase = np.exp(-tr / t1), np.exp(-tr / t2), 0.0
    cos2, sin2, sin, cos = np.cos(flip / 2) ** 2, np.sin(flip / 2) ** 2, np.sin(flip), np.cos(flip)
    for pulse in range(pulses):
        phase += pulse * increment
        turn = np.exp(1j * phase)
        plus, minus, z = (
            cos2 * plus + turn**2 * sin2 * minus - 1j * turn * sin * z,
            sin2 * plus / turn**2 + cos2 * minus + 1j / turn * sin * z,
            -0.5j / turn * sin * plus + 0.5j * turn * sin * minus + cos * z,
        )
        signal = abs(plus[0])
        plus, minus, z = np.roll(plus, 1) * e2, np.roll(minus, -1) * e2, z * e1
        plus[0], minus[-1] = np.conj(minus[0]), 0.0
        z[0] += 1 - e1
    return signal


@pytest.mark.parametrize("kernel", [spoiled_steady, spoiled_steady.py_func], ids=["compiled", "python"])
@pytest.mark.parametrize("increment", [117.0, 50.0, 0.0])
def test_the_spoiled_steady_state_equals_playing_all_pulses(kernel, increment):
    tissues = [(0.3, 0.05, np.radians(30)), (0.8, 0.02, np.radians(8)), (0.2, 0.08, np.radians(80))]
    out, tr = np.zeros(len(tissues)), 0.025
    kernel(0, len(tissues), *map(np.array, zip(*tissues, strict=True)), tr, np.radians(increment), ORDERS, out)
    full = [played(*tissue, tr, np.radians(increment), 1000) for tissue in tissues]
    assert out == pytest.approx(full, rel=1e-9)


def test_a_tissue_whose_echoes_die_between_pulses_gives_ernst():
    out, t1, flip, tr = np.zeros(1), 0.9, np.radians(20), 0.02
    spoiled_steady(0, 1, np.array([t1]), np.array([5e-4]), np.array([flip]), tr, np.radians(117), 12, out)
    e1 = np.exp(-tr / t1)
    assert out[0] == pytest.approx(np.sin(flip) * (1 - e1) / (1 - e1 * np.cos(flip)), rel=1e-12)

"""Point spreads and displacements of built protocols against closed forms."""

import math

import numpy as np
import pytest

from mrsim.plan.distortion import distortions
from mrsim.plan.echo_times import sample_times
from mrsim.plan.resolution import half_width, resolutions
from mrsim.sequence.discretize import discretize
from mrsim.sequence.protocol import load_protocol
from mrsim.sequence.scanner import Scanner

SMALL = {"matrix": "32 16", "fov": "32 16 mm"}
EPI = {"slices": "1", "volumes": "1", "dummies": "0", "acceleration": "1", "calibration_lines": "0"}


def timeline(name, entries, field="3T"):
    return discretize(load_protocol(name, entries).build(Scanner.preset(field)))


class Still:
    """A tissue of one pool."""

    name = "still"

    def __init__(self, t2, t2_prime):
        self.t2, self.t2_prime = t2, t2_prime

    def pools(self, field):
        pool = type("Pool", (), {"pd": 1.0, "t2": self.t2, "t2_prime": self.t2_prime})
        return (pool,)


def test_width_without_decay_is_that_of_a_sinc():
    cycles = (np.arange(256) - 128) / 256
    assert half_width(np.ones(256), cycles) == pytest.approx(1.2067, abs=2e-3)


def test_decay_along_a_train_widens_as_its_lorentzian_does():
    """exp(-t / T2) over k from an edge on, cut off far out: |1 / (1/T - i 2 pi x)|, half at 2 pi x T = sqrt 3."""
    cycles = (np.arange(512) - 256) / 512
    for decay in (4.0, 8.0):  # time constants over the whole of k-space
        weight = np.exp(-(cycles + 0.5) * decay)
        lorentzian = 2 * math.sqrt(3) * decay / (2 * math.pi)
        assert half_width(weight, cycles) == pytest.approx(lorentzian, rel=0.12)  # the cut adds about 1/decay


def test_spin_echo_rephases_in_the_middle_of_its_readout():
    times = sample_times(timeline("disc-se", {**SMALL, "te": "20 ms", "dummies": "0"}), 0)
    readout, sample = times.centre
    assert times.dephasing[readout, sample] == pytest.approx(0, abs=1e-5)
    assert times.decay[readout, sample] == pytest.approx(20e-3, abs=1e-5)


def test_echoes_of_a_train_all_rephase():
    scan = timeline("disc-t2-mese", {**SMALL, "echoes": "4", "dummies": "0"})
    for echo in range(4):
        times = sample_times(scan, echo)
        readout, sample = times.centre
        assert times.dephasing[readout, sample] == pytest.approx(0, abs=1e-5)
        assert times.decay[readout, sample] == pytest.approx(12.6e-3 * (echo + 1), abs=1e-5)


@pytest.mark.parametrize(("field", "b0"), [("1.5T", 1.5), ("7T", 7.0)])
def test_displacement_is_shift_over_bandwidth(field, b0):
    """A line: 1e-6 gamma_bar B0 / bandwidth per pixel; an echo train: 1e-6 gamma_bar B0 N e."""
    line = {d.axis: d for d in distortions(timeline("disc-se", {**SMALL, "te": "20 ms", "dummies": "0"}, field))}
    assert line["read"].pixels == pytest.approx(42.577478518 * b0 / 195.3125, rel=1e-3)
    assert line["phase"].pixels == pytest.approx(0, abs=1e-6)
    entries = {**EPI, "matrix": "96 96", "fov": "240 240 mm", "te": "minimum"}
    train = {d.axis: d for d in distortions(timeline("brain-rsfmri", entries, field))}
    assert train["phase"].pixels == pytest.approx(42.577478518 * b0 * 96 * 0.7e-3, rel=1e-3)


def test_echo_train_blurs_short_t2_star_along_phase_alone():
    scan = timeline("brain-rsfmri", {**EPI, "te": "minimum"})
    found = {r.axis: r for r in resolutions(scan, (Still(20e-3, 20e-3),), 3.0)}
    slow = {r.axis: r for r in resolutions(scan, (Still(10.0, math.inf),), 3.0)}
    assert found["phase"].blur > 1.3
    assert found["read"].blur == pytest.approx(1, abs=0.01)
    assert slow["phase"].blur == pytest.approx(1, abs=0.01)
    assert slow["phase"].width == pytest.approx(1.2067 * slow["phase"].voxel, rel=0.01)

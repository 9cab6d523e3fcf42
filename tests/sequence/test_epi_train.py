"""The echo-planar line: limits met, k-space covered, blips of exact area, the shortest spacing."""

from __future__ import annotations

import numpy as np
import pytest

from mrsim.core.errors import InfeasibleError
from mrsim.sequence.epi_train import epi_line
from mrsim.sequence.gradients import area, logical_limits, moments
from mrsim.sequence.scanner import Scanner

CASES = [(64, 0.192), (96, 0.220), (128, 0.256)]


def lines(ramp_sampling, preset="3T"):
    scanner = Scanner.preset(preset)
    limits = logical_limits(scanner, np.eye(3))
    for samples, fov in CASES:
        step = 2 / (scanner.gamma_bar * fov)
        line = epi_line(scanner, limits, samples, fov, step, ramp_sampling=ramp_sampling)
        yield scanner, limits, samples, fov, step, line


def sample_k(line, gamma_bar, fov):
    """k at the samples in units of 1 / fov, from the middle of the lobe."""
    doubled = 2 * line.adc.delay + line.adc.dwell * (2 * np.arange(line.adc.samples) + 1)
    at = (moments(line.gradient, doubled // 2) + moments(line.gradient, (doubled + 1) // 2)) / 2
    return (at - line.area / 2) * gamma_bar * fov


@pytest.mark.parametrize("ramp_sampling", [True, False])
@pytest.mark.parametrize("preset", ["1.5T", "3T", "7T"])
def test_window_covers_k_space_without_gaps(ramp_sampling, preset):
    for scanner, limits, samples, fov, _, line in lines(ramp_sampling, preset):
        edges = np.array([line.adc.delay, line.adc.delay + line.adc.duration])
        covered = np.diff(moments(line.gradient, edges))[0] * scanner.gamma_bar * fov
        # Half a microsecond of a window start off its place on the ramp: 2e-5 of the lobe at most.
        assert covered == pytest.approx(samples, rel=2e-5)
        k = sample_k(line, scanner.gamma_bar, fov)
        assert np.max(np.diff(k)) <= 1 + 1e-9
        slew = np.abs(np.diff(line.gradient.amplitudes)) / (np.diff(line.gradient.times) * 1e-9)
        assert np.max(slew) <= limits.slew * (1 + 1e-9)
        assert np.max(line.gradient.amplitudes) <= limits.gradient * (1 + 1e-9)


def test_plateau_samples_lie_one_encoded_step_apart():
    for scanner, _, samples, fov, _, line in lines(False):
        k = sample_k(line, scanner.gamma_bar, fov)
        np.testing.assert_allclose(k, np.arange(samples) - (samples - 1) / 2, atol=1e-9 * samples)


def test_ramp_sampling_shortens_the_spacing():
    on_ramps = [line.spacing for *_, line in lines(True)]
    on_plateau = [line.spacing for *_, line in lines(False)]
    assert all(a < 0.8 * b for a, b in zip(on_ramps, on_plateau, strict=True))


def test_spacing_is_tight():
    for scanner, limits, samples, fov, step, line in lines(True):
        with pytest.raises(InfeasibleError, match=f"at least {line.spacing / 1e6:.6g} ms"):
            epi_line(scanner, limits, samples, fov, step, spacing=(line.spacing - 2 * limits.raster) * 1e-9)
        # No lobe, however it is shaped, can be much shorter: the triangle of full slew with blips cut off its ends.
        wanted, edge = samples / (scanner.gamma_bar * fov), line.adc.delay * 1e-9
        fastest = 2 * np.sqrt(wanted / limits.slew + edge**2)
        longest = wanted / limits.gradient + limits.gradient / limits.slew
        # A step of twice the raster, and the samples that rounding of the dwell leaves out at both ends.
        assert line.spacing * 1e-9 <= max(fastest, longest) + 40e-6


def test_blips_have_their_area_and_never_play_under_the_window():
    for _, _, _, _, step, line in lines(True):
        two = line.between(1.0, 0.5)
        t, g = two.times, two.amplitudes
        played = np.interp([line.adc.delay, line.adc.delay + line.adc.duration], t, g)
        np.testing.assert_allclose(played, 0.0, atol=1e-15)
        assert area(two) == pytest.approx(0.75 * step, rel=1e-12)
        assert line.between(0.0, 0.0) is None
        assert area(line.between(0.0, 1.0)) + area(line.between(1.0, 0.0)) == pytest.approx(step, rel=1e-12)


def test_longer_spacing_lowers_the_amplitude():
    for scanner, limits, samples, fov, step, line in lines(True):
        slow = epi_line(scanner, limits, samples, fov, step, spacing=(line.spacing + 200_000) * 1e-9)
        assert slow.spacing == line.spacing + 200_000
        assert np.max(slow.gradient.amplitudes) < np.max(line.gradient.amplitudes)

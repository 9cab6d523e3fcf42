"""Distortion and ghost of echo-planar images, from the played k and t by exact summation over points."""

from __future__ import annotations

import numpy as np
import pytest

from mrsim.sequence.discretize import discretize
from mrsim.sequence.families.gradient_echo_epi import GradientEchoEpi

N = 32
FOV = 0.192


def image_of(sequence, contrast=0, offset=0.0, turn=0.0, lag=0.0):
    """Simulate a disc of points and reconstruct it: least squares along the read axis, Fourier along the phase axis.

    `offset` in Hz; `turn` is a phase difference of odd and even lines, rad; `lag` a delay of the readout, s.
    """
    timeline = discretize(sequence)
    table = timeline.readouts
    use = (np.array(table.purpose) == "imaging") & (table.labels["contrast"] == contrast)
    step = FOV / N
    fine = (np.arange(-20, 21)) * step / 2
    x, y = (axis.ravel() for axis in np.meshgrid(fine, fine))
    weight = np.exp(-(x**2 + y**2) / (2 * (2.5 * step) ** 2))
    pixels = (np.arange(N) - N // 2) * step
    lines = np.zeros((N, N), complex)
    for row in np.flatnonzero(use):
        count = table.samples[row]
        k, t = table.k[row, :count], table.t[row, :count]
        phase = np.outer(k[:, 0], x) + np.outer(k[:, 1], y) + offset * (t + lag)[:, None]
        signal = np.exp(-2j * np.pi * phase) @ weight
        signal = signal * np.exp(0.5j * turn * (1 - 2 * table.labels["reverse"][row]))
        encode = np.exp(-2j * np.pi * np.outer(k[:, 0], pixels))
        lines[table.labels["line"][row]] = np.linalg.lstsq(encode, signal, rcond=None)[0]
    # With every second line left out the image folds onto itself half a field of view away; the object is small.
    return np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(lines, axes=0), axis=0), axes=0)


def centre_of(image):
    """Centre of mass along the phase axis, pixels from the middle, around the brightest pixel."""
    profile = np.sum(np.abs(image), axis=1)
    peak = int(np.argmax(profile))
    around = np.arange(peak - 10, peak + 11)
    return float(np.sum(around * profile[around % N]) / np.sum(profile[around % N]) - N // 2)


@pytest.mark.parametrize(("ramp_sampling", "shots"), [(True, 1), (False, 1), (True, 2)])
def test_off_resonance_shifts_by_df_echo_spacing_lines_over_shots(ramp_sampling, shots, scanner):
    protocol = GradientEchoEpi(fov=(FOV, FOV), matrix=(N, N), blips="both", te="minimum", tr="minimum", shots=shots,
                               ramp_sampling=ramp_sampling, navigator_lines=0)  # fmt: skip
    sequence = protocol.build(scanner)
    spacing = sequence.definitions["echo_spacing"]
    offset = 3.0 / (spacing * N) * shots
    # Precession exp(-i 2 pi df t) under exp(-i 2 pi k x): with the blips up the image moves towards +y by
    # df ESP N / shots pixels, with the blips down the other way.
    up, down = (centre_of(image_of(sequence, contrast, offset)) for contrast in (0, 1))
    rest = centre_of(image_of(sequence, 0, 0.0))
    assert abs(rest) < 0.02
    # The tails of the object that the window leaves out: hundredths of a pixel. Interleaved shots read neighbouring
    # lines at the same time, so that the phase goes in steps, whose ghost draws the centre of mass by some more.
    slack = 0.05 if shots == 1 else 0.1
    assert up == pytest.approx(offset * spacing * N / shots, abs=slack)
    assert down == pytest.approx(-up, abs=slack)


@pytest.mark.parametrize(("acceleration", "shots"), [(2, 1), (2, 2), (4, 1)])
def test_acceleration_divides_the_shift(acceleration, shots, scanner):
    protocol = GradientEchoEpi(fov=(FOV, FOV), matrix=(N, N), blips="both", te="minimum", tr="minimum", shots=shots,
                               acceleration=acceleration, navigator_lines=0)  # fmt: skip
    sequence = protocol.build(scanner)
    spacing, together = sequence.definitions["echo_spacing"], acceleration * shots
    assert sequence.encoding.sheet["effective_echo_spacing"] == pytest.approx(spacing / together, rel=1e-12)
    # B-5: df ESP N / R. Two pixels: the copies, N / R pixels apart, do not reach each other's centres.
    offset = 2.0 / (spacing * N) * together
    for contrast, sign in ((0, 1), (1, -1)):
        rest, moved = (image_of(sequence, contrast, df) for df in (0.0, offset))
        assert shift_between(rest, moved) == pytest.approx(sign * offset * spacing * N / together, abs=0.02)
        assert shift_between(rest, moved) == pytest.approx(sign * 2.0, abs=0.02)


def shift_between(rest, moved):
    """Pixels along the phase axis by which an image moved: the slope of the phase between the measured lines."""
    before, after = (np.fft.fftshift(np.fft.fft(np.fft.ifftshift(i, axes=0), axis=0), axes=0) for i in (rest, moved))
    product = np.sum(after * np.conj(before), axis=1)
    read = np.abs(product) > 1e-6 * np.abs(product).max()
    lines, turns = np.arange(N)[read] - N // 2, np.unwrap(np.angle(product[read])) / (2 * np.pi)
    return float(-np.polyfit(lines, turns, 1, w=np.abs(product[read]))[0] * N)


@pytest.mark.parametrize(("degrees", "expected"), [(5.0, 0.0437), (10.0, 0.0875)])
def test_odd_even_phase_leaves_a_ghost_half_the_field_of_view_away(degrees, expected, scanner):
    protocol = GradientEchoEpi(fov=(FOV, FOV), matrix=(N, N), te="minimum", tr="minimum", navigator_lines=0)
    image = np.abs(image_of(protocol.build(scanner), turn=np.radians(degrees)))
    main, ghost = image[N // 2, N // 2], image[0, N // 2]
    half = np.radians(degrees) / 2
    assert ghost / main == pytest.approx(np.tan(half), abs=2e-4)
    assert ghost / main == pytest.approx(expected, abs=2e-4)
    clean = np.abs(image_of(protocol.build(scanner)))
    assert clean[0, N // 2] < 1e-4 * clean[N // 2, N // 2]
    assert main / clean[N // 2, N // 2] == pytest.approx(np.cos(half), abs=1e-4)

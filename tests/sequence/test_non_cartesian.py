"""Radial, ultrashort-echo and spiral families: what is played, where it samples, and how early."""

from __future__ import annotations

import math
import re
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from isochromats import mean_signal
from walk import between_pulses, played_k

from mrsim.core.errors import InfeasibleError, InputError
from mrsim.sequence.discretize import discretize
from mrsim.sequence.families.radial_gradient_echo import GOLDEN, RadialGradientEcho
from mrsim.sequence.families.spiral_gradient_echo import SpiralGradientEcho, spiral_path
from mrsim.sequence.families.ute_radial import UteRadial, golden_directions
from mrsim.sequence.preparations import FatSaturation
from mrsim.sequence.scanner import Scanner

PRESETS = {name: Scanner.preset(name) for name in ("1.5T", "3T", "7T")}
SMALL = {
    RadialGradientEcho: {"matrix": (32, 32), "spokes": 7},
    SpiralGradientEcho: {"matrix": 48, "interleaves": 5, "tr": "minimum"},
    UteRadial: {"matrix": 32, "spokes": 7},
}
TIMES = {
    "te": st.one_of(st.just("minimum"), st.integers(20, 900).map(lambda n: n * 10e-6)),
    "tr": st.one_of(st.just("minimum"), st.integers(200, 5000).map(lambda n: n * 20e-6)),
}
COMMON = TIMES | {
    "orientation": st.sampled_from(["sagittal", "coronal", "axial"]),
    "tilt": st.sampled_from([0.0, 0.3]),
    "in_plane": st.sampled_from([0.0, 0.7]),
    "max_slew": st.sampled_from([40.0, 70.0, 200.0]),
    "averages": st.sampled_from([1, 2]),
    "dummies": st.sampled_from([0, 2]),
    "phase_increment": st.sampled_from([0.0, math.radians(117)]),
    "spoiler_cycles": st.floats(0.0, 6.0),
    "pulse": st.sampled_from(["sinc", "sinc", "hard", "slr"]),
    "window": st.sampled_from(["hamming", "hann"]),
    "time_bandwidth": st.sampled_from([2.0, 4.0, 8.0]),
}
FLIPS = st.lists(st.floats(0.05, 1.0), min_size=1, max_size=2).map(tuple)
DRAWN = {
    RadialGradientEcho: COMMON
    | {
        "partial_fourier": st.sampled_from([1.0, 1.0, 1.0, 0.75]),
        "acceleration": st.sampled_from([1, 1, 1, 2]),
        "calibration_lines": st.sampled_from([0, 0, 0, 8]),
        "sampling": st.sampled_from(["regular", "regular", "regular", "random"]),
        "fov": st.integers(40, 250).map(lambda v: (v * 1e-3, v * 1e-3)),
        "matrix": st.integers(8, 24).map(lambda n: (2 * n, 2 * n)),
        "slice_thickness": st.floats(2e-3, 10e-3),
        "slices": st.sampled_from([1, 1, 3]),
        "slice_gap": st.sampled_from([0.0, 1e-3]),
        "slice_order": st.sampled_from(["ascending", "interleaved"]),
        "pixel_bandwidth": st.floats(100.0, 2000.0),
        "excitation_duration": st.sampled_from([0.5e-3, 1e-3, 2e-3]),
        "spokes": st.integers(1, 6),
        "angles": st.sampled_from(["golden", "uniform"]),
        "flip": FLIPS,
    },
    SpiralGradientEcho: COMMON
    | {
        "fov": st.integers(40, 250).map(lambda v: v * 1e-3),
        "matrix": st.integers(8, 32),
        "slice_thickness": st.floats(2e-3, 10e-3),
        "interleaves": st.integers(1, 8),
        "excitation_duration": st.sampled_from([0.5e-3, 1e-3, 2e-3]),
        "flip": FLIPS,
    },
    UteRadial: COMMON
    | {
        "fov": st.integers(40, 250).map(lambda v: v * 1e-3),
        "matrix": st.integers(8, 48),
        "pixel_bandwidth": st.floats(200.0, 3000.0),
        "spokes": st.integers(1, 8),
        "excitation_duration": st.sampled_from([40e-6, 60e-6, 200e-6]),
        "flip": st.floats(0.02, 0.4),
        "te": st.sampled_from(["minimum", (100e-6, 1e-3), (40e-6,)]),
    },
}


def assert_contract(protocol, sequence):
    assert sequence.check() == ()
    timeline = discretize(sequence)
    table = timeline.readouts
    k, t = played_k(timeline)
    scale = np.max(np.abs(timeline.moment))
    np.testing.assert_allclose(k, table.k, atol=1e-9 * scale, rtol=0)
    np.testing.assert_allclose(t, table.t, atol=1e-12, rtol=0)
    assert sequence.encoding.k_from == "trajectory"
    te = sequence.encoding.contrast["te"][table.labels["contrast"]]
    centre = np.argmin(np.linalg.norm(table.k, axis=2), axis=1)
    at = np.take_along_axis(table.t, centre[:, None], axis=1)[:, 0]
    # The sample nearest to k = 0 lies at te within half a dwell (windows of half spokes start there).
    assert np.all(np.abs(at - te) <= table.dwell / 2 + 1e-12)
    # Nothing is left in the plane; the slice axis collects the same every time.
    moments = between_pulses(timeline).reshape(-1, 3)
    np.testing.assert_allclose(moments[:, :2], 0.0, atol=1e-9 * scale)
    np.testing.assert_allclose(moments[:, 2], moments[:1, 2].repeat(len(moments)), atol=1e-9 * scale)
    # All of k-space out to the edge of the matrix, within a sample or two.
    pixel = sequence.encoding.grid.spacing[0]
    assert np.linalg.norm(table.k, axis=2).max() >= 0.5 / pixel * (1 - 4 / sequence.encoding.grid.shape[2])


@pytest.mark.parametrize("field", PRESETS)
@pytest.mark.parametrize("family", SMALL, ids=lambda family: family.name)
def test_family_keeps_its_contract_on_every_preset(family, field):
    protocol = family(**SMALL[family])
    assert_contract(protocol, protocol.build(PRESETS[field]))


@pytest.mark.parametrize("family", SMALL, ids=lambda family: family.name)
def test_family_builds_clean_or_refuses(family):
    drawn = DRAWN[family]
    assert {entry.name for entry in fields(family)} - set(drawn) <= {"centre", "preparation"}
    built, refusals = [], []

    @settings(max_examples=25, deadline=None, derandomize=True, database=None,
              suppress_health_check=[HealthCheck.too_slow])  # fmt: skip
    @given(st.fixed_dictionaries({}, optional=drawn), st.sampled_from(sorted(PRESETS)))
    def draw(values, field):
        try:
            protocol = family(**(SMALL[family] | values))
            sequence = protocol.build(PRESETS[field])
        except (InfeasibleError, InputError) as error:
            refusals.append(str(error))
            return
        built.append(protocol)
        assert_contract(protocol, sequence)

    draw()
    assert len(built) >= 8
    remedy = re.compile("lower|raise|use|nearest|at least|make|needs more than|must")
    assert [message for message in refusals if not remedy.search(message)] == []


@pytest.mark.parametrize("family", SMALL, ids=lambda family: family.name)
def test_family_follows_other_rasters(family, scanner):
    coarse = replace(scanner, gradient_raster=4e-6, rf_raster=2e-6, adc_raster=2e-6, block_raster=20e-6)
    # Pulses are multiples of 40 us there.
    changes = {"excitation_duration": 80e-6} if family is UteRadial else {}
    protocol = family(**SMALL[family] | changes)
    assert_contract(protocol, protocol.build(coarse))


@pytest.mark.parametrize("family", SMALL, ids=lambda family: family.name)
def test_samples_carry_the_phase_of_their_k(family, scanner):
    protocol = family(**SMALL[family], phase_increment=0.0, pulse="hard") if family is not UteRadial else None
    protocol = protocol or family(**SMALL[family], phase_increment=0.0)
    timeline = discretize(protocol.build(scanner))
    place = np.array([[7e-3, -11e-3, 0.0]])
    for sample in (3, 12):
        # No relaxation, no offset; the first excitation meets equilibrium.
        there = mean_signal(timeline, place, 1e9, 1e9, sample=sample)[0]
        middle = mean_signal(timeline, np.zeros((1, 3)), 1e9, 1e9, sample=sample)[0]
        expected = np.exp(-2j * np.pi * (timeline.readouts.k[0, sample] @ place[0]))
        assert there / middle == pytest.approx(expected, abs=1e-6)


def test_spokes_turn_by_the_golden_angle(scanner):
    table = discretize(RadialGradientEcho(matrix=(32, 32), spokes=6).build(scanner)).readouts
    angles = np.arctan2(table.k[:, -1, 1], table.k[:, -1, 0])
    np.testing.assert_allclose(np.exp(1j * np.diff(angles)), np.exp(1j * GOLDEN), atol=1e-9)
    assert math.degrees(GOLDEN) == pytest.approx(111.246, abs=1e-3)


def test_golden_directions_cover_the_sphere():
    directions = golden_directions(500)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1.0, atol=1e-12)
    # The mean of x x^T over an even cover is a third of the identity.
    np.testing.assert_allclose(directions.T @ directions / 500, np.eye(3) / 3, atol=0.01)
    nearest = np.sort(np.arccos(np.clip(directions @ directions.T, -1, 1)), axis=1)[:, 1]
    # An even cover of 500 has neighbours about sqrt(4 pi / 500) = 9 degrees apart; golden means keep at least a third.
    assert np.degrees(nearest.min()) > 3.0


def test_earliest_echo_is_half_the_pulse_and_the_dead_times(scanner):
    sequence = UteRadial(matrix=32, spokes=2, excitation_duration=60e-6).build(scanner)
    # 30 us of pulse, 30 us of ringdown, 20 us of receiver dead time.
    assert sequence.encoding.contrast["te"][0] == pytest.approx(80e-6, abs=1e-12)
    table = discretize(sequence).readouts
    assert table.t[0, 0] == pytest.approx(80e-6 + table.dwell[0] / 2, abs=1e-12)
    with pytest.raises(InfeasibleError, match=r"te 0\.07 ms is shorter than 0\.08 ms"):
        UteRadial(matrix=32, spokes=2, te=(70e-6,)).build(scanner)


@pytest.mark.parametrize(("t2", "degrees", "duration", "across"), [(0.5e-3, 15.0, 0.3e-3, 0.194640)])
def test_short_t2_decays_during_the_pulse(scanner, t2, degrees, duration, across):
    protocol = UteRadial(matrix=16, spokes=1, flip=math.radians(degrees), excitation_duration=duration)
    sequence = protocol.build(scanner)
    timeline = discretize(sequence)
    seen = abs(mean_signal(split(timeline), np.zeros((1, 3)), 1e9, t2, sample=0)[0])
    # B-33 of the physics notes (Sussman), then decay from the end of the pulse to the sample.
    after = timeline.readouts.t[0, 0] - duration / 2
    assert seen == pytest.approx(across * math.exp(-after / t2), rel=1e-3)


def split(timeline, parts=200):
    """Return a timeline whose pulses are cut into more steps, for splitting of rotation and relaxation."""
    cut = [
        replace(
            pulse,
            dt=np.repeat(pulse.dt / parts, parts),
            b1=np.repeat(pulse.b1, parts),
            gradient=np.repeat(pulse.gradient, parts, axis=0),
        )
        for pulse in timeline.pulses
    ]
    return replace(timeline, pulses=tuple(cut))


def test_spiral_follows_its_path_within_a_raster_step(scanner):
    protocol = SpiralGradientEcho(matrix=64, interleaves=8)
    sequence = protocol.build(scanner)
    k = discretize(sequence).readouts.k[0, :, :2]
    path = spiral_path(protocol.fov, 64, 8)
    away = np.array([np.min(np.linalg.norm(path - point, axis=1)) for point in k[::5]])
    # Straight lines between amplitudes 10 us apart round the path off: under a fifth of 1 / fov.
    assert away.max() < 0.2 / protocol.fov
    # Neighbouring samples, and neighbouring turns of all interleaves, are at most 1 / fov apart.
    assert np.linalg.norm(np.diff(k, axis=0), axis=1).max() <= 1.0 / protocol.fov
    radius = np.linalg.norm(path, axis=1)
    turns = np.interp(np.arange(1, 4) * 2 * np.pi, np.unwrap(np.arctan2(path[1:, 1], path[1:, 0])), radius[1:])
    np.testing.assert_allclose(np.diff(turns), 8 / protocol.fov, rtol=1e-3)


def test_spiral_uses_most_of_the_slew(scanner):
    protocol = SpiralGradientEcho(matrix=96, interleaves=16)
    block = next(block for block in protocol.build(scanner).blocks if block.name == "read")
    slew = np.hypot(
        *(np.diff(lobe.amplitudes[:100]) / np.diff(lobe.times[:100] * 1e-9) for lobe in (block.gx, block.gy))
    )
    assert np.median(slew) > 0.75 * 70.0
    assert slew.max() <= 70.0 * 1.0001


def test_preparation_plays_before_every_shot(scanner):
    for family in (SpiralGradientEcho, RadialGradientEcho, UteRadial):
        sequence = family(**SMALL[family] | {"tr": 0.1}, preparation=(FatSaturation(),)).build(scanner)
        names = [block.name for block in sequence.blocks]
        assert names.count("saturate fat") == names.count("excite")
        assert sequence.check() == ()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RadialGradientEcho(matrix=(32, 16)), "matrix: is 32 x 16; use a square"),
        (lambda: RadialGradientEcho(fov=(0.1, 0.2)), "fov: is 100 x 200 mm; use a square"),
        (lambda: UteRadial(pixel_bandwidth=50e3, fov=0.02, matrix=16), "pixel_bandwidth"),
        (lambda: SpiralGradientEcho(interleaves=0), "interleaves: is 0; it must be at least 1"),
        (lambda: SpiralGradientEcho(tr=5e-3), "raise tr or use more interleaves"),
    ],
)
def test_impossible_protocol_names_value_and_remedy(make, message, scanner):
    with pytest.raises((InputError, InfeasibleError), match=message):
        make().build(scanner)

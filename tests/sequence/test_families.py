"""The contract of every registered family, on defaults and on randomly drawn protocols."""

from __future__ import annotations

import math
import re
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from walk import between_pulses, played_k

from mrsim.core.errors import InfeasibleError, InputError
from mrsim.sequence.discretize import discretize
from mrsim.sequence.families import FAMILIES
from mrsim.sequence.families.multi_echo_gradient_echo import MultiEchoGradientEcho
from mrsim.sequence.families.multi_echo_spin_echo import MultiEchoSpinEcho
from mrsim.sequence.families.spin_echo import SpinEcho
from mrsim.sequence.families.spoiled_gradient_echo import SpoiledGradientEcho
from mrsim.sequence.scanner import Scanner
from mrsim.sequence.timeline import READOUT, RF

PRESETS = {name: Scanner.preset(name) for name in ("1.5T", "3T", "7T")}

SHARED = {
    "fov": st.tuples(st.integers(20, 300), st.integers(20, 300)).map(lambda v: (v[0] * 1e-3, v[1] * 1e-3)),
    "matrix": st.tuples(st.integers(16, 32), st.integers(2, 9)),
    "slice_thickness": st.floats(1e-3, 10e-3),
    "pixel_bandwidth": st.floats(50.0, 3000.0),
    "orientation": st.sampled_from(["sagittal", "coronal", "axial"]),
    "tilt": st.sampled_from([0.0, 0.3, -1.0]),
    "in_plane": st.sampled_from([0.0, 0.7]),
    "pulse": st.sampled_from(["sinc", "sinc", "sinc", "hard", "slr"]),
    "window": st.sampled_from(["hamming", "hann"]),
    "excitation_duration": st.sampled_from([0.5e-3, 1e-3, 2e-3, 3e-3, 5.12e-3]),
    "time_bandwidth": st.sampled_from([2.0, 4.0, 6.0]),
    "slices": st.sampled_from([1, 1, 2, 3]),
    "slice_gap": st.sampled_from([0.0, 1e-3]),
    "slice_order": st.sampled_from(["ascending", "descending", "interleaved"]),
    "averages": st.sampled_from([1, 2]),
    "max_slew": st.sampled_from([40.0, 70.0, 200.0, 500.0]),
    "dummies": st.sampled_from([0, 1, 3]),
    "partial_fourier": st.sampled_from([1.0, 1.0, 0.75]),
    "acceleration": st.sampled_from([1, 1, 1, 2]),
    "calibration_lines": st.sampled_from([0, 0, 3, 8]),
    "sampling": st.sampled_from(["regular", "regular", "random"]),
}
REFOCUSED = {
    "flip": st.floats(0.3, math.pi / 2),
    "refocusing_flip": st.floats(1.5, math.pi),
    "refocusing_duration": st.sampled_from([2e-3, 4e-3, 6e-3, 8e-3]),
    "refocusing_width": st.sampled_from([1.0, 1.2, 3.0]),
    "crusher_cycles": st.floats(0.0, 16.0),
    "spoiler_cycles": st.floats(0.0, 30.0),
    "crusher_scheme": st.sampled_from(["equal", "equal", "alternating"]),
}
RECALLED = {
    "phase_increment": st.sampled_from([0.0, math.radians(50), math.radians(117)]),
    "spoiler_cycles": st.floats(0.0, 16.0),
}
SPACING = st.one_of(st.just("minimum"), st.integers(100, 3000).map(lambda n: n * 20e-6))
TR = st.one_of(st.just("minimum"), st.integers(500, 100_000).map(lambda n: n * 10e-6))
OWN = {
    "spin-echo": REFOCUSED | {"te": SPACING.map(lambda t: t if t == "minimum" else (0.02, 0.05, t)), "tr": TR},
    "inversion-recovery-spin-echo": REFOCUSED
    | {
        "te": SPACING,
        "tr": TR,
        "ti": st.one_of(st.just("minimum"), st.just((0.1, 0.02)), st.just((0.005,))),
        "inversion_flip": st.sampled_from([2.5, math.pi]),
        "inversion_duration": st.sampled_from([4e-3, 8e-3]),
        "inversion_width": st.sampled_from([1.0, 1.5]),
    },
    "spoiled-gradient-echo": RECALLED
    | {
        "flip": st.lists(st.floats(0.05, 1.5), min_size=1, max_size=2).map(tuple),
        "te": SPACING,
        "tr": TR,
        "bands": st.sampled_from([1, 1, 1, 2]),
        "band_shift": st.sampled_from([0.5, 0.25]),
    },
    "multi-echo-gradient-echo": RECALLED
    | {
        "flip": st.floats(0.05, 1.5),
        "te": SPACING,
        "tr": TR,
        "echo_spacing": SPACING,
        "echoes": st.integers(1, 6),
        "readout": st.sampled_from(["monopolar", "bipolar"]),
    },
    "bloch-siegert": RECALLED
    | {
        "flip": st.floats(0.05, 1.5),
        "te": SPACING,
        "tr": TR,
        "offset": st.sampled_from([2000.0, 4000.0]),
        "pulse_duration": st.sampled_from([4e-3, 8e-3]),
        "peak": st.sampled_from([5e-6, 8e-6, 20e-6]),
    },
    "turbo-spin-echo": REFOCUSED
    | {
        "te": st.one_of(st.just("minimum"), st.just("minimum"), st.integers(5, 60).map(lambda n: n * 1e-3)),
        "echo_train": st.integers(1, 6),
        "echo_spacing": st.one_of(st.just("minimum"), st.integers(8, 30).map(lambda n: n * 1e-3)),
        "tr": TR,
        "ordering": st.sampled_from(["shifted", "linear", "centric"]),
        "refocusing_flips": st.sampled_from([(), (2.5,), (2.8, 2.2)]),
        "refocusing_flip_at": st.sampled_from([{}, {7.0: 2.0}]),
    },
    "multi-echo-spin-echo": REFOCUSED | {"echoes": st.integers(1, 6), "echo_spacing": SPACING, "tr": TR},
}
LINE_BY_LINE = tuple(family for family in FAMILIES if family.name in OWN)
"""Families of Cartesian lines with a symmetric readout; the others have contracts of their own."""


def assert_plays_what_it_says(sequence):
    """Check everything that the engines rely on, from the played waveforms alone."""
    assert sequence.check() == ()
    timeline = discretize(sequence)
    k, t = played_k(timeline)
    # Moments are sums of about a thousand doubles of up to 1e5 1/m: 1e-9 of the largest k is round-off.
    scale = np.max(np.abs(timeline.moment))
    np.testing.assert_allclose(k, timeline.readouts.k, atol=1e-9 * scale, rtol=0)
    np.testing.assert_allclose(t, timeline.readouts.t, atol=1e-12, rtol=0)
    assert_echo_at_te(sequence, timeline)
    assert_moments_commensurate(sequence, timeline, scale)
    assert np.array_equal(timeline.start[1:], (timeline.start + timeline.duration)[:-1])
    assert np.all(timeline.duration > 0)
    assert int(timeline.start[-1] + timeline.duration[-1]) == sum(block.duration for block in sequence.blocks)


def assert_echo_at_te(sequence, timeline):
    table = timeline.readouts
    centre = np.argmin(np.abs(table.k[:, :, 0]), axis=1)
    assert np.all(table.k[np.arange(len(centre)), centre, 0] == 0.0)
    te = sequence.encoding.contrast["te"][table.labels["contrast"]]
    # Where a train fills one image, its te is that of the central line.
    central = table.k[np.arange(len(centre)), centre, 1] == 0.0 if "echo" in table.labels else np.s_[:]
    # Half a dwell is what a user may ask; the sample lies on the echo itself.
    np.testing.assert_allclose(table.t[np.arange(len(centre)), centre][central], te[central], atol=1e-12, rtol=0)


def assert_moments_commensurate(sequence, timeline, scale):
    moments = between_pulses(timeline)
    # Nothing is left on the phase axis between two pulses.
    np.testing.assert_allclose(moments[:, 1], 0.0, atol=1e-9 * scale)
    # The read axis collects whole numbers of half a readout lobe.
    lobe = next(block.gx for block in sequence.blocks if block.adc is not None)
    half = np.trapezoid(lobe.amplitudes, lobe.times * 1e-9) * timeline.gamma_bar / 2
    np.testing.assert_allclose(moments[:, 0] / half, np.round(moments[:, 0] / half), atol=1e-9)


def assert_says_what_is_possible(message):
    """A refusal holds what was asked and what is possible, and a remedy."""
    assert len(re.findall(r"\d+(?:\.\d+)?", message)) >= 2
    assert re.search(r"lower|raise|use|nearest|at least|make|needs more than", message)


@pytest.mark.parametrize("field", PRESETS)
@pytest.mark.parametrize("family", LINE_BY_LINE, ids=lambda family: family.name)
def test_family_defaults_play_on_every_preset(family, field):
    sequence = family().build(PRESETS[field])
    assert_plays_what_it_says(sequence)


@pytest.mark.parametrize("family", LINE_BY_LINE, ids=lambda family: family.name)
def test_family_builds_clean_or_refuses(family):
    # Class fields hold the whole protocol: a new field that is not drawn here would go untested.
    drawn = SHARED | OWN[family.name]
    assert {entry.name for entry in fields(family)} - set(drawn) <= {"centre", "preparation"}
    outcomes = {"built": 0, "refused": 0}

    @settings(max_examples=200, deadline=None, derandomize=True, database=None,
              suppress_health_check=[HealthCheck.too_slow])  # fmt: skip
    @given(st.fixed_dictionaries({}, optional=drawn), st.sampled_from(sorted(PRESETS)))
    def draw(values, field):
        small = {"matrix": (16, 5)} | values
        try:
            sequence = family(**small).build(PRESETS[field])
        except (InfeasibleError, InputError) as error:
            outcomes["refused"] += 1
            assert_says_what_is_possible(str(error))
            return
        outcomes["built"] += 1
        assert_plays_what_it_says(sequence)

    draw()
    assert outcomes["built"] >= 30
    assert outcomes["refused"] >= 5


@pytest.mark.parametrize("cycles", [2.2393088088944035e-271, 0.0011859957054280836])
def test_spin_echo_with_hardly_any_crusher_plays(cycles):
    assert_plays_what_it_says(SpinEcho(matrix=(16, 5), crusher_cycles=cycles).build(PRESETS["1.5T"]))


@pytest.mark.parametrize("family", LINE_BY_LINE, ids=lambda family: family.name)
def test_family_follows_other_rasters(family, scanner):
    # Coarser blocks than gradients, RF on 2 us, receiver on 2 us: another vendor's habits.
    coarse = replace(scanner, gradient_raster=4e-6, rf_raster=2e-6, adc_raster=2e-6, block_raster=20e-6)
    assert_plays_what_it_says(family(matrix=(16, 5)).build(coarse))


@pytest.mark.parametrize(
    ("protocol", "key"),
    [
        (SpinEcho, "te"),
        (MultiEchoSpinEcho, "echo_spacing"),
        (SpoiledGradientEcho, "te"),
        (MultiEchoGradientEcho, "echo_spacing"),
    ],
)
def test_minimum_time_is_tight(protocol, key, scanner):
    least = protocol(matrix=(32, 32), **{key: "minimum"}).build(scanner)
    te = least.encoding.contrast["te"]
    shortest = float(te[1] - te[0]) if key == "echo_spacing" else float(te[0])
    step = 20e-6 if issubclass(protocol, (SpinEcho, MultiEchoSpinEcho)) else 10e-6
    below = shortest - step
    with pytest.raises(InfeasibleError, match=rf"{key} {below * 1e3:.6g} ms .*{shortest * 1e3:.6g} ms"):
        protocol(matrix=(32, 32), **{key: (below,) if protocol is SpinEcho else below}).build(scanner)
    exact = protocol(matrix=(32, 32), **{key: (shortest,) if protocol is SpinEcho else shortest}).build(scanner)
    assert exact.check() == ()


def test_minimum_tr_leaves_no_wait(scanner):
    sequence = SpinEcho(matrix=(16, 16), tr="minimum", te="minimum").build(scanner)
    assert all(block.name != "wait" or block.duration < 3_000_000 for block in sequence.blocks)
    tr = sequence.definitions["tr"]
    with pytest.raises(InfeasibleError, match="of which the echo time takes most"):
        SpinEcho(matrix=(16, 16), tr=tr - 10e-6, te="minimum").build(scanner)


def test_cpmg_sides_are_equal_on_all_axes(scanner):
    timeline = discretize(MultiEchoSpinEcho(matrix=(16, 16), echoes=5, tr=0.2).build(scanner))
    moments = between_pulses(timeline)[:5]
    # Excitation to refocusing: half of refocusing to refocusing, on read and on slice.
    np.testing.assert_allclose(moments[1:], np.broadcast_to(2 * moments[0], (4, 3)), rtol=1e-10, atol=1e-6)
    assert moments[0, 2] * 4e-3 > 4.0  # four cycles of crusher and the slice gradient's own


def test_crusher_cycles_are_what_the_protocol_says(scanner):
    def slice_moment(cycles):
        protocol = MultiEchoSpinEcho(matrix=(16, 16), echoes=2, tr=0.2, crusher_cycles=cycles)
        return between_pulses(discretize(protocol.build(scanner)))[1, 2] * protocol.slice_thickness

    assert slice_moment(5.0) - slice_moment(0.0) == pytest.approx(2 * 5.0, rel=1e-9)


def test_spoiler_completes_whole_cycles_between_excitations(scanner):
    protocol = SpoiledGradientEcho(matrix=(16, 16), spoiler_cycles=4.0)
    moments = between_pulses(discretize(protocol.build(scanner)))
    np.testing.assert_allclose(moments[:, 2] * protocol.slice_thickness, 4.0, rtol=1e-9)


def test_rf_spoiling_is_quadratic_and_the_receiver_follows(scanner):
    timeline = discretize(SpoiledGradientEcho(matrix=(16, 32), dummies=3).build(scanner))
    rf = np.degrees(timeline.phase[timeline.kind == RF])
    n = np.arange(len(rf))
    expected = 90.0 + 117.0 * n * (n + 1) / 2
    np.testing.assert_allclose(np.exp(1j * np.radians(rf)), np.exp(1j * np.radians(expected)), atol=1e-9)
    follow = np.exp(1j * (timeline.readouts.phase - np.radians(expected[3:] - 90.0)))
    np.testing.assert_allclose(follow, 1.0, atol=1e-9)


def test_dummies_play_but_do_not_receive(scanner):
    protocol = MultiEchoSpinEcho(matrix=(16, 16), echoes=2, tr=0.1, dummies=2, averages=2)
    timeline = discretize(protocol.build(scanner))
    assert len(timeline.tr_start) == 2 + 2 * 16
    assert np.all(timeline.kind[: timeline.tr_start[2]] != READOUT)
    labels = timeline.readouts.labels
    assert np.array_equal(labels["line"], np.tile(np.repeat(np.arange(16), 2), 2))
    assert np.array_equal(labels["average"], np.repeat([0, 1], 32))
    assert np.array_equal(labels["contrast"], np.tile([0, 1], 32))


def test_bipolar_readouts_fall_on_the_same_k(scanner):
    protocol = MultiEchoGradientEcho(matrix=(16, 16), echoes=3, readout="bipolar", echo_spacing="minimum")
    table = discretize(protocol.build(scanner)).readouts
    forward, backward = table.k[0, :, 0], table.k[1, :, 0]
    assert np.array_equal(forward, backward[::-1])
    assert np.array_equal(table.labels["reverse"], np.tile([0, 1, 0], 16))


def test_slices_are_never_selected_while_receiving(scanner):
    for family in LINE_BY_LINE:
        timeline = discretize(family(matrix=(16, 16)).build(scanner))
        assert np.all(timeline.readouts.moment[:, :, 1:] == 0.0)
        for pulse in timeline.pulses:
            assert np.all(pulse.gradient[:, :2] == 0.0)
            # In the plateau: round-off of differences of areas.
            np.testing.assert_allclose(pulse.gradient[:, 2], pulse.gradient[0, 2], rtol=1e-9)


def test_bandwidth_far_from_the_raster_is_refused_with_a_neighbour(scanner):
    with pytest.raises(InputError, match=r"the nearest is 1562\.5 Hz"):
        SpinEcho(matrix=(160, 128), pixel_bandwidth=1900.0).build(scanner)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fov": (0.1,)}, "fov: has 1 values; expected 2"),
        ({"fov": (0.1, -0.1)}, "fov: is 100 mm, -100 mm; it must be positive"),
        ({"matrix": (128, 1)}, "matrix"),
        ({"slice_thickness": -1e-3}, "slice_thickness: is -1 mm; it must be positive and at most 10 m"),
        ({"orientation": "sagital"}, "unknown orientation 'sagital'"),
        ({"refocusing_flip": 4.0}, "refocusing_flip: is 229.183 deg; it must lie between 0 and 180 deg"),
        ({"averages": 0}, "averages: is 0; it must lie between 1 and 4096"),
        ({"te": (0.020005,)}, "use 20 ms or 20.02 ms"),
        ({"slice_thickness": 0.1e-3}, "make the slice at least 0.522 mm thick"),
        ({"refocusing_duration": 1e-3}, "above the 14 uT of scanner 3T; make it at least 3.36 ms long"),
        ({"excitation_duration": 3.01e-3}, "the nearest is 3"),
        ({"fov": (0.01, 0.1), "pixel_bandwidth": 1000.0, "matrix": (160, 128)}, "lower pixel_bandwidth"),
    ],
)
def test_impossible_protocol_names_value_and_remedy(change, message, scanner):
    with pytest.raises((InputError, InfeasibleError), match=re.escape(message)):
        SpinEcho(**change).build(scanner)

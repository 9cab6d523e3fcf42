"""The contract of the echo-planar families: timing, k-space, b-matrix, on defaults and on random protocols."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from walk import pulse_halves

from mrsim.core.errors import InfeasibleError, InputError
from mrsim.sequence.b_matrix import b_of_contrasts
from mrsim.sequence.discretize import discretize
from mrsim.sequence.families import FAMILIES
from mrsim.sequence.families.diffusion_epi import DiffusionEpi
from mrsim.sequence.families.echo_planar import EchoPlanar
from mrsim.sequence.families.gradient_echo_epi import GradientEchoEpi
from mrsim.sequence.families.spin_echo_epi import SpinEchoEpi
from mrsim.sequence.scanner import Scanner
from mrsim.sequence.timeline import FREE, RF

ECHO_PLANAR = tuple(family for family in FAMILIES if issubclass(family, EchoPlanar))
PRESETS = {name: Scanner.preset(name) for name in ("1.5T", "3T", "7T")}
DRAWN = {
    "matrix": st.sampled_from([(16, 12), (32, 16), (24, 9)]),
    "fov": st.tuples(st.integers(60, 300), st.integers(60, 300)).map(lambda v: (v[0] * 1e-3, v[1] * 1e-3)),
    "pixel_bandwidth": st.floats(800.0, 6000.0),
    "slice_thickness": st.floats(1.5e-3, 8e-3),
    "orientation": st.sampled_from(["sagittal", "coronal", "axial"]),
    "tilt": st.sampled_from([0.0, 0.3]),
    "pulse": st.sampled_from(["sinc", "slr"]),
    "excitation_duration": st.sampled_from([2e-3, 3e-3]),
    "slices": st.sampled_from([1, 2, 3]),
    "averages": st.sampled_from([1, 2]),
    "max_slew": st.sampled_from([50.0, 70.0, 120.0, 200.0]),
    "train_slew": st.sampled_from([70.0, 120.0, 200.0]),
    "dummies": st.sampled_from([0, 1]),
    "flip": st.floats(0.3, math.pi / 2),
    "ramp_sampling": st.booleans(),
    "echo_spacing": st.sampled_from(["minimum", "minimum", 1e-3, 0.3e-3]),
    "shots": st.sampled_from([1, 2, 3]),
    "acceleration": st.sampled_from([1, 2]),
    "calibration_lines": st.sampled_from([0, 4, 8]),
    "partial_fourier": st.sampled_from([1.0, 0.75, 0.625]),
    "blips": st.sampled_from(["up", "down", "both"]),
    "navigator_lines": st.sampled_from([0, 1, 3]),
    "volumes": st.sampled_from([1, 2]),
    "spoiler_cycles": st.floats(0.0, 8.0),
    "te": st.sampled_from(["minimum", "minimum", 40e-3, 10e-3]),
    "tr": st.sampled_from(["minimum", 1.0, 0.05]),
}


def echo_of(timeline, row):
    """Time since the excitation at which a readout crosses k_x = 0, s, by interpolation between its samples."""
    samples = timeline.readouts.samples[row]
    k, t = timeline.readouts.k[row, :samples, 0], timeline.readouts.t[row, :samples]
    return float(np.interp(0.0, k, t) if k[-1] > k[0] else np.interp(0.0, -k, t))


def followed_k(timeline):
    """k of every readout from the played moments alone, storage and recall included."""
    k, stored, rows = np.zeros(3), np.zeros(3), []
    halves = [pulse_halves(timeline, i) for i in range(len(timeline.pulses))]
    for kind, moment, event in zip(timeline.kind, timeline.moment, timeline.event, strict=True):
        if kind != RF:
            rows += [] if kind == FREE else [k + timeline.readouts.moment[event]]
            k = k + moment
            continue
        before, after = halves[event]
        use = timeline.pulses[event].use
        if use == "storage":
            stored = k + before
        start = {"excitation": np.zeros(3), "refocusing": -(k + before), "recall": -stored}.get(use, k + before)
        k = start + after
    return np.array(rows)


def assert_says_what_is_possible(message):
    """A refusal holds what was asked and what is possible, and a remedy."""
    assert len(re.findall(r"\d+(?:\.\d+)?", message)) >= 2
    assert re.search(r"lower|raise|use|nearest|at least|make|needs more than", message)


def assert_contract(protocol, sequence):
    assert sequence.check() == ()
    timeline = discretize(sequence)
    table, contrast = timeline.readouts, sequence.encoding.contrast
    purpose = np.array(table.purpose)
    nx, ny = protocol.matrix
    # Moments are sums of thousands of doubles of up to 1e5 1/m.
    np.testing.assert_allclose(followed_k(timeline), table.k, atol=1e-9 * max(1.0, np.abs(timeline.moment).max()) * 10)
    # The line's label is where it lies, and the readout stays on it.
    lines = (table.labels["line"] - ny // 2) / protocol.fov[1]
    np.testing.assert_allclose(table.k[:, :, 1], np.broadcast_to(lines[:, None], table.k.shape[:2]), atol=1e-6)
    np.testing.assert_allclose(table.k[:, :, 2], 0.0, atol=1e-6)
    # The read axis is covered to the last half step; windows start on the RF raster, which may shift them a little.
    edge = (nx / 2 - 1.0) / protocol.fov[0]
    assert np.all(table.k[:, :, 0].max(axis=1) > edge)
    assert np.all(table.k[:, :, 0].min(axis=1) < -edge)
    mixing = sequence.definitions.get("mixing_time", 0.0)
    central = (purpose == "imaging") & (table.labels["line"] == ny // 2)
    assert set(table.labels["contrast"][central]) == set(range(len(contrast["te"])))
    for row in np.flatnonzero(central):
        te = contrast["te"][table.labels["contrast"][row]] + mixing
        # The middle of the lobe lies on the raster and so does the echo time: the interpolation rounds at 1e-9 s.
        assert abs(echo_of(timeline, row) - te) < 1e-8
        assert abs(echo_of(timeline, row) - te) < table.dwell[row] / 2
    starts = timeline.start[timeline.tr_start]
    late = np.diff(starts) - round(contrast["tr"][0] * 1e9)
    if hasattr(protocol, "vibration"):
        # Between images a wait of less than a period that lies on the raster, at most three of the vibration's.
        assert np.all((late >= 0) & (late < 3e9 / protocol.vibration))
    else:
        assert np.all(late == 0)
    return timeline


@pytest.mark.parametrize("field", PRESETS)
@pytest.mark.parametrize("family", ECHO_PLANAR, ids=lambda family: family.name)
def test_defaults_play_on_every_preset(family, field):
    protocol = family(matrix=(32, 32))
    assert_contract(protocol, protocol.build(PRESETS[field]))


@pytest.mark.parametrize("family", ECHO_PLANAR, ids=lambda family: family.name)
def test_random_protocols_build_clean_or_refuse(family):
    outcomes = {"built": 0, "refused": 0}
    drawn = dict(DRAWN)
    if family is DiffusionEpi:
        drawn |= {"b": st.sampled_from([(0.0, 400e6), (800e6,)]), "directions": st.sampled_from(["x", 3]),
                  "scheme": st.sampled_from(["monopolar", "bipolar", "steam"])}  # fmt: skip
    if family is not GradientEchoEpi:
        drawn |= {"inner_volume": st.sampled_from([0.0, 0.04]), "refocusing_width": st.sampled_from([1.0, 1.5])}

    @settings(max_examples=60, deadline=None, derandomize=True, database=None,
              suppress_health_check=[HealthCheck.too_slow])  # fmt: skip
    @given(st.fixed_dictionaries({}, optional=drawn), st.sampled_from(sorted(PRESETS)))
    def draw(values, field):
        try:
            protocol = family(**{"matrix": (16, 12), "b": (0.0, 300e6)} | values if family is DiffusionEpi
                              else {"matrix": (16, 12)} | values)  # fmt: skip
            sequence = protocol.build(PRESETS[field])
        except (InfeasibleError, InputError) as error:
            outcomes["refused"] += 1
            assert_says_what_is_possible(str(error))
            return
        outcomes["built"] += 1
        assert_contract(protocol, sequence)

    draw()
    assert outcomes["built"] >= 15
    assert outcomes["refused"] >= 3


@pytest.mark.parametrize("family", ECHO_PLANAR, ids=lambda family: family.name)
def test_minimum_echo_time_is_tight(family, scanner):
    least = family(matrix=(32, 32), te="minimum").build(scanner).encoding.contrast["te"][0]
    step = 10e-6 if family is GradientEchoEpi else 40e-6
    with pytest.raises((InfeasibleError, InputError), match=r"shorter than|not a multiple"):
        family(matrix=(32, 32), te=least - step).build(scanner)


def test_shots_interleave_and_accelerated_lines_are_left_out(scanner):
    protocol = GradientEchoEpi(matrix=(16, 24), shots=2, acceleration=2, partial_fourier=0.75, calibration_lines=8)
    table = discretize(protocol.build(scanner)).readouts
    imaging = np.array(table.purpose) == "imaging"
    lines = table.labels["line"][imaging]
    assert sorted(lines) == [line for line in range(6, 24) if line % 2 == 0]
    by_shot = [lines[table.labels["shot"][imaging] == s] for s in (0, 1)]
    assert all(np.all(np.diff(own) == 4) for own in by_shot)
    calibration = np.array(table.purpose) == "calibration"
    assert sorted(table.labels["line"][calibration]) == list(range(8, 16))


def test_blips_down_read_the_other_way_at_the_same_echo_time(scanner):
    protocol = SpinEchoEpi(matrix=(16, 16), te="minimum", blips="both", partial_fourier=0.75, navigator_lines=0)
    sequence = protocol.build(scanner)
    table = discretize(sequence).readouts
    up, down = (table.labels["line"][table.labels["contrast"] == i] for i in (0, 1))
    assert list(up) == list(range(4, 16))
    assert list(down) == list(range(11, -1, -1))
    assert list(sequence.encoding.contrast["polarity"]) == [1, -1]


def test_navigators_lie_on_the_centre_and_alternate(scanner):
    table = discretize(SpinEchoEpi(matrix=(16, 16)).build(scanner)).readouts
    navigator = np.array(table.purpose) == "navigator"
    assert np.count_nonzero(navigator) == 3
    np.testing.assert_allclose(table.k[navigator, :, 1], 0.0, atol=1e-6)
    directions = np.sign(np.diff(table.k[:, [0, -1], 0], axis=1))[:, 0]
    assert np.array_equal(directions, (-1.0) ** np.arange(len(directions)))


def test_inner_volume_refocuses_along_the_phase_axis(scanner):
    timeline = discretize(SpinEchoEpi(matrix=(16, 16), inner_volume=0.05).build(scanner))
    refocusing = next(pulse for pulse in timeline.pulses if pulse.use == "refocusing")
    assert np.all(refocusing.gradient[:, [0, 2]] == 0.0)
    bandwidth = 4.0 / 4.4e-3
    assert refocusing.gradient[0, 1] == pytest.approx(bandwidth / (timeline.gamma_bar * 0.05), rel=1e-9)


@pytest.mark.parametrize("scheme", ["monopolar", "bipolar", "steam"])
def test_header_tells_the_played_b_matrix(scheme, scanner):
    protocol = DiffusionEpi(matrix=(16, 16), b=(0.0, 600e6), directions=6, scheme=scheme, blips="both", slices=2)
    sequence = protocol.build(scanner)
    contrast = sequence.encoding.contrast
    played = b_of_contrasts(discretize(sequence))
    elements = [("xx", 0, 0), ("yy", 1, 1), ("zz", 2, 2), ("xy", 0, 1), ("xz", 0, 2), ("yz", 1, 2)]
    for name, i, j in elements:
        np.testing.assert_allclose(contrast[f"b_{name}"], played[:, i, j], atol=1e-3)  # of 6e8 s/m^2
    directions = np.stack([contrast[f"direction_{axis}"] for axis in "xyz"], axis=-1)
    along = np.einsum("ci,cij,cj->c", directions, played, directions)
    weighted = contrast["b"] > 0
    # Crushers, slice and read gradients add what their cross terms with the lobes hold: per cents of b.
    np.testing.assert_allclose(along[weighted], contrast["b"][weighted], rtol=0.15)
    assert np.all(np.trace(played, axis1=1, axis2=2)[~weighted] < 10e6)
    # Twice refocused, the crushers have no common sign with the lobes: their cross terms cancel.
    if scheme == "bipolar":
        np.testing.assert_allclose(along[weighted], contrast["b"][weighted], rtol=2e-3)


def test_bvec_file_pairs_with_its_b_values(scanner, tmp_path):
    path = tmp_path / "scheme.bvec"
    path.write_text("0 1 0 0\n0 0 1 0\n0 0 0 1\n")
    protocol = DiffusionEpi(matrix=(16, 16), b=(0.0, 300e6, 300e6, 600e6), directions=str(path))
    contrast = protocol.build(scanner).encoding.contrast
    assert list(contrast["b"]) == [0.0, 300e6, 300e6, 600e6]
    assert list(contrast["direction_z"]) == [0.0, 0.0, 0.0, 1.0]
    with pytest.raises(InputError, match="zeros among them"):
        DiffusionEpi(b=(0.0, 500e6), directions=str(path)).build(scanner)

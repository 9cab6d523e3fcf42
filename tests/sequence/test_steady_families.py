"""The contract of gradient-echo and steady-state families, and their steady states by isochromats."""

from __future__ import annotations

import math
import re
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from isochromats import line_of_spins, mean_signal, through_pulse
from walk import between_pulses, played_k

from mrsim.core.errors import InfeasibleError, InputError
from mrsim.sequence.discretize import discretize
from mrsim.sequence.families.actual_flip import ActualFlip
from mrsim.sequence.families.balanced_ssfp import BalancedSSFP
from mrsim.sequence.families.fingerprinting import Fingerprinting
from mrsim.sequence.families.free_precession import FreePrecession
from mrsim.sequence.families.look_locker import LookLocker
from mrsim.sequence.families.mp_rage import MPRage
from mrsim.sequence.families.spoiled_gradient_echo_3d import SpoiledGradientEcho3D
from mrsim.sequence.scanner import Scanner
from mrsim.sequence.timeline import RF

PRESETS = {name: Scanner.preset(name) for name in ("1.5T", "3T", "7T")}
T1, T2 = 1.0, 0.1

FLIP = st.floats(0.05, 1.5)
TE = st.one_of(st.just("minimum"), st.integers(200, 900).map(lambda n: n * 10e-6))
TR = st.one_of(st.just("minimum"), st.integers(400, 5000).map(lambda n: n * 20e-6))
COMMON = {
    "pixel_bandwidth": st.floats(100.0, 2000.0),
    "orientation": st.sampled_from(["sagittal", "coronal", "axial"]),
    "tilt": st.sampled_from([0.0, 0.3]),
    "in_plane": st.sampled_from([0.0, 0.7]),
    "pulse": st.sampled_from(["sinc", "sinc", "hard", "slr"]),
    "window": st.sampled_from(["hamming", "hann"]),
    "excitation_duration": st.sampled_from([0.5e-3, 1e-3, 2e-3]),
    "time_bandwidth": st.sampled_from([2.0, 4.0, 8.0]),
    "max_slew": st.sampled_from([40.0, 70.0, 200.0]),
    "averages": st.sampled_from([1, 2]),
    "dummies": st.sampled_from([0, 1, 3]),
    "partial_fourier": st.sampled_from([1.0, 1.0, 0.75]),
    "acceleration": st.sampled_from([1, 1, 1, 2]),
    "calibration_lines": st.sampled_from([0, 0, 3, 8]),
    "sampling": st.sampled_from(["regular", "regular", "random"]),
}
SLAB = COMMON | {
    "fov": st.tuples(*[st.integers(40, 250)] * 3).map(lambda v: tuple(x * 1e-3 for x in v)),
    "matrix": st.tuples(st.integers(16, 32), st.integers(2, 5), st.integers(2, 5)),
    "slab_fraction": st.sampled_from([0.8, 1.0]),
    "partial_fourier_slab": st.sampled_from([1.0, 1.0, 1.0, 0.75]),
    "acceleration_slab": st.sampled_from([1, 1, 1, 2]),
    "caipirinha": st.sampled_from([0, 0, 0, 1]),
}
SLICE = COMMON | {
    "fov": st.tuples(*[st.integers(40, 250)] * 2).map(lambda v: tuple(x * 1e-3 for x in v)),
    "matrix": st.tuples(st.integers(16, 32), st.integers(2, 9)),
    "slice_thickness": st.floats(2e-3, 10e-3),
    "slices": st.sampled_from([1, 1, 3]),
    "slice_gap": st.sampled_from([0.0, 1e-3]),
    "slice_order": st.sampled_from(["ascending", "interleaved"]),
}
SPOILED = {"phase_increment": st.sampled_from([0.0, math.radians(117)]), "spoiler_cycles": st.floats(0.0, 6.0)}
FAMILIES = {
    ActualFlip: SLAB
    | {"spoiler_cycles": st.floats(0.0, 3.0), "phase_increment": st.sampled_from([0.0, math.radians(32.5)])}
    | {"flip": FLIP, "te": TE, "tr": TR, "tr_ratio": st.sampled_from([2, 5])},
    SpoiledGradientEcho3D: SLAB
    | SPOILED
    | {
        "flip": st.lists(FLIP, min_size=1, max_size=2).map(tuple),
        "te": TE,
        "tr": TR,
        "flip_ratio": st.sampled_from([1.0, 1.0, 2.0]),
    },
    BalancedSSFP: SLICE
    | {
        "flip": FLIP,
        "tr": TR,
        "phase_cycle": st.sampled_from([(math.pi,), (0.0, math.pi)]),
        "catalysation": st.sampled_from(["half-flip", "none"]),
    },
    FreePrecession: SLAB
    | {
        "flip": FLIP,
        "te": TE,
        "tr": TR,
        "kind": st.sampled_from(["fisp", "psif", "dess"]),
        "read_cycles": st.sampled_from([0.5, 1.0, 2.0]),
    },
    MPRage: SLAB
    | SPOILED
    | {
        "ti": st.sampled_from([(0.9,), (0.3, 1.2), (0.02,)]),
        "flip": st.sampled_from([(0.1,), (0.1, 0.2), (0.1,)]),
        "te": TE,
        "echo_spacing": TR,
        "tr": st.sampled_from(["minimum", 2.3, 1.0]),
        "inversion_duration": st.sampled_from([12.8e-3, 16e-3]),
    },
    LookLocker: SLICE
    | SPOILED
    | {
        "flip": FLIP,
        "ti": st.sampled_from([0.05, 0.02]),
        "echoes": st.integers(2, 5),
        "echo_spacing": TR,
        "te": TE,
        "tr": st.sampled_from(["minimum", 2.0]),
        "inversion_duration": st.sampled_from([12.8e-3, 16e-3]),
    },
    Fingerprinting: SLICE
    | {
        "flip": st.lists(FLIP, min_size=1, max_size=2).map(tuple),
        "least_flip": st.sampled_from([0.05, 0.2]),
        "excitations": st.integers(2, 7),
        "spacing": st.sampled_from([(12e-3, 15e-3), (20e-3,), (5e-3, 8e-3)]),
        "ti": st.sampled_from([0.05, 0.025]),
        "te": TE,
        "tr": st.sampled_from(["minimum", 2.0]),
        "inversion_duration": st.sampled_from([12.8e-3, 16e-3]),
        "spoiler_cycles": st.floats(0.0, 6.0),
    },
}


def net_read(protocol):
    """Return what the read axis collects from one excitation to the next, 1/m."""
    return protocol.read_cycles / (protocol.fov[0] / protocol.matrix[0]) if isinstance(protocol, FreePrecession) else 0


def net_slice(protocol):
    """Return the same for the slice axis, 1/m."""
    cycles = getattr(protocol, "spoiler_cycles", 0.0)
    return cycles / (protocol.fov[2] / protocol.matrix[2] if len(protocol.fov) == 3 else protocol.slice_thickness)


def assert_contract(protocol, sequence):
    assert sequence.check() == ()
    timeline = discretize(sequence)
    table = timeline.readouts
    k, t = played_k(timeline)
    scale = np.max(np.abs(timeline.moment))
    net = net_read(protocol)
    pathway = sequence.encoding.contrast.get("pathway", np.zeros(1000))[table.labels["contrast"]]
    # The echo of earlier excitations is made of spins that started at minus the net moment.
    k[:, :, 0] += pathway[:, None] * net
    np.testing.assert_allclose(k, table.k, atol=1e-9 * scale, rtol=0)
    np.testing.assert_allclose(t, table.t, atol=1e-12, rtol=0)
    centre = protocol.matrix[0] // 2
    np.testing.assert_allclose(table.k[:, centre, 0], 0.0, atol=1e-12)
    te = sequence.encoding.contrast["te"][table.labels["contrast"]]
    np.testing.assert_allclose(table.t[:, centre], te, atol=1e-12, rtol=0)
    moments = moments_between_excitations(timeline)
    expected = np.array([net, 0.0, net_slice(protocol)])
    expected = np.broadcast_to(expected, moments.shape).copy()
    expected[1::2, 2] *= getattr(protocol, "tr_ratio", 1)  # spoiled in proportion to its time
    np.testing.assert_allclose(moments, expected, atol=1e-9 * scale)


def moments_between_excitations(timeline):
    """Return the moments of every interval that begins and ends with an excitation, 1/m."""
    uses = [timeline.pulses[e].use for e, kind in zip(timeline.event, timeline.kind, strict=True) if kind == RF]
    both = [a == b == "excitation" for a, b in zip(uses, uses[1:], strict=False)]
    return between_pulses(timeline)[both]


@pytest.mark.parametrize("field", PRESETS)
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_family_keeps_its_contract_on_every_preset(family, field):
    small = {"matrix": (32, 6, 4)} if len(family().matrix) == 3 else {"matrix": (32, 8)}
    protocol = family(**small)
    assert_contract(protocol, protocol.build(PRESETS[field]))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_family_builds_clean_or_refuses(family):
    drawn = FAMILIES[family]
    assert {entry.name for entry in fields(family)} - set(drawn) <= {"centre", "preparation"}
    outcomes, refusals = {"built": 0, "refused": 0}, []
    least = {"matrix": (16, 3, 3)} if len(family().matrix) == 3 else {"matrix": (16, 5)}

    @settings(max_examples=80, deadline=None, derandomize=True, database=None,
              suppress_health_check=[HealthCheck.too_slow])  # fmt: skip
    @given(st.fixed_dictionaries({}, optional=drawn), st.sampled_from(sorted(PRESETS)))
    def draw(values, field):
        try:
            protocol = family(**(least | values))
            sequence = protocol.build(PRESETS[field])
        except (InfeasibleError, InputError) as error:
            outcomes["refused"] += 1
            refusals.append(str(error))
            return
        outcomes["built"] += 1
        assert_contract(protocol, sequence)

    draw()
    assert outcomes["built"] >= 20
    remedy = re.compile("lower|raise|use|nearest|at least|make|needs more than|must")
    assert [message for message in refusals if not remedy.search(message)] == []


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_family_follows_other_rasters(family, scanner):
    coarse = replace(scanner, gradient_raster=4e-6, rf_raster=2e-6, adc_raster=2e-6, block_raster=20e-6)
    protocol = family(matrix=(16, 3, 3) if len(family().matrix) == 3 else (16, 5))
    assert_contract(protocol, protocol.build(coarse))


STRONG = Scanner(name="strong", b0=3.0, max_gradient=0.06, max_slew=200.0, max_b1=1e-3)
"""A scanner whose amplifier plays pulses so short that relaxation during them does not count."""
HARD = {"pulse": "hard", "excitation_duration": 20e-6}


def steady(protocol, scanner, spins, **off):
    """Return the last repetition's signals at the echo."""
    signal = mean_signal(discretize(protocol.build(scanner)), spins, T1, T2, sample=protocol.matrix[0] // 2, **off)
    return signal


def freeman_hill(flip, tr, offset):
    """Return M+ right after the pulse of a balanced steady state, phases alternating; B1 along +x, then -x, ..."""
    e1, e2, turn = math.exp(-tr / T1), math.exp(-tr / T2), 2 * math.pi * offset * tr
    # Fixed point of m = R (E (P m) + recovery) with P the precession and the frame turned by 180 degrees each time.
    c, s = math.cos(flip), math.sin(flip)
    rotate = np.array([[1, 0, 0], [0, c, s], [0, -s, c]])
    precess = np.array([[math.cos(turn), math.sin(turn), 0], [-math.sin(turn), math.cos(turn), 0], [0, 0, 1]])
    flipped = np.diag([-1.0, -1.0, 1.0])
    step = rotate @ flipped @ precess @ np.diag([e2, e2, e1])
    m = np.linalg.solve(np.eye(3) - step, rotate @ np.array([0, 0, 1 - e1]))
    return m[0] + 1j * m[1]


@pytest.mark.parametrize(("degrees", "published"), [(30.0, 0.159881), (50.0, 0.150588), (70.0, 0.121607)])
def test_balanced_ssfp_reaches_freeman_and_hill(degrees, published):
    flip = math.radians(degrees)
    closed = math.sin(flip) * (1 - math.exp(-5e-3 / T1))
    closed /= 1 - (math.exp(-5e-3 / T1) - math.exp(-5e-3 / T2)) * math.cos(flip) - math.exp(-5e-3 / T1 - 5e-3 / T2)
    # B-2 of the physics notes gives the same digits.
    assert closed == pytest.approx(published, abs=1e-6)
    protocol = BalancedSSFP(matrix=(16, 8), fov=(0.1, 0.1), flip=flip, tr=5e-3, dummies=1200, **HARD)
    signal = steady(protocol, STRONG, np.zeros((1, 3)))
    # The echo lies half a repetition after the pulse; 20 us of pulse in 5 ms are 0.4 % of relaxation.
    assert abs(signal[-1]) == pytest.approx(published * math.exp(-2.5e-3 / T2), rel=2e-3)


def test_balanced_ssfp_is_brightest_at_the_published_flip():
    """B-2 for short repetitions: acos((T1/T2 - 1) / (T1/T2 + 1)) = 35.097 deg, where half of sqrt(T2/T1) is left."""
    degrees = np.arange(34.0, 36.2, 0.01)
    signal = np.array([abs(freeman_hill(math.radians(d), 1e-5, 0.0)) for d in degrees])
    assert degrees[np.argmax(signal)] == pytest.approx(35.097, abs=0.02)
    assert signal.max() == pytest.approx(0.15811, abs=2e-5)  # TR / T1 is 1e-5


@pytest.mark.parametrize("offset", [-100.0, -60.0, 20.0, 70.0, 100.0])
def test_balanced_ssfp_profile_over_offset(offset):
    protocol = BalancedSSFP(matrix=(16, 4), fov=(0.1, 0.1), flip=math.radians(50), tr=5e-3, dummies=1200, **HARD)
    signal = steady(protocol, STRONG, np.zeros((1, 3)), offset=offset)
    expected = abs(freeman_hill(math.radians(50), 5e-3, offset)) * math.exp(-2.5e-3 / T2)
    assert abs(signal[-1]) == pytest.approx(expected, rel=5e-3)


def test_catalysation_starts_on_the_steady_state():
    def wobble(catalysation):
        protocol = BalancedSSFP(matrix=(16, 40), fov=(0.1, 0.1), flip=math.radians(50), tr=6e-3,
                                catalysation=catalysation, **HARD)  # fmt: skip
        signal = np.abs(steady(protocol, STRONG, np.zeros((1, 3)), offset=20.0))
        return np.max(np.abs(np.diff(signal)))

    # Without it the signal alternates between repetitions.
    assert wobble("half-flip") < 0.2 * wobble("none")


def epg_steady(flip, tr, t1, t2, repetitions):
    """Return F+ and F- right after the pulse of a gradient-dephased steady state, by the extended phase graph."""
    orders = 60
    f = np.zeros((3, orders), complex)
    f[2, 0] = 1
    e1, e2 = math.exp(-tr / t1), math.exp(-tr / t2)
    c, s, sn, cs = math.cos(flip / 2) ** 2, math.sin(flip / 2) ** 2, math.sin(flip), math.cos(flip)
    # exp(-i phase) B1 with precession exp(-i ...): rotations carry +i.
    turn = np.array([[c, s, 1j * sn], [s, c, -1j * sn], [0.5j * sn, -0.5j * sn, cs]])
    for _ in range(repetitions):
        f = turn @ f
        after = f.copy()
        f = f * np.array([[e2], [e2], [e1]])
        f[2, 0] += 1 - e1
        plus, minus = f[0].copy(), f[1].copy()
        f[0, 1:], f[1, :-1], f[1, -1] = plus[:-1], minus[1:], 0
        f[0, 0] = np.conj(f[1, 0])
    return after


def test_dess_is_the_phase_graph():
    protocol = FreePrecession(matrix=(16, 4, 4), fov=(0.064, 0.064, 0.064), flip=math.radians(25), dummies=800, **HARD)
    sequence = protocol.build(STRONG)
    tr, te = sequence.definitions["tr"], sequence.encoding.contrast["te"]
    # Isochromats over one cycle of the net read moment: one pixel.
    spins = line_of_spins(64, 4e-3, axis=0)
    signal = np.abs(steady(protocol, STRONG, spins))[-2:]
    states = epg_steady(math.radians(25), tr, T1, T2, 1500)
    fisp = abs(states[0, 0]) * math.exp(-te[0] / T2)
    # F- of order 1 right after a pulse comes to its echo with what remains of the repetition's decay.
    psif = abs(states[1, 1]) * math.exp(-te[1] / T2)
    # A pulse of 20 us in 8 ms, and the order in which 800 repetitions forget their start: 1e-3.
    np.testing.assert_allclose(signal, [fisp, psif], rtol=3e-3)


@pytest.mark.parametrize("kind", ["fisp", "psif"])
def test_single_echo_reads_its_pathway(kind):
    protocol = FreePrecession(matrix=(16, 4, 4), fov=(0.064, 0.064, 0.064), kind=kind, tr=8e-3, dummies=600,
                              flip=math.radians(40), **HARD)  # fmt: skip
    sequence = protocol.build(STRONG)
    te = sequence.encoding.contrast["te"][0]
    signal = abs(steady(protocol, STRONG, line_of_spins(64, 4e-3, axis=0))[-1])
    states = epg_steady(math.radians(40), 8e-3, T1, T2, 1200)
    row = (0, 0) if kind == "fisp" else (1, 1)
    assert signal == pytest.approx(abs(states[row]) * math.exp(-te / T2), rel=3e-3)


def test_spoiled_slab_is_near_ernst_and_not_it():
    protocol = SpoiledGradientEcho3D(matrix=(16, 4, 4), fov=(0.064, 0.064, 0.064), flip=(math.radians(20),), tr=20e-3,
                                     dummies=200, spoiler_cycles=1.0, **HARD)  # fmt: skip
    sequence = protocol.build(STRONG)
    te = sequence.encoding.contrast["te"][0]
    central = discretize(sequence).readouts.labels["partition"] == 2
    signal = np.abs(steady(protocol, STRONG, line_of_spins(64, 16e-3)))[central]
    e1 = math.exp(-20e-3 / T1)
    ernst = math.sin(math.radians(20)) * (1 - e1) / (1 - e1 * math.cos(math.radians(20)))
    assert ernst == pytest.approx(0.0858201, abs=1e-7)
    # Quadratic phases come within a few per cent of ideal spoiling; the rest is physics.
    np.testing.assert_allclose(signal, ernst * math.exp(-te / T2), rtol=0.05)


def test_ramped_slab_has_a_steeper_far_end():
    protocol = SpoiledGradientEcho3D(matrix=(16, 2, 2), fov=(0.064, 0.064, 0.064), flip=(math.radians(18),), tr=0.5,
                                     time_bandwidth=12.0, excitation_duration=2e-3, flip_ratio=2.0,
                                     spoiler_cycles=0.0)  # fmt: skip
    sequence = protocol.build(STRONG)

    def first_echo(z):
        place = np.array([[0.0, 0.0, z]])
        found = mean_signal(discretize(sequence), place, 1e6, 1e6, sample=8)
        return abs(found[0])

    # The encoded slab's centre is half a partition below the origin: 16 mm of 64; small-tip design at 24 deg.
    centre = protocol.slab_position
    middle = math.sin(math.radians(18))
    slope = 2 / 3 / 64e-3
    np.testing.assert_allclose(
        [first_echo(centre - 15e-3) / middle, first_echo(centre + 15e-3) / middle],
        [1 - slope * 15e-3, 1 + slope * 15e-3],
        rtol=0.04,
    )


def marques(sequence, t1, efficiency):
    """Return the two signals of MP2RAGE at their middle echoes (Marques 2010, eq. A1.1-1.4)."""
    sheet, table = sequence.encoding.sheet, sequence.encoding.contrast
    n, spacing, tr = sheet["train_length"], sheet["echo_spacing"], table["tr"][0]
    before, after = n // 2, n - n // 2
    e1 = math.exp(-spacing / t1)
    waits = [table["ti"][0] - before * spacing]
    waits += [b - a - n * spacing for a, b in zip(table["ti"], table["ti"][1:], strict=False)]
    waits.append(tr - table["ti"][-1] - after * spacing)

    def train(m, flip, count):
        for _ in range(count):
            m = 1 + (m * math.cos(flip) - 1) * e1
        return m

    def recover(m, time):
        return 1 + (m - 1) * math.exp(-time / t1)

    m = 1.0
    for _ in range(50):
        m = -efficiency * m
        seen = []
        for wait, flip in zip(waits, table["flip"], strict=False):
            m = train(recover(m, wait), flip, before)
            seen.append(math.sin(flip) * m)
            m = train(m, flip, after)
        m = recover(m, waits[-1])
    return np.array(seen)


@pytest.mark.parametrize("t1", [0.6, 1.0, 1.6])
def test_mp2rage_follows_the_lookup(t1):
    protocol = MPRage(matrix=(16, 2, 8), fov=(0.064, 0.064, 0.064), ti=(0.4, 1.4), dummies=3, tr=3.0,
                      flip=(math.radians(7), math.radians(5)), spoiler_cycles=1.0, **HARD)  # fmt: skip
    sequence = protocol.build(STRONG)
    timeline = discretize(sequence)
    signal = mean_signal(timeline, line_of_spins(32, 8e-3), t1, T2, sample=8)
    labels = timeline.readouts.labels
    middle = (labels["partition"] == 4) & (labels["line"] == 1)
    first, second = (signal[middle & (labels["contrast"] == i)][0] for i in (0, 1))
    # T2 acts during the inversion: its efficiency, as the table's, is that of the pulse alone.
    event = next(e for e, pulse in enumerate(timeline.pulses) if pulse.use == "inversion")
    _, z = through_pulse(timeline, event, 0.0, np.zeros((1, 3)), np.zeros(1, complex), np.ones(1), t1, T2, 0.0, 1.0)
    expected = marques(sequence, t1, -z[0])
    uniform = np.real(first * np.conj(second)) / (abs(first) ** 2 + abs(second) ** 2)
    wanted = expected[0] * expected[1] / np.sum(expected**2)
    # The value runs from -0.5 to 0.5; where the first image is near its null, 1e-3 of M0 (the 13 ms of the inversion,
    # in which T1 and T2 act differently for a start below M0) is 0.02 of it.
    assert uniform == pytest.approx(wanted, abs=0.02)
    assert -0.52 < wanted < 0.5


def test_mp_rage_puts_the_middle_partition_at_ti():
    sequence = MPRage(matrix=(16, 2, 9), ti=(0.9,)).build(STRONG)
    starts = sequence.starts()
    invert = next(i for i, block in enumerate(sequence.blocks) if block.name == "invert")
    middle = next(i for i, block in enumerate(sequence.blocks) if block.labels.get("partition") == 4)
    excite = max(i for i in range(middle) if sequence.blocks[i].name == "excite")

    def centre(i):
        return int(starts[i]) + sequence.blocks[i].rf.delay + sequence.blocks[i].rf.centre

    assert centre(excite) - centre(invert) == 900_000_000


def test_look_locker_recovers_with_the_apparent_t1():
    flip, spacing = math.radians(8), 60e-3
    protocol = LookLocker(matrix=(16, 2), fov=(0.064, 0.064), flip=flip, echoes=30, echo_spacing=spacing, tr=8.0,
                          spoiler_cycles=1.0, **HARD)  # fmt: skip
    timeline = discretize(protocol.build(STRONG))
    signal = mean_signal(timeline, line_of_spins(16, 4e-3), T1, 10e-3, sample=8)[:30]
    along = np.real(signal * np.exp(-1j * np.angle(signal[-1])))
    rate = 1 / T1 - math.log(math.cos(flip)) / spacing
    # 1.8 s of train are not enough for the plateau: it is fitted as well.
    from scipy.optimize import curve_fit

    times = np.arange(30) * spacing
    fitted, _ = curve_fit(lambda t, a, b, r: a - b * np.exp(-t * r), times, along, p0=(along[-1], 2 * along[-1], 1.0))
    assert fitted[2] == pytest.approx(rate, rel=2e-3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MPRage(ti=(0.9, 2.0)), "flip: has 1 values for 2 inversion times; use as many"),
        (lambda: MPRage(ti=(0.01,)), r"ti 10 ms does not fit.*use \d"),
        (lambda: LookLocker(slices=2), "slices: is 2; the inversion takes everything, use 1"),
        (lambda: FreePrecession(read_cycles=0.0), "read_cycles: is 0; it must be positive"),
        (lambda: SpoiledGradientEcho3D(flip_ratio=2.0, pulse="slr"), "flip_ratio: is 2; a ramped slab needs"),
        (lambda: BalancedSSFP(tr=2e-3), "tr 2 ms is shorter than .* the shortest feasible: half of it must hold"),
        (lambda: BalancedSSFP(phase_cycle=()), "phase_cycle: has no value"),
    ],
)
def test_impossible_protocol_names_value_and_remedy(make, message, scanner):
    with pytest.raises((InputError, InfeasibleError), match=message):
        make().build(scanner)

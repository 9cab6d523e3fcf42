"""Spectroscopy families: timing, localisation and its chemical-shift displacement, echoes, water suppression."""

from __future__ import annotations

import numpy as np
import pytest
from isochromats import mean_signal, through_pulse

from mrsim.core.errors import InfeasibleError, InputError
from mrsim.sequence.discretize import discretize
from mrsim.sequence.families.press import Press
from mrsim.sequence.families.pulse_acquire import PulseAcquire
from mrsim.sequence.families.semi_laser import SemiLaser
from mrsim.sequence.families.steam import Steam
from mrsim.sequence.scanner import Scanner
from mrsim.sequence.timeline import RF

FAMILIES = (PulseAcquire, Press, Steam, SemiLaser)
EDITED = (-2.75e-6, 2.85e-6)


def cases():
    """Protocols that exercise every option."""
    for family in FAMILIES:
        yield family(samples=64)
        yield family(samples=64, suppression="chess", suppression_pulses=3, outer_band=30e-3, water_averages=2)
        yield family(samples=64, suppression="none", averages=2, dummies=1, orientation="axial", tilt=0.4)
    for family in (Press, SemiLaser):
        yield family(samples=64, te="minimum", editing=EDITED)
    yield SemiLaser(samples=64, adiabatic="hyperbolic-secant", adiabatic_bandwidth=1800.0)


SCANS = [(family(samples=64), field) for family in FAMILIES for field in ("1.5T", "7T")]
SCANS += [(protocol, "3T") for protocol in cases()]


@pytest.mark.parametrize(("protocol", "field"), SCANS, ids=lambda p: getattr(p, "name", p))
def test_first_sample_lies_at_the_echo(protocol, field):
    sequence = protocol.build(Scanner.preset(field))
    assert sequence.check() == ()
    table, contrast = discretize(sequence).readouts, sequence.encoding.contrast
    expected = contrast["te"][0] + contrast.get("tm", np.zeros(1))[0]
    np.testing.assert_allclose(table.t[:, 0], expected, atol=1e-12)
    # All gradients cancel at the echo: the crushers are worth 8 cycles per voxel, 500 1/m and more.
    np.testing.assert_allclose(table.k, 0.0, atol=1e-8)
    counts = (protocol.averages * protocol.images(), protocol.water_averages * protocol.images())
    assert table.purpose == ("imaging",) * counts[0] + ("water_reference",) * counts[1]
    starts = sequence.starts()[[i for i, block in enumerate(sequence.blocks) if block.starts_tr]]
    assert np.all(np.diff(starts) == 2_000_000_000)


@pytest.mark.parametrize("family", [Press, Steam, SemiLaser])
def test_minimum_echo_time_is_tight(family, scanner):
    least = family(te="minimum", samples=64).build(scanner).encoding.contrast["te"][0]
    with pytest.raises((InfeasibleError, InputError), match="shortest feasible"):
        family(te=least - 40e-6, samples=64).build(scanner)


def test_the_slab_that_a_recall_excites_is_crushed_through_its_thickness_and_across_it(scanner):
    """Its own signal comes of the whole slab: a crusher across alone leaves what sharp edges far away scatter."""
    protocol = Steam(samples=16, suppression="none")
    blocks = [block for block in protocol.build(scanner).blocks if block.name == "crush"]
    assert len(blocks) == 2
    for block in blocks:
        assert block.gy is None
        for gradient, axis in ((block.gx, 0), (block.gz, 2)):
            turns = np.trapezoid(gradient.amplitudes, gradient.times * 1e-9) * scanner.gamma_bar * protocol.voxel[axis]
            assert turns == pytest.approx(protocol.crusher_cycles, rel=1e-6)


def localising(timeline, gamma_bar):
    """Yield (row, axis, bandwidth per metre in Hz/m) of the pulses that select along one axis, suppression left out."""
    seen = set()
    for row in np.flatnonzero(timeline.kind == RF):
        pulse = timeline.pulses[timeline.event[row]]
        strength = np.abs(pulse.gradient).max(axis=0)
        if pulse.use in ("excitation", "refocusing", "storage", "recall") and timeline.event[row] not in seen:
            seen.add(int(timeline.event[row]))
            yield row, int(np.argmax(strength)), gamma_bar * float(strength.max())


def profile(timeline, row, axis, x, offset):
    """How much of the magnetisation a pulse handles as intended at positions x: excited or inverted part, 0 to 1."""
    place = np.zeros((len(x), 3))
    place[:, axis] = x
    event = timeline.event[row]
    plus, z = np.zeros(len(x), complex), np.ones(len(x))
    plus, z = through_pulse(timeline, event, timeline.phase[row], place, plus, z, 1e9, 1e9, offset, 1.0)
    return (1 - z) / 2 if timeline.pulses[event].use == "refocusing" else np.abs(plus)


@pytest.mark.parametrize(
    "protocol",
    [
        Press(samples=16, suppression="none"),
        Press(samples=16, suppression="none", pulse="sinc"),
        Steam(samples=16, suppression="none"),
        SemiLaser(samples=16, suppression="none", adiabatic="hyperbolic-secant", adiabatic_bandwidth=1800.0),
        SemiLaser(samples=16, suppression="none"),
    ],
    ids=lambda p: f"{p.name}-{p.pulse}-{getattr(p, 'adiabatic', '')}",
)
def test_chemical_shift_displaces_the_voxel_by_slab_df_over_bandwidth(protocol, scanner):
    sequence = protocol.build(scanner)
    timeline = discretize(sequence)
    carrier = protocol.shift * 3.0 * timeline.gamma_bar
    x = np.linspace(-20e-3, 20e-3, 801)
    stated = [block.rf.bandwidth for block in sequence.blocks if block.rf is not None]
    rows = np.flatnonzero(timeline.kind == RF).tolist()
    bands = []
    for row, axis, per_metre in localising(timeline, timeline.gamma_bar):
        bandwidth = stated[rows.index(row)]
        modulated = bandwidth < 0.99 * per_metre * protocol.voxel[axis]
        assert modulated == (bandwidth > 4000.0)
        bands.append(bandwidth)
        first, last = edges(x, profile(timeline, row, axis, x, carrier))
        # On its carrier a pulse selects the voxel as drawn: its centre to a hundredth. Its width is the
        # bandwidth's to a tenth, but for a sinc of 180 degrees.
        assert abs(first + last) / 2 < 0.01 * protocol.voxel[axis]
        if protocol.pulse != "sinc":
            assert last - first == pytest.approx(protocol.voxel[axis], rel=0.12)
        for df in (-200.0, 150.0):
            moved = np.array(edges(x, profile(timeline, row, axis, x, carrier + df))) - (first, last)
            nominal = -protocol.voxel[axis] * df / bandwidth
            if modulated:
                # GOIA: the slice's centre moves so; each edge by what the gradient is when it is passed, which
                # depends on the shift, so that the width changes by some per cent of the displacement's.
                assert np.mean(moved) == pytest.approx(nominal, rel=0.01)
                np.testing.assert_allclose(moved, nominal, rtol=0.07)
            else:
                # The frame moves with the shift: the same profile elsewhere, between positions 50 um apart.
                np.testing.assert_allclose(moved, nominal, rtol=0.005, atol=5e-6)
    assert len(bands) == (5 if isinstance(protocol, SemiLaser) else 3)


def test_a_slab_beyond_the_voxel_is_dephased_along_x(scanner):
    """What the last pulse turns by 90 degrees at its slab's edge fills a body; its own crusher leaves a thin layer."""
    timeline = discretize(Press(samples=16, suppression="none", shift=0.0).build(scanner))
    z = np.linspace(0, 15e-3, 301)
    row = next(row for row, axis, _ in localising(timeline, timeline.gamma_bar) if axis == 2)
    edge = z[np.argmin(np.abs(profile(timeline, row, 2, z, 0.0) - 0.5))]
    x = np.linspace(-25e-3, 25e-3, 800)
    body = np.stack([x, np.full_like(x, 30e-3), np.full_like(x, edge)], axis=-1)
    assert abs(mean_signal(timeline, body[:1], 1e9, 1e9, sample=0)[0]) > 0.5
    assert abs(mean_signal(timeline, body, 1e9, 1e9, sample=0)[0]) < 0.02


def edges(x, height):
    """Return where a profile passes half of its height, from below and from above."""
    above = np.flatnonzero(height > 0.5)
    first, last = above[0], above[-1]
    rise = np.interp(0.5, height[first - 1 : first + 1], x[first - 1 : first + 1])
    fall = np.interp(0.5, height[last : last + 2][::-1], x[last : last + 2][::-1])
    return float(rise), float(fall)


def lattice(length, count=1009):
    """(count, 3) positions of a rank-1 lattice in a cube: exact for whole cycles across it, of which few alias."""
    steps = np.arange(count)[:, None] * np.array([1, 367, 229])
    return ((steps % count + 0.5) / count - 0.5) * length


def peaked(length, count=8191):
    """The same with a triangular density along each axis, so that n cycles of a crusher leave sinc^2(n / 2).

    With 4,093 places crushers on two axes alias to 0.01 of the signal; from 8,191 on they stay below 0.005.
    """
    even = lattice(2.0, count)
    return np.sign(even) * (1 - np.sqrt(1 - np.abs(even))) * length / 2


@pytest.mark.parametrize("family", [Press, Steam, SemiLaser])
def test_echo_is_the_product_of_its_profiles_and_nothing_comes_from_outside(family, scanner):
    # 16 cycles over 15 mm: six over the box of 6 mm, so that what is crushed falls below 2 %.
    protocol = family(samples=16, suppression="none", shift=0.0, crusher_cycles=16.0)
    timeline = discretize(protocol.build(scanner))
    line = np.unique(peaked(6e-3)[:, 0])
    shown = {axis: np.ones(len(line)) for axis in range(3)}
    for row, axis, _ in localising(timeline, timeline.gamma_bar):
        shown[axis] = shown[axis] * profile(timeline, row, axis, line, 0.0)
    expected = np.prod([np.mean(height) for height in shown.values()]) * (0.5 if family is Steam else 1.0)
    inside = abs(mean_signal(timeline, peaked(6e-3), 1e9, 1e9, sample=0)[0])
    # The crushed pathways inside, and the profiles' phases, leave parts in a thousand.
    assert inside == pytest.approx(expected, abs=0.01)
    for axis in range(3):
        away = peaked(6e-3)
        away[:, axis] += 16e-3
        assert abs(mean_signal(timeline, away, 1e9, 1e9, sample=0)[0]) < 0.01


def test_suppressed_water_vanishes_and_the_reference_keeps_it(scanner):
    protocol = PulseAcquire(samples=16, suppression="wet", water_averages=1, tr=10.0)
    timeline = discretize(protocol.build(scanner))
    # Spoilers are worth whole cycles over the voxel of 15 mm: what they crush is gone.
    place = lattice(15e-3)
    for t1 in (0.6, 1.2, 3.0):
        water, reference = np.abs(mean_signal(timeline, place, t1, 1e9, sample=0))
        # At the nominal B1 the design for short pulses leaves 1 to 3 thousandths, and recovery during these of 26 ms
        # adds one.
        assert water < 0.005
        assert reference > 0.95
    # A metabolite 2 ppm away is left alone.
    off = 2e-6 * 3.0 * timeline.gamma_bar
    kept = np.abs(mean_signal(timeline, place, 1.2, 1e9, offset=-off, sample=0))[0]
    assert kept > 0.99


def test_editing_pulses_stand_half_an_echo_time_apart(scanner):
    for family in (Press, SemiLaser):
        sequence = family(samples=16, te="minimum", editing=EDITED).build(scanner)
        timeline = discretize(sequence)
        rows = np.flatnonzero(timeline.kind == RF)
        use = np.array([timeline.pulses[e].use for e in timeline.event[rows]])
        centre = timeline.start[rows] * 1e-9 + np.array([timeline.pulses[e].centre for e in timeline.event[rows]])
        edits = centre[use == "preparation"]
        te = sequence.encoding.contrast["te"][0]
        spacing = np.diff(edits)[::2]
        np.testing.assert_allclose(spacing, te / 2, atol=1e-9)
        assert list(sequence.encoding.contrast["editing"]) == list(EDITED)


def test_outer_volume_is_saturated(scanner):
    protocol = Press(samples=16, suppression="none", outer_band=30e-3)
    timeline = discretize(protocol.build(scanner))
    rows = [r for r in np.flatnonzero(timeline.kind == RF) if timeline.pulses[timeline.event[r]].use == "saturation"]
    assert len(rows) == 6
    z = np.ones(3)
    # The middle of the voxel, of the slab at -x, and of the one at +z.
    place = np.array([[0.0, 0.0, 0.0], [-24.5e-3, 0.0, 0.0], [0.0, 0.0, 24.5e-3]])
    for row in rows:
        event = timeline.event[row]
        _, z = through_pulse(timeline, event, timeline.phase[row], place, np.zeros(3, complex), z, 1e9, 1e9, 0.0, 1.0)
    assert z[0] > 0.97
    assert np.all(np.abs(z[1:]) < 0.05)


def test_spectral_width_off_the_raster_is_refused_with_a_neighbour(scanner):
    with pytest.raises(InputError, match="use 250000 Hz"):
        Press(spectral_width=230e3).build(scanner)


def test_hyperbolic_secants_below_their_threshold_are_refused_with_what_they_would_invert(scanner):
    """The dense answer: four pulses at half the threshold keep 0.02 of 2 protons, as Landau and Zener say."""
    with pytest.raises(InfeasibleError, match=r"invert 3\d % of what they pass"):
        SemiLaser(samples=16, adiabatic="hyperbolic-secant").build(scanner)


@pytest.mark.parametrize("family", [Press, SemiLaser])
def test_water_reference_of_an_edited_scan_is_not_edited(family):
    """Crushers and timing stay: the reference has all pulses but those of suppression and editing."""
    timeline = discretize(
        family(samples=16, te="minimum", editing=EDITED, water_averages=1).build(Scanner.preset("3T"))
    )
    uses = [[] for _ in range(len(timeline.tr_start))]
    for segment in np.flatnonzero(timeline.kind == RF):
        repetition = np.searchsorted(timeline.tr_start, segment, side="right") - 1
        uses[repetition].append(timeline.pulses[timeline.event[segment]].use)
    *_, edited, off, reference, other = uses
    assert edited.count("preparation") == off.count("preparation") == 2
    assert [use for use in edited if use not in ("preparation", "saturation")] == reference == other


def test_editing_crushers_leave_what_is_not_turned_and_dephase_the_rest(scanner):
    """Moments of coherence pathways through both editing pulses: -1 before the first pulse throughout is left alone."""
    for family in (Press, SemiLaser):
        sequence = family(samples=16, te="minimum", editing=EDITED).build(scanner)
        edits = [b for b in sequence.blocks if b.rf is not None and b.rf.use == "preparation"][:2]
        lead = [float(np.trapezoid(b.gx.amplitudes[:4], b.gx.times[:4])) for b in edits]
        whole = [float(np.trapezoid(b.gx.amplitudes, b.gx.times)) for b in edits]
        assert max(abs(w) for w in whole) < 1e-9 * abs(lead[0])
        # orders before and after each pulse; the localisation conjugates between the two
        for before, after, third, fourth in (
            (1, -1, 1, -1),
            (1, 0, 0, 1),
            (1, 0, 0, -1),
            (1, -1, -1, 1),
            (1, 1, 1, -1),
        ):
            left = lead[0] * (before - after) + lead[1] * (third - fourth)
            assert abs(left) > 0.4 * abs(lead[0])

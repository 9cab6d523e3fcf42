"""Preparations before a gradient echo: what they leave of the magnetisation, by isochromats and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from isochromats import line_of_spins, mean_signal, through_pulse

from mrsim.core.errors import InfeasibleError, InputError
from mrsim.sequence.discretize import discretize
from mrsim.sequence.families.spoiled_gradient_echo import SpoiledGradientEcho
from mrsim.sequence.preparations import (
    PREPARATIONS,
    ChemicalExchangeSaturation,
    FatSaturation,
    Inversion,
    MagnetisationTransfer,
    PseudoContinuousLabel,
    PulsedLabel,
    Saturation,
    SpinLock,
    T2Preparation,
)
from mrsim.sequence.preparations.spoiled import rf_energy
from mrsim.sequence.protocol import load_protocol
from mrsim.sequence.scanner import Scanner
from mrsim.sequence.timeline import RF

T1, T2 = 1.0, 0.08
SPINS = line_of_spins(64, 4e-3)
EVERY = [
    Inversion(ti=(0.1, 0.5)),
    Inversion(ti=(0.1,), width=2.0),
    Inversion(ti=(0.1,), gap=0.05),
    Saturation(recovery=(0.05, 0.2)),
    Saturation(recovery=(0.05,), pulse="slr", width=3.0),
    FatSaturation(),
    T2Preparation(te=(0.04, 0.08)),
    T2Preparation(te=(0.1,), pulse="adiabatic", refocusings=2),
    SpinLock(tsl=(0.0, 0.02)),
    MagnetisationTransfer(offset=(1500.0, 10e3)),
    MagnetisationTransfer(offset=(1500.0,), reference=True),
    ChemicalExchangeSaturation(offset=(-3.5e-6, 3.5e-6), pulses=3),
    PulsedLabel(ti=(0.5,)),
    PseudoContinuousLabel(duration=0.12, delay=(0.05,)),
]


def echo(*modules, **changes):
    """Return the first echo of a 90 degree gradient echo behind the modules, one sequence per image."""
    shared = {"matrix": (16, 2), "fov": (0.16, 0.128), "pulse": "hard", "flip": (math.pi / 2,), "tr": 1.0}
    return SpoiledGradientEcho(**{**shared, "preparation": modules, **changes})


def prepared_z(module, scanner, spins=SPINS, t1=T1, t2=T2, **off):
    """Return per setting the longitudinal magnetisation that the module leaves at the excitation's centre."""
    plain = mean_signal(discretize(echo(tr=6.0).build(scanner)), spins, t1, t2, **off)[0]
    sequences = [echo(one, tr=6.0).build(scanner) for one in module.settings()]
    return np.real([mean_signal(discretize(one), spins, t1, t2, **off)[0] / plain for one in sequences])


@pytest.mark.parametrize("field", ["1.5T", "3T", "7T"])
@pytest.mark.parametrize("module", EVERY, ids=lambda module: module.name)
def test_preparation_plays_on_every_preset(module, field):
    scanner = Scanner.preset(field)
    sequence = echo(module, orientation="axial", tilt=0.4, slices=1).build(scanner)
    assert sequence.check() == ()
    images = len(module.settings())
    table = sequence.encoding.contrast
    for key in module.settings()[0].facts():
        assert table[key].tolist() == [one.facts()[key] for one in module.settings()]
    labels = discretize(sequence).readouts.labels["contrast"]
    assert np.array_equal(labels, np.repeat(np.arange(images), 2))
    assert rf_energy(sequence.blocks) > 0


def test_every_registered_preparation_is_tested():
    assert {type(module) for module in EVERY} == set(PREPARATIONS)


def test_inversion_recovers_with_t1_and_nulls_at_ln2(scanner):
    times = (0.1, T1 * math.log(2), 2.0)
    times = tuple(round(t, 5) for t in times)
    module = Inversion(ti=times, pulse="hard", duration=1e-3)
    expected = 1 - 2 * np.exp(-np.array(times) / T1)
    found = prepared_z(module, scanner)
    # T2 decay of 80 ms during a pulse of 1 ms takes 1 % of the inversion.
    np.testing.assert_allclose(found, expected, atol=0.015)
    assert abs(found[1]) < 0.01


def test_a_pair_of_inversions_leaves_what_two_nulls_leave(scanner):
    """DIR: M = 1 - 2 E(ti) + 2 E(ti + gap) from full magnetisation, nulled for two T1 at once."""
    ti, gap = 0.45, 2.9
    module = Inversion(ti=(ti,), gap=gap, pulse="hard", duration=1e-3)
    for t1 in (0.3, 1.0):
        found = prepared_z(module, scanner, t1=t1)[0]
        expected = 1 - 2 * np.exp(-ti / t1) + 2 * np.exp(-(ti + gap) / t1)
        assert found == pytest.approx(expected, abs=0.015)  # T2 during the pulses, as above


def test_adiabatic_inversion_forgives_b1(scanner):
    module = Inversion(ti=(0.05,))
    full = [prepared_z(module, scanner, b1=b1, t1=1e6, t2=1e6)[0] for b1 in (0.8, 1.0, 1.2)]
    # Twice the adiabatic threshold at nominal B1, 1.6 times at 80 %.
    np.testing.assert_allclose(full, -1.0, atol=0.05)


def test_selective_inversion_spares_what_lies_outside(scanner):
    module = Inversion(ti=(0.03,), width=2.0)
    inside = prepared_z(module, scanner, spins=line_of_spins(32, 4e-3), t1=1e6, t2=1e6)
    far = line_of_spins(16, 4e-3)
    far[:, 2] += 20e-3
    outside = prepared_z(module, scanner, spins=far, t1=1e6, t2=1e6)
    assert inside[0] < -0.95
    assert outside[0] > 0.99


@pytest.mark.parametrize("b1", [0.8, 1.0, 1.2])
def test_saturation_recovers_from_zero_whatever_b1(scanner, b1):
    times = (0.1, 0.4)
    found = prepared_z(Saturation(recovery=times), scanner, b1=b1)
    # BIR-4 leaves up to 3 % of M0 (the tilt of 88 to 90 degrees); T1 recovery runs during its second half.
    np.testing.assert_allclose(found, 1 - np.exp(-np.array(times) / T1), atol=0.03)


@pytest.mark.parametrize("field", ["1.5T", "3T", "7T"])
def test_fat_saturation_takes_fat_and_leaves_water(field):
    scanner = Scanner.preset(field)
    fat = -3.4e-6 * scanner.gamma_bar * scanner.b0
    water = prepared_z(FatSaturation(), scanner, t1=1e6, t2=1e6)[0]
    left = prepared_z(FatSaturation(), scanner, t1=1e6, t2=1e6, offset=fat)[0]
    assert water > 0.98
    assert abs(left) < 0.02


@pytest.mark.parametrize("pulse", ["composite", "adiabatic"])
def test_t2_preparation_decays_with_t2(scanner, pulse):
    times = (0.08, 0.16)
    module = T2Preparation(te=times, pulse=pulse, refocusings=2)
    found = prepared_z(module, scanner)
    # Finite pulses spend some of TE along z: the decay from one TE to the next is free of it.
    assert found[1] / found[0] == pytest.approx(math.exp(-0.08 / T2), abs=0.02)


def test_t2_preparation_forgives_b1_and_b0(scanner):
    module = T2Preparation(te=(0.08,))
    ideal = prepared_z(module, scanner)[0]
    for b1, offset in ((0.85, 0.0), (1.0, 50.0), (1.1, -50.0)):
        seen = prepared_z(module, scanner, b1=b1, offset=offset)[0]
        # sin^2 of the tips' error is what the two tips lose at worst: (0.15 pi / 2)^2 = 5.5 %.
        assert seen == pytest.approx(ideal, rel=0.08)


@pytest.mark.parametrize("mode", ["simple", "rotary", "balanced"])
def test_spin_lock_decays_with_t1rho(scanner, mode):
    module = SpinLock(tsl=(0.01, 0.04), mode=mode)
    found = prepared_z(module, scanner)
    # Without exchange T1rho of spins locked on resonance is T2.
    assert found[1] / found[0] == pytest.approx(math.exp(-0.03 / T2), rel=0.01)


def test_balanced_spin_lock_forgives_b1_and_b0(scanner):
    def spread(mode):
        times = tuple(round(t, 5) for t in np.arange(0.02, 0.0241, 0.0004))
        module = SpinLock(tsl=times, mode=mode)
        found = prepared_z(module, scanner, t1=1e6, t2=1e6, b1=0.75, offset=30.0)
        return np.ptp(found)

    # A simple lock leaves spins turning about B1; the balanced one brings them back.
    assert spread("simple") > 0.1
    assert spread("balanced") < 0.5 * spread("simple")


def test_saturation_train_has_its_rms_and_offset(scanner):
    module = ChemicalExchangeSaturation(offset=(3.5e-6,), pulses=4, b1_rms=1.2e-6)
    blocks = echo(module).build(scanner).blocks
    train = [block for block in blocks if block.name == "saturate"][:4]
    length = sum(block.duration for block in train[:3]) * 1e-9 + module.pulse_duration
    assert math.sqrt(rf_energy(tuple(train)) / length) == pytest.approx(1.2e-6, rel=1e-6)
    assert train[0].rf.frequency == pytest.approx(3.5e-6 * scanner.gamma_bar * scanner.b0)
    assert module.facts()["saturation_time"] == pytest.approx(length, abs=1e-6)


def test_long_saturation_reaches_the_steady_state_of_the_bloch_equation(scanner):
    offset = 150.0
    module = MagnetisationTransfer(
        offset=(offset,), shape="hard", pulses=1, pulse_duration=1.0, duty_cycle=1.0, b1_rms=1e-6
    )
    found = prepared_z(module, scanner, t1=0.16, t2=0.016)[0]
    w1, dw = 2 * math.pi * scanner.gamma_bar * 1e-6, 2 * math.pi * offset
    # Mz / M0 = (1 + (dw T2)^2) / (1 + (dw T2)^2 + w1^2 T1 T2), Abragam; recovery during the spoiler is below 1 %.
    expected = (1 + (dw * 0.016) ** 2) / (1 + (dw * 0.016) ** 2 + w1**2 * 0.16 * 0.016)
    assert found == pytest.approx(expected, abs=0.01)


def flowing(module, scanner, speed, start):
    """Return (spin,) Mz of spins that move along z, m/s from a place in m, while the module's blocks play."""
    timeline = discretize(echo(module).build(scanner))
    z, plus, mz = np.array(start), np.zeros(len(start), complex), np.ones(len(start))
    for i, kind in enumerate(timeline.kind):
        seconds, event = timeline.duration[i] * 1e-9, timeline.event[i]
        # The middle of the step stands for a spin that moves by a fraction of a millimetre.
        middle = np.stack([0 * z, 0 * z, z + np.array(speed) * seconds / 2], axis=1)
        z = z + np.array(speed) * seconds
        if kind != RF:
            plus = plus * np.exp(-2j * np.pi * (middle @ timeline.moment[i]))
        elif timeline.pulses[event].use == "excitation":
            break
        else:
            plus, mz = through_pulse(timeline, event, timeline.phase[i], middle, plus, mz, 1e6, 1e6, 0.0, 1.0)
    return mz


@pytest.mark.slow
@pytest.mark.parametrize("balanced", [True, False])
def test_pseudo_continuous_label_inverts_flowing_blood_only(scanner, balanced):
    module = PseudoContinuousLabel(duration=0.09, delay=(0.03,), distance=-60e-3, balanced=balanced)
    # Blood at 0.3 m/s crosses the plane at -60 mm in the middle of the train; tissue in the slice stands still.
    speed, start = (0.3, 0.0), (-60e-3 - 0.3 * 0.045, 0.0)
    labelled, kept = (flowing(one, scanner, speed, start) for one in module.settings())
    # Labelling efficiency of pCASL is 0.8 to 0.95 at these speeds (Dai 2008).
    assert 0.8 < (kept[0] - labelled[0]) / 2 <= 1.0
    assert labelled[0] < -0.7
    assert labelled[1] > 0.98
    assert kept[1] > 0.98


def test_pulsed_label_differs_outside_of_the_slab_only(scanner):
    far = line_of_spins(16, 4e-3)
    far[:, 2] += 30e-3
    module = PulsedLabel(ti=(0.05,))
    within = prepared_z(module, scanner, t1=1e6, t2=1e6)
    outside = prepared_z(module, scanner, spins=far, t1=1e6, t2=1e6)
    np.testing.assert_allclose(within, [-1.0, -1.0], atol=0.05)
    np.testing.assert_allclose(outside, [-1.0, 1.0], atol=0.05)


def test_modules_combine_and_times_count_to_the_excitation(scanner):
    sequence = echo(Inversion(ti=(0.2,)), FatSaturation()).build(scanner)
    assert sequence.check() == ()
    starts = sequence.starts()
    named = {block.name: i for i, block in reversed(list(enumerate(sequence.blocks)))}

    def centre(name):
        block = sequence.blocks[named[name]]
        return int(starts[named[name]]) + block.rf.delay + block.rf.centre

    assert centre("excite") - centre("invert") == 200_000_000
    assert centre("invert") < centre("saturate fat") < centre("excite")


def test_preparation_is_read_from_a_file(tmp_path, scanner):
    path = tmp_path / "prepared.toml"
    path.write_text(
        'family = "spoiled-gradient-echo"\n[sequence]\nmatrix = [16, 4]\ntr = "200 ms"\n'
        '[[sequence.preparation]]\nkind = "spin-lock"\ntsl = "0 20 40 ms"\n'
        '[[sequence.preparation]]\nkind = "fat-saturation"\n'
    )
    sequence = load_protocol(str(path)).build(scanner)
    assert sequence.encoding.contrast["tsl"].tolist() == [0.0, 0.02, 0.04]
    assert sequence.definitions["scan_time"] == pytest.approx(3 * 4 * 0.2)
    assert sequence.encoding.sheet["preparation"] == "spin-lock, fat-saturation"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Inversion(ti=()), "ti: must hold positive times"),
        (lambda: Inversion(ti=(0.1,), width=2.0, pulse="hard"), "width: a hard pulse selects no slab"),
        (lambda: Inversion(ti=(0.1,), gap=-1.0), "gap: is -1 s; it must not be negative"),
        (lambda: Inversion(ti=(0.5,), gap=0.002), r"gap 2 ms does not fit.*raise it to at least \d"),
        (lambda: Inversion(ti=(0.005,)), r"ti 5 ms does not fit.*raise it to at least \d"),
        (lambda: T2Preparation(te=(0.002,)), "use at least"),
        (lambda: T2Preparation(te=(0.04,), refocusings=3), "refocusings: is 3; use an even number"),
        (lambda: T2Preparation(te=(0.04003,)), r"use 40 ms or 40\.08 ms"),
        (lambda: SpinLock(tsl=(0.02,), frequency=2000.0), "use at most 596.1 Hz"),
        (lambda: SpinLock(tsl=(0.02001,)), "use 20 ms or 20.04 ms"),
        (lambda: FatSaturation(band=8e-6), "band: is 8 ppm; make it positive and below 6.8 ppm"),
        (lambda: MagnetisationTransfer(offset=(1e3,), b1_rms=50e-6), "use at most"),
        (lambda: MagnetisationTransfer(offset=(1e3,), pulses=4, duty_cycle=0.999), "duty_cycle 0.999 leaves no room"),
        (lambda: PseudoContinuousLabel(duration=0.1, delay=(0.0,)), "must be at least"),
    ],
)
def test_impossible_preparation_names_value_and_remedy(make, message, scanner):
    with pytest.raises((InputError, InfeasibleError), match=message):
        echo(make()).build(scanner)

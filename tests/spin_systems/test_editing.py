"""Edited pairs: a weakly coupled pair in closed form, and lactate's difference by a plain density matrix."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import expm
from twin import Twin

import mrsim as mr
from mrsim.core.nuclei import PROTON, WATER_PPM
from mrsim.phantom.metabolite import CoupledSpins, Lines, load_metabolite
from mrsim.sequence.families.semi_laser import SemiLaser
from mrsim.simulate.spin_systems.metabolites import metabolite_signal
from mrsim.simulate.spin_systems.options import SpinSystem
from mrsim.simulate.spin_systems.shot import Play, Wait, shot, unedited
from mrsim.simulate.spin_systems.subspaces import networks

TE, HERTZ = 144e-3, 3e-6 * PROTON.gamma_bar
"""Echo time, s; Hz per ppm at 3 T."""


@pytest.fixture(scope="module")
def pair():
    """The shots with editing pulses on 4.10 ppm, and as far on the other side of water."""
    protocol = SemiLaser(te=TE, editing=(-0.55e-6, 0.55e-6), editing_duration=20e-3, samples=1024)
    timeline = mr.discretize(protocol.build(mr.Scanner.preset("3T")))
    return [shot(timeline, contrast) for contrast in (0, 1)]


def signal(metabolite, played):
    return metabolite_signal(metabolite, played, PROTON, SpinSystem(pulses="ideal"))


def lines_of(fid, played, shifts, coupling):
    """Return the complex amplitudes of the doublets' lines, (shift, low and high)."""
    place = [(ppm - WATER_PPM) * HERTZ - played.frequency + side * coupling / 2 for ppm in shifts for side in (-1, 1)]
    turns = np.exp(-2j * np.pi * np.outer(np.arange(len(fid)) * played.dwell, place))
    return np.linalg.lstsq(turns, fid, rcond=None)[0].reshape(len(shifts), 2)


def test_a_weakly_coupled_pair_evolves_by_cosine_and_sine_unless_its_partner_is_turned(pair):
    """Off: the lines end at exp(-+ i pi J TE) / 2, cosine in phase and sine in antiphase; on: both at 1 / 2."""
    shifts, coupling = (4.10, 1.31), 5.0
    both = CoupledSpins(shifts=tuple(1e-6 * ppm for ppm in shifts), couplings=("1-2 5 Hz",))
    made = replace(load_metabolite("Lac"), spins=(both,))
    on, off = (lines_of(signal(made, played), played, shifts, coupling) for played in pair)
    # a second spin's frequency moves by J^2 / 4 over the difference of shifts, its lines' heights by J over it
    strong = 2 * coupling / ((shifts[0] - shifts[1]) * HERTZ)
    np.testing.assert_allclose(np.abs(off[1]), 0.5, atol=strong)
    np.testing.assert_allclose(np.abs(on[1]), 0.5, atol=strong)
    turn = np.exp(2j * np.pi * coupling * TE)  # of the high line against the low one
    assert abs(off[1, 1] / off[1, 0] - turn.conjugate()) < 2 * strong
    assert abs(on[1, 1] / on[1, 0] - 1) < 2 * strong
    # what an editing pulse turns is dephased by its crushers
    assert np.abs(on[0]).max() < 0.02
    np.testing.assert_allclose(np.abs(off[0]), 0.5, atol=2 * strong)


def twin_signal(played):
    """Return lactate's signal in the full space: editing pulses step by step, other pulses as rotations."""
    (network,) = networks(load_metabolite("Lac").spins[0], PROTON, 3.0, WATER_PPM * 1e-6)
    count = len(network.offsets)
    pairs = {(i, j): network.couplings[i, j] for i in range(count) for j in range(i + 1, count)}
    twin, order = Twin(network.offsets, pairs), 1
    for event in played.events:
        if isinstance(event, Wait):
            twin.wait(event.duration)
            continue
        pulse = event.pulse
        if pulse.use == "preparation":
            twin.rho = played_through(twin, event)
            twin.keep(order)  # crushers of opposite sign leave what keeps its order alone
            continue
        twin.wait(pulse.centre)
        on_carrier = np.exp(2j * np.pi * pulse.frequency * (np.cumsum(pulse.dt) - pulse.dt / 2))
        phase = np.angle(np.sum(pulse.b1 * pulse.dt * on_carrier)) - event.phase
        twin.turn(np.degrees(pulse.flip), -(phase - 2 * np.pi * pulse.frequency * pulse.centre))
        order = 1 if pulse.use == "excitation" else -order
        twin.keep(order)
        twin.wait(pulse.dt.sum() - pulse.centre)
    twin.rho = twin.rho + twin.rho.conj().T
    time = np.arange(played.samples) * played.dwell
    return twin.fid(played.dwell, played.samples) * np.exp(1j * (played.phase + 2 * np.pi * played.frequency * time))


def played_through(twin, event: Play):
    """Return the density matrix behind a pulse's steps, each a generic exponential."""
    whole = np.eye(len(twin.rho))
    for dt, b1 in zip(event.pulse.dt, event.pulse.b1 * np.exp(-1j * event.phase), strict=True):
        field = 2 * np.pi * PROTON.gamma_bar * b1
        whole = expm(-1j * dt * (twin.h - field.real * twin.fx - field.imag * twin.fy)) @ whole
    return whole @ twin.rho @ whole.conj().T


@pytest.mark.slow
def test_lactates_difference_is_that_of_its_full_evolution(pair):
    made = load_metabolite("Lac")
    ours = [signal(made, played) for played in pair]
    truth = [twin_signal(played) for played in pair]
    size = np.abs(truth[0] - truth[1]).max()
    assert size > 1.0  # the methyl's three protons, turned over in one of two
    for mine, theirs in zip([*ours, ours[0] - ours[1]], [*truth, truth[0] - truth[1]], strict=True):
        assert np.abs(mine - theirs).max() < 1e-5 * size


def test_the_water_reference_is_not_edited(pair):
    """What the reference sees of water does not depend on where the editing pulses are, on water or far from it."""
    assert all(len(unedited(played).events) < len(played.events) for played in pair)
    assert len(unedited(unedited(pair[0])).events) == len(unedited(pair[0]).events)
    water = Lines(shifts=(WATER_PPM * 1e-6,), protons=(1.0,))
    made = replace(load_metabolite("Lac"), spins=(), lines=(water,))
    on_water, far = (
        shot(
            mr.discretize(
                SemiLaser(te=TE, editing=(carrier,), editing_duration=20e-3, samples=16).build(mr.Scanner.preset("3T"))
            )
        )
        for carrier in (0.0, 40e-6)
    )
    edited, reference, free = (abs(signal(made, s)[0]) for s in (on_water, unedited(on_water), far))
    assert edited < 0.05
    assert reference == pytest.approx(1.0, abs=1e-9)
    assert free == pytest.approx(1.0, abs=1e-3)

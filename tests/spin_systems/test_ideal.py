"""Ideal pulses: product operators, published values, and the plain twin in the full space."""

import numpy as np
import pytest
from shots import ideal_press, shot_of, turn, wait
from twin import Twin

from mrsim.core.nuclei import PROTON, WATER_PPM, nucleus
from mrsim.phantom.metabolite import CoupledSpins, load_metabolite
from mrsim.simulate.spin_systems.ideal import ideal_state
from mrsim.simulate.spin_systems.metabolites import metabolite_signal, space_signal
from mrsim.simulate.spin_systems.operators import embedded, levels, spin_matrices
from mrsim.simulate.spin_systems.options import SpinSystem
from mrsim.simulate.spin_systems.relaxation import Damping
from mrsim.simulate.spin_systems.subspaces import networks, subspaces


def still(states):
    return Damping(levels=states, rates=np.zeros((len(states.space.spins), 2)))


def network_of(name, b0=3.0):
    (part,) = load_metabolite(name).spins
    (network,) = networks(part, PROTON, b0, WATER_PPM * 1e-6)
    return network


def signal(name, shot):
    return metabolite_signal(load_metabolite(name), shot, PROTON, SpinSystem())


def twin_of(network, weak=False):
    n = len(network.offsets)
    pairs = {(i, j): network.couplings[i, j] for i in range(n) for j in range(i + 1, n) if network.couplings[i, j]}
    return Twin(network.offsets, pairs, weak)


@pytest.mark.parametrize(("te", "strong"), [(0.035, 0.7382), (0.072, 0.0156), (0.144, -0.9982), (0.288, 0.9970)])
def test_ideal_press_gives_lactates_published_in_phase_signal(te, strong):
    """Reference values computed with an independent program at 3 T, TE1 = TE2, J 6.93 Hz; four digits are given."""
    assert abs(in_phase_methyl(te) - strong) < 1e-4


LACTATE = CoupledSpins(
    shifts=(4.0974e-6, 1.3142e-6, 1.3142e-6, 1.3142e-6), couplings=("1-2 6.93 Hz", "1-3 6.93 Hz", "1-4 6.93 Hz")
)


def in_phase_methyl(te, b0=3.0):
    (network,) = networks(LACTATE, PROTON, b0, WATER_PPM * 1e-6)
    total = 0
    for space, weight in subspaces(network).items():
        states = levels(space)
        rho = states.vectors @ ideal_state(still(states), ideal_press(te / 2, te / 2, b0=b0)) @ states.vectors.T
        if len(space.spins) == 2:
            x, y, _ = spin_matrices(space.spins[1])
            total += weight * np.trace(rho @ embedded(space, 1, x + 1j * y))
    return (total / 3).real


@pytest.mark.parametrize(("b0", "te", "truth"), [(1.5, 0.144, -0.992), (1.5, 0.288, 0.980), (3.0, 0.144, -0.998)])
def test_ideal_press_of_lactate_at_other_fields(b0, te, truth):
    assert abs(in_phase_methyl(te, b0) - truth) < 5e-3


@pytest.mark.parametrize("te", [0.02, 0.035, 0.072, 0.1, 0.144, 0.288])
def test_ideal_press_at_a_high_field_is_the_cosine_of_weak_coupling(te):
    """At 300 T lactate is weakly coupled: cos(pi J TE), whatever TE1."""
    assert abs(in_phase_methyl(te, 300.0) - np.cos(np.pi * 6.93 * te)) < 2e-3


@pytest.mark.parametrize("name", ["Lac", "Ala", "Prop", "Thr", "Glu", "Ins", "aGlc", "BHB", "Pro"])
def test_ideal_press_equals_the_twin_in_the_full_space(name):
    network = network_of(name)
    twin = twin_of(network).press(0.012, 0.023)
    truth = twin.fid(4e-4, 256)
    ours = signal(name, ideal_press(0.012, 0.023, samples=256))
    assert np.max(np.abs(ours - truth)) < 1e-10 * np.max(np.abs(truth)) + 1e-9


@pytest.mark.parametrize("name", ["Lac", "Ala", "Prop", "Thr", "Val", "iButy"])
def test_grouped_spins_give_what_the_full_space_gives(name):
    network, played = network_of(name), ideal_press(0.017, 0.021, samples=128)
    both = [
        sum(weight * space_signal(space, played, SpinSystem()) for space, weight in subspaces(network, grouped).items())
        for grouped in (True, False)
    ]
    assert len(subspaces(network)) > 1
    assert np.max(np.abs(both[0] - both[1])) < 1e-10 * np.abs(both[1]).max()


@pytest.mark.parametrize(("name", "protons"), [("Gly", 2), ("Ace", 3), ("Suc", 4), ("sIns", 6), ("H2O", 2)])
def test_singlet_counts_its_protons_in_every_ideal_sequence(name, protons):
    pulse = shot_of(turn(90, np.pi / 2, "excitation"))
    for played in (pulse, ideal_press(0.015, 0.02)):
        assert abs(abs(signal(name, played)[0]) - protons) < 1e-10


def test_stimulated_echo_of_uncoupled_spins_is_half():
    steam = shot_of(
        turn(90, np.pi / 2, "excitation"), wait(0.01 - 1e-6, 900.0), turn(90, np.pi / 2, "storage"),
        wait(0.015 - 1e-6, 400.0), turn(90, np.pi / 2, "recall"), wait(0.01 - 1e-6, 900.0),
    )  # fmt: skip
    assert abs(abs(signal("Gly", steam)[0]) - 1.0) < 1e-9


def test_product_operators_of_two_weakly_coupled_spins():
    """I1x + I2x becomes, after 1 / (2 J), pure antiphase 2 I1y I2z + 2 I1z I2y: no signal then, all of it at 1 / J."""
    j = 10.0
    part = CoupledSpins(shifts=(1e-6, 900e-6), couplings=(f"1-2 {j} Hz",))
    (network,) = networks(part, PROTON, 3.0, WATER_PPM * 1e-6)
    (space,) = subspaces(network)
    states = levels(space)
    excited = turn(90, np.pi / 2, "excitation")
    rho = [
        ideal_state(still(states), shot_of(excited, wait(t / 2), turn(180), wait(t / 2))) for t in (1 / (2 * j), 1 / j)
    ]
    size = [abs(np.sum(r * states.raising.T)) / 2 for r in rho]
    # what strong coupling leaves is of order J / (115 kHz)
    assert size[0] < 3e-4
    assert abs(size[1] - 1) < 3e-4


@pytest.mark.parametrize("name", ["Lac", "Glu", "iButy"])
def test_evolution_is_unitary(name):
    """Without gradients nothing leaves the density matrix."""
    for space in subspaces(network_of(name)):
        states = levels(space)
        rho = ideal_state(still(states), shot_of(turn(77, 0.3, "excitation"), wait(0.013), turn(140, 1.1), wait(0.004)))
        assert abs(np.linalg.norm(rho) / np.linalg.norm(states.fz) - 1) < 1e-12
        assert np.max(np.abs(rho - rho.conj().T)) < 1e-12 * np.abs(rho).max()


@pytest.mark.parametrize(("name", "at_3t"), [("Lac", 1.3142), ("NAA", 2.008), ("Cr", 3.027), ("Ace", 1.904)])
def test_lines_stand_at_their_published_shifts(name, at_3t):
    fid = signal(name, shot_of(turn(90, np.pi / 2, "excitation"), samples=8192))
    spectrum = np.fft.fftshift(np.fft.ifft(fid * np.exp(-np.arange(8192) * 4e-4 * 20), 32768))
    ppm = WATER_PPM + np.fft.fftshift(np.fft.fftfreq(32768, 4e-4)) / (PROTON.gamma_bar * 3.0) * 1e6
    near = np.abs(ppm - at_3t) < 0.1
    weight = np.real(spectrum[near] / np.exp(1j * np.angle(fid[0])))
    assert abs(np.sum(ppm[near] * weight) / np.sum(weight) - at_3t) < 2e-3


def test_a_spin_of_another_nucleus_splits_the_lines():
    """PCho's CH2 near 31P and 14N: six copies; the sum of all lines stays where the shifts are."""
    part = load_metabolite("PCho").spins[0]
    (network,) = networks(part, PROTON, 3.0, WATER_PPM * 1e-6)
    spaces = subspaces(network)
    assert {space.dimension for space in spaces} == {16}
    assert len(spaces) == 6
    centres = [np.mean(space.offsets) for space in spaces]
    assert abs(np.mean(centres) - np.mean(network.offsets)) < 1e-9


def test_phosphorus_is_observed_and_split_by_its_protons():
    """31P next to two protons, J 6 Hz: a triplet 1:2:1 and a first point of one spin."""
    part = CoupledSpins(shifts=(3e-6, 4.1e-6, 4.1e-6), nuclei=("31P", "1H", "1H"), couplings=("1-2 6 Hz", "1-3 6 Hz"))
    (network,) = networks(part, nucleus("31P"), 3.0, 0.0)
    shares = {space.offsets[0]: weight for space, weight in subspaces(network).items()}
    centre = 3e-6 * 17.2514e6 * 3
    assert np.allclose(sorted(shares), [centre - 6, centre, centre + 6])
    assert np.allclose([shares[k] for k in sorted(shares)], np.array([0.5, 1.0, 0.5]))

"""Pulses of finite length: the Bloch engine, generic exponentials, the full grid, and losses known from theory."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import expm

import mrsim as mr
from mrsim.sequence.families.press import Press
from mrsim.sequence.families.semi_laser import SemiLaser
from mrsim.sequence.families.steam import Steam
from mrsim.simulate.pulse_response import pulse_response
from mrsim.simulate.spin_systems.operators import embedded, hamiltonian, spin_matrices
from mrsim.simulate.spin_systems.pulses import propagators
from mrsim.simulate.spin_systems.shot import Play, shot
from mrsim.simulate.spin_systems.subspaces import Subspace


@pytest.fixture(scope="module")
def scanner():
    return mr.Scanner.preset("3T")


def pulses_of(protocol, scanner):
    played = shot(mr.discretize(protocol.build(scanner)))
    return played, [event for event in played.events if isinstance(event, Play)]


@pytest.mark.parametrize("protocol", [Press(te=35e-3), SemiLaser(te=45e-3)], ids=["slr", "goia"])
def test_a_single_spin_follows_the_bloch_engine(protocol, scanner):
    played, pulses = pulses_of(protocol, scanner)
    x = np.linspace(-0.015, 0.015, 7)
    for event in pulses[:2]:
        axis = np.argmax(np.abs(event.pulse.gradient).max(axis=0))
        position = np.zeros((7, 3))
        position[:, axis] = x
        for offset in (-430.0, 55.0):
            u = propagators(Subspace(spins=(0.5,), offsets=(offset,), couplings=()), event, played.gamma_bar, position)
            spin = np.stack(spin_matrices(0.5))
            for start in np.eye(3):
                rho = np.einsum("k,kab->ab", start, spin)
                after = u @ rho @ np.swapaxes(u, 1, 2).conj()
                ours = 2 * np.real(np.einsum("nab,kba->nk", after, spin))
                bloch = pulse_response(
                    event.pulse, played.gamma_bar, position=position, offset=offset, phase=event.phase, start=start
                )
                assert np.max(np.abs(ours - bloch)) < 1e-8


def test_a_pulse_on_strongly_coupled_spins_is_the_product_of_exponentials(scanner):
    """A methyl (3/2) and two spins 1/2 under the slice gradient, step by step with scipy's exponential."""
    played, pulses = pulses_of(Press(te=35e-3), scanner)
    space = Subspace(spins=(0.5, 1.5, 0.5), offsets=(-60.0, -420.0, -80.0), couplings=((0, 1, 7.0), (0, 2, -14.0)))
    event, place = pulses[1], np.array([[0.0, 0.004, 0.0]])
    pulse, truth = event.pulse, np.eye(space.dimension)
    total = [sum(embedded(space, i, spin_matrices(s)[axis]) for i, s in enumerate(space.spins)) for axis in range(3)]
    for dt, b1, gradient in zip(pulse.dt, pulse.b1 * np.exp(-1j * event.phase), pulse.gradient, strict=True):
        field = np.array([b1.real, b1.imag, gradient @ place[0]]) * 2 * np.pi * played.gamma_bar
        h = hamiltonian(space) - sum(f * operator for f, operator in zip(field, total, strict=True))
        truth = expm(-1j * h * dt) @ truth
    ours = propagators(space, event, played.gamma_bar, place)[0]
    assert np.max(np.abs(ours @ ours.conj().T - np.eye(space.dimension))) < 1e-11
    assert np.max(np.abs(ours - truth)) < 2e-6


@pytest.mark.parametrize("crushers", ["filter", "average"])
@pytest.mark.parametrize("protocol", [Press(te=35e-3), Steam()], ids=["press", "steam"])
def test_projection_is_the_average_over_the_full_grid(protocol, crushers, scanner):
    timeline = mr.discretize(protocol.build(scanner))
    both = [
        mr.basis("Lac", timeline, mr.SpinSystem(pulses="shaped", crushers=crushers, points=12, project=p), cached=False)
        for p in (True, False)
    ]
    assert np.max(np.abs(both[0].fids - both[1].fids)) < 1e-6 * np.abs(both[1].fids).max()


def test_filter_is_what_many_cycles_of_crushers_leave(scanner):
    """With ever stronger crushers the average goes to the filter's value, as 1 / cycles: the line has ends."""
    errors = []
    for cycles in (6.0, 12.0, 24.0):
        timeline = mr.discretize(Press(te=60e-3, crusher_cycles=cycles, samples=64).build(scanner))
        filtered, averaged = (
            mr.basis("Gly", timeline, mr.SpinSystem(pulses="shaped", crushers=c), cached=False).fids[0, 0]
            for c in ("filter", "average")
        )
        errors.append(abs(filtered - averaged) / abs(filtered))
    assert errors[2] < 0.4 * errors[0]
    assert errors[2] < 0.01


@pytest.mark.slow
def test_shaped_signal_does_not_depend_on_the_grid(scanner):
    timeline = mr.discretize(Press(te=35e-3, samples=64).build(scanner))
    coarse, fine = (
        mr.basis("Lac", timeline, mr.SpinSystem(pulses="shaped", points=n), cached=False).fids for n in (0, 200)
    )
    assert np.max(np.abs(coarse - fine)) < 1e-3 * np.abs(fine).max()


@pytest.mark.slow
@pytest.mark.parametrize(("te", "published"), [(30e-3, None), (144e-3, 0.35), (288e-3, 0.13)])
def test_displacement_takes_lactate_away_at_long_echo_times(te, published, scanner):
    """Refocusing pulses of 1.15 kHz at 3 T: the methyl's slice and its partner's overlap by f = 1 - dnu / BW.

    TE1 = TE2. In rectangular slices f^2 cos(pi J TE) + 2 f (1 - f) cos(pi J TE / 2) + (1 - f)^2 is left; real slices
    have edges. An independent program finds 0.35 and 0.13 of the ideal signal at 144 and 288 ms with pulses of 5 ms.
    """
    overlap, j = 1 - 2.7832e-6 * 127.73e6 / 1150, np.pi * 6.933 * te
    theory = overlap**2 * np.cos(j) + 2 * overlap * (1 - overlap) * np.cos(j / 2) + (1 - overlap) ** 2
    protocol = Press(
        te=te, first_echo=te / 2, refocusing_duration=5e-3, time_bandwidth=5.75, samples=1024, spectral_width=2000.0
    )
    timeline = mr.discretize(protocol.build(replace(scanner, max_b1=40e-6)))
    shaped, ideal = (
        mr.basis("Lac,Ace", timeline, mr.SpinSystem(pulses=pulses), cached=False) for pulses in ("shaped", "ideal")
    )
    size = [methyl(b.fid("Lac"), b.dwell) / methyl(b.fid("Ace"), b.dwell) for b in (shaped, ideal)]
    assert abs(abs(size[0] / size[1]) - abs(theory / np.cos(j))) < 0.08
    if published:
        assert abs(abs(size[0] / size[1]) - published) < 0.05


def methyl(fid, dwell):
    """In-phase signal of the methyl: the area of its doublet in the real part, lines of 3 Hz."""
    t = np.arange(len(fid)) * dwell
    damped = fid * np.exp(-3 * np.pi * t)
    damped[0] /= 2
    spectrum = np.fft.fftshift(np.fft.ifft(damped, 8192)) * 8192
    frequency = np.fft.fftshift(np.fft.fftfreq(8192, dwell))
    seen = (frequency < -300.0) & (frequency > -550.0)
    return np.sum(np.real(spectrum[seen]))

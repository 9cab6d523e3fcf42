"""Trains with real pulses, line by line: matrices by scipy's exponential, echoes by many dense spins."""

import numpy as np
import pytest
from scipy.linalg import expm

from mrsim.core.selective_train import SelectivePulse, SelectiveTrain

SPINS = 101
T1, T2 = 0.6, 0.08


def generator(x, y, z, r1=0.0, r2=0.0):
    """dM/dt of (Mx, My, Mz, 1): M x omega with relaxation."""
    return np.array([[-r2, z, -y, 0], [-z, -r2, x, 0], [y, -x, -r1, r1], [0, 0, 0, 0.0]])


def pulse(flip, samples=6, duration=1e-3, gradient=0.0):
    shape = np.hanning(samples + 2)[1:-1] * np.exp(0.3j * np.linspace(-1, 1, samples) ** 2)
    dwell = duration / samples
    turn = flip / (dwell * abs(shape.sum()))
    return SelectivePulse(signal=turn * shape, dwell=dwell, centre=duration / 2, gradient=gradient)


def played(shape, place, scale, r1=0.0, r2=0.0):
    """The (4, 4) matrix of a pulse at a place."""
    total = np.eye(4)
    for b in scale * shape.signal:
        total = expm(generator(b.real, b.imag, 2 * np.pi * shape.gradient * place, r1, r2) * shape.dwell) @ total
    return total


def about_z(angle):
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


def rest(time):
    return expm(generator(0, 0, 0, 1 / T1, 1 / T2) * time).T


def dense_echoes(train, place, b1, delay=None):
    """Echoes over M0 of spins whose crushers turn them by 0 to 2 pi per half spacing, in the steady state."""
    wind = np.array([about_z(2 * np.pi * k / SPINS).T for k in range(SPINS)])
    free, n = rest((train.spacing - train.refocusing.duration) / 2), len(train.shares)
    half = about_z(np.pi * train.refocusing.gradient * train.refocusing.duration * place)
    refocus = [(half @ played(train.refocusing, place, b1 * s, 1 / T1, 1 / T2) @ half).T for s in train.shares]
    after = train.excitation.duration - train.excitation.centre
    back = about_z(2 * np.pi * train.excitation.gradient * after * place)
    excite = (back @ played(train.excitation, place, b1)).T
    spins, found = np.tile([0.0, 0.0, 1.0, 1.0], (SPINS, 1)), np.zeros(n)
    for _ in range(100):
        before, found = found, []
        spins[:, :2] = 0.0
        spins = spins @ excite @ free
        for number, matrix in enumerate(refocus):
            spins = np.einsum("si,sij->sj", spins, wind) @ matrix
            spins = np.einsum("si,sij->sj", spins, wind) @ free
            found.append(np.mean(spins[:, 0] + 1j * spins[:, 1]))
            if number < n - 1:
                spins = spins @ free
        gone = train.tr - n * train.spacing
        if delay is None:
            spins = spins @ rest(gone)
        else:  # nothing wound is carried on
            spins = np.tile([0.0, 0.0, spins[:, 2].mean(), 1.0], (SPINS, 1)) @ rest(gone - delay)
            spins[:, 2] *= played(train.saturation, place, b1)[2, 2]
            spins = spins @ rest(delay)
        if np.abs(np.array(found) - before).max() < 1e-13:
            break
    return np.array(found)


def train_of(duration, gradient=0.0, saturated=False):
    return SelectiveTrain(
        excitation=pulse(1.5, duration=duration, gradient=gradient),
        refocusing=pulse(2.6, duration=duration, gradient=0.8 * gradient), shares=np.array([1.0, 0.7, 1.0]),
        spacing=0.012, tr=0.5, thickness=5e-3, saturation=pulse(2.0, duration=duration) if saturated else None,
    )  # fmt: skip


@pytest.mark.parametrize("delays", [None, (0.02, 0.3)])
def test_trains_equal_dense_spins(delays):
    """What recovers during a pulse is given half before and half after it: the longer the pulse, the more it counts."""
    for duration, within in ((1e-5, 2e-6), (1e-3, 2e-4)):
        train = train_of(duration, saturated=delays is not None)
        found = train.echoes([T1], [T2], [0.0, 0.9], delays=delays).reshape(2, -1, 3)
        assert np.abs(found[0]).max() == 0.0
        for d, delay in enumerate(delays or (None,)):
            assert np.abs(found[1, d] - dense_echoes(train, 0.0, 0.9, delay)).max() < within


def test_a_slice_is_the_sum_over_its_places(monkeypatch):
    monkeypatch.setattr("mrsim.core.selective_train.PLACES", 5)
    train = train_of(1e-4, gradient=2e6)
    places, weights = train.places()
    assert len(places) == 5
    assert weights.sum() == pytest.approx(2 * 1.5)
    wanted = sum(w * dense_echoes(train, p, 1.1) for p, w in zip(places, weights, strict=True))
    assert np.abs(train.echoes([T1], [T2], [1.1])[0] - wanted).max() < 2e-5


def test_pulse_matrices_are_rotations_with_their_exposure():
    shape = pulse(2.0, gradient=3e5)
    places = np.array([-1e-3, 0.0, 2e-3])
    rotation, exposure = shape.matrices(places, np.array([0.0, 0.8]))
    for a, scale in enumerate((0.0, 0.8)):
        for p, place in enumerate(places):
            np.testing.assert_allclose(rotation[a, p], played(shape, place, scale)[:3, :3], atol=1e-13)
            total, until = np.zeros((3, 3)), np.eye(3)
            for b in scale * shape.signal:
                step = expm(generator(b.real, b.imag, 2 * np.pi * 3e5 * place)[:3, :3] * shape.dwell / 400)
                for _ in range(400):  # trapezia
                    next_ = step @ until
                    total += shape.dwell / 800 * sum(r[:2].T @ r[:2] for r in (until, next_))
                    until = next_
            # the kernel takes each sample's exposure in its middle: the square of its turn over 24
            turn = np.hypot(abs(scale * shape.signal).max(), 2 * np.pi * 3e5 * place) * shape.dwell
            assert np.abs(exposure[a, p] - total).max() < shape.duration * max(turn**2 / 12, 1e-9)

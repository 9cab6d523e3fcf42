"""Relaxation inside the evolution: closed forms of one spin, and a Liouville-space twin of two and three."""

import numpy as np
import pytest
from scipy.linalg import expm
from shots import ideal_press, shot_of, turn, wait
from twin import Twin, X, Y, Z, one

from mrsim.core.errors import InputError
from mrsim.core.nuclei import PROTON, WATER_PPM
from mrsim.phantom.metabolite import CoupledSpins, Metabolite, load_metabolite
from mrsim.simulate.spin_systems.metabolites import metabolite_signal
from mrsim.simulate.spin_systems.options import SpinSystem


def signal(metabolite, shot):
    return metabolite_signal(metabolite, shot, PROTON, SpinSystem())


def test_singlet_decays_with_t2_until_the_echo_and_behind_it():
    played = ideal_press(0.03, 0.05, samples=64)
    t = 0.08 + np.arange(64) * 4e-4
    plain, relaxing = (signal(m, played) for m in (load_metabolite("Ace"), load_metabolite("Ace").relaxing(1.2, 0.1)))
    assert np.max(np.abs(relaxing - plain * np.exp(-t / 0.1))) < 1e-9 * 3


def test_longitudinal_magnetisation_recovers_with_t1():
    played = shot_of(turn(180, 0, "inversion"), wait(0.7, 500.0), turn(90, np.pi / 2, "excitation"), samples=2)
    seen = signal(load_metabolite("Ace").relaxing(1.2, 1.0), played)[0] / 3
    assert abs(abs(seen) - abs(1 - 2 * np.exp(-(0.7 - 1e-6) / 1.2))) < 1e-5


class Liouville:
    """The whole of exp((L + R) t) on vectorised density matrices, with R built from each spin's product operators."""

    def __init__(self, twin, t1, t2):
        n, size = twin.n, 2**twin.n
        self.rest = twin.fz.reshape(-1).astype(complex)
        coherent = -1j * (np.kron(twin.h, np.eye(size)) - np.kron(np.eye(size), twin.h.T))
        damping = np.zeros((size**2, size**2), complex)
        for i in range(n):
            a, b = 1 / t1[i], 1 / t2[i]
            for axis, rate in ((X, a / 2), (Y, a / 2), (Z, b - a / 2)):
                op = one(n, i, axis)
                double = op @ op
                damping -= rate * (
                    np.kron(double, np.eye(size)) + np.kron(np.eye(size), double.T) - 2 * np.kron(op, op.T)
                )
        self.damping, self.all = damping, coherent + damping

    def wait(self, rho, seconds):
        source = np.linalg.lstsq(self.all, self.damping @ self.rest, rcond=None)[0]
        v = rho.reshape(-1)
        return (expm(self.all * seconds) @ (v - source) + source).reshape(rho.shape)


@pytest.mark.parametrize(
    ("shifts", "couplings"), [((2.0, 2.2), {(0, 1): 9.0}), ((2.0, 2.2, 3.1), {(0, 1): -14.0, (0, 2): 7.0, (1, 2): 4.0})]
)
def test_split_steps_follow_the_liouville_twin(shifts, couplings):
    t1, t2 = (0.4, 1.0, 0.7)[: len(shifts)], (0.06, 0.2, 0.1)[: len(shifts)]
    larmor = PROTON.gamma_bar * 3.0
    twin = Twin([(s - WATER_PPM) * 1e-6 * larmor for s in shifts], couplings)
    liouville = Liouville(twin, t1, t2)
    rho, fids = None, []
    twin.turn(90, np.pi / 2)
    rho = liouville.wait(twin.rho, 0.02)
    twin.rho = rho
    twin.turn(180)
    rho = liouville.wait(twin.rho, 0.02)
    for _ in range(32):
        twin.rho = rho
        fids.append(sum(twin.seen(i) for i in range(twin.n)))
        rho = liouville.wait(rho, 4e-4)
    part = CoupledSpins(
        shifts=tuple(s * 1e-6 for s in shifts), t1=t1, t2=t2,
        couplings=tuple(f"{i + 1}-{j + 1} {value} Hz" for (i, j), value in couplings.items()),
    )  # fmt: skip
    played = shot_of(turn(90, np.pi / 2, "excitation"), wait(0.02 - 1e-6), turn(180), wait(0.02 - 1e-6), samples=32)
    ours = signal(Metabolite(name="test", spins=(part,)), played)
    assert np.max(np.abs(ours - np.array(fids))) < 2e-4 * twin.n


def test_relaxation_of_many_spins_is_refused():
    with pytest.raises(InputError, match="seven spins"):
        signal(load_metabolite("Lys").relaxing(1.0, 0.1), ideal_press(0.01, 0.02, samples=4))

"""A plain density matrix: the full space of spins 1/2, no groups, no blocks; slow and obvious."""

import numpy as np
from scipy.linalg import expm

X, Y, Z = np.array([[0, 1], [1, 0]]) / 2, np.array([[0, -1j], [1j, 0]]) / 2, np.array([[1, 0], [0, -1]]) / 2


def one(n, i, matrix):
    whole = np.eye(1)
    for k in range(n):
        whole = np.kron(whole, matrix if k == i else np.eye(2))
    return whole


class Twin:
    def __init__(self, offsets, couplings, weak=False):
        """offsets : (n,) Hz; couplings : {(i, j): J Hz}; weak: Iz Iz alone."""
        self.n = n = len(offsets)
        self.x, self.y, self.z = ([one(n, i, m) for i in range(n)] for m in (X, Y, Z))
        self.fx, self.fy, self.fz = sum(self.x), sum(self.y), sum(self.z)
        self.h = sum(-2 * np.pi * f * z for f, z in zip(offsets, self.z, strict=True))
        for (i, j), value in couplings.items():
            axes = [self.z] if weak else [self.x, self.y, self.z]
            self.h = self.h + sum(2 * np.pi * value * a[i] @ a[j] for a in axes)
        self.rho = self.fz.astype(complex)

    def turn(self, degrees, phase=0.0):
        u = expm(1j * np.radians(degrees) * (np.cos(phase) * self.fx - np.sin(phase) * self.fy))
        self.rho = u @ self.rho @ u.conj().T

    def wait(self, seconds):
        u = expm(-1j * self.h * seconds)
        self.rho = u @ self.rho @ u.conj().T

    def keep(self, *orders):
        m = np.real(np.diag(self.fz))
        self.rho = np.where(np.isin(np.rint(m[:, None] - m[None, :]), orders), self.rho, 0)

    def press(self, te1, te2):
        self.turn(90, np.pi / 2)
        self.wait(te1 / 2)
        self.keep(1)
        self.turn(180)
        self.keep(-1)
        self.wait((te1 + te2) / 2)
        self.turn(180)
        self.keep(1)
        self.wait(te2 / 2)
        # the other half of the pathway is the Hermitian conjugate of this one
        self.rho = self.rho + self.rho.conj().T
        return self

    def fid(self, dwell, samples):
        e, v = np.linalg.eigh(self.h)
        rho, plus = v.conj().T @ self.rho @ v, v.conj().T @ (self.fx + 1j * self.fy) @ v
        a, b = np.nonzero(np.abs(rho * plus.T) > 1e-14)
        lines = (rho * plus.T)[a, b]
        t = np.arange(samples) * dwell
        return np.exp(-1j * np.outer(t, e[a] - e[b])) @ lines / 2 ** (self.n - 2)

    def seen(self, which):
        """In-phase signal of one spin, 1 behind a pulse of 90 degrees."""
        return complex(np.trace(self.rho @ (self.x[which] + 1j * self.y[which]))) / 2 ** (self.n - 2)

"""Slow, obvious references: a general ODE solver, an extended phase graph, isochromats step by step."""

from __future__ import annotations

import numpy as np
from scipy.integrate import solve_ivp


def bloch_ode(b, start, duration, gamma, t1=np.inf, t2=np.inf):
    """Magnetisation after `duration` in the field b(t) -> (3,) T, by DOP853; gamma in rad/s/T."""

    def rate(t, m):
        precession = gamma * np.cross(m, b(t))
        return precession - np.array([m[0] / t2, m[1] / t2, (m[2] - 1) / t1])

    return solve_ivp(rate, (0, duration), np.asarray(start, float), method="DOP853", rtol=1e-11, atol=1e-13).y[:, -1]


def epg_cpmg(flips, esp, t1, t2, excitation=np.pi / 2):
    """Echo amplitudes of a CPMG train by the extended phase graph, crushed; flips : (echo,) rad, real-valued form."""
    n = 2 * len(flips) + 3
    fp, fm, z = np.zeros(n), np.zeros(n), np.zeros(n)
    fp[0] = fm[0] = np.sin(excitation)
    z[0] = np.cos(excitation)
    e1, e2 = np.exp(-esp / 2 / t1), np.exp(-esp / 2 / t2)

    def shift():
        fp[1:] = fp[:-1].copy()
        fm[:-1] = fm[1:].copy()
        fm[-1] = 0
        fp[0] = fm[0]

    def relax():
        fp[:], fm[:], z[:] = fp * e2, fm * e2, z * e1
        z[0] += 1 - e1

    echoes = []
    for a in flips:
        relax()
        shift()
        c, s, sn, cs = np.cos(a / 2) ** 2, np.sin(a / 2) ** 2, np.sin(a), np.cos(a)
        # refocusing about the axis of the excited magnetisation: F+ and F- mix with real coefficients
        fp[:], fm[:], z[:] = c * fp + s * fm + sn * z, s * fp + c * fm - sn * z, -0.5 * sn * fp + 0.5 * sn * fm + cs * z
        relax()
        shift()
        echoes.append(fp[0])
    return np.array(echoes)


def play_slowly(pulse, gamma_bar, position, offset=0.0, t1=np.inf, t2=np.inf):
    """One spin through one pulse, step by step by Rodrigues' formula with split relaxation: the kernel's twin."""
    m = np.array([0.0, 0.0, 1.0])
    for dt, b1, g in zip(pulse.dt, pulse.b1, pulse.gradient, strict=True):
        half = np.array([np.exp(-dt / 2 / t2)] * 2 + [np.exp(-dt / 2 / t1)])
        recovery = np.array([0, 0, 1 - half[2]])
        m = m * half + recovery
        field = np.array([gamma_bar * b1.real, gamma_bar * b1.imag, gamma_bar * g @ position + offset])
        omega = -2 * np.pi * field
        angle = np.linalg.norm(omega) * dt
        if angle > 0:
            n = omega / np.linalg.norm(omega)
            m = m * np.cos(angle) + np.cross(n, m) * np.sin(angle) + n * (n @ m) * (1 - np.cos(angle))
        m = m * half + recovery
    return m


def epg_spoiled(flip, increment, tr, t1, t2, count, orders=80):
    """Signals of an RF-spoiled gradient echo right after each pulse, one gradient order per repetition.

    Rotations follow B1 = b exp(-i phase) and dM/dt = gamma M x B; the n-th phase is increment n (n + 1) / 2.
    """
    e1, e2 = np.exp(-tr / t1), np.exp(-tr / t2)
    fp, fm, z = (np.zeros(orders, complex) for _ in range(3))  # F+(k), conj(F(-k)), Z(k), k = 0, 1, ...
    z[0] = 1
    found = []
    c, s, sn, cs = np.cos(flip / 2) ** 2, np.sin(flip / 2) ** 2, np.sin(flip), np.cos(flip)
    for n in range(count):
        axis = np.exp(-1j * increment * n * (n + 1) / 2)  # direction of B1 in the transverse plane
        a, b = axis, np.conj(axis)
        new_fp = c * fp + a**2 * s * fm + 1j * a * sn * z
        new_fm = b**2 * s * fp + c * fm - 1j * b * sn * z
        z = 0.5j * b * sn * fp - 0.5j * a * sn * fm + cs * z
        fp, fm = new_fp, new_fm
        found.append(fp[0] * np.conj(axis))
        fp, fm, z = fp * e2, fm * e2, z * e1
        z[0] += 1 - e1
        fp[1:], fm[:-1] = fp[:-1].copy(), fm[1:].copy()
        fm[-1] = 0
        fp[0] = np.conj(fm[0])
    return np.array(found)


def bloch_expm(field, duration, gamma, start, t1=np.inf, t2=np.inf):
    """Magnetisation after steps of constant field, each the exponential of the 4 x 4 affine generator.

    field : (step, 3) T. duration : (step,) s. gamma in rad/s/T. d(M, 1)/dt = A (M, 1): exact for each step, without
    splitting rotation from relaxation.
    """
    from scipy.linalg import expm

    m = np.append(np.asarray(start, float), 1.0)
    for (bx, by, bz), dt in zip(field, duration, strict=True):
        generator = np.zeros((4, 4))
        generator[:3, :3] = gamma * np.array([[0, bz, -by], [-bz, 0, bx], [by, -bx, 0]])  # gamma M x B
        generator[:3, :3] -= np.diag([1 / t2, 1 / t2, 1 / t1])
        generator[2, 3] = 1 / t1
        m = expm(generator * dt) @ m
    return m[:3]

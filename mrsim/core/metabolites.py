"""Relaxation of metabolites where nothing better is known: the means of brain, since none were found of the disc."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .errors import InputError

BRAIN = {1.5: (1.24, 0.279), 3.0: (1.29, 0.194), 7.0: (1.43, 0.131)}
"""Field, T -> mean T1, T2 of brain metabolites, s (FSL-MRS defaults)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Relaxation:
    """Relaxation that a basis does not hold: of the amplitude by TE, TM and TR, and of the signal while it is read."""

    t1: float
    """s."""
    t2: float
    """s."""

    def left(self, sheet: Mapping[str, float], recovered: float | None = None) -> float:
        """Return the share of a signal that is left at the echo.

        Parameters
        ----------
        sheet : mapping
            ``te`` and ``tr``, ``tm`` where there is a mixing time, and ``unrecovered`` where the pulses behind the
            excitation take back what recovers: between two refocusing pulses it is turned over, which costs twice that
            time; s.
        recovered : float, optional
            Longitudinal magnetisation in front of the excitation over that of equilibrium, where more is known of it
            than that: a basis knows what the edges of its slices leave.
        """
        stored = np.exp(-sheet.get("tm", 0.0) / self.t1)
        if recovered is None:
            recovered = float(-np.expm1(-(sheet["tr"] - sheet.get("unrecovered", 0.0)) / self.t1))
        return float(np.exp(-sheet["te"] / self.t2) * stored * recovered)


def relaxation_at(field: float) -> Relaxation:
    """Return the relaxation of metabolites at a field strength, T, between those that are tabulated."""
    known = np.array(sorted(BRAIN))
    if not known[0] <= field <= known[-1]:
        raise InputError(
            f"relaxation of metabolites is known from {known[0]:g} to {known[-1]:g} T, not at {field:g} T", key="field"
        )
    t1, t2 = (float(np.interp(field, known, [BRAIN[b][k] for b in known])) for k in (0, 1))
    return Relaxation(t1=t1, t2=t2)


@dataclass(frozen=True, kw_only=True, slots=True)
class Recovery:
    """How far the lines of a basis recover within a repetition, over equilibrium, by T1."""

    t1: tuple[float, ...]
    """s, ascending."""
    water: tuple[float, ...]
    """Of the water reference."""
    members: Mapping[str, tuple[float, ...]]
    """Of each metabolite."""

    def at(self, name: str | None, t1: float) -> float:
        """Return the recovered share of a member, or of water (none), at a T1, s."""
        if not self.t1[0] <= t1 <= self.t1[-1]:
            raise InputError(
                f"is {t1:g} s; the basis knows how far lines recover with T1 from {self.t1[0]:g} to {self.t1[-1]:g} s",
                key="t1",
            )
        curve = self.water if name is None else self.members[name]
        from scipy.interpolate import CubicSpline

        return float(CubicSpline(np.log(self.t1), curve)(np.log(t1)))

"""Basis: the time signals of metabolites, one each, under the conditions of one sequence.

Each signal is that of 1 mM of its metabolite with every proton counting 1: behind an ideal pulse of 90 degrees its
first point is the number of protons. Signs are those of `Spectra`: a shift above the reference is exp(-i 2 pi f t).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError, did_you_mean
from .metabolites import Recovery, Relaxation
from .nuclei import WATER_PPM, nucleus
from .shown import Shown, counted, listing
from .spectra import to_spectrum
from .written import quantity

KINDS = ("metabolite", "macromolecule", "lipid", "water")
"""What a component is: components of a kind share their line width in a fit."""
FIELD_TOLERANCE = 2e-3
"""Relative difference of Larmor frequencies at which a basis still fits data: scanners are not at 3 T exactly."""
DWELL_TOLERANCE = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Basis(Shown):
    """Signals of several metabolites, alike in dwell, frequency and sequence."""

    names: tuple[str, ...]
    fids: NDArray[np.complex128]
    """(metabolite, point) signal of 1 mM, in protons."""
    dwell: float
    """Time between points, s; the first lies at the echo, or as early as the sequence allows."""
    frequency: float
    """Larmor frequency, Hz."""
    kinds: tuple[str, ...]
    """Per metabolite one of `KINDS`."""
    protons: NDArray[np.float64]
    """(metabolite,) visible protons (spins of the observed nucleus)."""
    widths: NDArray[np.float64]
    """(metabolite, 2) full width at half maximum that `fids` already have: Lorentz, Hz, and Gauss, Hz; means over
    their lines. Zero for small molecules: a fit broadens them."""
    reference_ppm: float = WATER_PPM
    """Chemical shift at frequency zero, ppm."""
    nucleus: str = "1H"
    sequence: str = ""
    """Family of the sequence, e.g. ``"press"``."""
    te: float = 0.0
    """Echo time, s."""
    conditions: dict[str, Any] = field(default_factory=dict)
    """How the signals were made: pulses, relaxation, temperature, mixing time, ..."""
    recovery: Recovery | None = None
    """How far lines recover within a repetition, where the sequence's pulses are known."""
    history: dict[str, Any] = field(default_factory=dict)
    """Provenance: engine, version, sources of the spin systems."""

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit one another."""
        count = len(self.names)
        if self.fids.ndim != 2 or self.fids.shape[0] != count:
            raise InputError(f"has shape {self.fids.shape}; {count} names ask for ({count}, points)", key="fids")
        if len(set(self.names)) != count:
            raise InputError("holds a name twice", key="names")
        if len(self.kinds) != count or self.protons.shape != (count,) or self.widths.shape != (count, 2):
            raise InputError(f"kinds, protons and widths must have {count} entries each", key="names")
        if unknown := sorted(set(self.kinds) - set(KINDS)):
            raise InputError(f"unknown kind '{unknown[0]}'{did_you_mean(unknown[0], KINDS)}", key="kinds")
        for key in ("dwell", "frequency"):
            if not (np.isfinite(getattr(self, key)) and getattr(self, key) > 0):
                raise InputError(f"is {getattr(self, key)}; it must be positive", key=key)
        if not np.all(np.isfinite(self.fids)):
            raise InputError("holds values that are not finite", key="fids")
        nucleus(self.nucleus)

    @property
    def time(self) -> NDArray[np.float64]:
        """(point,) s."""
        return np.asarray(np.arange(self.fids.shape[1]) * self.dwell, dtype=np.float64)

    def ppm(self, points: int | None = None) -> NDArray[np.float64]:
        """Return the (point,) chemical shifts of a spectrum, ascending; `points` after zero filling."""
        count = points or self.fids.shape[1]
        return np.asarray(
            self.reference_ppm + 1e6 * (np.arange(count) - count // 2) / (count * self.dwell * self.frequency)
        )

    def spectrum(self, points: int | None = None) -> NDArray[np.complex128]:
        """Return the (metabolite, point) spectra over `ppm`; the first point counts half."""
        return to_spectrum(self.fids, self.dwell, points)

    def fid(self, name: str) -> NDArray[np.complex128]:
        """Return the (point,) signal of one metabolite."""
        return np.asarray(self.fids[self.index(name)])

    def index(self, name: str) -> int:
        """Return the row of a metabolite."""
        if name not in self.names:
            raise InputError(f"the basis holds no '{name}'{did_you_mean(name, list(self.names))}")
        return self.names.index(name)

    def left(self, name: str | None, relaxation: Relaxation, sheet: Mapping[str, float]) -> float:
        """Return the share of a member's signal, or of the water reference's (none), that relaxation leaves.

        Parameters
        ----------
        name : str or None
        relaxation : Relaxation
        sheet : mapping
            As in `Relaxation.left`, which counts for itself where the basis does not know its sequence's pulses.
        """
        recovered = None if self.recovery is None else self.recovery.at(name, relaxation.t1)
        return relaxation.left(sheet, recovered)

    def only(self, names: Iterable[str]) -> Basis:
        """Return the basis of some of its metabolites, in the given order; it is of no set any more."""
        rows = [self.index(name) for name in names]
        return replace(
            self,
            names=tuple(self.names[i] for i in rows),
            kinds=tuple(self.kinds[i] for i in rows),
            fids=self.fids[rows],
            protons=self.protons[rows],
            widths=self.widths[rows],
            conditions={key: value for key, value in self.conditions.items() if key != "set"},
        )

    def broad(self, names: Iterable[str]) -> Basis:
        """Return the basis with some of its members as macromolecules, whose lines share a width of their own.

        Files of other programs do not say which members these are.
        """
        rows = [self.index(name) for name in names]
        kinds = tuple("macromolecule" if k in rows else kind for k, kind in enumerate(self.kinds))
        return replace(self, kinds=kinds)

    def minus(self, other: Basis) -> Basis:
        """Return the basis of a difference of spectra: this one's signals minus another's of the same metabolites."""
        if other.names != self.names:
            raise InputError(f"holds {', '.join(other.names)}; a difference needs {', '.join(self.names)}", key="names")
        return replace(self, fids=self.fids - other.fids)

    def check_fits(self, *, frequency: float, dwell: float, points: int, nucleus: str = "1H") -> None:
        """Refuse data that were measured at another field, with another dwell, or on another nucleus.

        Parameters
        ----------
        frequency : float
            Larmor frequency of the data, Hz.
        dwell : float
            s.
        points : int
            Points of the data; the basis may have more.
        nucleus : str
            Observed nucleus of the data.
        """
        if nucleus != self.nucleus:
            raise InputError(f"the basis is of {self.nucleus}, the data are of {nucleus}; make one for {nucleus}")
        if abs(frequency / self.frequency - 1) > FIELD_TOLERANCE:
            raise InputError(
                f"the basis was made at {self.frequency / 1e6:.3f} MHz, the data are at {frequency / 1e6:.3f} MHz; "
                "couplings do not scale with the field: make the basis at that of the data"
            )
        if abs(dwell / self.dwell - 1) > DWELL_TOLERANCE:
            raise InputError(
                f"the basis has a dwell of {self.dwell * 1e6:.6g} us, the data {dwell * 1e6:.6g} us; make it with the "
                "data's spectral width"
            )
        if points > self.fids.shape[1]:
            raise InputError(
                f"the basis has {self.fids.shape[1]} points, the data {points}; make it with at least as many"
            )

    def _facts(self) -> dict[str, str]:
        return {
            "": f"{counted(len(self.names), 'metabolite')} of {counted(self.fids.shape[1], 'point')}",
            "names": listing(self.names), "sequence": self.sequence, "te": quantity(self.te, "s"),
            "width": f"{1 / self.dwell:.4g} Hz at {self.frequency / 1e6:.4g} MHz",
        }  # fmt: skip

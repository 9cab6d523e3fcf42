"""Raw data: what the receiver wrote down, and what a protocol sheet says about it.

Nothing here knows what an imperfect scanner really played: k and t are nominal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .grid import Grid
from .shown import Shown, columns, counted, listing, span


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Encoding:
    """How the readouts fill k-space, and the nominal facts that a protocol sheet gives to a fitter."""

    grid: Grid
    """The encoded matrix and field of view: one voxel per k-space point."""
    frequency: float
    """Larmor frequency, Hz."""
    dwell: float
    """Time between samples, s."""
    contrast: dict[str, NDArray[np.float64]]
    """Per image of the series, each (contrast,): ``te``, ``tr``, ``ti`` in s, ``flip`` in rad, ..."""
    kind: str = "2d"
    """``"2d"``: each z index of the grid is a slice of its own (label ``slice``); ``"3d"``: z is encoded (label
    ``partition``); ``"spectrum"``: readouts are free induction decays or echoes, one voxel per grid point."""
    k_from: str = "labels"
    """How the nominal k is known: ``"labels"`` (Cartesian: line, partition, reverse) or ``"trajectory"`` (the nominal
    gradients, from the effective centre of the excitation on; a refocusing pulse turns the sign)."""
    sheet: dict[str, Any] = field(default_factory=dict)
    """Nominal pulse facts: flip trains (rad), slice profiles, echo spacing (s); arrays, floats or strings."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Readouts(Shown):
    """A homogeneous group of readouts."""

    data: NDArray[np.complex128]
    """(readout, coil, sample); proton-density-weighted volume, m^3."""
    k: NDArray[np.float64]
    """(readout, sample, 3) nominal k in grid axes x, y, z, 1/m."""
    t: NDArray[np.float64]
    """(readout, sample) nominal time since the readout's excitation, s."""
    labels: dict[str, NDArray[np.int64]]
    """Per readout, each (readout,): ``line``, ``partition``, ``slice``, ``contrast``, ``average``, ..."""
    dwell: float | None = None
    """Time between samples, s; None: the encoding's."""
    start: NDArray[np.float64] | None = None
    """(readout,) when the window opened, s since the start of the scan; None where the source does not say."""

    def to_xarray(self) -> Any:
        """Return the readouts as an `xarray.DataArray` (readout, coil, sample); needs the extra ``xarray``."""
        from .labelled import along, array

        coordinates = along("readout", self.labels) | {"t": (("readout", "sample"), self.t, {"units": "s"})}
        coordinates |= {f"k{axis}": (("readout", "sample"), self.k[..., i]) for i, axis in enumerate("xyz")}
        return array(self.data, ("readout", "coil", "sample"), coordinates, "m^3", "signal")

    def _facts(self) -> dict[str, str]:
        readouts, coils, samples = self.data.shape
        size = f"{counted(readouts, 'readout')} of {counted(samples, 'sample')}, {counted(coils, 'coil')}"
        return {"": size, "labels": listing(self.labels), "time": span(self.t, "s")}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Acquisition(Shown):
    """Raw data of one scan: groups of readouts by purpose, with the encoding header they share."""

    groups: dict[str, Readouts]
    """By purpose: ``imaging`` always; ``navigator``, ``calibration``, ``noise`` where the scan has them. Windows of
    one purpose that differ in length or dwell are groups of their own, e.g. ``navigator-32x5000ns``."""
    encoding: Encoding
    noise_density: NDArray[np.complex128]
    """(coil, coil) noise covariance of one quadrature channel times the dwell time, m^6 s: what the
    scanner's calibration promises, whether or not noise has been added."""
    noisy: bool = False
    """True once noise has been added."""
    history: dict[str, Any] = field(default_factory=dict)
    """Provenance: engine, seeds, numerical error, versions."""

    @property
    def imaging(self) -> Readouts:
        """The readouts that make the image."""
        return self.groups["imaging"]

    def noise_sigma(self) -> NDArray[np.float64]:
        """Return the (coil,) standard deviation of one quadrature channel of one sample, m^3."""
        return np.sqrt(np.real(np.diag(self.noise_density)) / self.encoding.dwell)

    def measured_noise(self) -> NDArray[np.complex128] | None:
        """Return the (coil, coil) `noise_density` that the readouts of the group ``noise`` show, m^6 s.

        None without such readouts. Its diagonal has a relative standard error of 1 / sqrt(samples).
        """
        group = self.groups.get("noise")
        if group is None or group.data.size == 0:
            return None
        flat = group.data.transpose(1, 0, 2).reshape(group.data.shape[1], -1)
        dwell = self.encoding.dwell if group.dwell is None else group.dwell
        return np.asarray(flat @ flat.conj().T / flat.shape[1] / 2 * dwell)

    def to_xarray(self) -> Any:
        """Return the imaging readouts as an `xarray.DataArray` (readout, coil, sample); see `Readouts.to_xarray`."""
        return self.imaging.to_xarray()

    def _facts(self) -> dict[str, str]:
        groups = {name: group._facts()[""] for name, group in self.groups.items()}
        encoding = {"encoding": self.encoding.kind, "contrast": columns(self.encoding.contrast)}
        return groups | encoding | {"grid": self.encoding.grid.in_words(), "noise": "added" if self.noisy else "none"}

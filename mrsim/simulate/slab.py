"""How much of the slice direction a scan must be simulated over, and which pulses act on a stretch of it.

Selective pulses excite little outside their slice, but how little depends on the pulse: a short one of time-bandwidth
1 needs several slice thicknesses. Pulses that do not select need the whole object.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..sequence.timeline import Pulse, Timeline
from .options import Bloch
from .pulse_response import pulse_response

WIDEST = 12.0
"""Slice thicknesses over which excitation is looked for, and the most that is simulated of a selective pulse."""
FLAT = 0.1
"""A pulse that still excites this share of its largest transverse magnetisation there selects no slice."""
FAINT = 3.0
"""Excited magnetisation that may stay outside, over the wanted accuracy; its phase winds, so it adds up to less."""
PLACES = 41
"""Places of a stretch at which it is judged what pulses do there."""


def slice_positions(timeline: Timeline) -> NDArray[np.float64]:
    """Return where the slices of a stack lie along z, m; 0 for a slab that is encoded in three dimensions."""
    return np.zeros(1) if timeline.encoding.kind == "3d" else timeline.encoding.grid.coordinates(2)


def selected_thickness(timeline: Timeline) -> float:
    """Return the thickness of what one excitation selects, m: a slice, or all partitions of a slab."""
    grid = timeline.encoding.grid
    return grid.spacing[2] * grid.shape[0] if timeline.encoding.kind == "3d" else grid.thickness


def nominal_position(pulse: Pulse, gamma_bar: float) -> float | None:
    """Return where along z a pulse is on resonance under its gradient, m; None if it selects no place."""
    edges = np.cumsum(pulse.dt)
    slope = gamma_bar * float(pulse.gradient[min(int(np.searchsorted(edges, pulse.centre)), len(edges) - 1), 2])
    return None if slope == 0 else pulse.frequency / slope


def slab_thickness(timeline: Timeline, object_ends: tuple[float, float], engine: Bloch) -> float:
    """Return the thickness of the simulated slab, m, centred on the grid's origin.

    Parameters
    ----------
    timeline : Timeline
        The scan.
    object_ends : (float, float)
        Where the object starts and ends along the slice direction, m from the grid's origin; may be infinite.
    engine : Bloch
        `slab` fixes the thickness, in slice thicknesses around every slice; otherwise it follows from `accuracy`.
    """
    selected, farthest = selected_thickness(timeline), float(np.abs(slice_positions(timeline)).max())
    if engine.slab is not None:
        return engine.slab * selected + 2 * farthest
    needed = 2.0 * max(abs(object_ends[0]), abs(object_ends[1]))
    excited = _excited_thickness(timeline, selected, FAINT * engine.accuracy)
    if not np.isfinite(min(needed, excited)):
        raise InputError(
            "the pulses select no slice and the phantom is endless across it: give the phantom's file a length, "
            "or fix the simulated slab",
            key="slab",
        )
    return float(min(needed, max(excited, selected + 2 * farthest)))


def _excited_thickness(timeline: Timeline, selected: float, faint: float) -> float:
    """Return the thickness outside which no excitation leaves more than `faint` of M0."""
    reach = selected
    for pulse in _strongest(timeline.pulses):
        middle = nominal_position(pulse, timeline.gamma_bar) or 0.0
        change = None if pulse.change is None else pulse.change.tobytes()
        content = (pulse.dt.tobytes(), pulse.b1.tobytes(), pulse.gradient.tobytes(), change)
        reach = max(reach, _reach(_Waveform(content, pulse), timeline.gamma_bar, middle, selected, faint))
    return reach


def _strongest(pulses: tuple[Pulse, ...]) -> list[Pulse]:
    """Return the excitations that differ in more than phase and strength.

    Up to 90 degrees a slice's flanks grow with the flip, so that the strongest pulse of a shape reaches farthest.
    """
    found: dict[tuple[object, ...], Pulse] = {}
    for pulse in pulses:
        if pulse.use != "excitation":
            continue
        peak = pulse.b1[np.argmax(np.abs(pulse.b1))]
        shape = np.round(pulse.b1 / peak, 9) if peak else pulse.b1
        strong = pulse.flip if pulse.flip > np.pi / 2 * (1 + 1e-9) else 0.0
        slope = (None if pulse.change is None else pulse.change.tobytes(), pulse.gradient.tobytes(), pulse.frequency)
        key = (shape.tobytes(), pulse.dt.tobytes(), slope, strong)
        if key not in found or pulse.flip > found[key].flip:
            found[key] = pulse
    return list(found.values())


@dataclass(frozen=True, slots=True)
class _Waveform:
    """A pulse that is told from others by its content."""

    content: tuple[object, ...]
    pulse: Pulse = field(compare=False)


@lru_cache(maxsize=256)
def _reach(wave: _Waveform, gamma_bar: float, middle: float, selected: float, faint: float) -> float:
    """Return the thickness outside which one excitation leaves no more than `faint` of M0."""
    away, reach = selected * np.linspace(0, WIDEST / 2, 481), selected
    for z in (middle + away, middle - away):
        m = pulse_response(wave.pulse, gamma_bar, position=np.stack([0 * z, 0 * z, z], axis=-1))
        transverse = np.hypot(m[:, 0], m[:, 1])
        if transverse[-1] > FLAT * transverse.max():
            return float("inf")
        strong = np.flatnonzero(transverse > faint)
        if len(strong):
            reach = max(reach, 2 * float(np.abs(z[: min(strong[-1] + 1, len(z) - 1) + 1]).max()))
    return reach


def excited(timeline: Timeline, low: float, high: float, offsets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (pulse,) most that each pulse changes of the magnetisation at rest between two places.

    Parameters
    ----------
    timeline : Timeline
        The scan.
    low, high : float
        Where the stretch begins and ends along z, m.
    offsets : (n,) array
        Resonance offsets that occur in it, Hz.
    """
    z, f = (v.ravel() for v in np.meshgrid(np.linspace(low, high, PLACES), offsets))
    place = np.stack([0 * z, 0 * z, z], axis=-1)
    found = []
    for pulse in timeline.pulses:
        if np.any(pulse.gradient[:, :2]):  # somewhere in the plane it is on resonance
            found.append(abs(2 * np.sin(pulse.flip / 2)))
            continue
        m = pulse_response(pulse, timeline.gamma_bar, position=place, offset=f)
        found.append(float(np.linalg.norm(m - [0.0, 0.0, 1.0], axis=1).max()))
    return np.array(found)

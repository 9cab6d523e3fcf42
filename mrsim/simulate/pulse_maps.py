"""The affine map of a pulse at every sub-slice of one tissue class: real, or the ideal flip that it stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ..core.phasors import RealType
from ..sequence.timeline import Pulse, Timeline
from .steps import PulseTable, TimeTable, cut_steps, rotation_series, tabulated


@dataclass(frozen=True, kw_only=True, slots=True)
class Relaxation:
    """What the walk needs to know of a class."""

    r1: float
    r2: float
    offset: float
    b1: float
    place: tuple[float, float] = (0.0, 0.0)
    """In the plane, m: for pulses that select there."""


@dataclass(frozen=True, slots=True, eq=False)
class PulseSteps:
    """The pulses of a timeline as the kernel wants them, made once for all spins that need the same steps."""

    timeline: Timeline
    dtype: RealType
    known: dict[bytes, tuple[PulseTable, TimeTable]] = field(default_factory=dict)

    def within(self, z: NDArray[np.float64], spin: Relaxation) -> tuple[PulseTable, TimeTable]:
        """Return the steps of all pulses for a spin at places up to |z|, m."""
        pulses, gamma_bar = self.timeline.pulses, self.timeline.gamma_bar
        reach = np.array([abs(spin.place[0]), abs(spin.place[1]), np.abs(z).max()])
        cuts = [cut_steps(pulse, gamma_bar, reach, abs(spin.offset), abs(spin.b1)) for pulse in pulses]
        mark = b"".join(part.tobytes() for cut in cuts for part in cut)
        if mark not in self.known:
            times = TimeTable()
            table = tabulated(pulses, gamma_bar, cuts, times, self.dtype)
            self.known[mark] = replace(table, runs=table.runs.astype(self.dtype)), times
        return self.known[mark]


def real_maps(
    steps: PulseSteps, z: NDArray[np.float64], spin: Relaxation, played: Sequence[int] | None = None
) -> NDArray[np.floating]:
    """Return (pulse, 3, 4, z): the affine map at every sub-slice of every distinct pulse, or of those played.

    Half of what a pulse's own gradient winds up in the plane belongs to the interval before it, half to that behind it
    (`program`): without it the map is a smooth function of the place.
    """
    from ._kernels import bloch as kernels

    timeline, dtype = steps.timeline, steps.dtype
    table, times = steps.within(z, spin)
    e1, e2 = times.decay(np.array([spin.r1]), dtype), times.decay(np.array([spin.r2]), dtype)
    position = np.zeros((3, len(z)), dtype)
    position[0], position[1], position[2] = *spin.place, z
    maps = np.zeros((len(timeline.pulses), 3, 4, len(z)), dtype)
    for p in range(len(timeline.pulses)) if played is None else played:
        pulse = timeline.pulses[p]
        everywhere = not (np.any(pulse.gradient) or np.any(pulse.change))  # then one place stands for all
        found = np.zeros((3, 4, 1), dtype) if everywhere else maps[p]
        runs = table.runs[table.pulse_run[p] : table.pulse_run[p + 1]]
        kernels.propagators(
            np.ascontiguousarray(position[:, :1]) if everywhere else position,
            dtype(spin.offset),
            dtype(spin.b1),
            e1,
            e2,
            runs,
            table.b1,
            table.gradient,
            rotation_series(dtype),
            found,
        )
        if everywhere:
            maps[p] = found
            continue
        wound = pulse.plane_moment(timeline.gamma_bar)
        if wound.any():
            back = _turn(float(np.pi * wound @ spin.place))
            maps[p] = _compose(back, _compose(maps[p], back))
    return maps


def ideal_maps(
    pulses: tuple[Pulse, ...], timeline: Timeline, z: NDArray[np.float64], spin: Relaxation
) -> NDArray[np.float64]:
    """Return the maps of instantaneous nominal flips at each pulse's centre, free precession around them.

    A pulse off resonance without a slice gradient chooses a frequency and not a place, and one that prepares without
    one (a spin lock, a T2 preparation) acts by what happens while it plays: both keep their real response.
    """
    maps = np.zeros((len(pulses), 3, 4, len(z)))
    for p, pulse in enumerate(pulses):
        if (pulse.frequency or pulse.use == "preparation") and not pulse.gradient[:, 2].any():
            maps[p] = real_maps(PulseSteps(replace(timeline, pulses=(pulse,)), np.float64), z, spin)[0]
            continue
        edges = np.concatenate([[0.0], np.cumsum(pulse.dt)])
        share = np.clip((pulse.centre - edges[:-1]) / pulse.dt, 0, 1) * pulse.dt
        before = timeline.gamma_bar * float(share @ pulse.gradient[:, 2])
        after = timeline.gamma_bar * float((pulse.dt - share) @ pulse.gradient[:, 2])
        carrier = np.exp(2j * np.pi * pulse.frequency * (edges[:-1] + pulse.dt / 2 - pulse.centre))
        axis = float(np.angle(np.sum(pulse.b1 * carrier * pulse.dt)))
        flip = rotation(pulse.flip * spin.b1, axis)
        rest = float(edges[-1]) - pulse.centre
        maps[p] = _compose(
            _free(rest, after, z, spin), _compose(flip[:, :, None], _free(pulse.centre, before, z, spin))
        )
    return maps


def rotation(angle: float, axis: float) -> NDArray[np.float64]:
    """Return the (3, 4) map of a turn by `angle`, rad, under a B1 in the transverse plane at `axis`, rad."""
    n = np.array([np.cos(axis), np.sin(axis), 0.0])
    cross = np.array([[0, -n[2], n[1]], [n[2], 0, -n[0]], [-n[1], n[0], 0]])
    # gamma M x B turns M about -B
    turn = np.cos(angle) * np.eye(3) - np.sin(angle) * cross + (1 - np.cos(angle)) * np.outer(n, n)
    return np.concatenate([turn, np.zeros((3, 1))], axis=1)


def _free(time: float, moment: float, z: NDArray[np.float64], spin: Relaxation) -> NDArray[np.float64]:
    """Return the (3, 4, z) map of free precession and relaxation."""
    e1, e2 = np.exp(-spin.r1 * time), np.exp(-spin.r2 * time)
    phase = 2 * np.pi * (moment * z + spin.offset * time)
    result = np.zeros((3, 4, len(z)))
    result[0, 0] = result[1, 1] = e2 * np.cos(phase)
    result[0, 1], result[1, 0] = e2 * np.sin(phase), -e2 * np.sin(phase)
    result[2, 2], result[2, 3] = e1, 1 - e1
    return result


def _turn(angle: float) -> NDArray[np.float64]:
    """Return the (3, 4, 1) map of exp(+i angle) on what is transverse."""
    result = np.zeros((3, 4, 1))
    result[0, 0] = result[1, 1] = np.cos(angle)
    result[0, 1], result[1, 0] = -np.sin(angle), np.sin(angle)
    result[2, 2] = 1
    return result


def _compose(second: NDArray[np.float64], first: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the affine map `second` after `first`, both (3, 4, z)."""
    result = np.asarray(np.einsum("ijz,jkz->ikz", second[:, :3], first))
    result[:, 3] += second[:, 3]
    return result

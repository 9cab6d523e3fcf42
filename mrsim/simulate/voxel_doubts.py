"""What a scan of a voxel by pathways does not settle, each with the number that was found."""

from __future__ import annotations

import numpy as np

from ..sequence.timeline import Pulse, Timeline

SWEPT = 100.0
"""Change of a pulse's frequency, Hz, from which it sweeps."""


def doubts(timeline: Timeline, error: float, wanted: float, across: int) -> tuple[str, ...]:
    """Return what is not to be trusted of this scan.

    Parameters
    ----------
    timeline : Timeline
    error, wanted : float
        What the cells leave, and what they should, over the voxel's M0.
    across : int
        Cells across the voxel.
    """
    cells = (
        f"cells in and around the voxel leave up to {error:.1e} of its M0, not {wanted:g}: sharp edges of tissues "
        f"scatter what crushers wind up; subsamples sets the cells across the voxel (now {across})"
    )
    found = (cells if error > wanted else "", *_pulses(timeline.pulses))
    return tuple(said for said in found if said)


def _pulses(pulses: tuple[Pulse, ...]) -> tuple[str, ...]:
    suppressed = any(pulse.use == "saturation" and not np.any(pulse.gradient) for pulse in pulses)
    swept = any(pulse.use == "refocusing" and _sweeps(pulse) for pulse in pulses)
    return (
        "what water suppression leaves of a line that it suppresses in part was not confirmed by single spins: do not "
        "trust residuals below 2e-3 of M0" if suppressed else "",
        "refocusing that sweeps in frequency agreed with single spins within 1.5e-2 of M0, which themselves were good "
        "to 1.7e-2" if swept else "",
    )  # fmt: skip


def _sweeps(pulse: Pulse) -> bool:
    """Return whether the pulse's frequency changes while it plays; a change of sign is none."""
    b1 = np.asarray(pulse.b1)
    turn = np.diff(np.unwrap(np.angle(b1**2))) / 2 / (2 * np.pi * np.asarray(pulse.dt)[1:])
    strong = np.abs(b1) > 0.1 * np.abs(b1).max()
    heard = turn[strong[1:] & strong[:-1]]
    return bool(heard.size and np.ptp(heard) > SWEPT)

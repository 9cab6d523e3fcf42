"""What recovers behind an excitation and is turned over by refocusing pulses: the formula against one spin's Mz."""

from typing import Any

import numpy as np
import pytest

import mrsim as mr
from mrsim.core.metabolites import Relaxation
from mrsim.sequence.families.press import Press
from mrsim.sequence.families.semi_laser import SemiLaser
from mrsim.sequence.families.steam import Steam
from mrsim.sequence.timeline import RF, Timeline

PLAIN: Any = {"suppression": "none", "dummies": 0, "averages": 1, "tr": 2.0, "samples": 256}
TURNS = {"excitation": 0.0, "refocusing": -1.0, "storage": 0.0, "recall": 0.0}
"""What a pulse leaves of Mz; storing leaves what is wound up, 0 in the mean."""


def in_front(timeline: Timeline, t1: float, tr: float) -> float:
    """Return Mz in front of the excitation in the steady state, every pulse a rotation at its centre."""
    rows = np.flatnonzero(timeline.kind == RF)
    pulses = [timeline.pulses[timeline.event[i]] for i in rows]
    at = [1e-9 * timeline.start[i] + pulse.centre for i, pulse in zip(rows, pulses, strict=True)]
    mz = 0.0
    for here, before, pulse in zip(at[1:], at, pulses[1:], strict=False):
        mz = TURNS[pulse.use] * (1 + (mz - 1) * np.exp(-(here - before) / t1))
    return float(1 + (mz - 1) * np.exp(-(tr - at[-1] + at[0]) / t1))


@pytest.mark.parametrize(
    "protocol",
    [Press(te=35e-3, **PLAIN), Press(te=144e-3, **PLAIN), SemiLaser(te=144e-3, **PLAIN), Steam(te=20e-3, **PLAIN)],
    ids=lambda p: p.name,
)
def test_a_repetition_is_shorter_by_what_is_turned_over(protocol: Press | SemiLaser | Steam) -> None:
    """To second order in the echo time over T1, which is what the formula leaves out."""
    timeline = mr.discretize(protocol.build(mr.Scanner.preset("3T")))
    sheet = {key: float(value[0]) for key, value in timeline.encoding.contrast.items()}
    t1, tr = 1.2, sheet["tr"]
    relax = Relaxation(t1=t1, t2=1e9)
    stored = np.exp(-sheet.get("tm", 0.0) / t1)
    exact, without = in_front(timeline, t1, tr), -np.expm1(-tr / t1)
    found = relax.left(sheet) / stored
    assert abs(found - exact) < 0.1 * abs(without - exact)
    assert without - exact > 2e-3

"""Bases by the spin engine: what the goals name, each made anew, on one process.

``python tests/benchmarks/bench_basis.py``, a minute. Goals on two cores: ideal PRESS of 20 disc metabolites at 2,048
points below 5 s; shaped PRESS on 32 places along each axis of lactate below 10 s, of a five-spin system below 60 s.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import mrsim as mr
from mrsim.sequence.families.press import Press

TWENTY = "Lac,Ala,Prop,NAcGAG,Cho,Gly,Pro,Hyp,Tau,Cr,aGlc,bGlc,Ace,BHB,Thr,Glu,Gln,Val,iButy,CS6"
CASES = (
    ("20 disc metabolites, ideal", TWENTY, mr.SpinSystem(pulses="ideal"), 5.0),
    ("lactate, shaped", "Lac", mr.SpinSystem(pulses="shaped", points=32), 10.0),
    ("glutamate (5 spins), shaped", "Glu", mr.SpinSystem(pulses="shaped", points=32), 60.0),
)


def main() -> None:
    """Time each goal; what is compiled and read once does not count."""
    timeline = mr.discretize(Press(te=35e-3, samples=2048).build(mr.Scanner.preset("3T")))
    for pulses in ("ideal", "shaped"):
        mr.basis("Gly", timeline, mr.SpinSystem(pulses=pulses, points=32), cached=False)
    for name, metabolites, engine, goal in CASES:
        begin, wall = time.process_time(), time.perf_counter()
        mr.basis(metabolites, timeline, engine, cached=False)
        used, passed = time.process_time() - begin, time.perf_counter() - wall
        print(f"{name}: {passed:5.1f} s by the clock, {used:5.1f} s of processor time; goal {goal:g} s")


if __name__ == "__main__":
    main()

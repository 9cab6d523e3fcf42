"""Clocks of the benchmark: processor time for what one thread does, wall time for what threads gain."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Seconds:
    """The shortest of several repetitions."""

    cpu: float
    """Processor time of all threads of the process: what other programs take does not count."""
    wall: float


def shortest(work: Callable[[], object], repeats: int) -> Seconds:
    """Run `work` once to warm up, then `repeats` times; return the shortest of each clock."""
    work()
    cpu, wall = [], []
    for _ in range(repeats):
        started = time.process_time(), time.perf_counter()
        work()
        cpu.append(time.process_time() - started[0])
        wall.append(time.perf_counter() - started[1])
    return Seconds(cpu=min(cpu), wall=min(wall))

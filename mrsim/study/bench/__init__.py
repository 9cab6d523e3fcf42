"""`mrsim bench`: how fast the engines are on this machine, beside a plain loop and the programs found here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from .machine import cold_start, import_seconds, machine, peak_memory
from .peers import peers
from .rates import PRECISIONS, measure, multiply_adds, scalar_loops, tasks


def bench(quick: bool = False, progress: Callable[[str], None] | None = None) -> dict[str, Any]:
    """Time everything; return what ``--json`` writes.

    Parameters
    ----------
    quick : bool
        Less work per timing, and no cold compilation: below a minute.
    progress : callable, optional
        Called with the name of what is timed next.
    """
    say = progress or (lambda name: None)
    repeats = 3 if quick else 7
    before = machine()
    say("scalar loop")
    loops = scalar_loops(repeats)
    say("multiply-adds")
    peaks = {precision: multiply_adds(precision, repeats) for precision in PRECISIONS}
    rates = []
    for task in tasks(quick):
        for precision in task.precisions:
            say(f"{task.name}, {precision}")
            rates.append(asdict(measure(task, precision, peaks[precision], loops.get(task.name.split()[0]), repeats)))
    say("other programs")
    found = [asdict(peer) for peer in peers()]
    say("start-up")
    start = {"import_seconds": import_seconds()}
    if not quick:
        start |= cold_start()
    return {
        "machine": before | {"load_after": machine()["load"]},
        "multiply_adds_per_second": peaks,
        "rates": rates,
        "peers": found,
        "start": start,
        "peak_memory_bytes": peak_memory(),
        "quick": quick,
    }


__all__ = ["bench"]

"""A progress bar on stderr: the step, how many spins are done, and the time left; with --verbose a line per step."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from . import loudness

STEPS = {
    "build": "building the sequence",
    "truth": "drawing the truth",
    "simulate": "simulating spins",
    "reconstruct": "reconstructing",
    "unmix": "simulating tissues alone",
    "fit": "fitting",
    "replicates": "repeating",
    "nuisances": "altering nuisances",
    "measure": "measuring",
    "verify": "verifying",
    "save": "writing",
}
"""What each step is called."""


@contextmanager
def progress_bar(wanted: bool = True) -> Iterator[Callable[[str, int, int], None] | None]:
    """Give the callback that a run reports to; None where nobody would see the bar."""
    if loudness.verbose():
        yield _told()
        return
    if loudness.quiet() or not (wanted and sys.stderr.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:<26}"), BarColumn(bar_width=30), TextColumn("{task.fields[count]:>22}"),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def report(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bar.add_task(STEPS.get(step, step), total=None, count="")
            if total > 1:
                bar.update(tasks[step], total=total, completed=done, count=f"{done:,} of {total:,}")
            elif done:
                known = bar.tasks[list(tasks).index(step)].total or 1
                bar.update(tasks[step], total=known, completed=known)

        yield report


def _told() -> Callable[[str, int, int], None]:
    """Return a callback that writes a line when a step begins and when it ends."""
    told: dict[str, bool] = {}

    def report(step: str, done: int, total: int) -> None:
        ended = 0 < total <= done
        if step not in told or (ended and not told[step]):
            count = f", {done:,} of {total:,}" if total > 1 else ""
            loudness.course(f"{STEPS.get(step, step)}{': done' if ended else ''}{count}")
            told[step] = ended

    return report

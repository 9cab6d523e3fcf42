"""Carry out a study: chunks of replicates on workers, checkpoints, measures, verdicts on the claims.

Each replicate draws from a random stream of its own, made from the study's seed, the arm's stream and the replicate's
number. So numbers depend neither on workers, nor on their order, nor on how often the study was interrupted.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from ..core.errors import InputError, check_kind
from ..core.replacing import made_folder
from ..core.shown import Rows, Shown
from ..core.version import __version__
from .chunk_store import ChunkName, ChunkStore
from .claims import Verdict, judge
from .executors import Executor, Serial
from .experiment import Arrays, Experiment, Measure, Outcome
from .study_file import Arm, Study


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One chunk, with everything that a worker needs."""

    experiment: Experiment
    settings: Any
    seed: int
    stream: str
    name: ChunkName

    def __str__(self) -> str:
        """Return what a message calls it."""
        return str(self.name)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StudyResult(Shown):
    """What a study found."""

    study: Study
    outcomes: dict[str, Outcome]
    """By arm."""
    measures: tuple[Measure, ...]
    verdicts: tuple[Verdict, ...]
    seconds: float
    """Wall time of this call."""
    made: int
    """Replicates made by this call; the others were there."""

    @property
    def holds(self) -> bool:
        """Whether every claim holds."""
        return all(verdict.holds for verdict in self.verdicts)

    def _facts(self) -> dict[str, str]:
        held = sum(verdict.holds for verdict in self.verdicts)
        return {"": f"{held} of {len(self.verdicts)} claims hold", "replicates": f"{self.made:,} made"}

    def _table(self) -> Rows:
        return (("claim", "verdict"), *(
            (verdict.claim.says, "holds" if verdict.holds else "does not hold") for verdict in self.verdicts
        ))  # fmt: skip


def run_study(
    study: Study,
    folder: Path | str,
    *,
    executor: Executor | None = None,
    fresh: bool = False,
    repair: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> StudyResult:
    """Carry out what is missing of a study and judge its claims.

    Parameters
    ----------
    study : Study
        From `load_study`.
    folder : path
        Where its chunks are kept; replicates of the same conditions that lie there are used.
    executor : Executor, optional
        One worker in this process by default; the result does not depend on it.
    fresh : bool
        True throws away what lies there.
    repair : bool
        True makes damaged chunks again instead of refusing them.
    progress : callable, optional
        Called with (step, replicates done, in all).
    """
    check_kind(study, Study, "study", "mr.load_study('vx1')")
    start, there = perf_counter(), Path(folder).exists()
    store = ChunkStore(made_folder(Path(folder)), repair)
    try:
        return _carried_out(study, store, executor or Serial(), fresh, progress, start)
    except BaseException:
        if not there:
            with suppress(OSError):  # finished chunks stay, and the folder with them
                store.folder.rmdir()
        raise


def _carried_out(
    study: Study, store: ChunkStore, executor: Executor, fresh: bool,
    progress: Callable[[str, int, int], None] | None, start: float,
) -> StudyResult:  # fmt: skip
    if fresh:
        store.clear()
    report = progress or (lambda step, done, total: None)
    names = {arm.name: [_chunk(arm, *part) for part in arm.chunks()] for arm in study.arms}
    chunks, made = _filled(study, names, store, executor, report)
    held = {arm: [(name, chunks[name]) for name in listed] for arm, listed in names.items()}
    outcomes = {
        arm.name: Outcome(settings=arm.settings, data=_joined([data for _, data in held[arm.name]]))
        for arm in study.arms
    }
    report("measure", 0, 1)
    measures = tuple(m for kind, part in by_experiment(study, outcomes) for m in kind.measure(part))
    verdicts = judge(study.claims, measures)
    store.finish(
        held,
        study={"name": study.name, "mode": study.mode, "text": study.file.read_text("utf-8"), "mrsim": __version__},
        measures=[asdict(measure) for measure in measures],
        verdicts=[verdict.plain() for verdict in verdicts],
    )
    report("measure", 1, 1)
    return StudyResult(
        study=study, outcomes=outcomes, measures=measures, verdicts=verdicts, seconds=perf_counter() - start, made=made
    )


def by_experiment(study: Study, outcomes: dict[str, Outcome]) -> list[tuple[Experiment, dict[str, Outcome]]]:
    """Return every experiment of a study with the outcomes of its own arms."""
    kinds = {arm.experiment.name: arm.experiment for arm in study.arms}
    return [
        (kind, {arm.name: outcomes[arm.name] for arm in study.arms if arm.experiment.name == name})
        for name, kind in kinds.items()
    ]


def stream(seed: int, name: str, replicate: int) -> np.random.Generator:
    """Return the random stream of one replicate."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(zlib.crc32(name.encode()), replicate)))


def work_on(task: Task) -> Arrays:
    """Return the replicates of one chunk."""
    name = task.name
    streams = [stream(task.seed, task.stream, number) for number in range(name.first, name.end)]
    data = {key: np.asarray(values) for key, values in task.experiment.replicate(task.settings, streams).items()}
    wrong = [key for key, values in data.items() if values.shape[:1] != (len(streams),)]
    if wrong:
        raise ValueError(f"experiment '{task.experiment.name}' returned {wrong[0]} without one row per replicate")
    return data


def _chunk(arm: Arm, first: int, end: int) -> ChunkName:
    return ChunkName(arm=arm.name, first=first, end=end, fingerprint=arm.fingerprint)


def _filled(
    study: Study,
    names: dict[str, list[ChunkName]],
    store: ChunkStore,
    executor: Executor,
    report: Callable[[str, int, int], None],
) -> tuple[dict[ChunkName, Arrays], int]:
    """Return every chunk, read or made, and how many replicates were made."""
    chunks: dict[ChunkName, Arrays] = {}
    tasks = []
    for arm in study.arms:
        for name in names[arm.name]:
            found = store.get(name)
            if found is None:
                task = Task(experiment=arm.experiment, settings=arm.settings, seed=study.content.seed,
                            stream=arm.stream, name=name)  # fmt: skip
                tasks.append(task)
            else:
                chunks[name] = found
    total = sum(name.end - name.first for listed in names.values() for name in listed)
    made = sum(task.name.end - task.name.first for task in tasks)
    done = total - made
    report("replicates", done, total)
    for number, data in executor.run(work_on, tasks):
        name = tasks[number].name
        store.put(name, data)
        chunks[name] = data
        done += name.end - name.first
        report("replicates", done, total)
    return chunks, made


def _joined(parts: list[Arrays]) -> Arrays:
    """Return the chunks' arrays one after the other."""
    keys = list(parts[0])
    if any(set(part) != set(keys) for part in parts):
        raise InputError("the chunks of one arm hold different things; give --fresh to make all again")
    return {key: np.concatenate([part[key] for part in parts]) for key in keys}

"""Where chunks are worked on: here, one after the other, or in processes of this machine.

An executor takes a function and tasks and gives (number of the task, result) as they are done, in any order. Results
cannot depend on it, because a task carries everything that it needs, its random streams included. The scheduler of many
machines is one more class with the same method (`mrsim.study.cluster`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from ..core.errors import InfeasibleError, InputError, UserError
from ..core.machine_memory import SHARE, free_bytes, held_bytes

Task = TypeVar("Task")
Result = TypeVar("Result")
ATTEMPTS = 3
"""How often work is handed out anew after a worker died."""
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
"""Environment of a worker: as many threads as processes, and no more."""


class WorkerError(UserError):
    """Workers died again and again over the same task."""


class Executor(Protocol):
    """Anything that works on tasks."""

    workers: int
    notes: list[str]
    """What a user should know of the workers: who died, who is not used and why."""

    def run(self, work: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[tuple[int, Result]]:
        """Yield (number of the task, result) as tasks are done."""
        ...


class Serial:
    """One task after the other, in this process.

    Parameters
    ----------
    memory : float, optional
        What the process may hold, bytes; what the machine can give by default.
    """

    workers = 1

    def __init__(self, memory: float | None = None) -> None:
        self.notes: list[str] = []
        self.shares = {} if memory is None else {SHARE: f"{memory:.0f}"}

    def run(self, work: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[tuple[int, Result]]:
        """Yield (number of the task, result) in order."""
        with environment(self.shares):
            for number, task in enumerate(tasks):
                yield number, work(task)


class Processes:
    """Processes of this machine with one thread each, started clean (forkserver).

    Parameters
    ----------
    workers : int
        How many.
    memory : float, optional
        What all of them and this process may hold together, bytes; by default what the machine can give when they
        start. Each gets the same share.
    """

    def __init__(self, workers: int, memory: float | None = None) -> None:
        self.workers = workers
        self.memory = memory
        self.notes: list[str] = []

    def share(self) -> float | None:
        """Return what one worker may hold, bytes; None where the system does not say."""
        left = free_bytes() if self.memory is None else max(self.memory - held_bytes(), 0.0)
        return None if left is None else left / self.workers

    def run(self, work: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[tuple[int, Result]]:
        """Yield (number of the task, result) as they are done; work of a process that dies is handed out anew."""
        from concurrent.futures.process import BrokenProcessPool

        open_tasks = dict(enumerate(tasks))
        deaths = 0
        while open_tasks:
            before = len(open_tasks)
            try:
                for number, result in self._round(work, open_tasks):
                    del open_tasks[number]
                    yield number, result
            except BrokenProcessPool:
                deaths = deaths + 1 if len(open_tasks) == before else 1
                self.notes.append("a worker process died; its open work was handed out anew")
                if deaths >= ATTEMPTS:
                    first = next(iter(open_tasks.values()))
                    raise WorkerError(
                        f"worker processes died {deaths} times over {first}; there may be too little memory for "
                        f"{self.workers} of them: give fewer --workers"
                    ) from None

    def _round(self, work: Callable[[Task], Result], tasks: dict[int, Task]) -> Iterator[tuple[int, Result]]:
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor, as_completed

        context = multiprocessing.get_context("forkserver")
        with (
            environment(ONE_THREAD),
            ProcessPoolExecutor(
                min(self.workers, len(tasks)), context, initializer=_start, initargs=(self.share(),)
            ) as pool,
        ):
            futures: dict[Any, int] = {}
            try:
                futures |= {pool.submit(work, task): number for number, task in tasks.items()}
                for future in as_completed(futures):
                    yield futures.pop(future), future.result()
            except KeyboardInterrupt:  # what is at work would be waited for
                for process in list(pool._processes.values()):
                    process.kill()
                raise
            except BaseException:
                for future in futures:
                    future.cancel()
                raise


def _start(share: float | None) -> None:
    """Leave interrupts to the parent, which stops the work in order, and end with it; know what may be held, bytes."""
    import signal

    from ..core.orphan import end_with_parent

    end_with_parent()
    os.environ.update(ONE_THREAD)
    if share is not None:
        os.environ[SHARE] = f"{share:.0f}"
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    """Set environment variables inside the with block: what is started there inherits them."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def executor(workers: int, cluster: str | None = None, memory: float | None = None) -> Executor:
    """Return the executor for a number of workers, of which one works in this process; or for a cluster.

    memory : what all processes of this machine may hold together, bytes; None: what it can give.
    """
    if cluster is not None:
        if memory is not None:
            raise InputError("--max-memory is for workers of this machine; a cluster's scheduler bounds its own")
        from .cluster import Cluster

        return Cluster(cluster)
    if workers == 1:
        _check_share(memory, 1)
        return Serial(memory)
    together = Processes(workers, memory)
    _check_share(together.share(), workers)
    return together


def _check_share(share: float | None, workers: int) -> None:
    """Refuse workers that could not even hold what this process holds before any work."""
    least = held_bytes()
    if share is not None and share < least:
        raise InfeasibleError(
            f"--workers: each of {workers:,} would have {share / 2**20:.3g} MiB of memory, less than the "
            f"{least / 2**20:.0f} MiB that mrsim itself takes; give fewer --workers, or more --max-memory"
        )

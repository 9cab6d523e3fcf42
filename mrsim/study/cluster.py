"""Chunks on a Dask cluster: the workers of a running scheduler, processes that talk over TCP here, or SLURM jobs.

A few tasks per worker are under way at a time, so a scheduler never holds a study of a million chunks, and a chunk
comes back as soon as it is done. What a worker loses when it dies is made again elsewhere; a task that kills one
worker after the other is an error that names it. Work that fails on one worker is tried on another: if it succeeds
there, the first worker was bad, is reported and gets no more; if not, the work was. Workers with another version of
mrsim, or without it, are reported and never used.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, Queue
from time import monotonic
from typing import Any

from ..core.errors import InputError, UserError
from ..core.version import __version__
from .executors import ATTEMPTS, ONE_THREAD, Result, Task, WorkerError, environment

AHEAD = 3
"""Tasks per worker thread that are handed out at a time: one at work, two waiting."""
GLANCE = 1.0
"""How often it is looked who came and who left, s."""
PATIENCE = 60.0
"""How long the first worker may take to appear where none has been asked for a longer wait, s ..."""
QUEUE = 86_400.0
"""... and how long jobs may wait in a queue."""
SCHEMES = ("tcp", "tls", "ucx", "ws", "wss")


@dataclass(frozen=True, slots=True)
class Done:
    """What a worker made of a task."""

    worker: str
    result: Any = None
    problem: BaseException | None = None


class Cluster:
    """Workers of a Dask cluster.

    Parameters
    ----------
    where : str
        ``"tcp://HOST:PORT"``, the address of a running scheduler; ``"local:N"``, N processes of this machine with one
        thread each; or ``"slurm:N"``, N jobs with the settings of Dask's own configuration (``jobqueue.slurm``).
    patience : float, optional
        How long the first worker may take to appear, s: a minute, or a day where jobs wait in a queue.
    """

    def __init__(self, where: str, patience: float | None = None) -> None:
        self.kind, self.workers = _place(where)
        self.where = where
        self.patience = patience if patience is not None else QUEUE if self.kind == "slurm" else PATIENCE
        self.notes: list[str] = []
        self.bad: set[str] = set()
        """Addresses of workers that are not used."""

    def run(self, work: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[tuple[int, Result]]:
        """Yield (number of the task, result) as they are done."""
        if not tasks:
            return
        with self._client() as client:
            try:
                yield from _Round(self, client, work, tasks).results()
            except Exception as problem:
                if client.status == "running" or isinstance(problem, UserError):
                    raise
                logging.getLogger("distributed").setLevel(logging.CRITICAL)  # it tells the same, at length
                raise WorkerError(
                    f"the scheduler at {self.where} is lost; what is finished is kept: start a scheduler, and the "
                    "same command goes on"
                ) from None

    @contextmanager
    def _client(self) -> Iterator[Any]:
        """Give a client with at least one worker."""
        distributed = _distributed()
        with environment(ONE_THREAD), self._started(distributed) as address:
            try:
                client = distributed.Client(address, timeout=self.patience, set_as_default=False)
            except (OSError, TimeoutError):
                raise InputError(
                    f"no scheduler answers at {self.where}; start one with 'dask scheduler'", key="--cluster"
                ) from None
            with client:
                try:
                    client.wait_for_workers(1, timeout=self.patience)
                except TimeoutError:
                    raise WorkerError(
                        f"{self.where} has no worker after {self.patience:g} s; start some with 'dask worker {address}'"
                    ) from None
                yield client

    @contextmanager
    def _started(self, distributed: Any) -> Iterator[Any]:
        """Give the address of the scheduler, started here unless it runs already."""
        if self.kind == "address":
            yield self.where
            return
        if self.kind == "local":
            cluster = distributed.LocalCluster(
                n_workers=self.workers, threads_per_worker=1, processes=True, host="127.0.0.1", protocol="tcp",
                dashboard_address=None,
            )  # fmt: skip
        else:
            cluster = _slurm(self.workers)
        with cluster:
            yield cluster.scheduler_address


class _Round:
    """One list of tasks on its way through a cluster."""

    def __init__(self, cluster: Cluster, client: Any, work: Callable[..., Any], tasks: Sequence[Any]) -> None:
        self.cluster, self.client, self.work, self.tasks = cluster, client, work, tasks
        self.good: dict[str, int] = {}
        """Address -> threads."""
        self.open: dict[Any, tuple[int, list[str]]] = {}
        """Future -> number of its task, and the workers that may do it (any where there are none)."""
        self.failed: dict[int, Done] = {}
        """The first failure of a task."""
        self.done: Queue[Any] = Queue()
        """Futures, as they end."""
        self.looked = -math.inf

    def results(self) -> Iterator[tuple[int, Any]]:
        """Yield (number, result); tasks are handed out as others come back."""
        waiting = list(range(len(self.tasks)))[::-1]
        try:
            while waiting or self.open:
                if monotonic() - self.looked > GLANCE:
                    self._look()
                while waiting and len(self.open) < AHEAD * sum(self.good.values()):
                    self._hand_out(waiting.pop())
                try:
                    future = self.done.get(timeout=GLANCE)
                except Empty:
                    continue
                if future not in self.open:
                    continue  # cancelled: its workers had left
                number = self.open.pop(future)[0]
                found = self._gathered(number, future)
                if found is None:
                    self._hand_out(number)
                else:
                    yield number, found.result
            self._leavers(self._listed())
        finally:
            self.client.cancel([*self.open])

    def _listed(self) -> Any:
        """Return the workers that the scheduler has now, by address.

        The client's own `scheduler_info` is a shared note that a clock rewrites without any worker in it.
        """
        return self.client.sync(self.client.scheduler.identity, n_workers=-1)["workers"]

    def _look(self) -> None:
        """Note who came and who left; whoever came is asked which mrsim it has."""
        self.looked = monotonic()
        listed = self._listed()
        self._leavers(listed)
        new = [address for address in listed if address not in self.good and address not in self.cluster.bad]
        told = self.client.run(_version, workers=new, on_error="return") if new else {}
        for address in new:
            version = told.get(address)
            if version == __version__:
                self.good[address] = int(listed[address]["nthreads"])
            else:
                said = f"mrsim {version}" if isinstance(version, str) else f"no mrsim ({version})"
                self._banish(address, f"has {said}, not {__version__}")
        if not self.good:
            said = "; ".join(self.cluster.notes[-ATTEMPTS:])
            raise WorkerError(f"{self.cluster.where} has no usable worker left: {said or 'all left'}")
        for future, (number, allowed) in [*self.open.items()]:
            if allowed and not set(allowed) & set(self.good):
                del self.open[future]
                self.client.cancel([future])
                self._hand_out(number)

    def _leavers(self, listed: Mapping[str, Any]) -> None:
        """Note the workers that are listed no more."""
        for address in [*self.good]:
            if address not in listed:
                del self.good[address]
                self.cluster.notes.append(f"worker {address} left; its open work went to others")

    def _hand_out(self, number: int) -> None:
        failed = self.failed[number].worker if number in self.failed else None
        allowed = [address for address in self.good if address != failed] or [*self.good]
        allowed = allowed if failed or self.cluster.bad else []
        future = self.client.submit(
            _perform, self.work, self.tasks[number], pure=False, workers=allowed or None, allow_other_workers=False
        )
        self.open[future] = number, allowed
        future.add_done_callback(self.done.put)

    def _gathered(self, number: int, future: Any) -> Done | None:
        """Return what a worker made; None where the task goes to another worker."""
        from distributed.scheduler import KilledWorker

        try:
            found: Done = future.result()
        except KilledWorker:
            raise WorkerError(
                f"one worker after the other died over {self.tasks[number]}; there may be too little memory for it"
            ) from None
        if found.problem is None:
            if number in self.failed:
                before = self.failed.pop(number)
                self._banish(before.worker, f"failed over {self.tasks[number]}, which another did: {before.problem}")
            return found
        others = self.good.keys() - {found.worker}
        if number in self.failed or not others:
            raise found.problem
        self.failed[number] = found
        return None

    def _banish(self, address: str, why: str) -> None:
        self.good.pop(address, None)
        self.cluster.bad.add(address)
        self.cluster.notes.append(f"worker {address} is not used: it {why}")


def _perform(work: Callable[[Any], Any], task: Any) -> Done:
    """Carry out a task on a worker."""
    from distributed import get_worker

    address = str(get_worker().address)
    try:
        return Done(address, work(task))
    except Exception as problem:
        return Done(address, problem=problem)


def _version() -> str:
    """Return a worker's version of mrsim."""
    from mrsim.core.version import __version__ as own

    return own


def _place(where: str) -> tuple[str, int]:
    """Return the kind of cluster and how many workers are started."""
    scheme, mark, _ = where.partition("://")
    if mark and scheme in SCHEMES:
        return "address", 1
    kind, _, count = where.partition(":")
    if kind in ("local", "slurm") and count.isdigit() and int(count) > 0:
        return kind, int(count)
    raise InputError(f"'{where}' is no cluster; write tcp://HOST:PORT, local:4 or slurm:100", key="--cluster")


def _distributed() -> Any:
    try:
        import distributed
    except ImportError:
        raise InputError("needs Dask: pip install 'mrsim[cluster]'", key="--cluster") from None
    return distributed


def _slurm(jobs: int) -> Any:
    """Return a cluster of SLURM jobs of one thread each, set by Dask's own configuration."""
    try:
        from dask import config
        from dask_jobqueue import slurm
    except ImportError:
        raise InputError("needs dask-jobqueue: pip install 'mrsim[cluster]'", key="--cluster") from None
    settings = [f"export {name}={value}" for name, value in ONE_THREAD.items()]
    options = {**config.get("jobqueue.slurm.scheduler-options", {}), "dashboard_address": None}
    try:
        cluster: Any = slurm.SLURMCluster(job_script_prologue=settings, scheduler_options=options)
    except (ValueError, TypeError) as problem:
        raise InputError(
            f"{problem}; give cores, memory and walltime in ~/.config/dask/jobqueue.yaml", key="--cluster"
        ) from None
    cluster.scale(jobs=jobs)
    return cluster

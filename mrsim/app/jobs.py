"""Runs on behalf of the page: each in a process of its own, one at a time, few in line, none for ever."""

from __future__ import annotations

import multiprocessing
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import UserError
from .job import carry_out
from .settings import Setting, checked

WAITING = 3
"""Jobs in line at most, the running one among them."""
LONGEST = 600.0
"""Seconds after which a run is ended."""
KEPT = 4
"""Finished jobs whose result can still be asked for."""


class BusyError(UserError):
    """More is in line than is allowed."""


@dataclass(slots=True, eq=False)
class Job:
    """One run."""

    setting: Setting
    budget: bool
    state: str = "queued"
    """queued, running, done, failed or cancelled."""
    step: str = ""
    done: int = 0
    total: int = 0
    error: str | None = None
    result: dict[str, Any] | None = None
    process: Any = None
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.state in ("done", "failed", "cancelled")


class Jobs:
    """The line of jobs."""

    def __init__(self, longest: float = LONGEST) -> None:
        self.longest = longest
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._closed = False

    def start(self, table: Mapping[str, Any], *, budget: bool = False) -> str:
        """Return the name of a new job; a wrong setting is an `InputError`, a full line `BusyError`."""
        job = Job(setting=checked(table), budget=budget)
        with self._lock:
            if self._closed or sum(not other.over for other in self._jobs.values()) >= WAITING:
                raise BusyError(f"{WAITING} runs are in line already; wait for one or cancel it")
            name = secrets.token_hex(8)
            self._jobs[name] = job
            finished = [key for key, other in self._jobs.items() if other.over]
            for key in finished[: max(0, len(finished) - KEPT)]:
                del self._jobs[key]
        threading.Thread(target=self._carry_out, args=(job,), daemon=True).start()
        return name

    def state(self, name: str) -> dict[str, Any] | None:
        """Return what is known of a job; None if there is none of that name."""
        job = self._jobs.get(name)
        if job is None:
            return None
        return {"state": job.state, "step": job.step, "done": job.done, "total": job.total, "error": job.error,
                "result": job.result}  # fmt: skip

    def cancel(self, name: str) -> bool:
        """End a job; False if there is none of that name."""
        job = self._jobs.get(name)
        if job is None:
            return False
        with self._lock:
            if not job.over:
                job.state, job.error = "cancelled", "cancelled"
                _end(job.process)
        return True

    def close(self) -> None:
        """End every job and take no more."""
        self._closed = True
        for name in list(self._jobs):
            self.cancel(name)

    def _carry_out(self, job: Job) -> None:
        try:
            with self._turn:
                self._in_process(job)
        finally:
            job.ended.set()

    def _in_process(self, job: Job) -> None:
        context = _context()
        into, out = context.Pipe(duplex=False)
        with self._lock:
            if job.over:  # cancelled in line
                return
            arguments = (out, {"sequence": job.setting.sequence.name, **job.setting.values}, job.budget)
            job.process = context.Process(target=carry_out, args=arguments, daemon=True)
            job.process.start()
            job.state = "running"
        out.close()
        self._follow(job, into)
        _end(job.process)
        job.process.join(5)
        into.close()

    def _follow(self, job: Job, into: Any) -> None:
        limit = time.monotonic() + self.longest
        while not job.over:
            if time.monotonic() > limit:
                self._fail(job, f"ended after {self.longest:g} s; ask for less: larger pixels, fewer averages")
            try:
                if into.poll(0.2):
                    self._hear(job, into.recv())
            except (EOFError, OSError):
                self._fail(job, "the run ended without a word; it may have needed too much memory")

    def _hear(self, job: Job, message: tuple[Any, ...]) -> None:
        kind, *rest = message
        with self._lock:
            if job.over:
                return
            if kind == "progress":
                job.step, job.done, job.total = rest
            elif kind == "done":
                job.result, job.state = rest[0], "done"
            else:
                job.error, job.state = rest[0], "failed"

    def _fail(self, job: Job, why: str) -> None:
        with self._lock:
            if not job.over:
                job.error, job.state = why, "failed"


def _context() -> Any:
    """Return how processes are started: anew, because the server's threads must not be copied."""
    return multiprocessing.get_context("spawn")


def _end(process: Any) -> None:
    if process is not None and process.is_alive():
        process.kill()

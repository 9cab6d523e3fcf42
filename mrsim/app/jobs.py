"""Runs on behalf of the page: each in a process of its own, one at a time, few in line, none for ever."""

from __future__ import annotations

import json
import os
import queue
import secrets
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import UserError
from .settings import Setting, checked

WAITING = 3
"""Jobs in line at most, the running one among them."""
LONGEST = 600.0
"""Seconds after which a run is ended."""
COMMAND = [sys.executable, "-m", "mrsim.app.job"]
"""Takes a job as JSON and writes a line of JSON for each message."""
KEPT = 32
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
    process: subprocess.Popen[bytes] | None = None

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
        self._line: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._closed = False
        threading.Thread(target=self._work, daemon=True).start()

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
        self._line.put(job)
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

    def _work(self) -> None:
        while True:
            job = self._line.get()
            try:
                self._carry_out(job)
            except OSError as problem:
                self._fail(job, f"the run cannot be started: {problem}")

    def _carry_out(self, job: Job) -> None:
        with self._lock:
            if job.over:  # cancelled in line
                return
            package = str(Path(__file__).resolve().parents[2])
            paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
            job.process = subprocess.Popen(
                COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                start_new_session=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            )  # fmt: skip
            job.state = "running"
        late = threading.Timer(self.longest, self._late, (job,))
        late.daemon = True
        late.start()
        assert job.process.stdin is not None
        assert job.process.stdout is not None
        with job.process:
            table = {"sequence": job.setting.sequence.name, **job.setting.values}
            with suppress(BrokenPipeError), job.process.stdin:
                job.process.stdin.write(json.dumps({"setting": table, "budget": job.budget}).encode())
            for line in job.process.stdout:
                with suppress(ValueError):  # of a process that was ended the last line may be cut
                    self._hear(job, json.loads(line))
            self._fail(job, "the run ended without a word; it may have needed too much memory")
        late.cancel()

    def _hear(self, job: Job, message: Sequence[Any]) -> None:
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

    def _late(self, job: Job) -> None:
        self._fail(job, f"ended after {self.longest:g} s; ask for less: larger pixels, fewer averages")
        _end(job.process)

    def _fail(self, job: Job, why: str) -> None:
        with self._lock:
            if not job.over:
                job.error, job.state = why, "failed"


def _end(process: subprocess.Popen[bytes] | None) -> None:
    if process is not None and process.poll() is None:
        process.kill()

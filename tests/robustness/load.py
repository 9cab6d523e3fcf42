"""Many clients at once ask the page's server for pages and runs: nothing is lost, nothing is mixed up.

    python -m tests.robustness.load --clients 200 --seconds 60

The server runs in a process of its own, with its real line of jobs; the jobs are short processes that give back the
setting they were asked for. Every client has settings of its own, opens the page, starts runs, follows them, cancels
some, and now and then comes without the token. A client whose run was taken must get that run's result or, where it
cancelled, that state; everybody else a refusal that says so.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
ECHO = "import json, sys; job = json.load(sys.stdin); print(json.dumps(['done', job['setting']]), flush=True)"
SERVER = f"""
import sys
import mrsim.app.jobs as jobs
from mrsim.app.server import LabServer
jobs.COMMAND = [sys.executable, "-I", "-S", "-c", {ECHO!r}]
server = LabServer(0, lambda token: "<p>" + token * 2000 + "</p>", jobs.Jobs())
print(server.address, flush=True)
server.serve_forever(poll_interval=0.1)
"""
PATIENCE = 30.0
"""Seconds within which every answer and every result must come."""


@dataclass
class Tally:
    """What all clients saw."""

    answers: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def seen(self, what: str, wait: float) -> None:
        """Count an answer and the seconds it took."""
        with self.lock:
            self.answers[what] += 1
            self.waits.append(wait)


class Client:
    """One of many."""

    def __init__(self, address: str, number: int, tally: Tally) -> None:
        parts = urlsplit(address)
        self.port, self.token = parts.port, parts.query.removeprefix("token=")
        self.random, self.tally, self.number = random.Random(number), tally, number

    def ask(self, method: str, path: str, body: object = None, token: str | None = None) -> tuple[int, bytes]:
        """Return the status and content of an answer."""
        start = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        headers = {"X-Mrsim-Token": self.token if token is None else token, "Content-Type": "application/json"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        self.tally.seen(f"{method} {answer.status}", time.monotonic() - start)
        return answer.status, content

    def expect(self, right: bool, what: str) -> None:
        """Write down what is wrong."""
        if not right:
            with self.tally.lock:
                self.tally.wrong.append(f"client {self.number}: {what}")

    def live(self, until: float) -> None:
        """Ask until the time is over."""
        try:
            while time.monotonic() < until:
                chance = self.random.random()
                if chance < 0.3:
                    status, content = self.ask("GET", f"/?token={self.token}")
                    self.expect(status == 200 and content.count(self.token.encode()) == 2000, f"page: {status}")
                elif chance < 0.4:
                    status, content = self.ask("POST", "/api/jobs", {"setting": {}}, token="guessed")
                    self.expect(status == 403 and self.token.encode() not in content, f"without token: {status}")
                else:
                    self.run(cancelled=chance > 0.9)
        except Exception as problem:
            self.expect(False, f"{type(problem).__name__}: {problem}")

    def run(self, cancelled: bool) -> None:
        """Ask for a run and follow it to its end."""
        setting = {"sequence": "mese", "tr": round(self.random.uniform(1000, 3000), 6)}
        status, content = self.ask("POST", "/api/jobs", {"setting": setting, "budget": False})
        if status == 429:
            time.sleep(self.random.uniform(0.01, 0.1))
            return
        self.expect(status == 202, f"a run: {status} {content[:80]!r}")
        path, end = f"/api/jobs/{json.loads(content)['id']}", time.monotonic() + PATIENCE
        if cancelled:
            self.ask("DELETE", path)
        while time.monotonic() < end:
            status, content = self.ask("GET", path)
            state = json.loads(content)
            if status != 200 or state["state"] in ("done", "failed", "cancelled"):
                break
            time.sleep(0.02)
        if status == 200 and state["state"] == "done":
            self.expect(state["result"]["tr"] == setting["tr"], "got another client's result")
            self.tally.seen("run done", 0.0)
        else:
            right = cancelled and status == 200 and state["state"] == "cancelled"
            self.expect(right, f"lost: {status} {content[:80]!r}")


def load(clients: int, seconds: float) -> Tally:
    """Let many clients ask a server of their own; return what they saw."""
    server = subprocess.Popen([sys.executable, "-c", SERVER], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address, tally = server.stdout.readline().strip(), Tally()
        until = time.monotonic() + seconds
        threads = [
            threading.Thread(target=Client(address, n, tally).live, args=(until,), daemon=True) for n in range(clients)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(seconds + 2 * PATIENCE)
        if any(thread.is_alive() for thread in threads):
            tally.wrong.append("a client never got its answer")
        if server.poll() is not None:
            tally.wrong.append(f"the server ended with {server.returncode}")
        return tally
    finally:
        server.kill()
        server.communicate()


def main() -> int:
    """Run the command line; the exit code is 1 where something was wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    tally = load(given.clients, given.seconds)
    waits = sorted(tally.waits)
    print(", ".join(f"{what}: {count}" for what, count in sorted(tally.answers.items())))
    print(f"answers within {waits[len(waits) // 2]:.3f} s (half), {waits[-1]:.3f} s (all)")
    good = f"{given.clients} clients, {given.seconds:g} s: nothing lost, nothing mixed up"
    print("\n".join(tally.wrong[:20]) or good)
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())

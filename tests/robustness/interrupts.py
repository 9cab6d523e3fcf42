"""Interrupt commands at every step that they tell of: each must end within two seconds, by one message, without a part.

    python -m tests.robustness.interrupts                    # every command, at three moments of every step
    python -m tests.robustness.interrupts run plan --moments 5

Each command first goes undisturbed twice with --verbose, which tells of its steps as they begin; the first time may
have to compile. Then it is begun anew for
every moment, in a folder of its own, and gets Ctrl-C's signal (or, every other time, the one for termination) so long
after that step began. What is measured is the time from the signal to the end of the process. Where a machine is busy
these are upper bounds.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from .kills import STUDY

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 2.0
"""Seconds from a signal to the end."""
MEDIUM = ("disc-se", "--set", "matrix=32 32", "--threads", "1")
WORKS = {
    "run": ("run", *MEDIUM, "--out", "result"),
    "simulate": ("simulate", *MEDIUM, "--out", "result.h5"),
    "recon": ("recon", "../given/result.h5", "--out", "images.h5"),
    "fit": ("fit", "../given/result.h5", "--model", "t2-mono", "--out", "maps.h5"),
    "export": ("export", "../given/result.h5", "--to", "dicom", "--out", "series"),
    "plan": ("plan", "disc-t2-mese", "--out", "plan.html"),
    "study": ("study", "../small.toml", "--workers", "2", "--out", "result"),
    "optimise": (
        "optimise", "disc-se", "--free", "te[6]=15:200 ms", "--tissue", "nucleus_pulposus", "--want", "t2",
    ),
    "sensitivity": ("sensitivity", "disc-t2-mese", "--tissue", "nucleus_pulposus", "--workers", "2"),
}  # fmt: skip
"""Name -> a command that is interrupted."""
KEEPS = ("study",)
"""Commands that keep what is finished when they are stopped."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When a command is interrupted."""

    step: str
    """The last line of its course; "start" before the first."""
    begins: float
    """Seconds after the start of the process, undisturbed."""
    later: float
    """Seconds after that line."""


def started(arguments: tuple[str, ...], folder: Path) -> subprocess.Popen[str]:
    """Return the command at work in a folder, told of its steps."""
    return subprocess.Popen(
        [sys.executable, "-m", "mrsim", *arguments, "--verbose"], cwd=folder, text=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip


def step_of(line: str) -> str:
    """Return a line of a command's course without its time of day and without how long things took."""
    return re.sub(r"\d+(\.\d+)? (ms|s|min)\b", "a time", re.sub(r"^\d\d:\d\d:\d\d ", "", line.strip()))


def course(arguments: tuple[str, ...], folder: Path) -> list[tuple[str, float]]:
    """Return the lines of an undisturbed command and when they came, s; the last is the end."""
    start, lines = time.monotonic(), [("start", 0.0)]
    with started(arguments, folder) as process:
        lines += [(step_of(line), time.monotonic() - start) for line in process.stderr or ()]
    if process.returncode not in (0, 3):
        raise SystemExit(f"{' '.join(arguments)} ends with {process.returncode}: {lines[-1][0]}")
    return [*lines, ("end", time.monotonic() - start)]


def moments(lines: list[tuple[str, float]], number: int, least: float = 0.2) -> Iterator[Moment]:
    """Return the moments within every step that takes `least` s; a command that said what it took has ended."""
    for (step, begins), (_, ends) in zip(lines, lines[1:], strict=False):
        if ends - begins >= least and not step.endswith(" took a time"):
            yield from (Moment(step, begins, (ends - begins) * (k + 0.5) / number) for k in range(number))


def interrupted(
    arguments: tuple[str, ...], folder: Path, when: Moment, which: signal.Signals
) -> tuple[float, int, str]:
    """Interrupt a command; return how long it took to end, s, its exit code and what it said after the signal."""
    process = started(arguments, folder)
    stream = process.stderr
    if stream is None:
        raise RuntimeError("the command has no messages")
    if when.step != "start":
        for line in stream:
            if step_of(line) == when.step:
                break
    time.sleep(when.later)
    sent = time.monotonic()
    process.send_signal(which)
    said = stream.read()
    process.wait()
    return time.monotonic() - sent, process.returncode, said


def wrong(name: str, took: float, code: int, said: str, which: signal.Signals, folder: Path) -> str:
    """Return what is wrong with how a command ended, "" where nothing is; one that had ended before is not judged."""
    outside = code == -which and (not (said or any(folder.iterdir())) or step_of(said).endswith(" took a time"))
    if code in (0, 3) or outside:
        return ""  # ended before, or by the system while Python was still being started or was already leaving
    if took > LIMIT:
        return f"takes {took:.2f} s to end"
    messages = [line for line in said.splitlines() if line.startswith("mrsim:")]
    if code != 128 + which or len(messages) != 1 or "Traceback" in said:
        return f"ends with {code} and says: {said.strip()[-300:] or 'nothing'}"
    left = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    parts = [str(one) for one in left if one.suffix == ".part"]
    told = [Path(one) for one in messages[0].rpartition("written before: ")[2].split(", ")]
    untold = [str(one) for one in left if not any(one.is_relative_to(at) or at.is_relative_to(one) for at in told)]
    return f"leaves {parts or untold}" if parts or (untold and name not in KEEPS) else ""


def tried(name: str, base: Path, number: int) -> list[str]:
    """Interrupt one command at all its moments; say how long it took and return what was wrong."""
    for whole in (base / f"{name}-first", base / f"{name}-whole"):  # the first compiles, which the others need not
        whole.mkdir()
        lines = course(WORKS[name], whole)
    found, slowest, at, struck = [], 0.0, "", 0
    for place, when in enumerate(moments(lines, number)):
        folder = base / f"{name}-{place}"
        folder.mkdir()
        which = (signal.SIGINT, signal.SIGTERM)[place % 2]
        took, code, said = interrupted(WORKS[name], folder, when, which)
        if problem := wrong(name, took, code, said, which, folder):
            found.append(f"  {name}, {when.later:.2f} s after '{when.step}': {problem}")
        if code not in (0, 3):
            struck += 1
            slowest, at = max((slowest, at), (took, when.step))
        print(f"  {took:5.2f} s, exit code {code:3}, {when.later:6.2f} s after '{when.step}'", flush=True)
    print(f"{name:12} {lines[-1][1]:6.1f} s undisturbed, {struck:3} stops, slowest {slowest:.2f} s ({at})", flush=True)
    return found


def main() -> int:
    """Run the command line; the exit code is 1 where something was wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("works", nargs="*", default=[*WORKS], help="commands [default: all]")
    parser.add_argument("--moments", type=int, default=3, help="of every step")
    given = parser.parse_args()
    found = []
    with TemporaryDirectory() as name:
        base = Path(name)
        (base / "small.toml").write_text(STUDY)
        course(("run", *MEDIUM, "--out", "given"), base)
        for work in given.works:
            found += tried(work, base, given.moments)
    print("\n".join(found) or "every command ended in time, by one message, and left nothing half-written")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

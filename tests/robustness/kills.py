"""Kill runs, studies and exports at random moments: files are old or new, and studies end as if nothing had happened.

    python -m tests.robustness.kills --kills 100 --seed 1

Half of the moments are drawn from the whole time that a command takes undisturbed, half from its last third, where it
writes. After each kill every file that stands under its own name must be whole: one of those that an undisturbed
command wrote before, or a new one that reads as it should. A study is killed again and again, goes on each time, and
must hold the same bits in the end as one that ran undisturbed.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from mrsim.core.storage import load

ROOT = Path(__file__).resolve().parents[2]
STUDY = """
description = "small"
question = "?"
experiment = "decay-groups"
seed = 41
replicates = { full = 40, fast = 40, chunk = 2 }
[settings]
kind = "kurtosis"
b = "0 700 1400 2000 s/mm^2"
d = "1.4 1.4 um^2/ms"
k = "0.5 0.5"
discs = 4
voxels = 4
[[arm]]
name = "SNR 50"
settings = { snr = 50 }
"""
SMALL = ("disc-se", "--set", "matrix=16,16")


@dataclass(frozen=True, slots=True)
class Work:
    """A command that is killed."""

    name: str
    arguments: tuple[str, ...]
    target: str
    """What it writes in its folder."""
    share: int
    """Of the kills, how many of ten."""


WORKS = (
    Work("run", ("run", *SMALL, "--out", "result"), "result", 4),
    Work("study", ("study", "small.toml", "--workers", "1", "--out", "result"), "result", 4),
    Work("bids", ("export", "given.h5", "--to", "bids", "--out", "result"), "result", 1),
    Work("mrd", ("export", "given.h5", "--to", "mrd", "--out", "result.mrd"), "result.mrd", 1),
)


def started(work: Work, folder: Path) -> subprocess.Popen[bytes]:
    """Return the command at work in a folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "mrsim", *work.arguments], cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def finished(work: Work, folder: Path) -> float:
    """Let the command end; return how long it took, s."""
    start = time.monotonic()
    code = started(work, folder).wait(600)
    if code != 0:
        raise RuntimeError(f"{work.name} ended with {code}")
    return time.monotonic() - start


def contents(path: Path) -> dict[str, bytes]:
    """Return every file under a path that is not temporary."""
    found = [path] if path.is_file() else sorted(path.rglob("*")) if path.is_dir() else []
    named = {str(one.relative_to(path)): one for one in found if one.is_file()}
    return {name: one.read_bytes() for name, one in named.items() if not name.rpartition("/")[2].startswith(".")}


def alike(one: object, other: object) -> bool:
    """Return whether two values that a file holds are the same bits; times that work took do not count."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = (set(one) | set(other)) - {"timings", "seconds"}
        return all(key in one and key in other and alike(one[key], other[key]) for key in keys)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if hasattr(one, "__dataclass_fields__") and type(one) is type(other):
        return all(alike(getattr(one, name), getattr(other, name)) for name in one.__dataclass_fields__)
    return repr(one) == repr(other)


def same(work: Work, left: Path, right: Path) -> bool:
    """Return whether two finished targets hold the same."""
    one, other = contents(left), contents(right)
    if set(one) != set(other):
        return False
    for name in one:
        if name.endswith(".h5") and not alike(load(left / name), load(right / name)):
            return False
        if name.endswith((".png", ".nii", ".gz", ".json")) and "study" not in work.name and one[name] != other[name]:
            return False
    return True


def prepare(folder: Path, given: Path | None) -> None:
    """Make what the commands read."""
    folder.mkdir()
    (folder / "small.toml").write_text(STUDY)
    if given is not None:
        (folder / "given.h5").write_bytes(given.read_bytes())


def killed(work: Work, base: Path, once: Path, seconds: float, kills: int, rng: np.random.Generator) -> Iterator[str]:
    """Yield what is wrong after each of a number of kills."""
    folder = base / f"{work.name}-killed"
    prepare(folder, base / "given.h5")
    target, whole = folder / work.target, once / work.target
    struck = 0
    for number in range(kills):
        before = contents(target)
        first = 0.0 if number % 2 else 2 / 3
        process = started(work, folder)
        time.sleep(seconds * rng.uniform(first, 1.0))
        struck += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        now = contents(target)
        if work.name == "study":
            wrong = [name for name in now if name.endswith(".h5") and not _whole(target / name)]
            if wrong:
                yield f"study, kill {number}: {wrong[0]} is not whole"
        elif now != before and not same(work, target, whole):
            yield f"{work.name}, kill {number}: what is there is neither old nor new"
        if work.name == "bids" and now:  # only a new folder is written
            target.rename(folder / f"done-{number}")
        if work.name == "study" and (target / "study.h5").exists():
            if not same(work, target, whole):
                yield f"study, kill {number}: differs from an undisturbed one"
            target.rename(folder / f"done-{number}")
    finished(work, folder)
    if not same(work, target, whole):
        yield f"{work.name}: after {kills} kills it ends otherwise than undisturbed"
    left = [entry.name for entry in folder.iterdir() if entry.name.endswith(".part")]
    if left:
        yield f"{work.name}: {left[0]} is left"
    print(f"{work.name:6} {kills:4} kills, {struck} before the end; undisturbed {seconds:.1f} s", flush=True)


def _whole(path: Path) -> bool:
    try:
        load(path)
    except Exception:
        return False
    return True


def kill(kills: int, seed: int, names: tuple[str, ...] = ()) -> list[str]:
    """Kill every command its share of times; return what was wrong."""
    rng, found = np.random.default_rng(seed), []
    with TemporaryDirectory() as name:
        base = Path(name)
        prepare(base / "first", None)
        finished(WORKS[0], base / "first")
        (base / "given.h5").write_bytes((base / "first" / "result" / "result.h5").read_bytes())
        for work in WORKS:
            if names and work.name not in names:
                continue
            once = base / f"{work.name}-once"
            prepare(once, base / "given.h5")
            seconds = finished(work, once)
            found += killed(work, base, once, seconds, max(1, round(kills * work.share / 10)), rng)
    return found


def main() -> int:
    """Run the command line; the exit code is 1 where something was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", choices=[work.name for work in WORKS], default=[])
    given = parser.parse_args()
    found = kill(given.kills, given.seed, tuple(given.only))
    print("\n".join(found) or "files were old or new each time")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

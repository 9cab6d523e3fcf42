"""Feed damaged input to everything that reads: the outcome is a right result or one clear error of ours.

    python -m tests.robustness.fuzz --inputs 100000 --seed 1
    python -m tests.robustness.fuzz --target seq --again 1:734

Each target is read in a process of its own, with bounded memory, and watched: a traceback, a crash, an input that
takes longer than ten seconds, or more memory than the bound is a finding, printed with the numbers that repeat it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import sys
import time
import traceback
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from mrsim.core.errors import UserError

from .mutations import damaged
from .targets import TARGETS, Files, Target

PATIENCE, WAIT = 10.0, 90.0
"""Longest that one input may take: s of the processor, which others on the machine do not change, and of the clock."""
BEFORE, AFTER = -1, -2
"""Instead of a number: nothing was read so far, all has been."""
MEMORY = 3 << 30
"""What reading may add to the process's address space, bytes."""


@dataclass(frozen=True, slots=True)
class Finding:
    """An input that was neither read nor refused."""

    target: str
    seed: int
    number: int
    what: str

    def __str__(self) -> str:
        return f"{self.target} --again {self.seed}:{self.number}: {self.what}"


def damaged_files(target: Target, seeds: list[Files], seed: int, number: int) -> Files:
    """Return input `number` of a target: one of its seeds, one file of it damaged."""
    rng = np.random.default_rng((seed, number))
    files = dict(seeds[int(rng.integers(len(seeds)))])
    name = sorted(files)[int(rng.integers(len(files)))]
    return files | {name: damaged(files[name], rng, target.text)}


def read_one(target: Target, files: Files) -> str | None:
    """Return what is wrong with how a target takes files; None where they are read or refused as they should be."""
    with TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as name:
        folder = Path(name)
        for file, content in files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(content)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                target.read(folder)
        except UserError as problem:
            return None if str(problem).strip() else "an error without a message"
        except BaseException as problem:
            last = traceback.extract_tb(problem.__traceback__)[-1]
            place = f"{Path(last.filename).name}:{last.lineno}"
            return f"{type(problem).__name__} at {place}: {' '.join(str(problem).split())[:200]}"
    return None


def _serve(name: str, seed: int, numbers: list[int], said: Any, at: Any) -> None:
    """Read inputs, one after the other; say which is at work, and what is wrong."""
    target = TARGETS[name]
    seeds = target.seeds()
    for files in seeds:  # imports and compiles what is needed before the bounds hold
        if wrong := read_one(target, files):
            raise RuntimeError(wrong)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1), os.dup2(nowhere, 2)  # what libraries say of damaged files
    for number in numbers:
        at[1], at[2], at[0] = time.process_time(), time.monotonic(), number
        what = read_one(target, damaged_files(target, seeds, seed, number))
        if what:
            said.put(Finding(name, seed, number, what))
    at[0] = AFTER


def _used(process: int | None) -> float:
    """Return the processor time of a process so far, s; 0 when it has ended."""
    try:
        words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def fuzz(name: str, seed: int, numbers: Iterable[int]) -> list[Finding]:
    """Return what went wrong with inputs of a target."""
    todo, found = list(numbers), []
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"  # small matrices: threads only wait
    context = multiprocessing.get_context("spawn")
    while todo:
        said, at = context.SimpleQueue(), context.Array("d", [BEFORE, 0.0, 0.0], lock=False)
        process = context.Process(target=_serve, args=(name, seed, todo, said, at))
        process.start()
        while process.is_alive():
            process.join(0.2)
            while not said.empty():
                found.append(said.get())
            if at[0] >= 0 and (_used(process.pid) - at[1] > PATIENCE or time.monotonic() - at[2] > WAIT):
                found.append(Finding(name, seed, int(at[0]), f"takes longer than {PATIENCE:g} s"))
                process.kill()
                process.join()
        while not said.empty():
            found.append(said.get())
        if at[0] == BEFORE:
            raise RuntimeError(f"{name}: its good input cannot be made or read")
        if at[0] == AFTER:
            break
        if not found or found[-1].number != at[0]:
            found.append(Finding(name, seed, int(at[0]), f"the process ended with {process.exitcode}"))
        todo = todo[todo.index(int(at[0])) + 1 :]
    return found


def numbers_of(target: Target, inputs: int) -> range:
    """Return the inputs of a target, of `inputs` in all."""
    whole = sum(one.share for one in TARGETS.values())
    return range(max(1, round(inputs * target.share / whole)))


def main() -> int:
    """Run the command line; the exit code is 1 where something was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--inputs", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", choices=TARGETS, action="append")
    parser.add_argument("--again", help="SEED:NUMBER of a finding, whose traceback is shown")
    given = parser.parse_args()
    names = given.target or list(TARGETS)
    if given.again:
        seed, number = map(int, given.again.split(":"))
        target = TARGETS[names[0]]
        with TemporaryDirectory() as folder:
            for file, content in damaged_files(target, target.seeds(), seed, number).items():
                (Path(folder) / file).parent.mkdir(parents=True, exist_ok=True)
                (Path(folder) / file).write_bytes(content)
                if target.text:
                    print(content.decode(errors="replace"))
            print(target.read(Path(folder)))
        return 0
    total, found = 0, []
    for name in names:
        start, numbers = time.monotonic(), numbers_of(TARGETS[name], given.inputs)
        these = fuzz(name, given.seed, numbers)
        total, found = total + len(numbers), found + these
        print(f"{name:12} {len(numbers):7} inputs {time.monotonic() - start:7.1f} s  {len(these)} findings", flush=True)
        for one in these:
            print(f"  {one}", flush=True)
    print(f"{total} inputs, {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

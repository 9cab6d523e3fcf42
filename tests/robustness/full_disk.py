"""Let files and folders be written to a disk that is full before they are whole: old ones stay, nothing half-written.

    python -m tests.robustness.full_disk --steps 5

Needs Linux and a name space of its own for a small disk in memory (`unshare`; root, or a system that lets users have
them). Every command first writes to a disk with room, then to ones that hold only part of what it wrote, once with
nothing there before and once with an older result in place. It must be refused by one message that says so, and the
disk must hold afterwards what it held before.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from mrsim.cli import output_streams, perform

from .kills import SMALL, STUDY

ROOT = Path(__file__).resolve().parents[2]
ROOMY = 256 << 20
PAGE = os.sysconf("SC_PAGE_SIZE")
WORKS = {
    "run": ("run", *SMALL, "--out", "result"),
    "study": ("study", "../small.toml", "--workers", "1", "--fast", "--out", "result"),
    **{kind: ("export", "../given/result.h5", "--to", kind, "--out", f"result.{kind}")
       for kind in ("bids", "dicom", "nifti", "mrd", "csv", "seq", "cfl")},
    "images": ("recon", "../given/result.h5", "--out", "result.h5"),
    "maps": ("fit", "../given/result.h5", "--model", "t2-mono", "--out", "result.h5"),
    "basis": ("basis", "Lac,Ala", "--out", "result.h5"),
    "fsl": ("basis", "Lac,Ala", "--out", "result"),
}  # fmt: skip
"""Name -> a command that writes to the folder where it runs."""
DEAR = ("run", "study")


def content(folder: Path) -> dict[str, str]:
    """Return the files below a folder, each with a digest of its bytes, and the folders."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in folder.rglob("*")
    }


def used(folder: Path) -> int:
    """Return the bytes in use on a disk."""
    held = os.statvfs(folder)
    return (held.f_blocks - held.f_bfree) * held.f_frsize


def resize(disk: Path, size: int) -> None:
    """Give a disk in memory another size."""
    subprocess.run(["mount", "-o", f"remount,size={max(1, size // PAGE) * PAGE}", "none", str(disk)], check=True)


def called(arguments: tuple[str, ...], disk: Path) -> tuple[int, str]:
    """Return exit code and messages of a command in a copy of this process."""
    said = disk.parent / "said"
    child = os.fork()
    if child == 0:
        code = 99
        try:
            os.chdir(disk)
            out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(out, 1), os.dup2(out, 2)
            output_streams.prepare()
            code = perform(arguments)
        finally:
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), said.read_text(errors="replace")


def tried(name: str, disk: Path, steps: int) -> list[str]:
    """Return what is wrong after a command met a full disk; each of `steps` shares without and with an older result."""
    arguments, wrong = WORKS[name], []
    resize(disk, ROOMY)
    before = used(disk)
    code, said = called(arguments, disk)
    if code != 0:
        return [f"{name}: cannot be carried out with room: {said[-300:]}"]
    whole = used(disk) - before
    replaces = "exists" not in called(arguments, disk)[1]
    for older in (True, False) if replaces else (False,):
        if not older:
            for path in disk.iterdir():
                subprocess.run(["rm", "-rf", str(path)], check=True)
        for share in np.linspace(0.05, 0.9, steps):
            resize(disk, used(disk) + int(share * whole))
            was = content(disk)
            code, said = called(arguments, disk)
            now, where = (
                content(disk),
                f"{name}, {share:.0%} of {whole} bytes, {'with' if older else 'without'} an older result",
            )
            if code == 0 and share < 0.5:
                wrong.append(f"{where}: it is said to be done")
            if code not in (0, 2) or "defect" in said or "Traceback" in said:
                wrong.append(f"{where}: exit code {code}: {said[-300:]}")
            if code == 2 and ("No space left" not in said or len(said.strip().splitlines()) > 3):
                wrong.append(f"{where}: does not say what is wrong: {said[-300:]}")
            if code != 0 and now != was and name != "study":
                wrong.append(f"{where}: the disk holds something else: {sorted(now.items() ^ was.items())[:4]}")
            if any(path.endswith(".part") for path in now):
                wrong.append(f"{where}: something half-written is left")
            if code == 0:
                break
        if not older and name == "study":  # what was computed is kept, and the study goes on where there is room again
            resize(disk, ROOMY)
            code, said = called(arguments, disk)
            if code != 0:
                wrong.append(f"study: does not go on: {said[-300:]}")
    resize(disk, ROOMY)
    for path in disk.iterdir():
        subprocess.run(["rm", "-rf", str(path)], check=True)
    return wrong


def inside(names: list[str], steps: int) -> int:
    """Do it, where a disk of one's own can be had."""
    found = 0
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "small.toml").write_text(STUDY)
        disk = folder / "disk"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOMY}", "none", str(disk)], check=True)
        try:
            code, said = called(("run", *SMALL, "--out", "../given"), disk)
            if code != 0:
                raise SystemExit(said)
            for work in names:
                wrong = tried(work, disk, 2 if work in DEAR else steps)
                print(f"{work:8} {len(wrong)} findings", flush=True)
                for one in wrong:
                    print(f"  {one}", flush=True)
                found += len(wrong)
        finally:
            subprocess.run(["umount", str(disk)], check=True)
    return 1 if found else 0


def main() -> int:
    """Run the command line; the exit code is 1 where something is wrong, 2 where there can be no small disk."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("works", nargs="*", default=[*WORKS], help="commands [default: all]")
    parser.add_argument("--steps", type=int, default=4, help="sizes of the disk per command and case")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside:
        return inside(given.works, given.steps)
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        print(
            "this system gives no name space for a small disk; take root, or injection: tests/robustness/test_faults.py"
        )
        return 2
    again = [sys.executable, "-m", "tests.robustness.full_disk", "--inside", "--steps", str(given.steps), *given.works]
    return subprocess.run(["unshare", "-rm", *again], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())

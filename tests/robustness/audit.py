"""Audit what is installed: it is what the lock file names, and no file of it was changed since it was installed.

    python -m tests.robustness.audit [--lock requirements.lock] [--advisories]

Without a network it compares versions with the lock file, demands a hash for every package of it, and holds every
installed file against the hash that its package recorded. What is known to be weak cannot be known offline:
``--advisories`` hands the lock file to pip-audit (``uv tool run pip-audit``), which asks a public database.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import re
import subprocess
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENTRY = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)(.*)$")


def locked(path: Path) -> tuple[dict[str, set[str]], list[str]]:
    """Return the versions, by Python and system, of every package of a lock file, and those without a hash."""
    text = path.read_text().replace("\\\n", " ")
    versions: dict[str, set[str]] = {}
    bare = []
    for line in text.splitlines():
        found = ENTRY.match(line.strip())
        if found:
            versions.setdefault(plain(found[1]), set()).add(found[2])
            if "--hash=sha256:" not in found[3]:
                bare.append(found[1])
    return versions, bare


def plain(name: str) -> str:
    """Return a package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def changed(package: Distribution) -> list[str]:
    """Return the files of a package that are not as it recorded them; those made later (caches) have no hash."""
    wrong = []
    for file in package.files or []:
        if file.hash is None or file.suffix == ".pyc":
            continue
        place = Path(str(package.locate_file(file)))
        if not place.is_file():
            wrong.append(f"{file} is missing")
            continue
        digest = hashlib.new(file.hash.mode, place.read_bytes()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value:
            wrong.append(f"{file} was changed")
    return wrong


def audit(lock: Path) -> tuple[list[str], int]:
    """Return what is wrong, and how many installed packages were looked at."""
    versions, bare = locked(lock)
    wrong = [f"{lock.name}: {name} has no hash" for name in bare]
    looked = 0
    for package in distributions():
        name = plain(package.metadata["Name"])
        if name == "mrsim":
            continue
        looked += 1
        if name in versions and package.version not in versions[name]:
            named = " or ".join(sorted(versions[name]))
            wrong.append(f"{name} {package.version} is installed, {lock.name} has {named}")
        wrong += [f"{name}: {what}" for what in changed(package)]
    return wrong, looked


def main() -> int:
    """Run the command line; the exit code is 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lock", type=Path, default=ROOT / "requirements-dev.lock")
    parser.add_argument("--advisories", action="store_true", help="ask a public database, too; needs a network")
    given = parser.parse_args()
    wrong, looked = audit(given.lock)
    print("\n".join(wrong) or f"{looked} packages are as {given.lock.name} names them and as they were installed")
    if given.advisories:
        asked = [
            "uv",
            "tool",
            "run",
            "pip-audit",
            "--requirement",
            str(given.lock),
            "--require-hashes",
            "--disable-pip",
        ]
        wrong += ["advisories"] * bool(subprocess.run([sys.executable, "-m", *asked]).returncode)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

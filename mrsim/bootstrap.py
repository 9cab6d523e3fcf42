"""From a bare checkout to a running mrsim: makes `.venv`, installs the hashed lock file, hands over.

Standard library only. The environment is made once and carries a stamp of what it was made from; a stamp
that does not match means that it is made again. Everything installed is named with its hash in
`requirements.lock` (to run) or `requirements-dev.lock` (to run, test, lint and build the docs), the
installer included. The checkout itself is put on the environment's path, not installed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

LOCKS = {"run": "requirements.lock", "dev": "requirements-dev.lock"}
"""What an environment can be made for, and the lock file that says what it holds."""


class SetupError(Exception):
    """The environment cannot be made; the message says why and what to do."""


def start(checkout: Path, arguments: list[str]) -> NoReturn:
    """Prepare the environment that `arguments` need and run them in it; never returns.

    ``test [pytest arguments]`` runs the tests; anything else goes to the command line.
    """
    testing = arguments[:1] == ["test"]
    try:
        python = prepare(checkout, "dev" if testing else "run")
    except SetupError as problem:
        print(f"mrsim: {problem}", file=sys.stderr)
        sys.exit(2)
    except OSError as problem:
        print(f"mrsim: cannot set up {checkout / '.venv'}: {problem.strerror}: {problem.filename}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("\nmrsim: set-up interrupted; the same command starts it again", file=sys.stderr)
        sys.exit(130)
    if testing:
        os.chdir(checkout)
        command = [str(python), "-P", "-m", "pytest", "-n", "2", *arguments[1:]]
    else:
        command = [str(python), "-P", "-m", "mrsim", *arguments]
    environment = _clean_environment()
    if sys.platform == "win32":
        sys.exit(subprocess.run(command, env=environment, check=False).returncode)
    sys.stdout.flush()
    os.execve(python, command, environment)


def prepare(checkout: Path, purpose: str) -> Path:
    """Return the Python of the checkout's environment, made or renewed where it has to be.

    Parameters
    ----------
    checkout : path
        The folder that holds `pyproject.toml` and the lock files.
    purpose : str
        A key of `LOCKS`. An environment made for ``"dev"`` also serves ``"run"``.
    """
    venv = checkout / ".venv"
    python = venv / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if _ready(checkout, venv, python, purpose):
        return python
    with _one_at_a_time(checkout / ".venv.lock"):
        if not _ready(checkout, venv, python, purpose):
            if not _ready(checkout, venv, python, "run"):
                _make(checkout, venv, python)
            _install(checkout, venv, python, purpose)
    return python


def _fingerprint(checkout: Path, purpose: str) -> str:
    """Return a hash of all that an environment is made from."""
    digest = hashlib.sha256(f"{checkout} {sys.version_info[:2]}".encode())
    for name in ("pyproject.toml", LOCKS[purpose]):
        try:
            digest.update((checkout / name).read_bytes())
        except FileNotFoundError:
            raise SetupError(f"{checkout / name} is missing: is {checkout} a whole checkout of mrsim?") from None
    return digest.hexdigest()


def _ready(checkout: Path, venv: Path, python: Path, purpose: str) -> bool:
    """Whether the environment exists, is complete, and was made from the present lock files."""
    try:
        stamp = json.loads((venv / "mrsim-setup.json").read_text())
    except (OSError, ValueError):
        return False
    if not (isinstance(stamp, dict) and python.exists()):
        return False
    return any(stamp.get(p) == _fingerprint(checkout, p) for p in {purpose, "dev"})


def _make(checkout: Path, venv: Path, python: Path) -> None:
    """Make an empty environment with an installer in it; whatever we left there before goes first."""
    stamp = venv / "mrsim-setup.json"
    if venv.exists() and not stamp.exists() and any(venv.iterdir()):
        raise SetupError(
            f"{venv} exists and was not made by this command; move it away, or run mrsim from it with {python} -m mrsim"
        )
    print(f"mrsim: setting up {venv} (once; about half a minute)", file=sys.stderr, flush=True)
    for entry in list(venv.iterdir()) if venv.exists() else []:
        if entry != stamp:  # the stamp says that the folder is ours, so it goes last
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    venv.mkdir(exist_ok=True)
    stamp.write_text("{}")
    base = getattr(sys, "_base_executable", sys.executable)
    _run([base, "-m", "venv", "--without-pip", str(venv)], "Python's venv (Debian, Ubuntu: apt install python3-venv)")
    site = _run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], "the new environment")
    Path(site.strip(), "mrsim.pth").write_text(f"{checkout}\n", encoding="utf-8")


def _install(checkout: Path, venv: Path, python: Path, purpose: str) -> None:
    """Install what the lock file of `purpose` names, and stamp the environment."""
    fingerprints = {purpose: _fingerprint(checkout, purpose)}
    stamp = venv / "mrsim-setup.json"
    stamp.write_text("{}")
    installer, rest = _split_lock((checkout / LOCKS[purpose]).read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        installer_list, rest_list = Path(folder, "installer.txt"), Path(folder, "rest.txt")
        installer_list.write_text(installer, encoding="utf-8")
        rest_list.write_text(rest, encoding="utf-8")
        try:
            uv = _uv(python, installer_list)
            target = ["--python", str(python), "--link-mode", "copy"]
            _run([str(uv), "pip", "install", *target, "--require-hashes", "-r", str(rest_list)], "uv")
        except SetupError:
            print("mrsim: without uv, installing with pip (about a minute)", file=sys.stderr, flush=True)
            _pip(python, ["--no-compile", "--require-hashes", "-r", str(rest_list)])
    partial = stamp.with_suffix(".part")
    partial.write_text(json.dumps(fingerprints))
    partial.replace(stamp)


def _split_lock(text: str) -> tuple[str, str]:
    """Return the lock's entry of uv, which installs the rest, and all its other entries."""
    entries = re.split(r"^(?=\S)", text, flags=re.MULTILINE)
    uv = [entry for entry in entries if entry.startswith("uv==")]
    return "".join(uv), "".join(entry for entry in entries if entry not in uv)


def _uv(python: Path, installer_list: Path) -> Path:
    """Return the environment's own uv, installed by pip where it is not there yet."""
    uv = python.with_name("uv" + python.suffix)
    if not uv.exists():
        _pip(python, ["--require-hashes", "-r", str(installer_list)])
    if not uv.exists():
        raise SetupError(f"{uv} is missing after its installation")
    return uv


def _pip(python: Path, arguments: list[str]) -> None:
    """Install into the environment with the pip of the Python at hand, or with one of the environment's own."""
    options = ["--disable-pip-version-check", "--no-input"]
    base = getattr(sys, "_base_executable", sys.executable)
    try:
        _run([base, "-m", "pip", *options, "--python", str(python), "install", *arguments], "pip")
    except SetupError as outside:
        try:
            _run([str(python), "-m", "ensurepip", "--default-pip"], "ensurepip")
        except SetupError:
            raise SetupError(
                f"{outside}\nand {base} has no ensurepip to make up for it (Debian, Ubuntu: apt install python3-venv)"
            ) from None
        _run([str(python), "-m", "pip", *options, "install", *arguments], "pip")


def _run(command: list[str], what: str) -> str:
    """Run a command quietly and return what it printed; a failure is a `SetupError` with its last lines."""
    # The lock is inherited: an installer that outlives a killed set-up still keeps the next one waiting.
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=_clean_environment(), close_fds=False
    )
    if done.returncode:
        last = "\n".join((done.stderr or done.stdout).strip().splitlines()[-12:])
        raise SetupError(f"set-up needs {what}, which failed:\n{last}")
    return done.stdout


def _clean_environment() -> dict[str, str]:
    """Return the environment without the variables that would mix other Pythons' packages into ours.

    Nor may bytecode be forbidden: the environment has none at first, and reading some 700 files anew costs every
    command seconds. It goes where `.venv` and the compiled kernels are, into the checkout.
    """
    drop = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__", "PYTHONDONTWRITEBYTECODE"}
    return {key: value for key, value in os.environ.items() if key not in drop}


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    """Hold an operating-system lock, which dies with its processes, while the environment is being made."""
    with path.open("a") as handle:
        os.set_inheritable(handle.fileno(), True)
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle.fileno(), msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print("mrsim: waiting for another set-up of this checkout", file=sys.stderr, flush=True)
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield

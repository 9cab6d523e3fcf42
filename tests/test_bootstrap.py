"""The set-up from a bare checkout, on checkouts whose lock files are empty, so that nothing is fetched."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mrsim.bootstrap import SetupError, _split_lock, prepare

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def checkout(tmp_path):
    """A checkout with mrsim's own start-up code, a one-line command line and nothing to install."""
    folder = tmp_path / "check out"  # a space in the path must not matter
    (folder / "mrsim" / "cli").mkdir(parents=True)
    for name in ("__main__.py", "bootstrap.py"):
        shutil.copy(ROOT / "mrsim" / name, folder / "mrsim")
    (folder / "mrsim" / "__init__.py").write_text("")
    (folder / "mrsim" / "cli" / "__init__.py").write_text(
        "import sys\ndef main():\n    print('cli', sys.prefix, sys.argv[1:])\n"
    )
    for name in ("pyproject.toml", "requirements.lock", "requirements-dev.lock"):
        (folder / name).write_text("")
    return folder


def start(checkout, *arguments):
    return subprocess.run(
        [sys.executable, "mrsim", *arguments], cwd=checkout, capture_output=True, text=True, check=False
    )


def test_bootstrap_makes_the_environment_once_and_hands_over(checkout):
    first, second = start(checkout, "list", "--json"), start(checkout, "list")
    assert first.stdout.strip() == f"cli {checkout / '.venv'} ['list', '--json']"
    assert "setting up" in first.stderr
    assert second.stdout.strip() == f"cli {checkout / '.venv'} ['list']"
    assert second.stderr == ""


def test_bootstrap_renews_the_environment_when_a_lock_file_changes(checkout):
    start(checkout)
    left_over = checkout / ".venv" / "left-over"
    left_over.touch()
    (checkout / "requirements.lock").write_text("# another\n")
    assert "setting up" in start(checkout).stderr
    assert not left_over.exists()


def test_bootstrap_environment_for_development_also_runs(checkout):
    prepare(checkout, "dev")
    before = (checkout / ".venv" / "mrsim-setup.json").read_text()
    prepare(checkout, "run")
    assert (checkout / ".venv" / "mrsim-setup.json").read_text() == before
    assert list(json.loads(before)) == ["dev"]


@pytest.mark.parametrize("delay", [0.05, 0.15, 0.3, 0.6])
def test_bootstrap_recovers_from_a_kill(checkout, delay):
    worker = subprocess.Popen(
        [sys.executable, "mrsim"], cwd=checkout, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(delay)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert start(checkout).stdout.startswith("cli")


def test_bootstrap_two_at_once_make_one_environment(checkout):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen([sys.executable, "mrsim"], cwd=checkout, **pipes) for _ in range(2)]
    output = [worker.communicate() for worker in both]
    assert all(out.startswith("cli") for out, _ in output), output
    assert sum("setting up" in err for _, err in output) == 1


def test_bootstrap_leaves_a_foreign_environment_alone(checkout):
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "precious").touch()
    done = start(checkout)
    assert done.returncode == 2
    assert "was not made by this command; move it away" in done.stderr
    assert "Traceback" not in done.stderr
    assert (checkout / ".venv" / "precious").exists()


def test_bootstrap_names_a_missing_lock_file(checkout):
    (checkout / "requirements.lock").unlink()
    done = start(checkout)
    assert done.returncode == 2
    assert "requirements.lock is missing" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_bootstrap_reports_what_the_installer_said(checkout):
    """A package without its hash is refused by the installer before anything is fetched."""
    (checkout / "requirements.lock").write_text("numpy==2.0.0\n")
    done = start(checkout)
    assert done.returncode == 2
    assert "hash" in done.stderr.lower()
    assert "Traceback" not in done.stderr


def test_bootstrap_refuses_a_folder_that_is_no_checkout(tmp_path):
    with pytest.raises(SetupError, match="a whole checkout"):
        prepare(tmp_path, "run")


def test_bootstrap_finds_the_installer_in_the_real_lock():
    text = (ROOT / "requirements.lock").read_text()
    installer, rest = _split_lock(text)
    assert installer.startswith("uv==")
    assert installer.count("--hash=sha256:") > 5
    assert "numpy==" in rest
    assert "\nuv==" not in rest
    assert len(installer) + len(rest) == len(text)


def test_bootstrap_every_locked_package_has_hashes_and_both_locks_agree():
    locks = [(ROOT / name).read_text().split("\n") for name in ("requirements.lock", "requirements-dev.lock")]
    run, dev = ({line.rstrip(" \\") for line in lock if line[:1].isalnum()} for lock in locks)
    assert run <= dev
    for lock in locks:
        pins = [i for i, line in enumerate(lock) if line[:1].isalnum()]
        assert all("--hash=sha256:" in lock[i + 1] for i in pins)

"""What a command does where its output is closed, full or short of a letter, or a name would steer a terminal."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mrsim.cli import perform

ROOT = Path(__file__).resolve().parents[2]
VERSION = f"{sys.executable} -m mrsim --version"
LIST = f"{sys.executable} -m mrsim tissue csf --field 3"


def said(command, **environment):
    done = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=60, encoding="utf-8",
        env={**os.environ, **environment},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("closed", ["<&- >&-", ">&- 2>&-", "2>&-"])
def test_closed_streams_lead_to_nowhere(closed):
    code, _, error = said(f"{VERSION} {closed}")
    assert (code, error) == (0, "")


def test_full_standard_output_is_said():
    code, _, error = said(f"{VERSION} > /dev/full")
    assert code == 2
    assert error == "mrsim: standard output cannot be written: No space left on device\n"


def test_letters_that_a_stream_has_not_are_written_as_numbers():
    code, text, error = said(LIST, PYTHONIOENCODING="ascii")
    assert (code, error) == (0, "")
    assert r"\u2013" in text


def test_names_cannot_steer_a_terminal(capsys):
    assert perform(["check", "disc\x1b[2J\u202ese\r"]) == 2
    assert r"unknown protocol 'disc\x1b[2J\u202ese\r'" in capsys.readouterr().err

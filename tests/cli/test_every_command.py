"""What holds for every command: the help fits a screen, the loudness, the choices, one JSON document."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from mrsim.cli import COMMANDS, EXIT_CODES, cli, loudness, perform
from mrsim.cli.command import OUTLINED, SAID_ONCE, SCREEN

ROOT = Path(__file__).resolve().parents[2]
SMALL = (
    "--phantom", "single-voxel", "--accuracy", "1e-2", "--set", "fov=32 32 mm", "--set", "matrix=16 16",
    "--set", "echoes=4", "--set", "pixel_bandwidth=500 Hz",
)  # fmt: skip


def called(*arguments):
    """Run inside this process; return (exit code, stdout, stderr)."""
    with CliRunner().isolation() as (out, err, _):
        code = perform(arguments)
        return code, out.getvalue().decode(), err.getvalue().decode()


def declared(name):
    """Return a command as the command line has it."""
    return cli.get_command(click.Context(cli), name)


def fits(text):
    """Return whether a text fits the screen."""
    lines = text.splitlines()
    return len(lines) <= SCREEN[1] and max(map(len, lines)) <= SCREEN[0]


def test_help_of_the_whole_fits_a_screen_and_says_the_exit_codes():
    code, out, _ = called("--help")
    assert code == 0
    assert fits(out)
    assert all(str(number) in out.splitlines()[-1] for number in EXIT_CODES)
    assert called() == (0, out, "")  # a bare `mrsim` asks for the same


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_a_screen_and_names_every_option(name):
    for asked in ("--help", "-h"):
        code, out, _ = called(name, asked)
        assert code == 0
        assert fits(out)
        assert f"Examples:\n  mrsim {name}" in out
    options = [one for one in declared(name).params if isinstance(one, click.Option)]
    missing = [one.opts[0] for one in options if not any(text in out for text in one.opts)]
    assert missing in ([], ["--help-all"])
    whole = " ".join(called(name, "--help-all")[1].split())
    assert all(one.help.split()[0] in whole for one in options if one.help and not {*SAID_ONCE} & {*one.opts})


def test_outlined_options_belong_to_a_command():
    known = {text for name in COMMANDS for one in declared(name).params for text in one.opts}
    assert {option for options in OUTLINED.values() for option in options} <= known


@pytest.mark.parametrize("name", COMMANDS)
def test_a_misspelt_option_is_told_the_nearest(name):
    code, out, err = called(name, "--jsn")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "--json" in err


CHOICES = [
    (name, one) for name in COMMANDS for one in declared(name).params
    if isinstance(one, click.Option) and isinstance(one.type, click.Choice)
]  # fmt: skip


@pytest.mark.parametrize(("name", "option"), CHOICES, ids=lambda one: getattr(one, "name", one))
def test_a_misspelt_choice_is_told_the_nearest(name, option):
    choice = max(map(str, option.type.choices), key=len)
    words = ["x" for one in declared(name).params if isinstance(one, click.Argument) and one.required]
    code, _, err = called(name, *words, option.opts[0], choice + "x")
    assert code == 2
    assert f"did you mean '{choice}'?" in err


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        ("plann", "plan"),
        ("list protocolls", "protocols"),
        ("show disc-t2-mse", "disc-t2-mese"),
        ("check disc-t2-mese --scanner 3TT", "3T"),
        ("check disc-t2-mese --set echospacing=10", "echo_spacing"),
        ("run disc-t2-mese --phantom lumbar-disk", "lumbar-disc"),
        ("run disc-t2-mese --without noize", "noise"),
        ("run disc-t2-mese --model t2-mon", "t2-mono"),
        ("tissue nucleus_pulpsus", "nucleus_pulposus"),
        ("tissue nucleus_pulposus --material kurtosis_fall", "kurtosis_falls"),
        ("cohort lumbar-surgicl", "lumbar-surgical"),
        ("study vx1-symri-against-cpg", "vx1-symri-against-cpmg"),
        ("verify rabbi", "rabi"),
        ("schema protocl", "protocol"),
        ("completion bsh", "bash"),
        ("basis Lca", "Lac"),
    ],
)
def test_a_misspelt_name_is_told_the_nearest(arguments, meant):
    code, out, err = called(*arguments.split())
    assert (code, out) == (2, "")
    assert f"did you mean '{meant}'?" in err


def on_terminal(*arguments, **environment):
    """Return what a command writes to stderr where that is a terminal."""
    ours, theirs = pty.openpty()
    plain = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    subprocess.run(
        [sys.executable, "-m", "mrsim", *arguments], stderr=theirs, stdout=subprocess.DEVNULL, check=False,
        env={**plain, "TERM": "xterm", "PYTHONPATH": str(ROOT), **environment}, timeout=60,
    )  # fmt: skip
    os.close(theirs)
    said = os.read(ours, 10_000).decode()
    os.close(ours)
    return said


def test_colours_stand_on_terminals_only_and_not_where_they_are_unwanted():
    assert on_terminal("chek").startswith("\x1b[31mmrsim: no command")
    assert on_terminal("chek", NO_COLOR="1").startswith("mrsim: no command")
    assert on_terminal("chek", TERM="dumb").startswith("mrsim: no command")
    assert "\x1b" not in called("chek")[2]


def test_quiet_and_verbose_are_one_mechanism(tmp_path):
    raw = ("simulate", "disc-t2-mese", *SMALL, "--out", str(tmp_path / "raw.h5"))
    code, out, err = called(*raw, "--verbose", "--json")
    assert code == 0
    json.loads(out)
    assert "simulating spins" in err
    assert "simulate took" in err
    assert not loudness.quiet()
    hint = "draw it: --out FILE.png"
    assert hint in called("show", "disc-t2-mese")[1]
    assert hint not in called("show", "disc-t2-mese", "-q")[1]


def test_verbose_shows_the_trace_of_a_defect(monkeypatch):
    def fail(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr("mrsim.cli.listing._files", fail)
    assert called("list", "protocols")[0] == 1
    with pytest.raises(ZeroDivisionError):
        perform(["list", "protocols", "--verbose"])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return the folder of a small run."""
    folder = tmp_path_factory.mktemp("every") / "run"
    assert called("run", "disc-t2-mese", *SMALL, "--quiet", "--out", str(folder))[0] == 0
    return folder


JSON = {
    "recon": "recon {run}/result.h5 --out {out}/i.h5",
    "fit": "fit {run}/result.h5 --model t2-mono --out {out}/m.h5",
    "basis": "basis Lac --te 30ms --set samples=64",
    "reproduce": "reproduce {run}/result.h5",
    "cohort": "cohort lumbar-surgical --subjects 2",
    "contest": "contest {run}/result.h5 --model t2-mono",
    "list": "list scanners",
    "tissue": "tissue csf",
    "info": "info {run}/result.h5",
    "export": "export {run}/result.h5 --to csv --out {out}/t.csv",
    "verify": "verify rabi",
    "schema": "schema phantom",
    "completion": "completion fish",
    "plan-waves": "plan-waves --stiffness 12.5kPa --region 30mm",
}
"""What takes no long time; the others write JSON in the tests of their own."""


@pytest.mark.parametrize("name", JSON)
def test_json_is_one_document_and_nothing_else(name, finished, tmp_path):
    words = JSON[name].format(run=finished, out=tmp_path).split()
    code, out, err = called(*words, "--json")
    assert (code, err) == (0, "")
    json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))

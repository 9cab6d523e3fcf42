"""The command line as a user meets it: help, errors in one line, exit codes, JSON."""

import json
import os
import shlex
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import mrsim.cli as command_line
from mrsim.cli import COMMANDS, cli, perform
from mrsim.cli.examples import EXAMPLES
from mrsim.cli.sequences import built_sequence
from mrsim.core.toml import resource

ROOT = Path(__file__).resolve().parents[2]


def called(*arguments):
    """Run inside this process; return (exit code, stdout, stderr), with main's own error handling."""
    runner = CliRunner()
    with runner.isolation() as (out, err, _):
        code = perform(arguments)
        return code, out.getvalue().decode(), err.getvalue().decode()


def started(*arguments, **options):
    """Run as a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
    return subprocess.run(
        [sys.executable, "-m", "mrsim", *arguments],
        capture_output=True, text=True, check=False, env=environment, timeout=120, **options,
    )  # fmt: skip


def test_help_names_every_command_without_importing_it():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "mrsim", "--help"],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    lines = [line[8:].split() for line in done.stdout.splitlines()]
    assert all([name, *said.split()] in lines for name, (_, said) in COMMANDS.items())
    loaded = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert not {"numpy", "rich", "pydantic", "matplotlib"} & loaded
    assert not {f"mrsim.cli.{module}" for module, _ in COMMANDS.values()} & loaded


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_and_has_json(name):
    done = CliRunner().invoke(cli, [name, "--help"])
    assert done.exit_code == 0
    assert "--json" in done.output
    assert "\\b" not in done.output  # click takes the character, not the two letters


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chek"], "no command 'chek'; did you mean 'check'?"),
        (["check", "disc-t2-mse"], "unknown protocol 'disc-t2-mse'; did you mean 'disc-t2-mese'?"),
        (["check", "disc-t2-mese", "--field", "x"], "'x' is not a number with a unit"),
        (["check", "disc-t2-mese", "--field", "10 ms"], "is a time; expected a magnetic field"),
        (["check", "disc-t2-mese", "--field", "-3"], "'-3' is no field strength"),
        (["check", "disc-t2-mese", "--field", "nan"], "is not finite"),
        (["check", "disc-t2-mese", "--field", "4"], "no scanner preset has 4 T; presets: 1.5 T, 3 T, 7 T"),
        (["check", "disc-t2-mese", "--field", "7", "--scanner", "3T"], "7 T was asked for, but scanner '3T' has 3 T"),
        (["check", "disc-t2-mese", "--set", "te"], "'te' is not key=value"),
        (["check", "disc-t2-mese", "--set", "echo_spacing=12"], "'12' has no unit"),
        (["check", "disc-t2-mese", "--set", "echo_spacing=1 ms"], "the shortest feasible"),
        (["check", "disc-t2-mese", "--set", "tr=1 s", "--set", "tr=2 s"], "tr is given twice, as '1 s' and as '2 s'"),
        (["run", "disc-t2-mese", "--max-memory", "-1 GiB"], "'-1 GiB' is no positive memory"),
        (["study", "vx1", "--max-memory", "-1 GiB"], "'-1 GiB' is no positive memory"),
        (["run", "disc-t2-mese", "--longest", "nan"], "'nan' has no unit; write for example '10 ms'"),
        (["run", "disc-t2-mese", "--offset", "1e50 Hz"], "an object's off-resonance lies within 100000 Hz"),
        (["run", "disc-t2-mese", "--b1", "1e300"], "it must be at most 100"),
        (["run", "disc-t2-mese", "--grade", "7"], "'7' is no Pfirrmann grade; give 1 to 5"),
        (["run", "disc-t2-mese", "--accuracy", "-1"], "-1 is not a positive number"),
        (["run", "disc-t2-mese", "--fild", "3"], "Did you mean '--field'?"),
        (["run"], "Missing argument 'PROTOCOL' (see 'mrsim run --help')"),
        (["list", "pulses"], "'pulses' is not one of"),
        (["fit", "nothing.h5", "--model", "t2-mono"], "nothing.h5: no such file"),
        (["fit", "nothing.h5", "--model", "t2-mon"], "did you mean 't2-mono'?"),
        (["info", __file__], "is not an HDF5 file"),
        (["show", "disc-t2-mese", "--out", "x.pdf"], "name one that ends in .png"),
        (["show", "disc-t2-mese", "--out", "no-such-folder/x.png"], "does not exist"),
        (["simulate", "disc-t2-mese", "--out", "no-such-folder/x.h5"], "does not exist"),
    ],
)
def test_user_error_is_one_line_and_exit_code_2(arguments, said):
    code, out, err = called(*arguments)
    assert code == 2
    assert out == ""
    assert err.startswith("mrsim: ")
    assert err.count("\n") == 1
    assert said in err


def test_error_of_a_process_goes_to_stderr_without_colour():
    done = started("check", "disc-t2-mse")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "mrsim: unknown protocol 'disc-t2-mse'; did you mean 'disc-t2-mese'?\n"


def test_defect_is_one_line_that_says_how_to_see_more(monkeypatch):
    def fail(*_, **__):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(command_line.cli, "main", fail)
    code, out, err = called("list")
    assert (code, out) == (1, "")
    assert err.startswith("mrsim: defect in mrsim: ZeroDivisionError: division by zero; --verbose shows where")
    monkeypatch.setenv("MRSIM_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        perform(["list"])


def test_lack_of_memory_is_no_defect(monkeypatch, capsys):
    def fail(*args, **options):
        raise MemoryError

    monkeypatch.setattr(command_line.cli, "main", fail)
    assert command_line.perform([]) == 2
    said = capsys.readouterr().err
    assert "no more memory; nothing was written" in said
    assert "--max-memory" in said


def test_interrupt_says_that_nothing_was_written(monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line.cli, "main", interrupted)
    assert called("list") == (130, "", "mrsim: interrupted; nothing was written\n")


def test_closed_pipe_is_quiet():
    """A reader that goes away after one byte, as `head -c 1` does."""
    script = f"import sys; sys.argv = ['mrsim', 'list', '--json']; sys.path.insert(0, {str(ROOT)!r})\n"
    script += "from mrsim.cli import main; input(); main()"
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    process.stdin.write(b"\n")
    process.stdin.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 1
    assert err == b""


@pytest.mark.parametrize("kind", ["protocols", "phantoms", "tissues", "scanners", "models", "families"])
def test_list_describes_each_in_one_line(kind):
    code, out, err = called("list", kind, "--json")
    assert (code, err) == (0, "")
    (rows,) = json.loads(out).values()
    assert len(rows) >= 3
    assert all(row["name"] and row["description"] and "\n" not in row["description"] for row in rows)


def test_list_without_a_kind_lists_all():
    assert set(json.loads(called("list", "--json")[1])) == {
        "protocols", "phantoms", "cohorts", "tissues", "materials", "substances", "scanners", "models", "families",
        "studies",
    }  # fmt: skip
    assert "disc-t2-mese" in called("list")[1]


def test_check_reports_margins_of_the_chosen_scanner():
    for text in ("1.5", "1.5T", "1.5 T"):
        code, out, _ = called("check", "disc-t2-mese", "--field", text, "--json")
        found = json.loads(out)
        assert (code, found["field"], found["scanner"], found["violations"]) == (0, 1.5, "1.5T", [])
        assert all(0 <= margin["use"] <= 1 + 1e-9 for margin in found["margins"])
    assert "1.5T can play it" in called("check", "disc-t2-mese", "--field", "1.5")[1]


@pytest.mark.parametrize("command", ["check", "show"])
def test_mistake_in_what_a_protocol_says_of_its_run_is_told_by_commands_that_do_not_run(tmp_path, command):
    """Else a scanner that is misspelt there is another one in silence."""
    text = resource("disc-t2-mese", "protocols", "protocol").read_text(encoding="utf-8")
    (tmp_path / "own.toml").write_text(text.replace('scanner = "3T"', 'scaner = "7T"'), encoding="utf-8")
    code, _, err = called(command, str(tmp_path / "own.toml"))
    assert code == 2
    assert "run.scaner: unknown key; did you mean 'scanner'?" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("plan-waves", "--exponent", "nan"), "'--exponent': is not a finite number"),
        (("cohort", "lumbar-surgical", "--subjects", "99999999999999"), "is not in the range 1<=x<=10000000"),
    ],
)
def test_numbers_that_nothing_can_come_of_are_refused(words, said):
    code, out, err = called(*words)
    assert (code, out) == (2, "")
    assert said in err


def test_check_lists_violations_and_exits_2(monkeypatch):
    """A sequence built for one transmitter and checked against a weaker one: builders themselves refuse."""
    description, sequence = built_sequence("disc-t2-mese", None, None, {})
    weak = replace(sequence, scanner=replace(sequence.scanner, max_b1=1e-6))
    monkeypatch.setattr("mrsim.cli.check.built_sequence", lambda *_: (description, weak))
    code, out, _ = called("check", "disc-t2-mese", "--json")
    found = json.loads(out)
    pulses = sum(block.rf is not None for block in sequence.blocks)
    assert code == 2
    assert [violation["where"] for violation in found["violations"]] == ["rf"] * pulses
    assert found["violations"][0]["limit"] == 1.0  # uT
    code, out, _ = called("check", "disc-t2-mese")
    assert code == 2
    assert f"cannot play it: {pulses + 1} violations" in out  # the limit itself counts besides each pulse


def test_show_gives_the_timing_and_draws(tmp_path):
    target = tmp_path / "drawn.png"
    code, out, _ = called("show", "disc-t2-mese", "--set", "echo_spacing=13 ms", "--out", str(target), "--json")
    found = json.loads(out)
    assert code == 0
    assert found["contrast"]["te"] == pytest.approx([13e-3 * n for n in range(1, 9)])
    assert [Path(p).name for p in found["figures"]] == [
        "drawn.png", "drawn-kspace.png", "drawn-moments.png", "drawn-spectrum.png",
    ]  # fmt: skip
    assert all(Path(p).read_bytes().startswith(b"\x89PNG") for p in found["figures"])
    assert "TE of the images" in called("show", "disc-t2-mese")[1]
    page = tmp_path / "drawn.html"
    assert called("show", "disc-t2-mese", "--out", str(page))[0] == 0
    assert "<canvas" in page.read_text()


def test_interrupted_process_exits_with_130(tmp_path):
    """A real signal, sent while the command works."""
    script = (
        f"import sys; sys.argv = ['mrsim', 'info', {str(tmp_path / 'x.h5')!r}]; sys.path.insert(0, {str(ROOT)!r})\n"
    )
    script += "import mrsim.core.storage as s, time\n"
    script += "def slow(*a, **k): print('working', flush=True); time.sleep(60)\n"
    script += "s.load = slow\nfrom mrsim.cli import main; main()"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == b"working\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.strip().decode() == "mrsim: interrupted; nothing was written"


def test_basis_command_writes_a_figure_and_a_basis(tmp_path, monkeypatch):
    from click.testing import CliRunner

    from mrsim.cli import cli
    from mrsim.core.storage import load

    monkeypatch.setenv("MRSIM_CACHE", str(tmp_path))
    out = ["--out", str(tmp_path / "b.png"), "--out", str(tmp_path / "b.h5")]
    done = CliRunner().invoke(cli, ["basis", "Lac,NAcGAG", "--te", "144 ms", "--set", "samples=256", *out])
    assert done.exit_code == 0, done.output
    assert load(tmp_path / "b.h5", "basis").fids.shape == (2, 256)
    assert (tmp_path / "b.png").stat().st_size > 10_000


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_an_example_that_can_be_read(name):
    examples = CliRunner().invoke(cli, [name, "--help"]).output.split("Examples:\n")[1].replace("\\\n", "")
    lines = [line.strip() for line in examples.splitlines()]
    assert [shlex.split(line) for line in lines] == [shlex.split(f"mrsim {line}") for line in EXAMPLES[name]]
    for line in lines:
        words = shlex.split(line.split(">")[0])[1:]
        assert words[0] == name
        command = cli.get_command(click.Context(cli), words[0])
        command.make_context(words[0], words[1:])  # unknown options and missing arguments are errors


def completed(*words):
    """Return what a shell would offer for the last word."""
    from click.shell_completion import BashComplete

    found = BashComplete(cli, {}, "mrsim", "_MRSIM_COMPLETE").get_completions(list(words[:-1]), words[-1])
    return {item.value for item in found}


def test_shell_completes_commands_and_names():
    assert completed("ver") == {"verify"}
    assert "disc-t2-mese" in completed("run", "disc-t2")
    assert completed("run", "x", "--phantom", "lumbar-sp") == {"lumbar-spine"}
    assert "t2-mono" in completed("fit", "x", "--model", "t2-m")
    assert completed("check", "disc-t2-mese", "--set", "echo_s") == {"echo_spacing="}
    assert completed("check", "disc-t2-mese", "--scanner", "7") == {"7T", "7T-small-bore"}
    assert completed("snr", "x", "--tissue", "nucleus") == {"nucleus_pulposus"}
    assert completed("run", "x", "--material", "kurtosis") == {"kurtosis_falls"}
    assert completed("study", "vx1-") == {"vx1-symri-against-cpmg"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_calls_mrsim(shell, capsys):
    assert perform(["completion", shell]) == 0
    assert "_MRSIM_COMPLETE" in capsys.readouterr().out

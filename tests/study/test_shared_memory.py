"""Workers share what a study may hold: together they stay within `--max-memory`, or what the machine can give."""

import pytest

from mrsim.cli import perform
from mrsim.core import machine_memory
from mrsim.core.errors import InfeasibleError, InputError
from mrsim.core.machine_memory import GIB, held_bytes, share_bytes
from mrsim.sequence.discretize import discretize
from mrsim.sequence.protocol import load_protocol
from mrsim.sequence.scanner import load_scanner
from mrsim.simulate import memory
from mrsim.study import executors
from mrsim.study.executors import Processes, Serial, executor

STUDY = """
description = "small"
question = "does it fit?"
experiment = "protocol-run"
seed = 1
replicates = { full = 1, fast = 1 }
[settings]
protocol = "disc-se"
set = { matrix = "16 16" }
[[arm]]
name = "disc"
[[claim]]
says = "it fits"
metric = "bias"
region = "nucleus"
limit = ">= 0"
"""


def share(_):
    return share_bytes()


def test_shares_of_all_workers_and_the_parent_fit_into_the_whole(monkeypatch):
    found = dict(Processes(2, 4 * GIB).run(share, [0, 1]))
    assert found[0] == found[1]
    assert 2 * found[0] + held_bytes() == pytest.approx(4 * GIB, rel=0.05)
    monkeypatch.setattr(executors, "free_bytes", lambda: 6 * GIB)
    assert Processes(3).share() == 2 * GIB  # nothing said: what the machine can give
    monkeypatch.setattr(executors, "free_bytes", lambda: None)
    assert Processes(3).share() is None


def test_one_worker_may_hold_all_of_it_and_only_while_it_works():
    assert dict(Serial(3e9).run(share, [0])) == {0: 3e9}
    assert dict(Serial().run(share, [0])) == {0: None}
    assert share_bytes() is None


def test_a_run_beyond_a_worker_s_share_is_refused(monkeypatch):
    timeline = discretize(load_protocol("disc-se", {"matrix": "8 8"}).build(load_scanner("3T")))
    monkeypatch.setenv(machine_memory.SHARE, f"{held_bytes() + GIB}")
    memory.check_memory(None, timeline, 1000, 1)
    with pytest.raises(InfeasibleError, match=r"share of one worker.*give fewer --workers"):
        memory.check_memory(None, timeline, 50_000_000, 1)
    with pytest.raises(InfeasibleError, match="share of one worker"):  # whatever the engine itself may hold
        memory.check_memory(1e12, timeline, 50_000_000, 1)


def test_a_study_that_does_not_fit_says_so_before_it_starts_to_compute(tmp_path, capsys):
    (tmp_path / "small.toml").write_text(STUDY)
    arguments = ["study", str(tmp_path / "small.toml"), "--fast", "--workers", "1", "--out", str(tmp_path / "out")]
    assert perform([*arguments, "--max-memory", f"{held_bytes() / 2**20 + 40:.0f} MiB"]) == 2
    said = capsys.readouterr().err
    assert "share of one worker" in said
    assert "would need about" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("words", [("--workers", "1", "--max-memory", "1 MB"), ("--workers", "1000000")])
def test_workers_that_could_not_hold_mrsim_itself_are_not_started(tmp_path, capsys, words):
    out = tmp_path / "out"
    assert perform(["study", "t2-scatter", "--fast", *words, "--out", str(out)]) == 2
    assert "MiB that mrsim itself takes; give fewer --workers" in capsys.readouterr().err
    assert not out.exists()


def test_a_cluster_s_memory_is_not_bounded_from_here():
    with pytest.raises(InputError, match="workers of this machine"):
        executor(2, "local:2", memory=1e9)

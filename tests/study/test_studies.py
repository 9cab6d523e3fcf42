"""The study runner: claims are judged, workers and interruptions change nothing, damage has a name."""

import json
import os
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from mrsim.cli import perform
from mrsim.core.errors import InputError, StorageError
from mrsim.study.claims import Claim, judge
from mrsim.study.executors import Processes, Serial, WorkerError
from mrsim.study.experiment import Experiment, Measure, mean_over
from mrsim.study.run_study import run_study
from mrsim.study.save_study import summary
from mrsim.study.study_file import load_study

STUDY = """
description = "small"
question = "does it run?"
experiment = "fit-scatter"
seed = 3
replicates = {{ full = 40, fast = {count}, chunk = 4 }}
[settings]
model = "t2-mono"
values = {{ m0 = "1", t2 = "80 ms" }}
contrast = {{ te = "10 40 90 ms" }}
[[arm]]
name = "disc"
[arm.grid]
snr = [50, {snr}]
[[claim]]
says = "all voxels are fitted"
metric = "share fitted"
region = "disc 50"
limit = "{limit}"
"""


def written(folder, count=10, snr=100, limit=">= 1"):
    path = folder / "small.toml"
    path.write_text(STUDY.format(count=count, snr=snr, limit=limit))
    return str(path)


def ran(folder, out="out", **keywords):
    options = {k: keywords.pop(k) for k in ("executor", "fresh", "repair", "progress") if k in keywords}
    return run_study(load_study(written(folder, **keywords), "fast"), folder / out, **options)


def damaged(path, node, change):
    with h5py.File(path, "r+") as file:
        change(file[node])


def test_study_does_not_depend_on_workers_or_chunks(tmp_path):
    serial = ran(tmp_path, "serial", executor=Serial())
    spread = ran(tmp_path, "spread", executor=Processes(2))
    whole = tmp_path / "small.toml"
    whole.write_text(whole.read_text().replace("chunk = 4", "chunk = 7"))
    other = run_study(load_study(str(whole), "fast"), tmp_path / "other")
    assert summary(serial) == summary(spread) == summary(other)
    for arm, outcome in serial.outcomes.items():
        for name, values in outcome.data.items():
            np.testing.assert_array_equal(values, spread.outcomes[arm].data[name])
            np.testing.assert_array_equal(values, other.outcomes[arm].data[name])


def test_study_repeats_nothing_that_is_there_and_adds_what_is_not(tmp_path):
    assert ran(tmp_path).made == 20
    assert ran(tmp_path).made == 0
    assert ran(tmp_path, limit="<= 0.5").made == 0  # a claim is no condition
    more = ran(tmp_path, count=16)
    assert more.made == 16  # chunks 8 to 11 and 12 to 15 of each arm: the short chunk 8 to 9 is made whole
    assert ran(tmp_path, count=16, snr=200).made == 16  # another arm
    np.testing.assert_array_equal(
        more.outcomes["disc 50"].data["t2"][:10], ran(tmp_path, "once").outcomes["disc 50"].data["t2"]
    )


def test_study_goes_on_after_a_kill_with_nothing_lost_or_repeated(tmp_path):
    path = written(tmp_path, count=4000)
    (tmp_path / "small.toml").write_text((tmp_path / "small.toml").read_text().replace("chunk = 4", "chunk = 2"))
    command = [sys.executable, "-m", "mrsim", "study", path, "--fast", "--workers", "1", "--out", str(tmp_path / "out")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=os.getcwd())
    parts = tmp_path / "out" / "chunks" / "disc 50"
    deadline = time.time() + 60
    while time.time() < deadline and (not parts.is_dir() or len(list(parts.glob("*-*.h5"))) < 3):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    there = len(list((tmp_path / "out" / "chunks").rglob("[0-9]*.h5")))
    assert 3 <= there < 2000
    shorter = path.replace("small", "shorter")
    text = (tmp_path / "small.toml").read_text().replace("fast = 4000", "fast = 12")
    (tmp_path / "shorter.toml").write_text(text)
    resumed = run_study(load_study(shorter, "fast"), tmp_path / "out")
    assert resumed.made < 24
    once = run_study(load_study(shorter, "fast"), tmp_path / "once")
    assert summary(resumed) == summary(once)


def _flip(group):
    values = group["data/t2"][...]
    values[0] += 1e-12
    group["data/t2"][...] = values


@pytest.mark.parametrize("change", [_flip, lambda group: group["data"].pop("t2"), lambda group: group.pop("checksum")])
def test_study_names_a_damaged_chunk_and_repairs_it(tmp_path, change):
    first = ran(tmp_path)
    damaged(tmp_path / "out" / "study.h5", "chunks/disc 100/4-7", change)
    with pytest.raises(StorageError, match=r"chunk 4-7 of arm 'disc 100' is damaged.*--repair"):
        ran(tmp_path)
    mended = ran(tmp_path, repair=True)
    assert mended.made == 4
    assert summary(mended) == summary(first)


def test_chunk_in_the_place_of_another_is_not_taken_for_it(tmp_path):
    """Its numbers are whole and of the same arm: the same replicates would count twice."""
    first = ran(tmp_path)
    with h5py.File(tmp_path / "out" / "study.h5", "r+") as file:
        arm = file["chunks/disc 100"]
        del arm["4-7"]
        arm.copy("0-3", "4-7")
    again = ran(tmp_path)
    assert again.made == 4
    assert summary(again) == summary(first)


@pytest.mark.parametrize("fresh", [False, True])
def test_study_removes_its_checkpoints_and_nothing_that_a_user_put_beside_them(tmp_path, fresh):
    mine = [tmp_path / "out" / "chunks" / name for name in ("notes.txt", "disc 50/0-3.txt", "mine/0-3.h5.txt")]
    left = tmp_path / "out" / "chunks" / "disc 50" / ".0-3.h5.elsewhere.1.0a.part"
    for path in (*mine, left):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    ran(tmp_path, fresh=fresh)
    assert [path.read_text() for path in mine] == ["mine"] * 3
    assert not left.exists()
    assert not list((tmp_path / "out").rglob("*-*.h5"))
    assert not (tmp_path / "out" / "chunks" / "disc 100").exists()


def test_study_that_cannot_make_its_folders_says_which(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file: cannot be written: File exists"):
        ran(tmp_path, "file")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "chunks").touch()
    with pytest.raises(StorageError, match="chunks/disc 50: cannot be written: Not a directory"):
        ran(tmp_path)


def test_study_whose_file_is_cut_off_is_refused_and_made_anew(tmp_path):
    first = ran(tmp_path)
    path = tmp_path / "out" / "study.h5"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(StorageError, match="damaged"):
        ran(tmp_path)
    assert summary(ran(tmp_path, fresh=True)) == summary(first)


def test_study_reports_its_progress(tmp_path):
    seen = []
    ran(tmp_path, progress=lambda step, done, total: seen.append((step, done, total)))
    counted = [done for step, done, _ in seen if step == "replicates"]
    assert counted == sorted(counted)
    assert counted[0] == 0
    assert counted[-1] == 20


def test_worker_that_dies_again_and_again_is_named():
    with pytest.raises(WorkerError, match="died 3 times over"):
        list(Processes(1).run(os._exit, [7]))


def test_study_command_tells_by_its_exit_code_whether_all_claims_hold(tmp_path, capsys):
    path, out = written(tmp_path), str(tmp_path / "out")
    assert perform(["study", path, "--fast", "--workers", "1", "--out", out, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["holds"] is True
    assert json.loads((tmp_path / "out" / "claims.json").read_text()) == found
    written(tmp_path, limit="<= 0.5")
    assert perform(["study", path, "--fast", "--workers", "1", "--out", out]) == 3
    assert "FAILS" in capsys.readouterr().out
    assert "does not hold" in (tmp_path / "out" / "report.html").read_text()


CLAIM = Claim(says="x", metric="bias", region="disc", limit="-4 to 4", unit="%")


@pytest.mark.parametrize(
    ("limit", "value", "holds"),
    [
        (">= 3", 0.031, True),
        (">= 3", 0.029, False),
        ("<= -1.5e1", -0.16, True),
        ("-4 to 4", -0.041, False),
        ("2 +- 1", 0.029, True),
        ("2 ± 1", 0.031, False),
        (">= 3", float("nan"), False),
    ],
)
def test_claim_limits_are_read_in_their_unit(limit, value, holds):
    claim = Claim(says="x", metric="bias", region="disc", limit=limit, unit="%")
    verdict = judge([claim], [Measure(metric="bias", region="disc", value=value)])[0]
    assert verdict.holds is holds


def test_claim_is_plain_where_its_measure_is_an_array_element():
    measure = Measure(metric="bias", region="disc", value=0.2, standard_error=np.float64(0.1))
    claim = Claim(says="none", metric="bias", region="disc", limit="0 +- 0.05", standard_errors=3.0)
    assert json.loads(json.dumps(judge([claim], [measure])[0].plain()))["holds"] is True


def test_claim_on_a_mean_may_be_missed_by_its_standard_errors():
    measure = mean_over("rate", "null", np.array([0.0, 0.1] * 50))
    claims = [Claim(says="x", metric="rate", region="null", limit=">= 0.06", standard_errors=n) for n in (0, 1, 3)]
    assert [v.holds for v in judge(claims, [measure])] == [False, False, True]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('limit = ">= 1"', 'limit = "big"'), "'big' is no limit"),
        (('metric = "share fitted"', 'metric = "share filled"'), "did you mean 'share fitted of disc 50'"),
        (("snr = [50, 100]", "snr = [50, 50]"), "two arms are called 'disc 50'"),
        (('experiment = "fit-scatter"', 'experiment = "fit-scater"'), "did you mean 'fit-scatter'"),
        (('t2 = "80 ms"', 't2 = "80"'), "has no unit"),
        (('model = "t2-mono"', 'model = "t2-mono"\nfoo = 1'), "unknown key"),
        (("fast = 10", "fast = 0"), "at least one replicate"),
        (("\nseed = ", "\nseed = -"), "seed: is -.*0 or more"),
        (("snr = [50, 100]", "snr = [50, 1e30]"), r"snr: is 1e\+30; it must be above 0, and at most 1e\+12"),
        (("snr = [50, 100]", "snr = [50, -1]"), "snr: is -1; it must be above 0"),
    ],
)
def test_study_file_with_a_mistake_says_which(tmp_path, change, message):
    path = tmp_path / "small.toml"
    text = STUDY.format(count=10, snr=100, limit=">= 1")
    assert change[0] in text
    path.write_text(text.replace(*change))
    with pytest.raises(InputError, match=message):
        run_study(load_study(str(path), "fast"), tmp_path / "out")


def test_experiment_that_forgets_the_replicate_axis_is_a_defect(tmp_path):
    study = load_study(written(tmp_path), "fast")
    scalar = Experiment(
        name="scalar", title="", settings=dict, replicate=lambda s, r: {"x": np.float64(1)}, measure=lambda o: []
    )
    from dataclasses import replace

    with pytest.raises(ValueError, match="without one row per replicate"):
        run_study(replace(study, arms=(replace(study.arms[0], experiment=scalar),)), tmp_path / "out")


def test_every_shipped_study_loads():
    from mrsim.core.toml import available

    for name in available("protocols/studies"):
        for mode in ("fast", "full"):
            study = load_study(name, mode)
            assert study.claims
            assert any(claim.control for claim in study.claims), f"{name} has no negative control"


SWEPT = """[[arm]]
name = "swept"
[arm.sweep]
points = 4
by = "{by}"
ranges = {{ snr = {snr}, "values.t2" = "{t2}" }}
"""


def swept(folder, by="sobol", snr="[20, 200]", t2="40 to 120 ms", **more):
    text = STUDY.format(count=4, snr=100, limit=">= 1")
    head, claim = text.split("[[arm]]")[0], text[text.index("[[claim]]") :]
    claim = claim.replace('region = "disc 50"', f'region = "{more.get("region", "swept *")}"')
    path = folder / "swept.toml"
    path.write_text(head + SWEPT.format(by=by, snr=snr, t2=t2) + claim)
    return load_study(str(path), "fast")


@pytest.mark.parametrize("by", ["sobol", "random"])
def test_sweep_draws_points_that_follow_from_the_seed_alone(tmp_path, by):
    arms = swept(tmp_path, by).arms
    assert [arm.name for arm in arms] == [f"swept {n}" for n in range(1, 5)]
    assert [arm.chosen for arm in arms] == [arm.chosen for arm in swept(tmp_path, by).arms]
    snrs = [arm.settings.snr for arm in arms]
    assert all(isinstance(arm.chosen["snr"], int) and 20 <= arm.chosen["snr"] <= 200 for arm in arms)
    assert len(set(snrs)) > 2
    assert all(arm.settings.values["t2"].endswith(" ms") and arm.settings.values["m0"] == "1" for arm in arms)
    if by == "sobol":  # four points of a net: one in every quarter
        assert sorted(int(4 * (snr - 20) / 181) for snr in snrs) == [0, 1, 2, 3]


def test_claim_on_a_pattern_holds_for_every_arm_and_shows_the_worst(tmp_path):
    result = run_study(swept(tmp_path), tmp_path / "out")
    assert result.verdicts[0].holds
    assert set(summary(result)["arms"]) == {f"swept {n}" for n in range(1, 5)}
    claim = Claim(says="x", metric="bias", region="disc *", limit="<= 1")
    measures = [Measure(metric="bias", region=f"disc {n}", value=v) for n, v in enumerate((0.5, 2.0, 0.1))]
    verdict = judge([claim], measures)[0]
    assert not verdict.holds
    assert verdict.measure.region == "disc 1"


@pytest.mark.parametrize(("change", "said"), [
    ({"t2": "120 to 40 ms"}, "is no range"), ({"t2": "40 to 120"}, "has no unit"), ({"snr": '"x"'}, "is no range"),
    ({"region": "gone *"}, "nothing measures"),
])  # fmt: skip
def test_sweep_with_a_mistake_says_which(tmp_path, change, said):
    with pytest.raises(InputError, match=said):
        run_study(swept(tmp_path, **change), tmp_path / "out")


def test_claims_that_contradict_each_other_are_refused(tmp_path):
    path = tmp_path / "small.toml"
    claim = '\n[[claim]]\nsays = "few are"\nmetric = "share fitted"\nregion = "disc 50"\nlimit = "<= 50"\nunit = "%"\n'
    path.write_text(STUDY.format(count=4, snr=100, limit=">= 1") + claim)
    with pytest.raises(InputError, match=r"contradict each other: share fitted of disc 50 .*few are"):
        load_study(str(path), "fast")
    path.write_text(STUDY.format(count=4, snr=100, limit="3 to 2"))
    with pytest.raises(InputError, match="allows nothing"):
        load_study(str(path), "fast")


@pytest.mark.slow
def test_any_protocol_is_repeated_and_swept(tmp_path):
    path = tmp_path / "scan.toml"
    path.write_text(
        'description = "a scan"\nquestion = "?"\nexperiment = "protocol-run"\n'
        "replicates = { full = 6, fast = 3, chunk = 2 }\n"
        '[settings]\nprotocol = "disc-se"\ngrade = 3\nwithout = ["slice-profile"]\nengine = "pathways"\n'
        'set = { te = "15 60 ms", dummies = 0, matrix = "64 48", pulse = "hard" }\n[[arm]]\nname = "grade"\n'
        '[arm.grid]\n"set.te" = ["15 60 ms", "15 100 ms"]\n[[claim]]\nsays = "s"\nmetric = "voxel SD"\n'
        'region = "grade * t2"\nlimit = "0 to 10"\n'
    )
    result = run_study(load_study(str(path), "fast"), tmp_path / "out")
    assert result.holds
    assert result.made == 6
    spreads = [m.value for m in result.measures if m.metric == "SD of the mean"]
    assert spreads
    assert min(spreads) > 0  # noise differs from replicate to replicate

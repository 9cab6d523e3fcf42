"""`run`, `simulate`, `fit` and `info` on a scan that takes seconds: what they write and what they refuse."""

import json

import pytest
from click.testing import CliRunner

from mrsim.cli import perform
from mrsim.core.storage import load

SMALL = (
    "--phantom", "single-voxel", "--accuracy", "1e-2",
    *("--set", "fov=32 32 mm", "--set", "matrix=16 16", "--set", "echoes=4", "--set", "pixel_bandwidth=500 Hz"),
)  # fmt: skip
"""A cube of 10 mm in voxels of 2 mm: its region has 3 x 3 voxels after erosion."""


def called(*arguments):
    with CliRunner().isolation() as (out, err, _):
        code = perform(arguments)
        return code, out.getvalue().decode(), err.getvalue().decode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("run") / "result"


@pytest.fixture(scope="module")
def finished(folder):
    return called("run", "disc-t2-mese", *SMALL, "--field", "3 T", "--seed", "5", "--json", "--out", str(folder))


def test_run_json_is_the_evaluation_and_nothing_else(finished, folder):
    code, out, err = finished
    assert (code, err) == (0, "")
    found = json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert set(found) == {"protocol", "field", "grade", "seed", "rows", "warnings", "out"}
    assert (found["protocol"], found["field"], found["seed"], found["out"]) == ("disc-t2-mese", 3.0, 5, str(folder))
    assert found["rows"]
    for row in found["rows"]:
        assert set(row) == {
            "region", "parameter", "truth", "mean", "bias", "sd", "se", "fit_se", "n", "rejected", "unit", "flags",
        }  # fmt: skip
        assert row["bias"] == pytest.approx(row["mean"] - row["truth"], abs=1e-12)  # SI: nothing is rounded


def test_run_writes_result_figures_and_report(finished, folder):
    names = {path.name for path in folder.iterdir()}
    assert {"result.h5", "report.html", "sequence.png", "kspace.png", "images.png", "map_t2.png", "decay.png"} <= names
    assert [path.name for path in folder.parent.iterdir()] == ["result"]


def test_report_on_disk_holds_the_evaluation_in_milliseconds(finished, folder):
    from mrsim.report.table import evaluation_table

    page = (folder / "report.html").read_text(encoding="utf-8")
    for row in evaluation_table(load(folder / "result.h5", "evaluation")).rows:
        assert all(f">{cell}<" in page for cell in row[3:7])


def test_info_and_fit_read_what_run_wrote(finished, folder, tmp_path):
    result = str(folder / "result.h5")
    kinds = {entry["name"]: entry["kind"] for entry in json.loads(called("info", result, "--json")[1])["objects"]}
    assert (kinds["raw"], kinds["images"], kinds["maps"]) == ("Acquisition", "Images", "Maps")
    maps = tmp_path / "maps.h5"
    code, out, _ = called("fit", result, "--model", "t2-mono", "--out", str(maps), "--json")
    assert code == 0
    refitted = {(row["region"], row["parameter"]): row for row in json.loads(out)["rows"]}
    for row in load(result, "evaluation").rows:
        assert refitted[row.region, row.parameter]["mean"] == pytest.approx(row.mean, rel=1e-9)  # the same solver
    assert list(load(maps, "maps").values) == list(load(result, "maps").values)
    assert called("fit", str(maps), "--model", "t2-mono")[0] == 2


def test_simulate_then_fit_equals_a_noise_free_run(tmp_path):
    raw, folder = tmp_path / "raw.h5", tmp_path / "result"
    code, out, _ = called("simulate", "disc-t2-mese", *SMALL, "--noise-free", "--out", str(raw), "--json")
    facts = json.loads(out)
    assert (code, facts["noisy"], facts["readouts"], facts["samples"]) == (0, False, 64, 16)
    assert called("run", "disc-t2-mese", *SMALL, "--noise-free", "--out", str(folder), "--json")[0] == 0
    straight = load(folder / "result.h5")
    assert not straight["raw"].noisy
    assert (load(raw, "raw").imaging.data == straight["raw"].imaging.data).all()
    rows = json.loads(called("fit", str(raw), "--model", "t2-mono", "--json")[1])["rows"]
    assert rows[0]["region"] == "all"


def test_run_prints_a_table_and_where_the_report_lies(tmp_path):
    code, out, err = called("run", "disc-t2-mese", *SMALL, "--out", str(tmp_path / "r"))
    assert (code, err) == (0, "")
    assert "T2 / ms" in out
    assert str(tmp_path / "r" / "report.html") in out


@pytest.mark.parametrize("where", ["/dev/null/result", "/proc/result"])
def test_unwritable_output_is_refused_before_the_work(where, monkeypatch):
    monkeypatch.setattr("mrsim.study.run.run", lambda *_: pytest.fail("worked first"))
    code, out, err = called("run", "disc-t2-mese", "--out", where)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "--out" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "t2-mon"], "did you mean 't2-mono'?"),
        (["--without", "nois"], "unknown cause 'nois'; did you mean 'noise'?"),
        (["--phantom", "lumbar-dics"], "did you mean 'lumbar-disc'?"),
        (["--field", "4T"], "no scanner preset has 4 T"),
    ],
)
def test_wrong_names_are_refused_before_the_work(arguments, said, monkeypatch, tmp_path):
    monkeypatch.setattr("mrsim.study.run.run", lambda *_: pytest.fail("worked first"))
    code, _, err = called("run", "disc-t2-mese", *arguments, "--out", str(tmp_path / "r"))
    assert (code, err.count("\n")) == (2, 1)
    assert said in err
    assert list(tmp_path.iterdir()) == []


def test_help_names_every_cause_of_error():
    from mrsim.study.request import CAUSES

    shown = " ".join(
        CliRunner().invoke(__import__("mrsim.cli", fromlist=["cli"]).cli, ["run", "--help-all"]).output.split()
    )
    assert all(cause in shown.replace("- ", "-") for cause in CAUSES)

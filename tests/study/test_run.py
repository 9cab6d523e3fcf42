"""Whole runs: they repeat bit for bit, leave out what they are told to, and write all or nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mrsim as mr
from mrsim.cli import perform
from mrsim.core.errors import InfeasibleError, InputError, StorageError
from mrsim.core.toml import available, read_toml, resource
from mrsim.phantom.metabolite import load_metabolites
from mrsim.study.provenance import provenance
from mrsim.study.reproduce import Difference, as_stored, compared, repeated, reproduce
from mrsim.study.run import prepare, run, simulate_only
from mrsim.study.save import check_writable, save_run

SMALL = {"matrix": "40 32", "fov": "160 128 mm", "echoes": "4", "dummies": "1"}
REQUEST = mr.RunRequest(protocol="disc-t2-mese", overrides=SMALL, engine={"accuracy": 1e-2, "subsamples": 1})


@pytest.fixture(scope="module")
def finished():
    return run(REQUEST)


def same(one, two):
    return (
        np.array_equal(one.raw.imaging.data, two.raw.imaging.data)
        and np.array_equal(one.images.data, two.images.data)
        and all(np.array_equal(one.maps.values[k], two.maps.values[k], equal_nan=True) for k in one.maps.values)
        and repr(one.evaluation.rows) == repr(two.evaluation.rows)  # NaN equals NaN
    )


def test_run_repeats_bit_for_bit_with_any_number_of_threads(finished):
    assert same(finished, run(replace(REQUEST, threads=1)))
    assert same(finished, run(replace(REQUEST, threads=2)))
    assert not same(finished, run(replace(REQUEST, seed=2)))


def test_result_file_is_enough_to_run_again_bit_for_bit(finished, tmp_path, monkeypatch):
    save_run(finished, tmp_path / "result")
    monkeypatch.chdir(tmp_path)
    once_more = repeated(tmp_path / "result" / "result.h5")
    assert same(finished, once_more)
    stored = mr.load(tmp_path / "result" / "result.h5")
    assert np.array_equal(stored["raw"].imaging.data, once_more.raw.imaging.data)
    assert repr(stored["evaluation"].rows) == repr(finished.evaluation.rows)


def test_spectra_repeat_from_their_file_with_its_metabolites(tmp_path):
    """A basis set and a metabolite of the user's own are in the file, which is read when they are gone."""
    shipped = resource("Lac", "phantoms/metabolites", "metabolite").read_text(encoding="utf-8")
    (tmp_path / "own.toml").write_text(shipped.replace("6.933 Hz", "6.5 Hz"), encoding="utf-8")
    (tmp_path / "both.toml").write_text(f"description = 'two'\nmetabolites = ['{tmp_path}/own.toml', 'Gly']\n")
    text = resource("svs-press-np", "protocols", "protocol").read_text(encoding="utf-8")
    (tmp_path / "svs.toml").write_text(text.replace('"disc-score"', f'"{tmp_path}/both.toml"'), encoding="utf-8")
    prepared = prepare(mr.RunRequest(protocol=str(tmp_path / "svs.toml"), phantom="mrs-sphere"))
    before = load_metabolites(prepared.basis)
    mr.save(tmp_path / "result.h5", provenance=provenance(prepared))
    for name in ("own", "both", "svs"):
        (tmp_path / f"{name}.toml").unlink()
    with as_stored(tmp_path / "result.h5") as request:
        after = load_metabolites(prepare(request).basis)
    assert [each.name for each in after] == ["own", "Gly"]
    assert after[0].spins[0].couplings == before[0].spins[0].couplings
    assert "6.5 Hz" in repr(after[0])


@pytest.mark.parametrize(("holds", "said"), [
    ({"images": 1}, "holds images and does not say how it was made; give the result.h5 of 'mrsim run'"),
    ({"study": {"name": "vx2"}}, "is a study's; 'mrsim study vx2 --fresh --out DIR' makes it again"),
])  # fmt: skip
def test_what_cannot_be_repeated_says_what_can(tmp_path, capsys, holds, said):
    mr.save(tmp_path / "other.h5", **holds)
    assert perform(["reproduce", str(tmp_path / "other.h5")]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_run_by_pathways_agrees_with_the_other_engine_and_repeats_from_its_file(tmp_path):
    asked = replace(REQUEST, without=("noise", "slice-profile", "t2-prime"))
    pathways = run(replace(asked, engine={"name": "pathways", "accuracy": 1e-4, "subsamples": 1}))
    bloch = run(asked)
    # in the middle of k-space points and filled cells differ least: by pi^2/6 (k dx)^2, 2e-3 at one step of 1/40
    one, two = (run.raw.imaging.data for run in (pathways, bloch))
    middle = np.abs(two) > 0.5 * np.abs(two).max()
    assert np.abs(one - two)[middle].max() < 5e-3 * np.abs(two).max()
    assert not np.array_equal(one, two)
    assert pathways.raw.history["engine"] == "pathways"
    page = save_run(pathways, tmp_path / "result")
    assert "Engine pathways" in page.read_text()
    assert "configuration states" in page.read_text()
    assert same(pathways, repeated(tmp_path / "result" / "result.h5"))


def test_engine_that_is_not_there_and_options_it_has_not_are_refused():
    with pytest.raises(InputError, match="pathways"):
        run(replace(REQUEST, engine={"name": "pathway"}))
    with pytest.raises(InputError, match="rf_step"):
        run(replace(REQUEST, engine={"name": "pathways", "rf_step": 1e-6}))


def test_again_uses_the_stored_files_and_not_todays(tmp_path):
    text = (Path(mr.__file__).parents[1] / "protocols" / "disc-t2-mese.toml").read_text()
    mine = tmp_path / "mine.toml"
    mine.write_text(text)
    first = run(replace(REQUEST, protocol=str(mine)))
    save_run(first, tmp_path / "result")
    mine.unlink()
    assert same(first, repeated(tmp_path / "result" / "result.h5"))


def test_again_refuses_a_file_that_is_not_a_result(finished, tmp_path):
    mr.save(tmp_path / "images.h5", images=finished.images)
    with pytest.raises(StorageError, match="does not say how it was made"):
        repeated(tmp_path / "images.h5")


def test_leaving_the_noise_out_leaves_the_engine_signal(finished):
    clean = run(replace(REQUEST, without=("noise",)))
    assert not clean.raw.noisy
    sigma = clean.raw.noise_sigma()[0]
    difference = finished.raw.imaging.data - clean.raw.imaging.data
    assert np.std([difference.real, difference.imag]) == pytest.approx(sigma, rel=0.02)


def test_leaving_causes_out_brings_t2_to_its_truth():
    """Nominal flips, no neighbours, no fat shift, no T2': what is left of the bias of T2 is numerical."""
    causes = ("noise", "slice-profile", "partial-volume", "chemical-shift", "t2-prime")
    result = run(replace(REQUEST, without=causes))
    for row in result.evaluation.rows:
        if row.parameter == "t2" and row.truth < 0.2:
            # a pure voxel may still hold 1 % of another tissue's volume
            assert abs(row.bias) < 1e-3 * row.truth, row
    full = run(replace(REQUEST, without=("noise",)))
    nucleus = next(row for row in full.evaluation.rows if row.region == "nucleus_pulposus" and row.parameter == "t2")
    assert nucleus.bias > 0.3 * nucleus.truth


RUNS = {name: read_toml(path).get("run", {}) for name, path in available("protocols").items()}
SLOW = {"ax-dti-cerv", "sag-dwi-cerv"} | {name for name, entries in RUNS.items() if "including" in entries}
"""Reduced fields of view (refocused along another axis) and bound protons travel spin by spin, for minutes; their
preparations and fits have tests of their own."""
FITTED = sorted(
    name
    for name, entries in RUNS.items()
    if "fit" in entries and name not in SLOW and entries["fit"] != "linear-combination" and "drive" not in entries
)
"""Protocols of images that say what to fit: they can be run to the end; what shakes has runs of its own."""
HEAVY = {"disc-mrf", "sag-vfa-t1", "sag-mdme-symri"}
"""Of those, what needs many seconds."""


@pytest.mark.parametrize(
    "protocol", [pytest.param(name, marks=pytest.mark.slow) if name in HEAVY else name for name in FITTED]
)
def test_every_protocol_with_a_model_runs_to_its_maps(protocol):
    whole = mr.load_protocol(protocol)
    size = {"matrix": "16 16 4"} if len(whole.matrix) == 3 else {"matrix": "16 16", "slices": "1"}
    small = size | {"pixel_bandwidth": "1000 Hz", "dummies": "0"}  # short enough for every echo time
    if hasattr(whole, "directions"):  # the spacing of its echoes says how fast it reads
        small = {"matrix": "32 32", "slices": "1", "dummies": "0"}
    if protocol == "sag-dti":
        small["directions"] = "6"
    result = run(mr.RunRequest(protocol=protocol, overrides=small, engine={"accuracy": 3e-2, "subsamples": 1}))
    assert np.all(np.isfinite(result.images.data))
    assert result.maps is not None


@pytest.mark.parametrize(
    "turned",
    [{"orientation": "axial"}, {"orientation": "coronal"}, pytest.param({"tilt": "10 deg"}, marks=pytest.mark.slow)],
)
def test_every_orientation_runs_and_agrees_with_the_truth(turned):
    causes = ("noise", "slice-profile", "partial-volume", "chemical-shift", "t2-prime")
    wide = SMALL | {"fov": "128 128 mm", "matrix": "32 32"} | turned
    result = run(replace(REQUEST, overrides=wide, without=causes))
    pure = (result.truth.status == 0) & np.isfinite(result.truth.values["t2"]) & (result.truth.values["t2"] < 0.2)
    assert pure.sum() > 5
    error = result.maps.values["t2"][pure] / result.truth.values["t2"][pure] - 1
    assert np.nanmax(np.abs(error)) < 0.01  # up to 1 % of another tissue in a pure voxel


def test_run_at_1p5_tesla_repeats_from_its_file(tmp_path):
    first = run(replace(REQUEST, field=1.5))
    save_run(first, tmp_path / "result")
    assert same(first, repeated(tmp_path / "result" / "result.h5"))


@pytest.mark.parametrize("field", [1.5, 7.0])
def test_run_works_at_other_fields(field):
    result = run(replace(REQUEST, field=field, grade=4))
    assert result.request.field == field
    assert result.sequence.scanner.b0 == field
    assert result.phantom.grade == 4
    assert result.evaluation.rows


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"without": ("fat",)}, "unknown cause 'fat'"),
        ({"field": 4.7}, "no scanner preset has 4.7 T"),
        ({"scanner": "3T", "field": 7.0}, "7 T was asked for, but scanner '3T' has 3 T"),
        ({"model": "t3"}, "unknown"),
        ({"grade": 9}, "9"),
        ({"protocol": "disc-t2-mse"}, "did you mean 'disc-t2-mese'"),
        ({"phantom": "lumbar-disk"}, "did you mean 'lumbar-disc'"),
        ({"overrides": {"tr": "1500"}}, "has no unit"),
        ({"overrides": {"tr": "20 ms"}}, "shorter than"),
        ({"overrides": {"echo_spacing": "10 mm"}}, "is a length; expected a time"),
        ({"overrides": {"echos": "4"}}, "did you mean 'echoes'"),
    ],
)
def test_bad_requests_are_refused_with_the_remedy(change, message):
    with pytest.raises((InputError, InfeasibleError), match=message):
        run(replace(REQUEST, **change))


def test_folders_with_other_files_are_not_replaced(finished, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(StorageError, match="holds other files"):
        save_run(finished, tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


@pytest.mark.slow
def test_results_replace_earlier_results(finished, tmp_path):
    folder = tmp_path / "result"
    save_run(finished, folder)
    (folder / "map_old.png").write_bytes(b"")
    save_run(finished, folder)
    assert not (folder / "map_old.png").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["result"]
    names = {p.name for p in folder.iterdir()}
    assert {"result.h5", "report.html", "sequence.png", "images.png", "map_t2.png"} <= names


def test_unwritable_places_are_found_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="is a file"):
        check_writable(tmp_path / "file")
    with pytest.raises(StorageError, match="cannot write to"):
        check_writable(Path("/proc/nowhere/result"))


SAYS_WHEN_IT_SIMULATES = """
import sys
import mrsim.study.run as road
real = road.simulate
def simulate(*a, **k):
    print("simulating", flush=True)
    return real(*a, **k)
road.simulate = simulate
sys.argv = ["mrsim", "run", "disc-t2-mese", "--out", {out!r}]
from mrsim.cli import main
main()
"""


def test_interrupted_run_leaves_nothing_behind(tmp_path):
    """A real signal in the middle of the simulation, which takes seconds."""
    script = SAYS_WHEN_IT_SIMULATES.format(out=str(tmp_path / "result"))
    environment = {**os.environ, "PYTHONPATH": str(Path(mr.__file__).parents[1])}
    command = [sys.executable, "-c", script]
    work = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert work.stdout.readline() == "simulating\n"
    time.sleep(0.5)
    work.send_signal(signal.SIGINT)
    _, err = work.communicate(timeout=60)
    assert work.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
def test_reproduce_command_finds_the_same_bits_with_any_threads(finished, tmp_path, capsys, threads):
    stored = replace(finished, provenance=dict(finished.provenance, request=dict(finished.provenance["request"])))
    stored.provenance["request"]["threads"] = threads
    save_run(stored, tmp_path / "first")
    file = str(tmp_path / "first" / "result.h5")
    assert perform(["reproduce", file, "--out", str(tmp_path / "second"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["identical"]
    assert {one["name"] for one in found["objects"]} == {"raw", "images", "maps", "truth", "rois", "evaluation"}
    assert found["environment"] == []
    first, second = (mr.load(tmp_path / name / "result.h5") for name in ("first", "second"))
    assert np.array_equal(first["raw"].imaging.data, second["raw"].imaging.data)
    assert first["provenance"]["environment"]["lock"] == second["provenance"]["environment"]["lock"]


@pytest.mark.slow
def test_reproduce_names_what_differs(finished, tmp_path):
    t2 = finished.maps.values["t2"].copy()
    t2.flat[np.nanargmax(t2)] *= 1 + 1e-9
    other = finished.provenance | {"numba": "0.1", "environment": finished.provenance["environment"] | {"cpu": "z80"}}
    changed = replace(finished, maps=replace(finished.maps, values=dict(finished.maps.values, t2=t2)), provenance=other)
    save_run(changed, tmp_path / "result")
    found = reproduce(tmp_path / "result" / "result.h5")
    assert not found.identical
    assert found.holds
    (far,) = [one for one in found.objects if not one.identical]
    assert (far.name, far.where) == ("maps", "values.t2")
    assert far.largest == pytest.approx(1e-9, rel=1e-3)
    assert {what for what, _, _ in found.environment} == {"numba", "cpu"}


def test_difference_of_stored_and_repeated_is_exact():
    stored = {"a": np.array([1.0, np.nan, 0.0]), "b": ("x", 2)}
    assert compared("it", stored, {"a": stored["a"].copy(), "b": ["x", 2]}).identical
    found = compared("it", stored, {"a": np.array([1.0, np.nan, -0.0]), "b": ("x", 2)})
    assert found == Difference(name="it", identical=False, largest=0.0, where="a", holds=True)
    assert compared("it", stored, {"a": np.array([1.0, 0.0, 0.0]), "b": ("x", 2)}).largest == np.inf
    assert compared("it", stored, {"a": stored["a"], "b": ("y", 2)}).where == "b[0]"


@pytest.mark.parametrize(("name", "changed", "holds"), [
    ("raw", {"values": 1.0 + 2e-6}, False), ("raw", {"values": 1.0 + 5e-7}, True),
    ("maps", {"values": 1.0 + 5e-6}, True), ("maps", {"values": 1.0 + 2e-5}, False),
    ("maps", {"errors": 1.0 + 5e-5}, True), ("maps", {"errors": 1.0 + 2e-4}, False),
    ("raw", {"in_plane_error": 1.0 + 2e-4}, False), ("maps", {"mean_rounds": 3.0}, True),
    ("maps", {"mean_rounds": 3.0, "values": 1.0 + 2e-5}, False),
    ("maps", {"mean_rounds": np.nan, "errors": np.nan}, False),
])  # fmt: skip
def test_difference_holds_within_what_other_machines_may_round_to(name, changed, holds):
    """Errors are known less well than what they are errors of, and the rounds of a fit tell nothing of its numbers."""

    def stored(values=1.0, errors=1.0, **history):
        return {"values": {"t2": values}, "errors": {"t2": errors},
                "history": {"in_plane_error": 1.0, "mean_rounds": 2.0, **history}}  # fmt: skip

    found = compared(name, stored(), stored(**changed))
    assert (found.identical, found.holds) == (False, holds)


@pytest.mark.parametrize("label", ["../phantoms/x.toml", "/tmp/x.toml", "phantoms/../../x.toml", "protocols/x.py"])
def test_result_file_cannot_write_elsewhere(tmp_path, label):
    asked = {"protocol": "disc-se", "without": ()}
    mr.save(tmp_path / "result.h5", provenance={"request": asked, "files": {label: "x"}})
    with pytest.raises(StorageError, match="which is none of a run's"):
        repeated(tmp_path / "result.h5")


def test_request_sets_transmit_field_and_offset_of_the_phantom():
    prepared = prepare(mr.RunRequest(protocol="disc-se", b1=0.9, offset=20.0))
    assert (prepared.phantom.b1, prepared.phantom.offset) == (0.9, 20.0)
    assert prepare(mr.RunRequest(protocol="disc-se")).phantom.b1 == 1.0


def test_an_accuracy_that_is_coarser_than_what_the_pulses_turn_is_refused():
    small = {"matrix": "80 8", "fov": "320 32 mm", "dummies": "2", "echoes": "2"}
    asked = mr.RunRequest(
        protocol="dixon-psm", field=7.0, overrides=small, without=("noise",), engine={"accuracy": 1e-2}
    )
    with pytest.raises(InputError, match="so coarse that no excitation counts"):
        simulate_only(asked)

"""The optimiser of protocols: what it writes can be run, and its optima are the known ones."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from mrsim.cli import perform
from mrsim.core.errors import InfeasibleError, InputError
from mrsim.plan.optimise_search import Found
from mrsim.sequence.protocol import load_protocol, read_protocol_file
from mrsim.sequence.scanner import Scanner
from mrsim.study.optimiser import Asked, forecasted
from mrsim.study.optimiser.free import Choices, Range, read_free
from mrsim.study.optimiser.searching import Searching
from mrsim.study.optimiser.targets import Wanted, stated
from mrsim.study.optimiser.write import protocol_text
from mrsim.study.request import RunRequest
from mrsim.study.run import prepare


def optimised(capsys, folder, *arguments):
    assert perform(["optimise", *arguments, "--out", str(folder), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.slow
def test_optimise_command_finds_the_ernst_angle_and_writes_a_protocol_that_runs(tmp_path, capsys):
    small = ["--set", "matrix=32 16", "--set", "dummies=4"]
    found = optimised(
        capsys, tmp_path, "disc-spgr", *small, "--free", "flip[1]=2:80 deg", "--want", "m0", "--known", "t1",
        "--truth", "t1=0.9 s", "--tissue", "nucleus_pulposus", "--snr", "100",
    )  # fmt: skip
    assert math.degrees(found["best"]["contrast"]["flip"][0]) == pytest.approx(12.034, rel=2e-3)
    written = tmp_path / "disc-spgr-best.toml"
    description, protocol, run = read_protocol_file(written)
    assert description == "disc-spgr with the settings best for m0 of nucleus pulposus"
    assert run["fit"] == "spgr"
    assert math.degrees(protocol.flip[0]) == pytest.approx(12.034, abs=0.01)
    assert protocol.matrix == (32, 16)
    assert "# 20 us dwell." in written.read_text()
    assert protocol.build(Scanner.preset("3T")).duration == pytest.approx(found["best"]["time"])
    assert "[BLOCKS]" in (tmp_path / "disc-spgr-best.seq").read_text()


@pytest.mark.slow
def test_optimise_spaces_echoes_of_a_real_sequence_within_its_limits(tmp_path, capsys):
    small = ["--set", "matrix=64 32", "--snr", "100", "--tissue", "nucleus_pulposus", "--want", "t2"]
    found = optimised(capsys, tmp_path, "disc-se", *small, "--free", "te[2]=20:300 ms", "--truth", "t2=80 ms")
    first, second = found["best"]["contrast"]["te"]
    assert first == pytest.approx(0.02)
    assert (second - first) / 0.08 == pytest.approx(1.1088, rel=0.01)
    shortest = load_protocol("disc-se", {"te": "minimum"}).build(Scanner.preset("3T")).encoding.contrast["te"][0]
    found = optimised(capsys, tmp_path, "disc-se", *small, "--free", "te[2]=1:300 ms", "--truth", "t2=80 ms")
    assert found["best"]["contrast"]["te"][0] == pytest.approx(float(shortest), abs=5e-4)  # 1 ms cannot be played


@pytest.mark.slow
def test_optimise_takes_te_of_t2_star_for_bold(tmp_path, capsys):
    found = optimised(
        capsys, tmp_path, "brain-rsfmri", "--set", "volumes=1", "--set", "dummies=0", "--set", "slices=1",
        "--free", "te=12:80 ms", "--model", "t2star-mono", "--want", "t2_star", "--known", "m0", "--truth",
        "t2_star=45 ms", "--phantom", "brain", "--tissue", "brain_grey_matter", "--snr", "100", "--time",
        "1 min",
    )  # fmt: skip
    assert found["best"]["contrast"]["te"][0] == pytest.approx(0.045, rel=0.01)


@pytest.mark.slow
def test_optimise_trades_time_against_precision_and_is_confirmed_by_scans(tmp_path, capsys):
    found = optimised(
        capsys, tmp_path, "disc-se", "--set", "matrix=48 40", "--set", "dummies=1", "--free", "te[3]=14:200 ms",
        "--free", "averages=1:2", "--time", "9 min", "--want", "t2", "--tissue", "nucleus_pulposus", "--front", "2",
        "--confirm", "24",
    )  # fmt: skip
    assert found["best"]["time"] <= 9 * 60
    times, costs = ([point[key] for point in found["front"]] for key in ("time", "cost"))
    assert times == sorted(times)
    assert costs == sorted(costs, reverse=True)
    row = found["confirmed"][0]
    assert row["voxels"] >= 10
    assert row["sd"] / row["predicted"] == pytest.approx(1, abs=0.15)
    assert (tmp_path / "disc-se-best-front.png").stat().st_size > 10_000


def test_optimum_is_held_back_by_a_limit_and_says_so(tmp_path, capsys, monkeypatch):
    def limited(sequence):
        flip = math.degrees(max(block.rf.flip for block in sequence.blocks if block.rf is not None))
        return () if flip <= 20 else (f"flip {flip:.0f} deg exceeds 20 deg",)

    monkeypatch.setattr("mrsim.study.optimiser.searching.broken_limits", limited)
    found = optimised(
        capsys, tmp_path, "disc-spgr", "--set", "matrix=16 8", "--set", "dummies=0", "--set", "tr=0.3 s", "--free",
        "flip[1]=4:80 deg", "--want", "m0", "--known", "t1", "--truth", "t1=0.9 s", "--tissue", "nucleus_pulposus",
        "--snr", "100",
    )  # fmt: skip
    assert math.degrees(found["best"]["contrast"]["flip"][0]) == pytest.approx(20, abs=0.7)  # Ernst's is 44
    assert "held back by a limit: flip 44 deg" in found["notes"][0]


def test_free_settings_are_read():
    te, averages, pulse = read_free(["te[6]=10:200 ms", "averages=1:3", "pulse=sinc,slr"])
    assert te == Range(name="te", low=0.01, high=0.2, unit="ms", factor=1e-3, dimension="time", count=6)
    assert averages == Choices(name="averages", values=("1", "2", "3"))
    assert pulse == Choices(name="pulse", values=("sinc", "slr"))
    assert te.text((0.0150004, 0.1)) == "15 100 ms"


@pytest.mark.parametrize(("texts", "said"), [
    ([], "nothing is free"), (["te"], "is no NAME=LOW:HIGH"), (["te=10"], "leaves no choice"),
    (["te=20:10 ms"], "lowest below a highest"), (["te=1:9 parsec"], "unknown unit"), (["te=a:b ms"], "is no range"),
    (["te=1:9 ms", "te=1:3 ms"], "freed twice"),
])  # fmt: skip
def test_free_settings_that_cannot_be_read_say_why(texts, said):
    with pytest.raises(InputError, match=said):
        read_free(texts)


@pytest.mark.parametrize(("arguments", "said"), [
    (["--free", "tee=1:9 ms"], "did you mean 'te'"),
    (["--free", "te=1:2 ms", "--want", "t2"], "t1; got t2"),
    (["--free", "te=1:2 ms"], "can be played"),
    (["--free", "flip[2]=1:80 deg", "--time", "0.1 s"], "in 0.1 s"),
    (["--free", "flip[1]=1:80 deg"], "tell the wanted parameters apart"),
    (["--free", "flip[2]=1:80 deg", "--tissue", "liver"], "'liver' is no tissue"),
])  # fmt: skip
def test_optimise_says_what_is_impossible(arguments, said, capsys, tmp_path):
    tissue = [] if "liver" in arguments else ["--tissue", "nucleus_pulposus"]
    small = ["--set", "matrix=16 8", "--set", "dummies=0", "--snr", "50", *tissue, "--out", str(tmp_path)]
    assert perform(["optimise", "disc-spgr", *small, *arguments]) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_protocol_text_keeps_comments_and_replaces_values_of_several_lines(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text(
        'description = "x"\nfamily = "spin-echo"\n[sequence]\n# why\nte = "10 ms" # old\n'
        "matrix = [\n 64,\n 64,\n]\n# kept\ntr = 1\n[run]\ngrade = 3\n"
    )
    text = protocol_text(path, {"te": "20 ms", "matrix": "32 16", "averages": "2"}, {"fit": "t2-mono"}, "y")
    assert text == (
        'description = "y"\nfamily = "spin-echo"\n[sequence]\nte = "20 ms"\nmatrix = [32, 16]\n# kept\ntr = 1\n'
        'averages = 2\n[run]\ngrade = 3\nfit = "t2-mono"\n'
    )


def test_true_values_have_the_units_of_the_model():
    found = stated("kurtosis-loglin", ("v=0.8 um^4/ms^2", "d=1.2 um^2/ms", "t1=900 ms"))
    assert found == pytest.approx({"v": 8e-19, "d": 1.2e-9, "t1": 0.9}, rel=1e-12)
    with pytest.raises(InputError, match=r"expected a squared diffusivity"):
        stated("kurtosis-loglin", ("v=1 um^2/ms",))


def test_settings_forecast_one_by_one_find_the_least_and_pass_over_what_breaks_a_limit(monkeypatch):
    def te(sequence):
        return float(sequence.encoding.contrast["te"][0])

    def spread(ready, asked):
        return {"voxel": {"Lac": 1 + abs(te(ready.sequence) - 0.15)}}

    monkeypatch.setattr(forecasted, "_spectrum", spread)
    monkeypatch.setattr(forecasted, "broken_limits", lambda s: ("SAR head",) if te(s) > 0.2 else ())
    request = RunRequest(protocol="svs-press-np", overrides={"averages": "1", "water_averages": "1", "dummies": "0"})
    ready = prepare(request)
    assert forecasted.forecast_kind(ready) == forecasted.SPECTRUM
    weights = forecasted.wanted_of(ready, forecasted.SPECTRUM, {"lactate": 1.0})
    assert weights == {"Lac": 1.0}
    wanted = Wanted(model=forecasted.SPECTRUM, weights=weights)
    asked = Asked(free=read_free(["te=40:300 ms"]), wanted=wanted, front=2)
    best, own, front, notes = forecasted.by_forecast(request, asked, lambda *_: None, ready)
    assert float(best.entries["te"].split()[0]) == pytest.approx(150, abs=13)  # 6 values, halved twice
    assert own.spread["voxel"]["Lac"] == pytest.approx(1.115)
    assert "te 300 ms is not offered: SAR head" in notes
    assert [point.cost for point in front] == sorted((point.cost for point in front), reverse=True)
    monkeypatch.setattr(forecasted, "MOST", 4)
    told: list[tuple[int, int]] = []
    few = forecasted.by_forecast(request, asked, lambda _, done, total: told.append((done, total)), ready)
    assert any("ended after 4 candidates" in note for note in few[3])
    assert max(done for done, _ in told) == 4


def test_a_choice_is_the_protocols_own_however_its_unit_is_written():
    request = RunRequest(protocol="svs-press-np")
    (entry,) = read_free(["te=0.144 s,0.035 s,288 ms"])
    assert forecasted.own_choice(entry, request) == "0.035 s"
    (entry,) = read_free(["te=144 ms,288 ms"])
    assert forecasted.own_choice(entry, request) is None


def test_choice_that_breaks_a_limit_is_named_and_not_taken(monkeypatch):
    def refuse(*_):
        raise InfeasibleError("SAR head is 5 W/kg of 3.2 W/kg")

    monkeypatch.setattr(Searching, "_allowed", refuse)
    asked = Asked(free=read_free(["flip=10,90"]), wanted=Wanted(model="spgr", weights={"m0": 1.0}))
    state = Searching(request=RunRequest(protocol="disc-spgr"), scanner=Scanner.preset("3T"), asked=asked, targets=(),
                      sigma=1.0, gap=(0.0, 0.0), known={}, notes=[])  # fmt: skip
    found = Found(settings=np.zeros(0), value=1.0), SimpleNamespace(held={"flip": "90"})
    assert state.within_limits(found, None, True) is None
    assert state.notes == ["flip 90: SAR head is 5 W/kg of 3.2 W/kg"]

"""Forecasts of whole protocols, verdicts on them, and comparisons over fields."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest

from mrsim.cli import perform
from mrsim.core.errors import InfeasibleError, InputError
from mrsim.fit.models import MODELS
from mrsim.plan.question import read_question
from mrsim.report.verdict import verdict_lines
from mrsim.study.ask import answers, questions_of
from mrsim.study.compare import compared
from mrsim.study.experiments import field_comparison
from mrsim.study.plan import forecast
from mrsim.study.remedies import ALIKE
from mrsim.study.request import RunRequest
from mrsim.study.run import prepare
from mrsim.study.snr import Built, representative

NUCLEUS = ("nucleus_pulposus",)
QUICK = RunRequest(
    protocol="disc-se", overrides={"matrix": "32 32", "fov": "32 32 mm", "te": "15 60 ms", "averages": "64"}
)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["disc-t2-mese", "disc-spgr", "b1-afi", "sag-mese-t2"])
def test_representative_part_lasts_as_long_as_the_whole(name):
    request = RunRequest(protocol=name)
    assert representative(request).scan_time == pytest.approx(prepare(request).sequence.duration, rel=1e-9)


@pytest.mark.slow
def test_few_lines_stand_for_all(monkeypatch):
    few = forecast(QUICK, (), NUCLEUS, brief=True)
    monkeypatch.setattr("mrsim.study.snr.LINE_BY_LINE", ())
    whole = forecast(QUICK, (), NUCLEUS, brief=True)
    for one, other in zip(few.snr[0].rows, whole.snr[0].rows, strict=True):
        assert one.snr == pytest.approx(other.snr, rel=2e-3)
    assert few.precision[1].sd == pytest.approx(whole.precision[1].sd, rel=5e-3)


def test_forecast_reaches_the_bound_of_an_unbiased_fit():
    """Two spin echoes of good SNR: an efficient fit, T2 without bias but for diffusion; 3,000 fits: 1.3 %."""
    plan = forecast(QUICK, (), NUCLEUS)
    t2 = plan.of("nucleus_pulposus", "t2")
    assert t2.truth == pytest.approx(84e-3)
    assert t2.mean == pytest.approx(t2.truth, rel=0.05)
    assert t2.sd == pytest.approx(t2.bound, rel=0.15)
    assert t2.per_root_minute == pytest.approx(t2.sd * math.sqrt(plan.scan_time / 60))
    assert plan.page.limits.margins


def test_forecast_of_elastography_names_the_stiffness_of_the_tissues_that_know_theirs():
    request = RunRequest(
        protocol="ax-mre-gre-60hz",
        phantom="lumbar-disc",
        grade=3,
        overrides={"matrix": "48 8", "fov": "96 16 mm", "encoding": "axes"},
    )
    plan = forecast(request, (), NUCLEUS, brief=True)
    row = plan.of("nucleus_pulposus", "shear_stiffness")
    assert row.truth == pytest.approx(13.4e3, rel=0.02)  # of the tissue's law at 60 Hz
    assert 0 < row.mean < row.truth  # noise lowers what a direct inversion reads
    assert row.sd > 0


@pytest.mark.slow
def test_grades_change_what_is_read():
    plan = forecast(QUICK, (1, 5), NUCLEUS, brief=True)
    assert plan.of("nucleus_pulposus", "t2", 1).mean > 2 * plan.of("nucleus_pulposus", "t2", 5).mean


@pytest.mark.slow
def test_remedy_turns_no_into_yes():
    found = answers(QUICK, [read_question("change of 2 ms in T2 of nucleus in a voxel")])[0]
    assert (found.answer, found.cause) == ("no", "measurement noise")
    assert found.remedy is None or found.remedy.chance >= 0.8
    easy = answers(QUICK, [read_question("SNR of nucleus above 1000")], remedies=False)[0]
    assert easy.answer == "no"


@pytest.mark.slow
def test_search_for_a_remedy_ends_after_its_forecasts_and_says_what_it_left_out(monkeypatch):
    monkeypatch.setattr("mrsim.study.remedies.MOST", 2)
    told = []
    question = read_question("change of 0.1 ms in T2 of nucleus in a voxel")
    found = answers(QUICK, [question], progress=lambda step, done, total: told.append((step, done, total)))[0]
    assert (found.answer, found.remedy, found.forecasts) == ("no", None, 2)
    assert "a field of 7 T" in found.untried
    assert ("remedies", 2, 2) in told
    assert f"not tried, after 2 forecasts: {'; '.join(found.untried)}" in verdict_lines(found)


@pytest.mark.parametrize(
    ("text", "said"),
    [("T2 of the moon within 5 %", "no tissue"), ("T2 within 5 %", "names no tissue")],
)
def test_question_about_nothing_is_refused(text, said):
    with pytest.raises(InputError, match=said):
        answers(QUICK, [read_question(text)])


def test_what_a_protocol_does_not_measure_is_not_decidable():
    assert answers(QUICK, [read_question("T1 of the nucleus within 5 %")])[0].answer == "not decidable"
    grade = answers(QUICK, [read_question("tell 3 from 4 by T2 of csf with 30 discs")])[0]
    assert "no Pfirrmann grades" in grade.reason


def test_volume_takes_the_bands_that_arithmetic_says():
    request = RunRequest(protocol="brain-rsfmri", overrides={"te": "minimum"})
    found = answers(request, [read_question("whole brain below 100 ms with 40 slices at MB 8")])[0]
    shot = found.numbers["shot"]
    assert found.numbers["volume"] == pytest.approx(5 * shot)
    assert found.numbers["least_bands"] == math.ceil(40 / math.floor(0.1 / shot))
    assert found.answer == "no"


def test_questions_stand_in_the_protocol(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(
        'description = "own"\nfamily = "spin-echo"\n[sequence]\nte = "15 60 ms"\ntr = "1 s"\n'
        '[run]\nfit = "t2-mono"\n[[question]]\nask = "time below 1 min"\n'
    )
    assert [q.limit for q in questions_of(str(path), ("time below 9 min",))] == [60.0, 540.0]


# Hand calculation: gamma_bar 42.577 MHz/T; body 0.3, head 0.2866 W/kg/uT^2 at 3 T; 4 and 3.2 W/kg; peaks by field.
PEAK = {1.5: 20e-6, 3.0: 14e-6, 7.0: 12e-6}


def limiting_by_hand(one):
    b1 = one.flip / 360 / (42.577478518e6 * one.duration)
    if b1 > PEAK[one.field]:
        return "RF amplitude"
    mean_square = (1e6 * b1) ** 2 * one.duration / one.tr * (one.field / 3) ** 2
    body, head = 0.3 * mean_square / 4, 0.2866 * mean_square / 3.2
    if max(body, head) <= 1:
        return ""
    return "SAR whole body, 6 min" if body > head else "SAR head, 6 min"


def test_twenty_seeded_verdicts_equal_hand_calculation():
    drawn = list(field_comparison.drawn(20, np.random.default_rng(12), (1.5, 3.0, 7.0)))
    expected = [limiting_by_hand(one) for one in drawn]
    assert len(set(expected)) >= 2
    assert [field_comparison.planned(one) for one in drawn] == expected


@pytest.mark.slow
def test_fields_are_compared_and_a_refused_one_says_why():
    rows = compared(QUICK, (3.0, 7.0), NUCLEUS)
    ratio = rows[1].plan.page.distortion[0].pixels / rows[0].plan.page.distortion[0].pixels
    assert ratio == pytest.approx(7 / 3, rel=1e-6)
    assert rows[0].gag["nucleus_pulposus"] < rows[1].gag["nucleus_pulposus"]
    assert rows[1].least_b1 < rows[0].least_b1 < 1
    (refused,) = compared(RunRequest(protocol="disc-se", overrides={"tr": "10 ms"}), (3.0,), NUCLEUS)
    assert refused.plan is None
    assert refused.problem


def test_command_writes_json_and_exits_by_its_verdicts(capsys, tmp_path):
    line = ["plan", "disc-se", "--set", "matrix=32 32", "--set", "fov=32 32 mm", "--set", "te=15 60 ms", "--tissue",
            "nucleus_pulposus", "--ask", "time below 10 s", "--out", str(tmp_path / "p.html"), "--json"]  # fmt: skip
    assert perform(line) == 3
    found = json.loads(capsys.readouterr().out)
    assert found["verdicts"][0]["answer"] == "no"
    assert found["plan"]["precision"][1]["parameter"] == "t2"
    page = (tmp_path / "p.html").read_text()
    assert "<html" in page
    assert "http" not in page


@pytest.mark.slow
def test_a_bias_is_cured_by_the_fit_that_knows_its_cause():
    request = RunRequest(protocol="disc-t2-mese", overrides={"matrix": "64 64", "fov": "64 64 mm"})
    found = answers(request, [read_question("T2 in the nucleus within 10 %")])[0]
    assert (found.answer, found.cause) == ("no", "bias")
    assert found.remedy.model == "t2-epg"
    assert found.remedy.chance >= 0.95


@pytest.mark.slow
def test_averages_that_are_named_bring_the_lactate_bound_below_its_limit():
    request = RunRequest(protocol="svs-press-np")
    found = answers(request, [read_question("lactate CRLB below 100 %")])[0]
    assert found.answer == "no"
    assert int(found.remedy.entries["averages"]) >= 128 * found.numbers["value"] ** 2
    other = replace(request, overrides=found.remedy.entries)
    assert answers(other, [read_question("lactate CRLB below 100 %")])[0].answer == "yes"


def test_fits_that_stand_in_for_each_other_are_known_and_measure_something_in_common():
    known = {model.name: set(model.map_names) for model in MODELS}
    for group in ALIKE:
        assert set.intersection(*(known[name] for name in group)) - {"m0"}


def test_a_protocol_is_built_once_and_a_refusal_is_kept():
    built = Built()
    assert built.of(QUICK) is built.of(replace(QUICK))
    assert built.of(replace(QUICK, grade=4)) is not built.of(QUICK)
    impossible = replace(QUICK, overrides={**QUICK.overrides, "tr": "10 ms"})
    refusals = set()
    for _ in range(2):
        with pytest.raises((InputError, InfeasibleError)) as caught:
            built.of(impossible)
        refusals.add(id(caught.value))
    assert len(refusals) == 1


def test_a_no_on_stiffness_names_motion_and_voxel_that_would_do():
    shaken = RunRequest(protocol="ax-mre-60hz")
    found = answers(shaken, [read_question("stiffness change of 2 kPa in the rod")], remedies=False)[0]
    assert found.answer == "no"
    told = re.search(r"it would take ([\d.]+) mm of motion", found.reason)
    moved = 3 / found.numbers["derivative_snr"] * 10e-6
    assert float(told[1]) * 1e-3 == pytest.approx(moved, rel=0.01)  # SNR grows with the motion
    assert "per wavelength)" in found.reason

"""The grammar of questions: every form, loose wording, and what is refused."""

import pytest

from mrsim.core.errors import InputError
from mrsim.plan.question import FORMS, read_question


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tell Pfirrmann III from IV by nucleus T2 with 30 discs per group",
         {"kind": "tell", "grades": (3, 4), "discs": 30, "patients": 0, "parameter": "t2", "where": "nucleus"}),
        ("tell grade 2 from 3 by ADC of the inner annulus with 30 discs in 15 patients icc 0.4 power 90 %",
         {"kind": "tell", "grades": (2, 3), "discs": 30, "patients": 15, "icc": 0.4, "power": 0.9, "parameter": "adc",
          "where": "inner annulus"}),
        ("T2 in the annulus within 5 %", {"kind": "within", "limit": 0.05, "relative": True, "voxels": 0,
                                          "where": "annulus", "power": 0.95}),
        ("T2* of nucleus within 2 ms in a voxel", {"parameter": "t2_star", "limit": 2e-3, "voxels": 1}),
        ("stiffness change of 2 kPa in the nucleus", {"kind": "change", "limit": 2000.0, "parameter": "stiffness"}),
        ("change of 5 ms in T2 of nucleus over 20 voxels", {"kind": "change", "limit": 5e-3, "voxels": 20}),
        ("lactate CRLB below 20 %", {"kind": "bound", "parameter": "lactate", "limit": 0.2, "relative": True}),
        ("SNR of the nucleus above 20", {"kind": "snr", "limit": 20.0, "where": "nucleus"}),
        ("time below 5 min", {"kind": "time", "limit": 300.0}),
        ("whole brain below 100 ms with 40 slices at MB 8",
         {"kind": "volume", "limit": 0.1, "slices": 40, "bands": 8}),
        ("runs", {"kind": "runs"}),
    ],
)  # fmt: skip
def test_question_is_read(text, expected):
    found = read_question(text)
    for name, value in expected.items():
        assert getattr(found, name) == (pytest.approx(value) if isinstance(value, float) else value)


def test_every_documented_form_is_read():
    for line in FORMS.splitlines():
        text = line.strip().split(" [")[0]
        if text:
            read_question(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("what is the meaning of T2", "asks nothing that is known"),
        ("tell nucleus from annulus by T2 with 30 discs", "two grades"),
        ("tell III from IV by nucleus T2", "how many"),
        ("T2 in the annulus within", "no limit"),
        ("T2 in the annulus within 5 parsec", "parsec"),
        ("time below 5", "without a unit"),
        ("time below 5 kPa", "kPa"),
        ("time of the moon below 5 min", "moon"),
        ("beauty of the nucleus within 5 %", "nothing that can be measured"),
        ("tell III from IV by nucleus T2 with 30 discs power 200 %", "between 0 and 1"),
    ],
)
def test_question_that_is_not_understood_is_refused_by_name(text, said):
    with pytest.raises(InputError, match=said):
        read_question(text)


def test_table_adds_what_the_line_leaves_out():
    found = read_question("tell 3 from 4 by T2 of nucleus with 10 discs", {"disc_sd": "8 ms", "alpha": 0.01})
    assert found.disc_sd == pytest.approx(8e-3)
    assert found.alpha == 0.01
    with pytest.raises(InputError, match="unknown key"):
        read_question("runs", {"colour": 3})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("time below -4 min", "must be above zero"),
        ("T2 in the nucleus within 0 %", "must be above zero"),
        ("tell Pfirrmann III from 3 by nucleus T2 with 30 discs per group", "grade 3 from itself"),
        ("T2 in the nucleus within 5 % and within 10 %", "two limits"),
    ],
)
def test_questions_that_cannot_be_answered_say_why(text, said):
    with pytest.raises(InputError, match=said):
        read_question(text)

"""What `mrsim shake` says of input that it cannot use: one line, exit 2, no file."""

import pytest
from click.testing import CliRunner

from mrsim.cli import cli
from mrsim.core.rheology import Springpot, Voigt, Zener
from mrsim.study.rheology_text import law_in_words

DRIVE = ("--drive", "+z=0 8 0 um")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((*DRIVE, "--frequency", "80"), "--frequency: '80' has no unit"),
        ((*DRIVE, "--frequency", "-80 Hz"), "positive and finite"),
        ((*DRIVE, "--element", "2"), "--element: '2' has no unit"),
        ((*DRIVE, "--element", "-2 mm"), "no size of an element"),
        ((*DRIVE, "--tissue", "nope"), "--tissue: lumbar-disc has no tissue 'nope'"),
        ((*DRIVE, "--absorb", "q"), "unknown side 'q'"),
        (("--drive", "+z=a"), "--drive: 'a' is not a number"),
        (("--drive", "+z=0 20 um"), "no motion of three components"),
        ((*DRIVE, "--modulus", "nope=voigt 1 kPa, 1 Pa s"), "--modulus: lumbar-disc has no tissue 'nope'"),
        ((*DRIVE, "--modulus", "nucleus_pulposus=zenner 5 kPa"), "did you mean 'zener'"),
        ((*DRIVE, "--modulus", "nucleus_pulposus=zener 5 kPa, 3 kPa"), "needs 3: pressure, pressure, viscosity"),
        ((*DRIVE, "--modulus", "nucleus_pulposus=voigt 5 kPa, 3 s"), "is no viscosity"),
        ((*DRIVE, "--modulus", "nucleus_pulposus=table 60 Hz 6.5 kPa"), "is no table"),
        ((*DRIVE, "--modulus", "nucleus_pulposus=table 90 Hz 6 kPa 1 rad, 95 Hz 7 kPa 1 rad"), "90 to 95 Hz, not 80"),
        ((*DRIVE, "--modulus", "nucleus_pulposus=constant 5 kPa"), "needs 2: pressure, angle"),
        ((*DRIVE, "--law", "zener"), "law: unknown law 'zener'"),
        ((*DRIVE, "--fibres", "0.5", "1"), "lumbar-disc has no lamellae"),
        (("--drive", "skin=nan 0 0 um"), "--drive: 'nan 0 0 um' is not finite"),
    ],
)
def test_unusable_input_gets_one_clear_line_and_leaves_no_file(arguments, said, tmp_path):
    out = tmp_path / "waves.h5"
    done = CliRunner().invoke(cli, ["shake", "lumbar-disc", *arguments, "--out", str(out)])
    assert done.exit_code != 0
    text = done.output + (str(done.exception) if done.exception else "")
    assert said in text, text
    assert not out.exists()


@pytest.mark.parametrize(
    ("text", "law"),
    [
        ("voigt 5 kPa, 3 Pa s", Voigt(mu=5e3, eta=3.0)),
        ("springpot 2.5 kPa, 0.4", Springpot(mu=2.5e3, alpha=0.4)),
        ("zener 5 kPa, 300 Pa, 4.5 Pa s", Zener(mu=5e3, mu_1=300.0, eta=4.5)),
    ],
)
def test_laws_are_read_from_words(text, law):
    assert law_in_words(f"gel={text}", "--modulus") == ("gel", law)


def test_tables_hold_what_they_say_and_lie_between():
    _, law = law_in_words("gel=table 60 Hz 6 kPa 1 rad, 240 Hz 24 kPa 0.5 rad", "--modulus")
    assert abs(law.at(60.0)) == pytest.approx(6e3)
    assert abs(law.at(120.0)) == pytest.approx(12e3)  # straight in logarithms
    assert law.at(240.0) == pytest.approx(24e3 * (0.8775825619 + 0.4794255386j))

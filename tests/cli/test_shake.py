"""What `mrsim shake` says of input that it cannot use: one line, exit 2, no file."""

import pytest
from click.testing import CliRunner

from mrsim.cli import cli

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

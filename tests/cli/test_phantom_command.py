"""`mrsim phantom`: the picture and what is said beside it."""

import json

from click.testing import CliRunner

from mrsim.cli import cli


def test_phantom_command_draws_a_picture_and_tells_the_discs(tmp_path):
    path = tmp_path / "segment.png"
    done = CliRunner().invoke(cli, ["phantom", "motion-segment", "--grade", "5", "--out", str(path), "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["discs"]["L4/5"]["grade"] == 5
    assert abs(said["discs"]["L4/5"]["height_middle"] - 0.6 * 12.3e-3) < 1e-9
    assert path.read_bytes().startswith(b"\x89PNG")

"""From a shaken disc to an elastogram by one request: the wave images are the motion that the solver found."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from mrsim.core.errors import InputError
from mrsim.core.toml import available
from mrsim.report.waves import elastogram, wave_animation
from mrsim.study.request import RunRequest
from mrsim.study.run import prepare, run
from mrsim.study.vibration import driven

DRIVES = ("+z=0 8 0 um", "-z=0 8 0 um")
SMALL = {"matrix": "16 4", "slices": "1"}


def test_a_protocol_that_encodes_no_vibration_cannot_be_shaken():
    prepared = prepare(RunRequest(protocol="disc-se"))
    with pytest.raises(InputError, match="encodes no vibration"):
        driven(prepared.phantom, DRIVES, prepared.sequence)


def test_offsets_that_fold_harmonics_are_refused_before_anything_is_solved():
    prepared = prepare(RunRequest(protocol="ax-mre-gre-60hz", drives=DRIVES, overrides={**SMALL, "offsets": "3"}))
    with pytest.raises(InputError, match=r"3 phases .* fold its harmonic 2 .* needs 4 offsets"):
        driven(prepared.phantom, DRIVES, prepared.sequence)


@pytest.mark.parametrize("name", sorted(name for name in available("protocols") if "mre" in name))
def test_every_protocol_of_elastography_shakes_its_own_phantom_and_inverts_it(name):
    request = prepare(RunRequest(protocol=name)).request
    assert request.drives
    assert request.model == "mre-direct"


def test_a_shaken_run_is_inverted_and_a_drive_belongs_to_the_protocols_own_phantom():
    other = RunRequest(protocol="ax-mre-gre-60hz", phantom="lumbar-disc", overrides=SMALL)
    assert prepare(other).request.drives == ()
    assert prepare(other).request.model is None
    assert prepare(replace(other, drives=DRIVES)).request.model == "mre-direct"
    still = prepare(RunRequest(protocol="ax-mre-gre-60hz", drives=("none",), overrides=SMALL)).request
    assert still.drives == ()
    assert still.model is None


@pytest.mark.slow
def test_wave_images_are_the_motion_that_the_solver_found():
    request = RunRequest(
        protocol="ax-mre-gre-60hz",
        phantom="lumbar-disc",
        grade=3,
        drives=DRIVES,
        model="mre-direct",
        without=("noise",),
        overrides={"matrix": "48 48", "fov": "192 192 mm", "encoding": "axes"},
    )
    result = run(request)
    assert result.raw.history["reuse"] == "through the slice"
    assert result.raw.history["motion_error"] < 0.02
    waves = result.waves
    nucleus = (result.truth.fractions["nucleus_pulposus"] > 0.99) & waves.inside
    assert nucleus.sum() > 20
    field = result.phantom.motion[0].field
    grid = waves.grid
    z, y, x = np.meshgrid(*(grid.coordinates(axis) for axis in (2, 1, 0)), indexing="ij")
    true = field(grid.to_world(np.stack([x, y, z], axis=-1)[nucleus])) @ grid.axes
    found = waves.displacement[0][:, nucleus].T
    assert np.linalg.norm(found - true) < 0.03 * np.linalg.norm(true)
    assert Image.open(io.BytesIO(wave_animation(waves))).n_frames == 12
    panels = [axis.get_title(loc="left") for axis in elastogram(waves, result.maps, result.truth)]
    assert {"y, t = 0 (µm)", "z, t = T/4 (µm)", "measured |G*| (kPa)", "true |G*| (kPa)"} < set(panels)

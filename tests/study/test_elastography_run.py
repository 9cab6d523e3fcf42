"""From a shaken disc to an elastogram by one request: the wave images are the motion that the solver found."""

import io

import numpy as np
import pytest
from PIL import Image

from mrsim.core.errors import InputError
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
    prepared = prepare(RunRequest(protocol="ax-mre-gre-60hz", overrides={**SMALL, "offsets": "3"}))
    with pytest.raises(InputError, match=r"3 phases .* fold its harmonic 2 .* needs 4 offsets"):
        driven(prepared.phantom, DRIVES, prepared.sequence)


def test_a_shaken_run_is_inverted_unless_another_model_is_asked():
    assert prepare(RunRequest(protocol="ax-mre-gre-60hz", drives=DRIVES, overrides=SMALL)).request.model == "mre-direct"
    assert prepare(RunRequest(protocol="ax-mre-gre-60hz", overrides=SMALL)).request.model is None


@pytest.mark.slow
def test_wave_images_are_the_motion_that_the_solver_found():
    request = RunRequest(
        protocol="ax-mre-gre-60hz", drives=DRIVES, without=("noise",), overrides={"matrix": "48 48", "slices": "1"}
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

"""From a shaken disc to an elastogram by one request: the wave images are the motion that the solver found."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from mrsim.core.errors import InputError
from mrsim.core.toml import available
from mrsim.phantom.motion import Vibration
from mrsim.report.waves import elastogram, wave_animation
from mrsim.study.plan import forecast
from mrsim.study.request import RunRequest
from mrsim.study.run import prepare, run
from mrsim.study.vibration import check_wraps
from mrsim.study.wave_forecast import turn_notes

DRIVES = ("+z=0 8 0 um", "-z=0 8 0 um")
SMALL = {"matrix": "16 4", "slices": "1"}


def test_a_protocol_that_encodes_no_vibration_cannot_be_shaken():
    with pytest.raises(InputError, match="encodes no vibration"):
        prepare(RunRequest(protocol="disc-se", drives=DRIVES))


@pytest.mark.parametrize("drives", [DRIVES, ()])
def test_offsets_that_fold_harmonics_are_refused_before_anything_is_solved_or_foretold(drives):
    asked = RunRequest(protocol="ax-mre-gre-60hz", drives=drives, overrides={**SMALL, "offsets": "3"})
    for told in (prepare, forecast):
        with pytest.raises(InputError, match=r"3 phases .* fold its harmonic 2 .* needs 4 offsets"):
            told(asked)
    two = replace(asked, drives=(), phantom="lumbar-disc", overrides={**SMALL, "offsets": "2"})
    with pytest.raises(InputError, match=r"2 phases .* needs 4 offsets"):  # at rest, but foretold
        forecast(two)


def test_a_drive_beyond_linear_waves_is_refused_before_anything_is_solved():
    # gel of 2.97 kPa at 60 Hz: |k| = 2 pi 60 sqrt(1000 / 2970) = 219 / m, a shear of 0.1 at 0.46 mm
    asked = RunRequest(protocol="ax-mre-gre-60hz", drives=("-y=0.44 0 0 mm",), overrides=SMALL)
    assert prepare(asked).request.drives
    for told in (prepare, forecast):
        with pytest.raises(InputError, match=r"by 5 mm, which shears gel by 1\.1 .* move by 0.45. mm or less"):
            told(replace(asked, drives=("-y=5 0 0 mm",)))


def rigid(amplitude):
    """A protocol's phantom that moves as one piece through the slice."""
    prepared = prepare(RunRequest(protocol="ax-mre-gre-60hz", overrides=SMALL))

    def field(place):
        return np.broadcast_to(np.array([0, 0, amplitude], complex), place.shape)

    move = Vibration(field=field, frequency=prepared.sequence.encoding.sheet["vibration_frequency"])
    return replace(prepared.phantom, motion=(move,)), prepared.sequence


def test_motion_that_wraps_in_every_voxel_is_refused_before_the_scan_and_told_by_the_plan():
    _, sequence = rigid(1e-6)
    efficiency = 2 * np.abs(sequence.encoding.sheet["motion_encoding"]).max()  # both polarities
    most = np.pi / (efficiency * 2 * np.sin(np.pi / 4))  # four offsets: |i - 1| of the amplitude from one to the next
    check_wraps(*rigid(0.6 * most))
    with pytest.raises(InputError, match=r"of every voxel that moves .* wraps beyond recovery"):
        check_wraps(*rigid(1.5 * most))
    assert turn_notes((f"-y=0 0 {0.6e6 * most} um",), sequence) == ()
    assert "wraps above 3.14 rad" in turn_notes((f"-y=0 0 {1.5e6 * most} um",), sequence)[0]


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

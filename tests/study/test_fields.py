"""Fields reach a run from the phantom's file, the scanner's file and the request."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.core.field_map import FieldMap
from mrsim.core.grid import Grid
from mrsim.core.storage import save
from mrsim.core.toml import available
from mrsim.exchange.nifti import write_volume
from mrsim.study.fields import coils_of, extrapolation_notes
from mrsim.study.request import RunRequest
from mrsim.study.run import prepare, simulate_only

GRID = Grid(shape=(30, 40, 30), spacing=(5e-3, 5e-3, 5e-3))


def request(**changes):
    return RunRequest(**{"protocol": "disc-se", "phantom": "ellipse", "overrides": {"matrix": "16,16"}} | changes)


def spread(**changes):
    phantom = prepare(request(phantom="lumbar-disc", surroundings="torso", **changes)).phantom
    grid = phantom.offset.grid
    inside = np.sum(list(phantom.fractions(grid).values()), axis=0) >= 0.5
    return float(np.std(phantom.offset.values[inside]))


@pytest.mark.slow
def test_shim_of_a_run_lowers_the_spread_with_its_order():
    values = [spread(shim=order) for order in (0, 1, 3)]
    assert values[0] > values[1] > values[2]
    assert spread() < values[1]  # the scanner's own order is 2


def test_a_scanner_files_coils_reach_the_run(tmp_path):
    text = available("protocols/scanners")["3T"].read_text(encoding="utf-8")
    path = tmp_path / "own.toml"
    path.write_text('transmit = "body"\nreceive = "spine-8"\n' + text)
    prepared = prepare(request(scanner=str(path)))
    assert prepared.phantom.b1.at(np.zeros((1, 3)), "b1")[0] == pytest.approx(1, rel=1e-3)  # linear between voxels
    assert len(coils_of(prepared.phantom, prepared.sequence.scanner, prepared.request).maps) == 8
    uniform = prepare(request(scanner=str(path), transmit="uniform", receive="uniform"))
    assert uniform.phantom.b1 == 1.0
    assert coils_of(uniform.phantom, uniform.sequence.scanner, uniform.request) is None


@pytest.mark.parametrize("kind", ["nii.gz", "h5"])
def test_an_imported_map_is_the_runs_offset_after_the_shim(tmp_path, kind):
    path = tmp_path / f"map.{kind}"
    x = GRID.coordinates(0)
    values = np.broadcast_to(40 + 1e4 * x * x, GRID.shape)
    if kind == "h5":
        save(path, map=FieldMap(values=np.array(values), grid=GRID))
    else:
        write_volume(path, values, GRID)
    centred = prepare(request(offset_map=str(path), shim=0)).phantom.offset
    line = centred.values[15, 20]
    np.testing.assert_allclose(line - line[15], 1e4 * x * x, atol=1e-9)
    assert np.abs(prepare(request(offset_map=str(path), shim=1)).phantom.offset.values).max() > 1


def test_a_uniform_map_changes_nothing_in_the_raw_data(tmp_path):
    save(tmp_path / "b1.h5", map=FieldMap(values=np.ones(GRID.shape), grid=GRID))
    plain, mapped = (
        simulate_only(request(without=("noise",), **more))[2].imaging.data
        for more in ({}, {"transmit": str(tmp_path / "b1.h5")})
    )
    np.testing.assert_allclose(mapped, plain, atol=2e-3 * np.abs(plain).max())  # the wanted accuracy, twice


def test_a_phantom_file_switches_its_susceptibility_on(tmp_path):
    text = available("phantoms")["ellipse"].read_text(encoding="utf-8")
    path = Path(tmp_path / "own.toml")
    path.write_text(
        text.replace('pd = "1"', 'pd = "1"\nsusceptibility = "1 ppm"') + "\n[susceptibility]\nspacing = '4 mm'\n"
    )
    assert isinstance(prepare(request(phantom=str(path))).phantom.offset, FieldMap)
    with pytest.raises(InputError, match=r"its own \[susceptibility\] table"):
        prepare(request(phantom=str(path), surroundings="air"))


def test_a_shim_without_a_map_is_refused():
    with pytest.raises(InputError, match="no map of off-resonance"):
        prepare(request(shim=1))


def test_run_beyond_the_known_fields_needs_permission_and_says_so(tmp_path):
    """At 0.55 T muscle has laws of its own; what else is carried on is named in a warning."""
    text = available("protocols/scanners")["1.5T"].read_text(encoding="utf-8")
    low = tmp_path / "low.toml"
    low.write_text(re.sub(r"(?m)^b0 = .*", 'b0 = "0.55 T"', text), encoding="utf-8")
    asked = RunRequest(protocol="disc-se", scanner=str(low))
    with pytest.raises(InputError, match=r"at 0\.55 T is unknown.*--extrapolate"):
        prepare(asked)
    made = prepare(replace(asked, extrapolate=True))
    (note,) = extrapolation_notes(made.phantom)
    assert note.startswith("extrapolated to 0.55 T")
    assert "nucleus_pulposus (t1, t2, t2_star)" in note
    assert "paraspinal_muscle" not in note
    assert made.request.extrapolate
    body = prepare(replace(asked, extrapolate=True, transmit="body"))
    assert "the torso's dielectric" in extrapolation_notes(body.phantom)[0]

"""Imported voxels that cannot be: refused with the file, the map, the value with its unit, the limit and a remedy."""

import gzip

import nibabel
import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.core.grid import Grid
from mrsim.exchange.nifti import write_volume
from mrsim.exchange.spin_files import SpinTable, write_jemris, write_koma
from mrsim.study.import_phantom import open_phantom

GRID = Grid(shape=(6, 7, 8), spacing=(2e-3, 3e-3, 4e-3))
HELD = np.zeros(GRID.shape, dtype=bool)
HELD[1:5, 2:6, 1:7] = True
TIMES = {"t1": 1.2, "t2": 0.08, "pd": 0.8}
"""Of a tissue: s, s and a fraction."""


def map_files(folder, factors, more="", change=None):
    """A phantom of one tissue, its maps the SI values times a factor each."""
    lines = []
    for key, value in TIMES.items():
        values = np.where(HELD, value * factors[key], 0.0)
        if change and key in change:
            values[2, 3, 4] = change[key]
        write_volume(folder / f"{key}.nii", values, GRID)
        lines.append(f'{key} = "{key}.nii"')
    path = folder / "own.toml"
    path.write_text('description = "maps"\n[voxels.maps]\n' + "\n".join(lines) + "\n" + more)
    return str(path)


MILLI = {"t1": 1e3, "t2": 1e3, "pd": 1.0}


@pytest.mark.parametrize(
    ("factors", "change", "problem"),
    [
        ({"t1": 1.0, "t2": 1.0, "pd": 1.0}, None, r"maps\.t1: nowhere exceeds 1\.2 ms; .* at least 10 ms: state the"),
        ({"t1": 1e3, "t2": 1.0, "pd": 1.0}, None, r"maps\.t2: nowhere exceeds 0\.08 ms; .* at least 5 ms"),
        ({"t1": 1e6, "t2": 1e6, "pd": 1.0}, None, r"maps\.t1: 1\.2e\+06 ms at voxel x, y, z = 1, 2, 1 .*20000 ms"),
        ({"t1": 1e3, "t2": 1e3, "pd": 100.0}, None, r"maps\.pd: 80 of water at voxel .* 0 to 1\.5 of water"),
        ({"t1": 1e3, "t2": 1e3, "pd": 0.01}, None, r"maps\.pd: nowhere exceeds 0\.008 of water"),
        (MILLI, {"t1": np.nan}, r"maps\.t1: nan at voxel x, y, z = 4, 3, 2; .*give every voxel with pd > 0 a value"),
        (MILLI, {"pd": np.nan}, r"maps\.pd: nan at voxel"),
        (MILLI, {"pd": -0.5}, r"maps\.pd: -0\.5 of water at voxel x, y, z = 4, 3, 2; plausible are 0 to 1\.5"),
        (MILLI, {"t2": np.inf}, r"maps\.t2: inf at voxel"),
    ],
)
def test_maps_in_another_unit_are_refused(tmp_path, factors, change, problem):
    with pytest.raises(InputError, match=problem) as refused:
        open_phantom(map_files(tmp_path, factors, change=change), 3.0)
    assert "own.toml" in str(refused.value)


def test_maps_say_their_unit(tmp_path):
    units = '[voxels.units]\nt1 = "s"\nt2 = "s"\npd = "%"\n'
    phantom = open_phantom(map_files(tmp_path, {"t1": 1.0, "t2": 1.0, "pd": 100.0}, units), 3.0)
    pool = phantom.tissues[0].pools(3.0)[0]
    assert (pool.t1, pool.t2, pool.pd) == pytest.approx((1.2, 0.08, 0.8), rel=1e-6)
    with pytest.raises(InputError, match=r"voxels\.units\.t1: '1 mT' is a magnetic field; expected a time"):
        open_phantom(map_files(tmp_path, MILLI, '[voxels.units]\nt1 = "mT"\n'), 3.0)
    with pytest.raises(InputError, match=r"voxels\.units\.t3: is none of t1"):
        open_phantom(map_files(tmp_path, MILLI, '[voxels.units]\nt3 = "s"\n'), 3.0)


def labelled(folder, factor=1.0, unit="mm", values=None, shift=0.0):
    affine = GRID.affine()
    affine[:3] *= 1e3 * factor
    affine[0, 3] += shift
    image = nibabel.Nifti1Image((HELD.astype(np.int16) if values is None else values).transpose(2, 1, 0), affine)
    image.header.set_xyzt_units(unit)
    nibabel.save(image, folder / "labels.nii.gz")
    path = folder / "own.toml"
    path.write_text('description = "labels"\n[voxels]\nlabels = "labels.nii.gz"\n[voxels.tissues]\n1 = "csf"\n')
    return str(path)


@pytest.mark.parametrize(
    ("factor", "unit", "shift", "problem"),
    [
        (1e3, "mm", 0.0, "affine: has voxels of 2 m; plausible are 5 um to 500 mm: correct the affine"),
        (1.0, "micron", 0.0, r"has voxels of 2 um; plausible are 5 um to 500 mm"),
        (1.0, "meter", 0.0, r"has voxels of 2 m"),
        (4.0, "micron", 0.0, r"has a longest side of 96 um; plausible are 1 mm to 3 m"),
        (1.0, "mm", 9e3, r"has its centre 9\S* m from the origin"),
    ],
)
def test_voxels_of_impossible_size_are_refused(tmp_path, factor, unit, shift, problem):
    with pytest.raises(InputError, match=problem) as refused:
        open_phantom(labelled(tmp_path, factor, unit, shift=shift), 3.0)
    assert "labels.nii.gz" in str(refused.value)


def test_affines_that_are_none_and_empty_labels_are_refused(tmp_path):
    path = labelled(tmp_path)
    raw = bytearray(gzip.decompress((tmp_path / "labels.nii.gz").read_bytes()))
    raw[280:296] = bytes(16)  # the first row of the sform
    raw[252:254] = bytes(2)  # no qform
    (tmp_path / "labels.nii.gz").write_bytes(gzip.compress(bytes(raw)))
    with pytest.raises(InputError, match="has voxels of 0 x"):
        open_phantom(path, 3.0)
    with pytest.raises(InputError, match=r"own\.toml: holds no voxel with a tissue"):
        open_phantom(labelled(tmp_path, values=np.zeros(GRID.shape, np.int16)), 3.0)
    with pytest.raises(InputError, match="values such as nan that are no labels"):
        open_phantom(labelled(tmp_path, values=np.where(HELD, 1.0, np.nan)), 3.0)


def test_spins_and_samples_in_another_unit_are_refused(tmp_path):
    z, y, x = np.nonzero(HELD)
    place = GRID.to_world(np.stack([GRID.coordinates(a)[i] for a, i in enumerate((x, y, z))], axis=1))
    ones = np.ones(len(place))
    values = {"pd": 0.8 * ones, "t1": 1.2 * ones, "t2": 0.08 * ones, "t2_star": 0.08 * ones, "offset": 0 * ones}
    cases = (
        (place * 1e3, values, "affine: has voxels of 2 m"),
        (place, values | {"t1": 1200 * ones}, r"t1: 1\.2e\+06 ms at voxel .* times are in s"),
        (place, values | {"offset": 1e6 * ones}, r"offset: 1e\+06 Hz"),
    )
    for position, columns, problem in cases:
        write_koma(tmp_path / "a.phantom", SpinTable(position=position, values=columns), "a")
        with pytest.raises(InputError, match=problem):
            open_phantom(str(tmp_path / "a.phantom"), 3.0)
    maps = {key: np.where(HELD, values[key][0], 0.0) for key in values}
    write_jemris(tmp_path / "a.h5", maps | {"pd": 100 * maps["pd"]}, GRID)
    with pytest.raises(InputError, match=r"a\.h5: pd: 80 of water"):
        open_phantom(str(tmp_path / "a.h5"), 3.0)
    write_koma(tmp_path / "b.phantom", SpinTable(position=place, values=values | {"t1": 1e6 * ones}), "b")
    assert open_phantom(str(tmp_path / "b.phantom"), 3.0).tissues[0].pools(3.0)[0].t1 == 1e6  # KomaMRI's "never"

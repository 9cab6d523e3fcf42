"""Aliasing is told of the regions on which something folds, and of no others; where is held against the engine."""

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from mrsim.core.grid import Grid
from mrsim.phantom.phantom_file import load_phantom
from mrsim.recon import reconstruct
from mrsim.sequence.discretize import discretize
from mrsim.sequence.protocol import load_protocol
from mrsim.sequence.scanner import load_scanner
from mrsim.simulate import Bloch, simulate
from mrsim.study.compared import aliased, folded

HEAD = """
description = "Two rods in the field of view and one that reaches out of it"
extruded = "z"
length = "50 mm"
[material.sample]
t1 = "500 ms"
t2 = "80 ms"
pd = "1"
[material.outer]
t1 = "500 ms"
t2 = "80 ms"
pd = "1"
"""
ROD = """
[shape.{name}]
kind = "ellipse"
tissue = "{tissue}"
centre = "{centre} mm"
semi_axes = "{size} {size} mm"
"""
RODS = (("hit", "sample", "-8 -17", 5), ("spared", "sample", "10 4", 5), ("far", "outer", "-8 24", 9))
FOV = {"fov": "48 48 mm", "matrix": "48 48", "orientation": "axial"}


@pytest.fixture
def rods(tmp_path):
    text = HEAD + "".join(ROD.format(name=n, tissue=t, centre=c, size=s) for n, t, c, s in RODS)
    (tmp_path / "rods.toml").write_text(text)
    return load_phantom(str(tmp_path / "rods.toml"), field=3.0)


def scan(**overrides):
    return load_protocol("disc-se", {**FOV, **overrides}).build(load_scanner("3T"))


def test_regions_on_which_something_folds_are_named(rods):
    sequence = scan()
    grid = sequence.encoding.grid
    masks = rods.rois(grid)
    assert aliased(sequence, rods, grid, masks) == ("hit", "far")
    assert aliased(scan(fov="96 96 mm"), rods, grid, masks) == ()
    assert aliased(scan(acceleration="2"), rods, grid, masks) == tuple(masks)  # spread over the image


def test_what_folds_is_where_the_engine_puts_it(rods):
    sequence = scan()
    inner = np.array([tissue.name == "sample" for tissue in rods.tissues])
    whole, part = (
        reconstruct(simulate(discretize(sequence), one, Bloch(), threads=1)).data for one in (rods, rods.part(inner))
    )
    apart = np.abs(whole - part)[0]
    grid = sequence.encoding.grid
    there = folded(rods, grid) | binary_dilation(rods.part(~inner).filled(grid), np.ones((1, 5, 5)))
    # the third voxel is two or more from the edge, which rings there by 4.9 % of its height in either direction
    assert apart[folded(rods, grid)].max() > 0.9 * np.abs(part).max()
    assert apart[~there].max() < 0.1 * apart.max()


@pytest.mark.parametrize(("ny", "nx"), [(8, 8), (7, 9)])
def test_folding_is_modulo_the_field_of_view(rods, ny, nx):
    """Every place of the object outside, on a fine grid, put where its coordinate modulo the field of view lies."""
    grid = Grid(shape=(1, ny, nx), spacing=(4e-3, 5e-3, 4e-3))
    fine = Grid(shape=(1, 400, 400), spacing=(2.5e-4, 2.5e-4, 4e-3))
    _, y, x = np.nonzero(rods.filled(fine))
    places = [fine.coordinates(axis)[index] for axis, index in ((0, x), (1, y))]
    index = [np.floor(at / grid.spacing[axis] + 0.5).astype(int) + n // 2 for axis, (at, n) in
             enumerate(zip(places, (nx, ny), strict=True))]  # fmt: skip
    out = (index[0] < 0) | (index[0] >= nx) | (index[1] < 0) | (index[1] >= ny)
    hit = np.zeros(grid.shape, int)
    np.add.at(hit, (0, index[1][out] % ny, index[0][out] % nx), 1)
    assert (hit > 0).sum() > 2
    assert folded(rods, grid)[hit > 0.6 * 16 * 20].all()

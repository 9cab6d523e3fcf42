"""The elastogram shows the slice that has most to tell, and says which one it is."""

import numpy as np
import pytest

from mrsim.core.grid import Grid
from mrsim.core.maps import Maps
from mrsim.core.wave import Waves
from mrsim.report.style import png
from mrsim.report.waves import elastogram

GRID = Grid(shape=(4, 8, 10), spacing=(2e-3, 2e-3, 2e-3))
STIFF = "shear_modulus_magnitude"
BOUNDARY = 16.0


def measured(usable):
    """Return waves in all voxels, maps with so many usable voxels per slice, and a truth known in fewer and fewer."""
    moved = 1e-6 * np.exp(1j * np.arange(np.prod(GRID.shape)).reshape(GRID.shape))
    waves = Waves(grid=GRID, frequencies=np.array([60.0]), displacement=np.stack([moved] * 3)[None])
    validity, true = np.full(GRID.shape, BOUNDARY), np.full(GRID.shape, np.nan)
    for index, count in enumerate(usable):
        validity[index].flat[:count] = 0.0
        true[index, : 8 - index] = 5e3
    stiff, status = np.full(GRID.shape, 4e3), np.zeros(GRID.shape, np.int8)
    found = {STIFF: stiff, "validity": validity}
    units = {STIFF: "Pa", "validity": ""}
    maps = Maps(grid=GRID, values=found, errors=dict.fromkeys(found, 0 * stiff), units=units, status=status)
    truth = Maps(grid=GRID, values={STIFF: true}, errors={STIFF: 0 * stiff}, units={STIFF: "Pa"}, status=status)
    return waves, maps, truth


@pytest.mark.parametrize(("usable", "shown"), [((0, 0, 7, 3), 2), ((0, 5, 5, 0), 1), ((0, 0, 0, 0), 0)])
def test_slice_with_most_usable_voxels_is_shown_and_named(usable, shown):
    """Of equals, and where no voxel is usable, the one in which most of the truth is known."""
    panels = elastogram(*measured(usable))
    assert panels.figure.get_suptitle() == f"slice {shown + 1} of 4: {usable[shown]} of 80 voxels usable"
    flags = next(axis for axis in panels if axis.get_title(loc="left").startswith("0 usable"))
    assert np.sum(flags.images[0].get_array() == 0) == usable[shown]
    assert png(panels.figure).startswith(b"\x89PNG")


def test_a_slice_that_is_asked_for_is_shown():
    assert elastogram(*measured((0, 0, 7, 3)), index=3).figure.get_suptitle().startswith("slice 4 of 4: 3 of 80")

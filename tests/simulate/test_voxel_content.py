"""What a class holds, as a core between functions along the axes: sums of products against sums over all cells."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mrsim.simulate.voxel_content import Content

CELLS = np.linspace(-1, 1, 24)
Z, Y, X = np.meshgrid(CELLS[:20], CELLS[:22], CELLS, indexing="ij")
SPHERE = (X**2 + Y**2 + Z**2 < 0.8).astype(np.complex128)
HEARD = np.stack([SPHERE * (1 + 0.3j * X + 0.2 * Y), SPHERE * np.exp(1j * Z)])
BOX = np.ones((1, 20, 22, 24), dtype=np.complex128)


@pytest.mark.parametrize("volume", [HEARD, BOX, SPHERE[None], 0 * BOX])
def test_sums_over_a_core_are_those_over_all_cells(volume: NDArray[np.complex128]) -> None:
    """Any functions along the axes, wound ones too: the same to roundings, through fewer numbers."""
    content = Content.of(volume)
    rng = np.random.default_rng(1)
    x, y, z = (rng.normal(size=(3, size)) + 1j * rng.normal(size=(3, size)) for size in (24, 22, 20))
    whole = np.einsum("czyx,x,py,pz->cp", volume, x[0], y, z)
    seen = [np.array([content.seen(axis, each) for each in several]) for axis, several in enumerate((x, y, z))]
    assert np.abs(content.sums(seen[0][0], seen[1], seen[2]) - whole).max() < 1e-8 * (np.abs(whole).max() + 1e-300)
    assert content.core.size <= volume.size


def test_an_even_box_is_one_product() -> None:
    """Nothing is left of the cells but their number."""
    assert Content.of(BOX).core.size == 1

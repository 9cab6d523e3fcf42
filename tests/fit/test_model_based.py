"""The model-based inversion against a disc in closed form, whose round border passes through voxels."""

import numpy as np
import pytest
from scipy.special import jv, jvp, yv, yvp

from mrsim.core.grid import Grid
from mrsim.core.wave import Waves, wavenumber
from mrsim.fit.fit import fit

SOFT, STIFF, FREQUENCY = 10e3 * np.exp(0.3j), 100e3 * np.exp(0.2j), 80.0
NUCLEUS, DISC, SIDE = 9e-3, 19e-3, 40e-3
"""Radii, and side of the image, m."""


def places(voxel, parts=1):
    """Return x and y of voxels, or of parts of them, m."""
    count = round(SIDE / voxel)
    axis = (np.add.outer(np.arange(count) - count // 2, (np.arange(parts) + 0.5) / parts - 0.5) * voxel).ravel()
    return np.meshgrid(axis, axis)


def disc(voxel):
    """Return waves of orders 0 to 2 in a disc around a nucleus, u and G du/dr continuous, 10 um each at the rim."""
    inner, outer = wavenumber(SOFT, FREQUENCY), wavenumber(STIFF, FREQUENCY)
    x, y = places(voxel)
    r, angle, u, at = np.hypot(x, y), np.arctan2(y, x), 0, outer * NUCLEUS
    for m in range(3):
        left = np.array(
            [
                [jv(m, inner * NUCLEUS), -jv(m, at), -yv(m, at)],
                [SOFT * inner * jvp(m, inner * NUCLEUS), -STIFF * outer * jvp(m, at), -STIFF * outer * yvp(m, at)],
                [0, jv(m, outer * DISC), yv(m, outer * DISC)],
            ]
        )
        a, b, c = np.linalg.solve(left, [0, 0, 1e-5])
        outside = np.maximum(r, NUCLEUS)
        around = b * jv(m, outer * outside) + c * yv(m, outer * outside)
        u = u + np.where(r < NUCLEUS, a * jv(m, inner * r), around) * np.cos(m * angle)
    mask = r < DISC - 2e-3
    return Waves(
        grid=Grid(shape=(1, *r.shape), spacing=(voxel, voxel, voxel)), frequencies=np.array([FREQUENCY]),
        displacement=np.where(mask, u, 0)[None, None, None], components=("z",), mask=mask[None], noisy=False,
    )  # fmt: skip


def shares(voxel, parts=20):
    """Return the share of each voxel that lies in the nucleus."""
    count = round(SIDE / voxel)
    return (np.hypot(*places(voxel, parts)) < NUCLEUS).reshape(count, parts, count, parts).mean(axis=(1, 3))


def errors(voxel, regions):
    """Return the relative errors of |G*| in the nucleus and around it."""
    size = fit(disc(voxel), "mre-model", regions=regions[None], probes=0).values["shear_modulus_magnitude"][0]
    middle = len(size) // 2
    return np.abs([size[middle, middle] / abs(SOFT) - 1, size[middle, middle + round(14e-3 / voxel)] / abs(STIFF) - 1])


@pytest.mark.parametrize(("voxel", "most"), [(2e-3, (0.02, 0.06)), (1e-3, (0.015, 0.03))])
def test_borders_drawn_within_voxels_misread_a_disc_half_as_much_as_stairs(voxel, most):
    # 9 and 18 voxels across the nucleus, second differences overrate the wave in it by 0.8 and 0.2 %
    drawn = errors(voxel, 2 - shares(voxel))
    stairs = errors(voxel, np.round(2 - shares(voxel)))
    assert (drawn < most).all()
    assert (stairs > 1.8 * drawn).all()


def test_numbers_of_regions_do_not_matter():
    inside = shares(2e-3) > 0.5
    one, other = (errors(2e-3, np.where(inside, *numbers)) for numbers in ((1.0, 2.0), (2.0, 5.0)))
    assert one == pytest.approx(other, abs=1e-9)

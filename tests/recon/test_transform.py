"""The centred transform against the sum that defines it, for even and odd lengths."""

import numpy as np
import pytest

from mrsim.recon.common_phase import interpolated
from mrsim.recon.kspace import to_image, to_kspace

from .scans import axis, loop_fields


def centred(n):
    """(n, n) orthonormal exp(+i 2 pi k x / n), both from -(n // 2)."""
    index = np.arange(n) - n // 2
    return np.exp(2j * np.pi * np.outer(index, index) / n) / np.sqrt(n)


@pytest.mark.parametrize("shape", [(3, 6, 10, 8), (2, 4, 7, 12), (2, 5, 9, 3), (1, 2, 2, 6)])
@pytest.mark.parametrize("axes", [(-1,), (-2, -1), (-3, -2, -1)])
def test_transform_is_the_sum_about_the_middle(shape, axes):
    draw = np.random.default_rng(1)
    kspace = draw.normal(size=shape) + 1j * draw.normal(size=shape)
    image = kspace
    for over in axes:
        image = np.moveaxis(np.tensordot(centred(shape[over]), image, axes=(1, over)), 0, over)
    kept = kspace.copy()
    np.testing.assert_allclose(to_image(kspace, axes), image, atol=1e-13)
    np.testing.assert_array_equal(kspace, kept)
    np.testing.assert_allclose(to_kspace(image, axes), kspace, atol=1e-13)
    np.testing.assert_allclose(to_image(kspace.real, axes), to_image(kspace.real + 0j, axes), atol=0)
    np.testing.assert_allclose(to_image(kspace, axes, overwrite=True), image, atol=1e-13)


def test_interpolated_coil_maps_do_not_depend_on_the_phase_that_the_coils_have_in_common():
    draw = np.random.default_rng(2)
    maps = loop_fields(8, *np.meshgrid(axis(12), axis(12), indexing="ij"))
    turned = maps * np.exp(2j * np.pi * draw.random(maps.shape[1:]))

    def projector(values):
        fine = interpolated(values, [31, 40])
        return np.einsum("ayx,byx->abyx", fine, fine.conj())

    np.testing.assert_allclose(projector(turned), projector(maps), atol=1e-12)
    # no voxel darkens: loops vary slowly, so that what lies between two voxels is as large as they are
    size = np.sqrt(np.sum(np.abs(maps) ** 2, axis=0)).min()
    assert np.sqrt(np.einsum("aayx->yx", projector(turned)).real).min() > 0.9 * size


def test_nothing_transforms_to_nothing():
    for transform in (to_image, to_kspace):
        found = transform(np.zeros((2, 3, 4)), (-2, -1))
        assert found.dtype == np.complex128
        assert found.shape == (2, 3, 4)
        assert not found.any()

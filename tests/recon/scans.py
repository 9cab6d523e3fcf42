"""Raw data of many coils from outside the reconstruction: loops by Biot and Savart, objects on a finer raster."""

from functools import cache

import numpy as np

from mrsim.core.acquisition import Acquisition, Encoding, Readouts
from mrsim.core.grid import Grid

FOV = 0.2
FINE = 3
"""Object and coils live on a raster this much finer than the voxels, so that truncation is in the data."""


def loop_fields(count, y, x, distance=0.14, radius=0.06, segments=48, z=0.0):
    """(coil, ...) B1x - i B1y at (z, y, x), m, of loops on a cylinder around z, by Biot and Savart; largest value 1."""
    place = np.stack(np.broadcast_arrays(x, y, z), axis=-1).astype(float)
    fields = []
    for angle in 2 * np.pi * np.arange(count) / count:
        out = np.array([np.cos(angle), np.sin(angle), 0.0])
        side, up = np.array([-np.sin(angle), np.cos(angle), 0.0]), np.array([0.0, 0.0, 1.0])
        turn = 2 * np.pi * (np.arange(segments) + 0.5) / segments
        wire = distance * out + radius * (np.cos(turn)[:, None] * side + np.sin(turn)[:, None] * up)
        along = -np.sin(turn)[:, None] * side + np.cos(turn)[:, None] * up
        field = np.zeros(place.shape)
        for point, step in zip(wire, along, strict=True):
            away = place - point
            field += np.cross(step, away) / np.linalg.norm(away, axis=-1, keepdims=True) ** 3
        fields.append(field[..., 0] - 1j * field[..., 1])
    fields = np.array(fields)
    return fields / np.abs(fields).max()


def axis(n, fine=1):
    """Centres of n * fine parts of the field of view, m; the middle part of voxel n // 2 is at zero."""
    return (np.arange(n * fine) - n * fine // 2) * FOV / (n * fine)


def disc(n, fine=1, detail=True):
    """(y, x) object: an ellipse with a few ellipses inside."""
    y, x = np.meshgrid(axis(n, fine), axis(n, fine), indexing="ij")
    image = 1.0 * ((x / 0.075) ** 2 + (y / 0.085) ** 2 < 1)
    for cx, cy, a, b, value in (
        (0.02, 0.03, 0.02, 0.012, 0.6),
        (-0.03, -0.02, 0.015, 0.03, -0.5),
        (0.03, -0.04, 0.006, 0.006, 0.8),
    ):
        if detail:
            image += value * (((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 < 1)
    return image


def kspace(image, n):
    """(coil, y, x) samples, voxel values where the object is smooth, of (coil, fine y, fine x) images."""
    size = image.shape[-1]
    full = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(image, axes=(-2, -1))), axes=(-2, -1)) / size**2 * n
    low = size // 2 - n // 2
    return full[..., low : low + n, low : low + n]


@cache
def scan(n=64, coils=8, fine=FINE):
    """One slice: (coil, y, x) k-space and the (coil, y, x) sensitivities at the voxel centres."""
    y, x = np.meshgrid(axis(n, fine), axis(n, fine), indexing="ij")
    sensitivity = loop_fields(coils, y, x)
    yc, xc = np.meshgrid(axis(n), axis(n), indexing="ij")
    made = kspace(sensitivity * disc(n, fine), n), loop_fields(coils, yc, xc)
    for shared in made:
        shared.flags.writeable = False
    return made


def covariance(coils, rng=5, correlation=0.3):
    """A Hermitian covariance with unequal, correlated channels."""
    r = np.random.default_rng(rng)
    mixing = np.eye(coils) + correlation * (r.standard_normal((coils, coils)) + 1j * r.standard_normal((coils, coils)))
    return mixing @ mixing.conj().T / coils


def acquisition(data, mask=None, middle=0, psi=None, kind="2d", calibration=None, te=None):
    """An Acquisition of (contrast, coil, z, y, x) k-space, orthonormal and in voxel units.

    mask: (z, y) or (contrast, z, y) lines acquired; middle: calibration lines around the middle in a group of their
    own, from `calibration` (coil, z, y, x) or the data.
    """
    contrasts, coils, nz, ny, nx = data.shape
    grid = Grid(shape=(nz, ny, nx), spacing=(FOV / nx, FOV / ny, 5e-3))
    scale = np.sqrt((nz if kind == "3d" else 1) * ny * nx) * grid.voxel_volume
    mask = np.ones((nz, ny), bool) if mask is None else mask
    mask = np.broadcast_to(mask, (contrasts, nz, ny))
    groups = {"imaging": readouts(data * scale, np.argwhere(mask), kind)}
    if middle:
        source = data[:1] if calibration is None else calibration[None]
        there = np.zeros((1, source.shape[2], ny), bool)
        there[:, :, ny // 2 - middle // 2 : ny // 2 + middle // 2] = True
        if kind == "3d":
            keep = np.abs(np.arange(nz) - nz // 2) <= middle // 2
            there &= keep[None, :, None]
        groups["calibration"] = readouts(source * scale, np.argwhere(there), kind)
    dwell = 1e-5
    psi = np.eye(coils) * 1e-4 if psi is None else psi
    encoding = Encoding(
        grid=grid, frequency=128e6, dwell=dwell, kind=kind,
        contrast={"te": np.arange(1, contrasts + 1) * 0.01 if te is None else te},
    )  # fmt: skip
    density = np.asarray(psi * dwell * scale**2, dtype=np.complex128)
    return Acquisition(groups=groups, encoding=encoding, noise_density=density, history={"engine": "test"})


def readouts(data, where, kind):
    c, z, y = where.T
    samples = data[c, :, z, y]
    shape = (len(where), data.shape[-1])
    labels = {"contrast": c, "partition" if kind == "3d" else "slice": z, "line": y}
    return Readouts(data=samples, k=np.zeros((*shape, 3)), t=np.zeros(shape), labels=labels)


def noisy(raw, rng):
    """The same scan with noise of its own covariance."""
    from dataclasses import replace

    r = np.random.default_rng(rng)
    lower = np.linalg.cholesky(raw.noise_density / raw.encoding.dwell)
    group = raw.imaging
    draw = r.standard_normal((2, *group.data.shape))
    noise = np.einsum("ij,rjs->ris", lower, draw[0] + 1j * draw[1])
    return replace(raw, groups={**raw.groups, "imaging": replace(group, data=group.data + noise)}, noisy=True)


def nrmse(found, truth, where=...):
    return np.linalg.norm((found - truth)[where]) / np.linalg.norm(truth[where])

"""Echo-planar raw data by exact summation over points on the played k and t: no engine, no Fourier transform."""

import numpy as np

from mrsim.core.acquisition import Acquisition, Readouts
from mrsim.sequence.discretize import discretize
from mrsim.sequence.families.gradient_echo_epi import GradientEchoEpi
from mrsim.sequence.scanner import Scanner

N, FOV = 48, 0.192


def sequence(**change):
    plain = {"fov": (FOV, FOV), "matrix": (N, N), "te": "minimum", "tr": "minimum", "orientation": "axial"}
    return GradientEchoEpi(**(plain | change)).build(Scanner.preset("3T"))


def points(weight, fine=2):
    """(x, y, weight) of the function of x and y on a raster `fine` times finer than the voxels."""
    step = FOV / N / fine
    line = (np.arange(-N * fine // 2, N * fine // 2) + 0.5) * step
    x, y = (axis.ravel() for axis in np.meshgrid(line, line))
    value = weight(x, y)
    kept = np.abs(value) > 1e-6 * np.abs(value).max()
    return x[kept], y[kept], value[kept] / fine**2


def blob(width=5.0, centre=(0.0, 0.0)):
    """A Gaussian, `width` voxels of standard deviation: nothing to truncate."""
    size = width * FOV / N
    return lambda x, y: np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * size**2))


def one_by_one(x, y, heard, field):
    """(kx, ky, t) -> (coil, sample) sum over points."""

    def summed(kx, ky, t):
        return heard @ np.exp(-2j * np.pi * (np.outer(x, kx) + np.outer(y, ky) + np.outer(field, t)))

    return summed


def on_lattice(x, y, heard, field):
    """The same for points on a lattice that precess alike: exp(-i 2 pi (x kx + y ky)) is a product."""
    (xs, i), (ys, j) = np.unique(x, return_inverse=True), np.unique(y, return_inverse=True)
    table = np.zeros((len(heard), len(ys), len(xs)), dtype=complex)
    table[:, j, i] = heard

    def summed(kx, ky, t):
        along_x, along_y = np.exp(-2j * np.pi * np.outer(kx, xs)), np.exp(-2j * np.pi * np.outer(ky, ys))
        return np.sum((along_y @ table) * along_x, axis=2) * np.exp(-2j * np.pi * field * t)

    return summed


def acquired(built, weight, *, offset=None, lag=0.0, turn=0.0, decay=np.inf, coils=None):
    """Raw data of a sequence: points that precess at offset(x, y) Hz, read `lag` s after the gradients.

    turn: phase of backward lines, rad; decay: T2*, s, from the echo time on; coils: functions of (x, y).
    """
    timeline = discretize(built)
    table = timeline.readouts
    x, y, value = weight if isinstance(weight, tuple) else points(weight)
    field = np.zeros_like(x) if offset is None else np.broadcast_to(offset(x, y), x.shape)
    heard = value[None] * (np.ones((1, len(x))) if coils is None else np.array([c(x, y) for c in coils]))
    summed = on_lattice(x, y, heard, float(field[0])) if np.ptp(field) == 0 else one_by_one(x, y, heard, field)
    purposes, groups = np.array(table.purpose), {}
    te = built.encoding.contrast["te"][0]
    data = {}
    for row in range(len(purposes)):
        count = table.samples[row]
        k, t = table.k[row, :count], table.t[row, :count]
        kx = k[:, 0] - lag * np.gradient(k[:, 0], t)
        signal = summed(kx, k[:, 1], t) * np.exp(-(t - te) / decay)
        data[row] = signal * np.exp(1j * turn * table.labels["reverse"][row])
    grid = built.encoding.grid
    for purpose in dict.fromkeys(table.purpose):
        rows = np.flatnonzero(purposes == purpose)
        groups[purpose] = Readouts(
            data=np.array([data[r] for r in rows]) * grid.voxel_volume, k=table.k[rows], t=table.t[rows],
            labels={name: v[rows] for name, v in table.labels.items()}, dwell=float(table.dwell[rows[0]]),
        )  # fmt: skip
    density = np.eye(len(heard), dtype=complex) * timeline.noise_density
    return Acquisition(groups=groups, encoding=built.encoding, noise_density=density)


def truth(weight):
    """(y, x) values at the voxel centres."""
    line = (np.arange(N) - N // 2) * FOV / N
    return weight(*np.meshgrid(line, line))

"""The sum over a plane of cells at any in-plane moment, by a non-uniform fast Fourier transform.

    F(k) = sum_xy rho(x, y) exp(-i 2 pi (k_x x + k_y y))

Cells lie on a regular grid, so finufft turns the sums at all moments of a scan into one fast Fourier transform and a
few neighbours per moment, where sums cell by cell take as many products as there are cells. Its error is measured at
some moments against those sums, over the sum of |rho|. Barnett, Magland and af Klinteberg, SIAM J Sci Comput
41:C479 (2019). finufft is imported on first use.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .classes import TissueClass
from .plane import Plane, Windows
from .slice_reuse import Response

ACCURACY = 1e-9
"""Wanted of the transforms."""
JUDGED = 8
"""Moments at which the error is measured."""
HELD = 1 << 26
"""Largest sums that are held for the classes that lie alike, bytes."""


class PlaneSums:
    """The sums of one plane at fixed moments, and at those moments less multiples of another one.

    Parameters
    ----------
    plane : Plane
        (..., ny, nx) density.
    moment : (..., 2) array
        1/m.
    base : (2,) array
        1/m; what the multiples are of.
    resolved : bool
        True takes what winds by more than half a turn from cell to cell as dephased within the cells. It would alias:
        a moment of a whole turn from cell to cell leaves points at the cells' middles in phase.
    """

    def __init__(
        self, plane: Plane, moment: NDArray[np.float64], base: NDArray[np.float64], resolved: bool = False
    ) -> None:
        self.plane, self.moment, self.base, self.resolved = plane, moment, base, resolved
        self.error = 0.0
        """Largest error seen, over the sum of |density|."""
        self._held: dict[int, NDArray[np.complex128]] = {}

    def of(self, order: int) -> NDArray[np.complex128]:
        """Return the sums at the moments less `order` times the base; of the density's and the moments' shapes."""
        if order in self._held:
            return self._held[order]
        sums = self._transformed(self.moment.reshape(-1, 2) - order * self.base)
        sums = sums.reshape(*self.plane.density.shape[:-2], *self.moment.shape[:-1])
        if (len(self._held) + 1) * sums.nbytes <= HELD:
            self._held[order] = sums
        return sums

    def _transformed(self, moment: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Return the (column, moment) sums at (moment, 2) moments, 1/m, of every column of the density."""
        import finufft

        plane = self.plane
        ny, nx = plane.density.shape[-2:]
        columns = plane.density.reshape(-1, ny, nx)
        # the transform counts cells from the middle one
        middle = np.array([plane.x[nx // 2], plane.y[ny // 2]])
        turns = moment * [_step(plane.x), _step(plane.y)]
        angle = 2 * np.pi * (turns - np.rint(turns))
        found = finufft.nufft2d2(
            np.ascontiguousarray(angle[:, 1]),
            np.ascontiguousarray(angle[:, 0]),
            np.ascontiguousarray(columns, dtype=np.complex128),
            eps=ACCURACY,
            isign=-1,
            nthreads=1,
        )
        turned = np.asarray(found, dtype=np.complex128).reshape(len(columns), -1)
        sums: NDArray[np.complex128] = turned * np.exp(-2j * np.pi * moment @ middle)
        self._judge(columns, moment, sums)
        if self.resolved:
            sums[:, np.any(np.abs(turns) > 0.5, axis=1)] = 0
        return sums

    def _judge(self, columns: NDArray[np.number], moment: NDArray[np.float64], sums: NDArray[np.complex128]) -> None:
        """Compare some of the sums with what the cells add up to one by one."""
        some = np.linspace(0, len(moment) - 1, min(JUDGED, len(moment)), dtype=np.int64)
        across, along = (
            np.exp(-2j * np.pi * np.outer(moment[some, axis], place))
            for axis, place in ((1, self.plane.y), (0, self.plane.x))
        )
        exact = np.einsum("my,cyx,mx->cm", across, columns, along, optimize=True)
        whole = np.abs(columns).sum(axis=(1, 2))
        off = np.abs(exact - sums[:, some]).max(axis=1)
        self.error = max(self.error, float((off[whole > 0] / whole[whole > 0]).max(initial=0.0)))


def _step(place: NDArray[np.float64]) -> float:
    return float(place[1] - place[0]) if len(place) > 1 else 0.0


def summed_signal(windows: Windows, sums: PlaneSums, response: Response, kind: TissueClass) -> NDArray[np.complex128]:
    """Return the (readout, coil, sample) signal of one class, m^3, for any in-plane gradients.

    sums : of the (coil, layer, ny, nx) density at the windows' (path, sample) moments.
    """
    table = windows.table
    # readouts that take the same path with the same response are equal in every repetition
    rows, count = response.row[windows.rows], len(response.coefficients)
    both, alike = np.unique(windows.path * count + rows, return_inverse=True)
    path, row = np.divmod(both, count)
    signal = np.zeros((len(path), sums.plane.density.shape[0], table.moment.shape[1]), dtype=np.complex128)
    coefficients = response.coefficients[row]  # (readout, layer, order)
    largest = np.abs(coefficients).sum(axis=1).max(axis=0)
    faint = np.sort(largest).cumsum() <= ACCURACY
    least = np.sort(largest)[faint.sum()] if not faint.all() else np.inf
    for index in np.flatnonzero(largest >= least):
        along = sums.of(int(response.orders[index]))[:, :, path]
        signal += np.einsum("rl,clrs->rcs", coefficients[:, :, index], along)
    time = (np.arange(table.moment.shape[1]) + 0.5) * float(table.dwell[0])
    return np.asarray((kind.pd * signal * np.exp(-(kind.r2 + 2j * np.pi * kind.offset) * time))[alike])

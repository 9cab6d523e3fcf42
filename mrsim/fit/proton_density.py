"""Proton density from M0: the smooth receive field is told from the tissue by what T1 says of its water.

M0 is proton density times the sensitivity of the receive coils. Water content and T1 of one organ go together, because
water at the surface of macromolecules relaxes both (Fatouros 1991):

    1 / PD = 1 + b (1 / T1 - 1 / T1_water),

with PD = 1 for free water. The logarithm of the receive field is a polynomial over the image, of a degree that leaves
tissue borders alone; its coefficients and b are found together from the voxels that have both, by least squares with
weights that take away voxels that do not follow, such as fat (Volz 2012). Where PD has nothing to do with T1 the field
takes up what the relation cannot explain: the residual spread says how far that goes.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.grid import Grid
from ..core.maps import VALUED, Maps

Array = NDArray[np.float64]
FREE_WATER_T1 = 4.3
"""T1 of water that nothing binds, at body temperature, s."""
ROUNDS, FIRST = 80, 20
"""Rounds at most, and those of least absolute residuals, which outliers do not lead astray."""
STILL = 1e-10
TUKEY = 4.685
"""Residuals, in robust standard deviations, beyond which a voxel counts no more."""
SPREAD = 1.4826
"""Standard deviation of normal numbers over their median absolute deviation."""
FEWEST = 5
"""Voxels per coefficient that it takes."""


def proton_density(
    maps: Maps, *, degree: int = 3, water_t1: float = FREE_WATER_T1, mask: NDArray[np.bool_] | None = None
) -> Maps:
    """Return maps of proton density and receive field.

    Parameters
    ----------
    maps : Maps
        With ``t1`` (s) and ``m0`` or ``pd``, weighted by nothing but the receive field: corrected for T2 decay and B1.
    degree : int
        Highest total power of the polynomial; 0 finds a constant alone.
    water_t1 : float
        T1 of free water, whose density is 1, s.
    mask : (z, y, x) array of bool, optional
        Voxels from which the field is found; all that have values by default. The maps cover all voxels.

    Returns
    -------
    Maps
        ``pd`` and ``receive`` (relative to free water = 1), with the errors of M0, and in `history` the slope b and
        the residual spread of ln M0.
    """
    name = next((n for n in ("m0", "pd") if n in maps.values), None)
    if name is None or "t1" not in maps.values:
        raise InputError(f"the maps of '{maps.model}' have no t1 with m0 or pd: fit a model that finds them")
    if degree < 0:
        raise InputError(f"is {degree}; it must be zero or more", key="degree")
    m0, t1 = maps.values[name], maps.values["t1"]
    with np.errstate(invalid="ignore"):
        known = np.isin(maps.status, VALUED) & (m0 > 0) & (t1 > 0)
    used = known if mask is None else known & mask
    basis = _polynomials(maps.grid, degree)
    if used.sum() < FEWEST * (len(basis) + 1):
        raise InputError(f"{used.sum()} voxels with values are too few for a field of degree {degree}", key="degree")
    excess = 1 / t1[used] - 1 / water_t1
    found, slope, spread, share = _fitted(np.log(m0[used]), excess, basis[:, used].T)
    receive = np.exp(np.tensordot(found, basis, 1))
    with np.errstate(invalid="ignore"):
        pd = np.where(known, m0 / receive, np.nan)
        error = np.where(known, maps.errors[name] / receive, np.nan)
    return replace(
        maps, values={"pd": pd, "receive": receive}, errors={"pd": error, "receive": np.full(pd.shape, np.nan)},
        units={"pd": "", "receive": ""}, model="receive-bias", chi2=None,
        history={**maps.history, "slope": slope, "residual_spread": spread, "voxels_used": share},
    )  # fmt: skip


def _polynomials(grid: Grid, degree: int) -> Array:
    """Return (term, z, y, x) products of Legendre polynomials over the image, of total degree up to `degree`."""
    axes = [np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in grid.shape]
    one = [[np.polynomial.legendre.Legendre.basis(k)(x) for k in range(degree + 1)] for x in axes]
    orders = [
        o for o in product(range(degree + 1), repeat=3)
        if sum(o) <= degree and all(k == 0 or n > k for k, n in zip(o, grid.shape, strict=True))
    ]  # fmt: skip
    return np.stack([np.einsum("z,y,x->zyx", *(one[axis][k] for axis, k in enumerate(o))) for o in orders])


def _fitted(log_m0: Array, excess: Array, basis: Array) -> tuple[Array, float, float, float]:
    """Return coefficients, slope, residual spread and the share of voxels that count.

    ln M0 = basis p - ln(1 + b x): Gauss-Newton steps in p and b, with Tukey's weights of the last residuals.
    """
    slope, weight = 0.3, np.ones(len(log_m0))
    least, spread = -0.5 / max(float(excess.max()), 1e-9), 0.0  # keeps the logarithm's argument positive
    for done in range(ROUNDS):
        bent = 1 + slope * excess
        design = np.column_stack([basis, -excess / bent])
        wanted = log_m0 + np.log(bent) - slope * excess / bent
        root = np.sqrt(weight)
        found = np.linalg.lstsq(design * root[:, None], wanted * root, rcond=None)[0]
        change, slope = abs(found[-1] - slope), max(float(found[-1]), least)
        rest = log_m0 - basis @ found[:-1] + np.log(1 + slope * excess)
        spread = SPREAD * float(np.median(np.abs(rest)))
        scale = max(TUKEY * spread, 1e-12)
        if done < FIRST:
            weight = 1 / np.maximum(np.abs(rest), 1e-2 * scale)
            continue
        weight = np.clip(1 - (rest / scale) ** 2, 0.0, None) ** 2
        if change < STILL * max(abs(slope), 1.0):
            break
    return found[:-1], slope, spread, float(np.mean(weight > 0))

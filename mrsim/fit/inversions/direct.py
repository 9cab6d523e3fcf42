"""Direct inversions: the wave equation G* laplacian(u) = -rho omega^2 u solved for G*, voxel by voxel or in windows.

``mre-direct`` is the local least-squares solution over a window, all components and frequencies (Oliphant 2001,
Magnetic Resonance in Medicine 45:299):

    G* = - sum rho omega^2 conj(L) u / sum |L|^2,   L = laplacian of u.

``mre-mdev`` is multifrequency dual elasto-visco inversion (Hirsch 2014, doi:10.1002/mrm.24674), as the open
ports of the BIOQIC server code it:

    |G*| = sum rho omega^2 |u| / sum |L|,   phi = acos(-sum (Re u Re L + Im u Im L) / sum |u| |L|),

sums over frequencies and components, with the Laplacian in the plane of the image. Both leave the gradient of the
pressure out; with `curl` they invert the curl of u, which has none (Sinkus 2005, Magnetic Resonance in Medicine
53:372). Both take the modulus as locally constant, the same at all frequencies, and noise, which adds power to L but
not to its product with u, biases both downwards: with a signal-to-noise ratio s of L by the factor 1 / (1 + 1 / s^2),
or about sqrt of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ...core.wave_filters import butterworth, filtered, gaussian
from ..inversion import (
    CORRECT,
    CURL,
    IN_PLANE,
    MODULI,
    PROBES,
    SMOOTHING,
    VALIDITY,
    WINDOW,
    Complex,
    Field,
    Inversion,
    local_support,
)
from ..model import Option
from ..wave_derivatives import second_differences, whole, window_sum

LOW_PASS = Option(
    name="low_pass", default=0.0, unit="1/m", symbol="f_c", lower=0.0, upper=1e5,
    description="spatial frequency at which a first-order Butterworth filter leaves half; 0: no filter",
)  # fmt: skip
HIGH_PASS = Option(
    name="high_pass", default=0.0, unit="1/m", symbol="f_h", lower=0.0, upper=1e5,
    description="spatial frequency in the plane at which a first-order Butterworth filter leaves half of what varies "
    "faster, less of what varies slowly, as pressure does; 0: no filter",
)  # fmt: skip


def direct(field: Field) -> Complex:
    """Return G* by local least squares, Pa."""
    u, curvature, valid = _prepared(field)
    force = field.density * field.omega[:, None, None, None, None] ** 2 * u
    above = window_sum(np.sum(np.conj(curvature) * force, axis=(0, 1)), valid, field)
    below = window_sum(np.sum(np.abs(curvature) ** 2, axis=(0, 1)), valid, field)
    return np.asarray(_ratio(-above, below, field))


def mdev(field: Field) -> Complex:
    """Return G* by the sums of magnitudes of multifrequency dual elasto-visco inversion, Pa."""
    u, curvature, valid = _prepared(field)
    force = field.density * field.omega[:, None, None, None, None] ** 2 * np.abs(u)
    steep = np.abs(curvature)
    size = _ratio(
        window_sum(np.sum(force, axis=(0, 1)), valid, field),
        window_sum(np.sum(steep, axis=(0, 1)), valid, field),
        field,
    )
    along = window_sum(np.sum((u * np.conj(curvature)).real, axis=(0, 1)), valid, field)
    cosine = _ratio(-along, window_sum(np.sum(np.abs(u) * steep, axis=(0, 1)), valid, field), field)
    return np.asarray(size * np.exp(1j * np.arccos(np.clip(cosine, -1, 1))))  # |cosine| <= 1 but for round-off


def _prepared(field: Field) -> tuple[Complex, Complex, Any]:
    """Return smoothed displacements, their Laplacians (corrected where asked), and where they are whole."""
    u = field.u
    if float(field.options.get("low_pass", 0.0)) > 0:
        u = filtered(u, butterworth(u.shape[-3:], field.spacing, float(field.options["low_pass"]), 1)) * field.mask
    if float(field.options["high_pass"]) > 0:
        u = filtered(u, butterworth(u.shape[-3:], field.spacing, float(field.options["high_pass"]), 1, "high"))
        u = u * field.mask
    field = field.with_displacement(gaussian(u, field.mask, float(field.options["smoothing"])))
    parts, valid = second_differences(field), whole(field.mask, field.axes)
    factor = _correction(field, parts, valid) if float(field.options["correct"]) > 0 else 1.0
    return field.u, np.asarray(parts.sum(axis=0) * factor), valid


def _correction(field: Field, parts: Complex, valid: Any) -> Complex:
    """Return by what to multiply Laplacians so that the factor of second differences cancels.

    Along each axis kappa^2 = -(second difference of u) / u, in the least-squares sense over the window, is
    (2 - 2 cos k h) / h^2; solved for k. Exact for one plane wave, right to second order of k h for others.
    """
    power = np.where(valid, np.abs(field.u) ** 2, 0).sum(axis=1)
    weight = window_sum(power, valid, field)[:, None]
    total_k: Any = 0.0
    total_kappa: Any = 0.0
    for axis, part in zip(field.axes, parts, strict=True):
        product = window_sum((np.conj(field.u) * part).sum(axis=1), valid, field)[:, None]
        h = field.spacing[axis]
        with np.errstate(divide="ignore", invalid="ignore"):
            kappa = np.where(weight > 0, -product / weight, 0)
        total_kappa = total_kappa + kappa
        total_k = total_k + (2 / h * np.arcsin(np.sqrt(kappa + 0j) * h / 2)) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(np.abs(total_kappa) > 0, total_k / total_kappa, 1.0))


def _ratio(above: Any, below: Any, field: Field) -> Any:
    """Return above / below in the mask, NaN elsewhere and where nothing was summed."""
    known = field.mask & (np.abs(below) > 0)
    return np.where(known, above / np.where(known, below, 1), np.nan)


def dispersion(k: Complex, spacing: tuple[float, ...], options: Mapping[str, Any]) -> complex:
    """Return the modulus that second differences find over the true one, for a plane wave exp(-i k . r)."""
    if float(options.get("correct", 0.0)) > 0:
        return 1.0
    kappa = sum((2 - 2 * np.cos(k * h)) / h**2 for k, h in zip(k, spacing, strict=True))
    return complex(np.sum(np.asarray(k) ** 2) / kappa)


def mdev_dispersion(k: Complex, spacing: tuple[float, ...], options: Mapping[str, Any]) -> complex:
    """Return the same for the multifrequency sums, of one frequency, in the plane of the image."""
    if float(options.get("in_plane", 1.0)) > 0:
        total = np.sum(np.asarray(k) ** 2)
        kappa = sum((2 - 2 * np.cos(k * h)) / h**2 for k, h in zip(k[1:], spacing[1:], strict=True))
        if float(options.get("correct", 0.0)) > 0:
            kappa = np.sum(np.asarray(k[1:]) ** 2)
        return complex(total / kappa)
    return dispersion(k, spacing, options)


DIRECT = Inversion(
    name="mre-direct",
    title="direct inversion of waves, local least squares over components and frequencies",
    reference="Oliphant 2001, Magnetic Resonance in Medicine 45:299",
    parameters=MODULI,
    derived=VALIDITY,
    contrast=(),
    options=(WINDOW, SMOOTHING, LOW_PASS, HIGH_PASS, IN_PLANE, CORRECT, CURL, PROBES),
    data="complex",
    formula=r"G^* = -\frac{\sum \rho \omega^2 \overline{\nabla^2 u}\, u}{\sum |\nabla^2 u|^2}",
    solve=direct,
    order=2,
    support=local_support,
    dispersion=dispersion,
)
MDEV_OPTIONS = (
    replace(WINDOW, default=0.0),
    replace(SMOOTHING, default=0.65),
    replace(LOW_PASS, default=100.0),
    HIGH_PASS,
    replace(IN_PLANE, default=1.0),
    CORRECT,
    CURL,
    PROBES,
)
MDEV = Inversion(
    name="mre-mdev",
    title="multifrequency dual elasto-visco inversion of waves (MDEV)",
    reference="Hirsch 2014, doi:10.1002/mrm.24674",
    parameters=MODULI,
    derived=VALIDITY,
    contrast=(),
    options=MDEV_OPTIONS,
    data="complex",
    formula=r"|G^*| = \frac{\sum \rho \omega^2 |u|}{\sum |\nabla^2 u|},\quad "
    r"\varphi = \arccos\frac{-\sum \mathrm{Re}(u\, \overline{\nabla^2 u})}{\sum |u| |\nabla^2 u|}",
    solve=mdev,
    order=2,
    support=local_support,
    dispersion=mdev_dispersion,
)

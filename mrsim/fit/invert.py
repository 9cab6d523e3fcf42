"""Fit of waves: an inversion's moduli as maps, with standard errors and with what speaks against them.

Standard errors: fields of noise n with the waves' sigma are sent through the linearised inversion,
(G(u + e n) - G(u)) / e for a small e. Their root mean square over `probes` fields is the standard error, itself good
to 1 in sqrt(2 probes).
They are of first order: where `derivative_snr` is below about 3, bias and scatter are not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.maps import STATUS, Maps
from ..core.wave import Waves
from ..core.wave_filters import curl
from .given import given_values
from .inversion import Array, Complex, Field, Inversion, moduli
from .validity import REASONS, judged, usefulness
from .wave_derivatives import whole

SMALL = 1e-4
"""Size of a probe over the noise: small enough for the first order, large enough for round-off."""
SEED = 20_251
"""Of the probes: the same maps always have the same errors."""
OUTSIDE, NOT_GIVEN, SINGULAR, NO_SIGNAL, NOT_FINITE = 6, 8, 5, 1, 4
ASSUMES_ANGLE = ("mre-lfe", "mre-principal-frequency")


def invert(
    waves: Waves,
    method: Inversion,
    *,
    mask: NDArray[np.bool_] | None = None,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> Maps:
    """Return the maps of an inversion.

    Parameters
    ----------
    waves : Waves
    method : Inversion
    mask : (z, y, x) array of bool, optional
        Voxels to use, within those that hold a wave; all of those by default.
    progress : callable, optional
        Called with (done, in all).
    **options : float, array or Maps
        The inversion's options, SI units.
    """
    settings = given_values(method, options, waves)
    inside = _inside(waves, mask)
    finite = np.isfinite(waves.displacement).all(axis=(0, 1))
    field = Field(
        u=np.where(inside & finite, waves.displacement, 0),
        omega=2 * np.pi * np.asarray(waves.frequencies, np.float64),
        density=waves.density,
        spacing=(waves.grid.spacing[2], waves.grid.spacing[1], waves.grid.spacing[0]),
        mask=inside & finite,
        options=settings,
        components=waves.components,
    )
    _check(method, field)
    moved, drawn = field, _noise(waves, field) if np.isfinite(waves.sigma).all() else []
    field, noise = _turned(method, moved, drawn) if float(settings.get("curl", 0.0)) > 0 else (moved, drawn)
    modulus = method.solve(field)
    shifts = _shifts(method, field, modulus, noise, progress)
    heard = (noise, shifts, (moved, drawn)) if waves.noisy else ([], [], (moved, []))
    values = np.concatenate([moduli(modulus), judged(method, field, modulus, *heard)])
    errors = _errors(modulus, shifts)
    status = _status(inside & (field.mask | ~moved.mask), finite, field, modulus)
    return _maps(waves, method, values, errors, status, settings)


def _inside(waves: Waves, mask: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    if mask is not None and np.shape(mask) != waves.grid.shape:
        raise InputError(f"has shape {np.shape(mask)}; the waves have {waves.grid.shape}", key="mask")
    inside = waves.inside if mask is None else waves.inside & np.asarray(mask, bool)
    if not inside.any():
        raise InputError("is empty: no voxel is left that holds a wave", key="mask")
    return inside


def _check(method: Inversion, field: Field) -> None:
    """Refuse fields in which nothing can be told."""
    if not np.any(field.u[..., field.mask]):
        raise InputError("are zero everywhere within the mask: there is no wave to invert", key="displacement")
    if not field.axes:
        shape = field.mask.shape
        raise InputError(f"'{method.name}' needs three voxels or more along an axis; the grid has {shape}", key="grid")


def _turned(method: Inversion, field: Field, noise: list[Complex]) -> tuple[Field, list[Complex]]:
    """Return the field's curl, 1, where all differences of it are whole, and that of its noise."""
    inside = whole(field.mask, (0, 1, 2))
    if field.components != ("x", "y", "z") or not inside.any():
        raise InputError(
            f"'{method.name}' needs the components x, y and z in three slices or more for a curl; the waves have "
            f"{', '.join(field.components)} in {field.mask.any(axis=(1, 2)).sum()}",
            key="curl",
        )
    turned = replace(field, u=np.where(inside, curl(field.u, field.spacing), 0), mask=inside)
    return turned, [np.where(inside, curl(each, field.spacing), 0) for each in noise]


def _noise(waves: Waves, field: Field) -> list[Complex]:
    """Return fields of noise with the waves' sigma."""
    rng = np.random.default_rng(SEED)
    sigma = np.broadcast_to(waves.sigma, field.u.shape) * field.mask
    count = round(float(field.options["probes"]))
    return [sigma * rng.standard_normal((*sigma.shape, 2)).view(np.complex128)[..., 0] for _ in range(count)]


def _shifts(
    method: Inversion, field: Field, modulus: Complex, noise: list[Complex], progress: Callable[[int, int], None] | None
) -> list[Complex]:
    """Return what each field of noise adds to the modulus at first order, (z, y, x), Pa."""
    found = []
    for done, probe in enumerate(noise):
        shifted = method.solve(field.with_displacement(field.u + SMALL * probe))
        found.append((shifted - modulus) / SMALL)
        if progress is not None:
            progress(done + 1, len(noise))
    return found


def _errors(modulus: Complex, shifts: list[Complex]) -> Array:
    """Return (5, z, y, x) standard errors of the moduli; NaN where the noise is unknown."""
    found = moduli(modulus)
    if not shifts:
        return np.full(found.shape, np.nan)
    power = np.zeros(found.shape)
    for shift in shifts:
        power += ((moduli(modulus + SMALL * shift) - found) / SMALL) ** 2
    return np.sqrt(power / len(shifts))


def _status(inside: Any, finite: Any, field: Field, modulus: Complex) -> NDArray[np.int8]:
    status = np.where(np.isfinite(modulus), 0, SINGULAR).astype(np.int8)
    status[field.mask & ~np.isfinite(modulus) & ~np.any(field.u, axis=(0, 1))] = NO_SIGNAL
    status[~finite] = NOT_FINITE
    status[~inside] = OUTSIDE
    return status


def _maps(
    waves: Waves, method: Inversion, values: Array, errors: Array, status: NDArray[np.int8], settings: dict[str, Any]
) -> Maps:
    entries = (*method.parameters, *method.derived)
    usable = status == 0
    flags = values[len(method.parameters)][usable]
    said = _warnings(method, flags, settings)
    return Maps(
        grid=waves.grid,
        values={p.name: np.where(usable, row, np.nan) for p, row in zip(entries, values, strict=True)},
        errors={
            p.name: np.where(usable, errors[i] if i < len(errors) else np.nan, np.nan) for i, p in enumerate(entries)
        },
        units={p.name: p.unit for p in entries},
        status=status,
        given={name: value for name, value in settings.items() if np.ndim(value)},
        model=method.name,
        history={
            "model": method.name,
            "options": {name: "map" if np.ndim(value) else value for name, value in settings.items()},
            "frequencies": np.asarray(waves.frequencies).tolist(),
            "components": list(waves.components),
            "status": {STATUS[int(k)]: int((status == k).sum()) for k in np.unique(status) if k != OUTSIDE},
            "validity": {text: float(np.mean((flags.astype(int) & code) > 0)) if flags.size else 0.0
                         for code, text in REASONS.items()},
            **({"warnings": said} if said else {}),
        },
    )  # fmt: skip


def _warnings(method: Inversion, flags: Array, settings: dict[str, Any]) -> tuple[str, ...]:
    """Return what a reader of the maps must know."""
    said = []
    if method.name in ASSUMES_ANGLE:
        angle = "map" if np.ndim(settings["loss_angle"]) else f"{float(settings['loss_angle']):.3g} rad"
        said.append(
            f"'{method.name}' tells rho c^2 (shear_stiffness) alone: |G*|, G' and G'' rest on an assumed loss angle "
            f"({angle})"
        )
    return (*said, *usefulness(flags))

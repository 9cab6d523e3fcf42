"""Whether a wave can tell a modulus: the reasons against an estimate, voxel by voxel and for a region.

The flag of a voxel is the sum of the codes of `REASONS` that hold. What a threshold means:

* too few voxels per wavelength: differences and aliasing mislead (the inversion's own `least_voxels`);
* octahedral shear strain (McGarry 2011, doi:10.1118/1.3547731) below 3 times that of the noise: hardly any wave;
* the derivative that the inversion needs (none, first or second) below 3 times that of the noise: a direct inversion
  then reads more than 10 % low, 1 / (1 + 1 / s^2); a wavelength much longer than the region does that;
* penetration depth below two voxels, or too small a share of the wavelength for a wavelength to be told;
* nearer to a boundary of the mask than the estimate reaches;
* a modulus that changes along the wave: local inversions leave grad G* . grad u out of div(G* grad u), which misreads a
  modulus by up to |grad G* . grad u| / |G* laplacian u|. Flagged above 10 % where it is 3 times what noise makes of it.
* a wavelength longer than the region whose spectrum is to tell it: the peak is that of the region's shape.

The other limits stand for 10 % as well. Noise-free waves of unknown noise pass the tests of noise. The flag judges what
can be seen in the data: waves that the model leaves out it cannot see, nor a boundary that noise hides.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..core.maps import Maps
from ..core.wave import wavenumber
from ..core.wave_filters import gaussian
from .inversion import Array, Complex, Field, Inversion, Mask
from .wave_derivatives import central_differences, second_differences, sided_differences, whole, window_sum

REASONS: dict[int, str] = {
    1: "too few voxels per wavelength",
    2: "octahedral shear strain within the noise",
    4: "derivative of the wave within the noise",
    8: "wave damped too much",
    16: "near a boundary",
    32: "no physical modulus: negative real or imaginary part",
    64: "modulus changes along the wave",
    128: "wavelength longer than the region",
}
MOVE_MORE = (
    "more motion, as far as phases do not wrap, or more SNR; where the body moves as one piece, a drive of one side "
    "alone or a higher frequency"
)
HELPS: dict[int, str] = {
    2: MOVE_MORE,
    4: MOVE_MORE + "; more smoothing",
    1: "smaller voxels, or a lower frequency",
    8: "a lower frequency, or a drive nearer to the region",
    32: "more SNR or smoothing; with compression in the motion 'curl=1'",
    128: "a higher frequency",
}
"""What would change each reason that leaves no modulus; noise first, which makes the others."""
ADJOINING = 16 | 64
"""Codes that say the wave is fine, but the estimate is of a mixture with what adjoins."""
STRAIN_SNR, DERIVATIVE_SNR, LEAST_DEPTH, NEGATIVE = 3.0, 3.0, 2.0, 0.1
"""Least signal-to-noise ratios; least penetration depth, voxels; loss modulus
below zero, over |G*|, that noise in an elastic medium still makes."""
MOST_NEGLECTED, CHANGE_SNR = 0.1, 3.0
"""Share of the neglected term that may mislead, and the signal-to-noise ratio above which it is believed."""


def judged(
    method: Inversion, field: Field, modulus: Complex, noise: list[Complex], shifts: list[Complex] | None = None,
    moved: tuple[Field, list[Complex]] | None = None,
) -> Array:  # fmt: skip
    """Return (7, z, y, x) the values of `inversion.VALIDITY`.

    Parameters
    ----------
    method : Inversion
    field : Field
    modulus : (z, y, x) array
        G*, Pa; NaN where there is none.
    noise : list of (frequency, component, z, y, x) arrays
        Fields of the waves' noise; empty where it is unknown or there is none.
    shifts : list of (z, y, x) arrays
        What each of them adds to the modulus, Pa.
    moved : (Field, list of arrays), optional
        The displacement and its noise, whose strain counts, where the inversion sees its curl.
    """
    highest = float(field.omega.max()) / (2 * np.pi)
    with np.errstate(divide="ignore", invalid="ignore"):
        k = wavenumber(modulus, highest, field.density)
        sides = [field.spacing[a] for a in field.axes]
        per_wave = 2 * np.pi / np.abs(k.real) / max(sides, default=np.nan)
        depth = np.where(k.imag != 0, 1 / np.abs(k.imag), np.inf)
    whole_u, own = (field, noise) if moved is None else moved
    strain = _ratio(_strain(whole_u), [_strain(whole_u.with_displacement(n)) for n in own], whole_u.mask)
    slope = _ratio(_slope(method, field), [_slope(method, field.with_displacement(n)) for n in noise], field.mask)
    distance = boundary_distance(field)
    neglected, believed = _neglected(method, field, modulus, shifts or [])
    small = min(sides, default=np.nan)
    known = np.isfinite(modulus)
    with np.errstate(
        divide="ignore", invalid="ignore"
    ):  # a real negative modulus carries no wave: its length is infinite
        wave = 2 * np.pi / np.where(known, np.abs(k.real), 1)
        shortest = np.nan_to_num(method.least_penetration * wave, posinf=np.inf)
    bad = {
        1: per_wave < method.least_voxels,
        2: strain < STRAIN_SNR,
        4: slope < DERIVATIVE_SNR,
        8: (depth < LEAST_DEPTH * small) | (depth < shortest),
        16: distance <= method.support(field.options) * max(sides, default=0.0) * (1 + 1e-9),
        32: (modulus.real < 0) | (modulus.imag < -NEGATIVE * np.abs(modulus)),
        64: (neglected > MOST_NEGLECTED) & believed,
        128: wave > (np.inf if method.extent is None else method.extent(field)),
    }
    flag = np.sum([code * np.where(known, fails, False) for code, fails in bad.items()], axis=0).astype(float)
    values = np.stack([flag, per_wave, depth, strain, slope, distance, neglected])
    return np.where(known, values, np.nan)


def boundary_distance(field: Field) -> Array:
    """Return (z, y, x) the distance from each voxel's centre to that of the nearest one outside the mask, m."""
    from scipy.ndimage import distance_transform_edt

    pads = [(1, 1) if a in field.axes else (0, 0) for a in range(3)]
    padded = np.pad(field.mask, pads)
    inner = tuple(slice(1, -1) if p[0] else slice(None) for p in pads)
    if 0 in field.axes:
        return np.asarray(distance_transform_edt(padded, sampling=field.spacing)[inner])
    planes = [distance_transform_edt(plane, sampling=field.spacing[1:]) for plane in padded]
    return np.asarray(np.stack(planes)[inner])


def _strain(field: Field) -> Array:
    """Return (z, y, x) squared octahedral shear strain, summed over frequencies; of the strains that are known.

    At edges the neighbours on one side tell it: two of three slices are edges.

    OSS^2 = 4/9 ((exx - eyy)^2 + (eyy - ezz)^2 + (ezz - exx)^2 + 6 (exy^2 + eyz^2 + exz^2)), magnitudes of phasors.
    """
    slopes = np.zeros((3, 3, *field.u.shape[:1], *field.mask.shape), complex)
    axes = field.axes
    found = sided_differences(field.u, field.mask, field.spacing, axes)
    for place, axis in enumerate(axes):
        for component, name in enumerate(field.components):
            slopes["xyz".index(name), 2 - axis] = found[place, :, component]
    e = (slopes + np.swapaxes(slopes, 0, 1)) / 2
    normal = sum(np.abs(e[i, i] - e[(i + 1) % 3, (i + 1) % 3]) ** 2 for i in range(3))
    shear = sum(np.abs(e[i, (i + 1) % 3]) ** 2 for i in range(3))
    total = 4 / 9 * np.sum(normal + 6 * shear, axis=0)
    return np.where(field.mask, total, 0)


def _slope(method: Inversion, field: Field) -> Array:
    """Return (z, y, x) the squared derivative that the inversion uses, summed over what it sums over."""
    sd = float(field.options.get("smoothing", 0.0))
    smooth = field.with_displacement(gaussian(field.u, field.mask, sd)) if sd else field
    if method.order == 0:
        return window_sum(np.sum(np.abs(smooth.u) ** 2, axis=(0, 1)), field.mask, field)
    if method.order == 1:
        derivative = central_differences(smooth.u, field.spacing, field.axes)
        power = np.sum(np.abs(derivative) ** 2, axis=(0, 1, 2))
    else:
        power = np.sum(np.abs(second_differences(smooth).sum(axis=0)) ** 2, axis=(0, 1))
    return window_sum(power, whole(field.mask, field.axes), field)


def _neglected(method: Inversion, field: Field, modulus: Complex, shifts: list[Complex]) -> tuple[Array, Mask]:
    """Return (z, y, x) |grad G* . grad u| / |G* laplacian u| without noise's own share, and where noise can't be all.

    Sums over frequencies, components and the inversion's window; zero where the inversion is of regions, not local.
    """
    if method.order == 0 or not field.axes:
        return np.zeros(field.mask.shape), np.zeros(field.mask.shape, bool)
    smooth = field.with_displacement(gaussian(field.u, field.mask, float(field.options.get("smoothing", 0.0))))
    slopes = central_differences(smooth.u, field.spacing, field.axes)
    valid = whole(field.mask & np.isfinite(modulus), field.axes)

    def power(change: Complex) -> Array:
        steep = central_differences(np.where(np.isfinite(change), change, 0), field.spacing, field.axes)
        left_out = np.einsum("azyx,afczyx->fczyx", steep, slopes)
        return window_sum(np.sum(np.abs(left_out) ** 2, axis=(0, 1)), valid, field)

    force = np.abs(modulus) ** 2 * np.sum(np.abs(second_differences(smooth).sum(axis=0)) ** 2, axis=(0, 1))
    whole_force, found = window_sum(np.where(valid, force, 0), valid, field), power(modulus)
    level = np.mean([power(shift) for shift in shifts], axis=0) if shifts else np.zeros(found.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.sqrt(np.maximum(found - level, 0) / np.where(whole_force > 0, whole_force, np.inf))
    return share, found - level > CHANGE_SNR**2 * level


def _ratio(power: Array, noise: list[Array], mask: Mask) -> Array:
    """Return the square root of (power - noise power) / noise power; infinite without noise, 0 where noise is all."""
    if not noise:
        return np.where(power > 0, np.inf, 0.0)
    level = np.mean(noise, axis=0)
    typical = float(np.mean(level[mask & (level > 0)])) if np.any(mask & (level > 0)) else 0.0
    level = np.where(level > 0, level, typical)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt(np.maximum(power / level - 1, 0.0))


def reasons(flag: float) -> tuple[str, ...]:
    """Return the reasons in a voxel's flag."""
    return tuple(text for code, text in REASONS.items() if int(flag) & code)


def usefulness(flags: Array) -> tuple[str, ...]:
    """Return a warning where most voxels tell no modulus, with the commonest reason and what would help.

    flags : (voxel,) of ``validity`` where there is an estimate.
    """
    if not flags.size:
        lost = (
            "no voxel has an estimate: none has a signal together with all the neighbours that it needs; more SNR by "
        )
        return (lost + "larger voxels, averages or a shorter echo time",)
    codes = flags.astype(int)
    if (share := float(np.mean((codes & ~ADJOINING) > 0))) <= 0.5:
        return ()
    shares = {code: float(np.mean((codes & code) > 0)) for code in HELPS}
    worst = max(shares, key=lambda code: shares[code])
    told = f"{share:.0%} of the voxels are flagged not invertible; see 'validity'"
    return (f"{told}. {shares[worst]:.0%}: {REASONS[worst]}; what helps is {HELPS[worst]}",)


def region_notes(maps: Maps, rois: Mapping[str, NDArray[np.bool_]]) -> dict[str, str]:
    """Return what speaks against the moduli of regions: where most voxels are flagged, why and in how many.

    Parameters
    ----------
    maps : Maps
        Of an inversion; without ``validity`` there are no notes.
    rois : mapping of name to (z, y, x) array of bool
    """
    if "validity" not in maps.values:
        return {}
    notes = {}
    for name, mask in rois.items():
        flags = maps.values["validity"][mask]
        known = flags[np.isfinite(flags)].astype(np.int64)
        share = float(np.mean((known & ~ADJOINING) > 0)) if known.size else 1.0
        mixed = float(np.mean(known > 0)) if known.size else 1.0
        if mixed > 0.5:
            why = [(float(np.mean((known & code) > 0)) if known.size else 0.0, text) for code, text in REASONS.items()]
            said = ", ".join(f"{text} ({part:.0%})" for part, text in sorted(why, reverse=True) if part > 0.1)
            verdict = f"not invertible in {share:.0%}" if share > 0.5 else f"mixed with what adjoins it in {mixed:.0%}"
            notes[name] = f"{verdict} of its voxels" + (f": {said}" if said else "")
    return notes

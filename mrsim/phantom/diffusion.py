"""How the water of a tissue diffuses: compartments, each Gaussian or between walls, read off the tissue's facts.

A voxel is a mixture: signals of compartments add up, whatever the sequence. That is physics for every engine, and
kurtosis, perfusion and crossing fibres follow from it instead of being put in:

- ``md`` and ``fa``: one prolate tensor, longest along the main axis;
- ``fibre_angle``: two of them, turned by that angle out of the transverse plane to either side, as the lamellae of the
  annulus alternate; ``md`` and ``fa`` are those of the mixture, which a voxel of many lamellae shows;
- ``mk``, or ``ak`` and ``rk``: each tensor is shared half and half by one that diffuses faster by the factor 1 + s and
  one that is slower by 1 - s, with s such that the kurtosis as b goes to zero is the stated one. Crossing fibres bring
  their own part of it. K = 3 s^2 along an axis, so that no more than 3 can be made;
- ``ivim_f_true``, or ``ivim_f``, with ``ivim_d`` and ``ivim_d_star``: blood that diffuses with D*, beside tissue of
  mean diffusivity ``ivim_d``;
- ``restricted_fraction`` with one of ``plane_distance``, ``cylinder_diameter``, ``sphere_diameter``: water in walls;
  with ``wall_permeability``, and for cylinders and spheres ``wall_spacing``, water passes them, and random walkers
  follow it inside and outside.

The main axis is world z, from feet to head, and left to right for tissues with a fibre angle: around the disc, as the
annulus runs where a sagittal plane cuts it. Where a phantom says how fibres run (`lamellae`), `turned` brings the
compartments of each place in line with them. Fat beside water does not diffuse: lipids are a hundred times slower.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.restriction import Restriction, Shape
from ..core.tensors import elements_of, fractional_anisotropy, kurtosis, mixed, prolate
from .tissue import Tissue
from .tissue_facts import Property

Array = NDArray[np.float64]
MAIN = np.array([0.0, 0.0, 1.0])
"""Main axis of tissues without a fibre angle, world axes."""
AROUND, UP, OUT = np.eye(3)[0], np.eye(3)[2], np.eye(3)[1]
"""Axes of tissues with one: along the transverse plane, out of it, and across the lamellae."""
MOST_KURTOSIS = 3.0
"""What two Gaussian compartments of equal size can have."""
WIDEST = 200e-6
"""Size of walls, m, that water does not cross within an echo time, so that they hardly restrict it."""
WALLS: dict[str, Shape] = {"plane_distance": "planes", "cylinder_diameter": "cylinder", "sphere_diameter": "sphere"}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Compartment:
    """A share of a tissue's water that diffuses alike."""

    fraction: float
    tensor: Array
    """(3, 3) world axes, m^2/s; along axes in which walls stand, what diffuses without them."""
    walls: Restriction | None = None
    blood: bool = False
    """True for blood that perfuses."""


def compartments(tissue: Tissue, field: float) -> tuple[Compartment, ...]:
    """Return the compartments of a tissue's water, fractions summing to 1; none where no diffusivity is known.

    Parameters
    ----------
    tissue : Tissue
    field : float
        T; facts that are not known there do not count.
    """
    known = tissue.known(field)
    if "md" not in known:
        return ()
    blood = known.get("ivim_f_true", known.get("ivim_f"))
    perfused = 0.0 if blood is None else blood.value
    if perfused and not {"ivim_d", "ivim_d_star"} <= known.keys():
        raise InputError(f"{tissue.name}: a perfusion fraction needs ivim_d and ivim_d_star", key="ivim_f")
    md = known["ivim_d"].value if perfused else known["md"].value
    tensors = [half for whole in _tensors(tissue.name, md, known) for half in _shared(tissue.name, whole, known)]
    found = [Compartment(fraction=f, tensor=t) for f, t in tensors]
    found = _walled(tissue.name, found, known)
    if perfused:
        d_star = known["ivim_d_star"].value
        found = [Compartment(fraction=c.fraction * (1 - perfused), tensor=c.tensor, walls=c.walls) for c in found]
        found.append(Compartment(fraction=perfused, tensor=d_star * np.eye(3), blood=True))
    return tuple(found)


def turned(found: tuple[Compartment, ...], rotation: Array) -> tuple[Compartment, ...]:
    """Return compartments whose tensors and walls are turned by a (3, 3) rotation."""
    return tuple(
        replace(
            part,
            tensor=rotation @ part.tensor @ rotation.T,
            walls=None if part.walls is None else part.walls.turned(rotation),
        )
        for part in found
    )


def _tensors(name: str, md: float, known: dict[str, Property]) -> list[tuple[float, Array]]:
    """Return the fractions and tensors of fibres in one direction each."""
    fa = known["fa"].value if "fa" in known else 0.0
    if not 0 <= fa < 1:
        raise InputError(f"{name}: a fractional anisotropy of {fa:g} is impossible; give 0 to below 1", key="fa")
    if "fibre_angle" not in known:
        return [(1.0, prolate(md, fa, MAIN))]
    angle = known["fibre_angle"].value
    c, s = np.cos(angle), np.sin(angle)
    # the mixture's tensor is MD + excess (diag(c^2, s^2, 0) - 1/3): its FA gives the excess of either fibre
    spread = c**4 + s**4 - 1 / 3
    excess = md * fa * np.sqrt(3 / ((1.5 - fa**2) * spread))
    if excess > 3 * md:
        raise InputError(
            f"{name}: fibres that alternate by {np.degrees(angle):.3g} deg cannot have FA {fa:g} together; lower it",
            key="fa",
        )
    fibres = [c * AROUND + sign * s * UP for sign in (1, -1)]
    return [(0.5, (md - excess / 3) * np.eye(3) + excess * np.outer(n, n)) for n in fibres]


def _shared(name: str, whole: tuple[float, Array], known: dict[str, Property]) -> list[tuple[float, Array]]:
    """Return a faster and a slower half of a tensor that give the stated kurtosis; itself where none is stated."""
    fraction, tensor = whole
    spread = _spread(name, tensor, known)
    if not np.any(spread):
        return [whole]
    values, axes = np.linalg.eigh(tensor)
    return [(fraction / 2, (axes * (values * (1 + sign * spread))) @ axes.T) for sign in (1, -1)]


def _spread(name: str, tensor: Array, known: dict[str, Property]) -> Array:
    """Return (3,) s along the axes of a tensor, the longest last."""
    stated = {key: known[key].value for key in ("mk", "ak", "rk") if key in known}
    for key, value in stated.items():
        if value > MOST_KURTOSIS:
            raise InputError(f"{name}: a kurtosis of {value:g} is more than two compartments can make, 3", key=key)
    if {"ak", "rk"} <= stated.keys():
        return np.sqrt(np.array([stated["rk"], stated["rk"], stated["ak"]]) / 3)
    if "mk" not in stated:
        return np.zeros(3)
    if "fibre_angle" not in known:
        return np.full(3, np.sqrt(stated["mk"] / 3))
    # V(n) = 3 (<D_i(n)^2> (1 + s^2) - D(n)^2): the mean kurtosis is linear in s^2
    both = np.stack([t for _, t in _tensors(name, float(np.trace(tensor)) / 3, known)])
    half = np.array([0.5, 0.5])
    crossing = _mean_kurtosis(half, both)
    more = _mean_kurtosis(np.full(4, 0.25), np.concatenate([1.5 * both, 0.5 * both])) - crossing
    return np.full(3, np.sqrt(min(max(stated["mk"] - crossing, 0.0) / (4 * more), 1.0)))


def _mean_kurtosis(fractions: Array, tensors: Array) -> float:
    mean, fourth = mixed(fractions, tensors)
    return float(kurtosis(elements_of(mean)[None], fourth[None])["mk"][0])


def _walled(name: str, found: list[Compartment], known: dict[str, Property]) -> list[Compartment]:
    """Put walls around the stated fraction of the water."""
    if "restricted_fraction" not in known:
        return found
    share, sizes = known["restricted_fraction"].value, [key for key in WALLS if key in known]
    if len(sizes) != 1 or not 0 <= share <= 1:
        given = f"a fraction of {share:g} and {len(sizes)} sizes"
        raise InputError(
            f"{name}: restriction has {given}; give a fraction of 0 to 1 and one of {', '.join(WALLS)}",
            key="restricted_fraction",
        )
    size = known[sizes[0]].value
    if not 0 < size <= WIDEST:
        raise InputError(
            f"{name}: walls {1e6 * size:g} um apart; give above 0 to {1e6 * WIDEST:g} um: beyond it is free",
            key=sizes[0],
        )
    inside = known.get("restricted_diffusivity", known["md"]).value
    axis = OUT if WALLS[sizes[0]] == "planes" else MAIN
    passed = known["wall_permeability"].value if "wall_permeability" in known else 0.0
    walls = Restriction(
        shape=WALLS[sizes[0]], size=size, diffusivity=inside, axis=(axis[0], axis[1], axis[2]), permeability=passed,
        spacing=known["wall_spacing"].value if "wall_spacing" in known else None,
    )  # fmt: skip
    free = [Compartment(fraction=c.fraction * (1 - share), tensor=c.tensor) for c in found]
    return [*free, Compartment(fraction=share, tensor=inside * np.eye(3), walls=walls)]


def true_diffusion(found: tuple[Compartment, ...]) -> dict[str, float]:
    """Return what is true of a tissue as b goes to zero: ``md adc ad rd fa mk ak rk f d d_star``, SI.

    Blood that perfuses has its fraction ``f`` and ``d_star``; all else is of the tissue without it, and ``d`` and
    ``adc`` are its mean diffusivity. Nothing is true at any b where walls stand: there are no values then.
    """
    tissue = [c for c in found if not c.blood]
    if not tissue or any(c.walls for c in found):
        return {}
    fractions, tensors = np.array([c.fraction for c in tissue]), np.stack([c.tensor for c in tissue])
    mean, fourth = mixed(fractions / fractions.sum(), tensors)
    values = np.asarray(np.linalg.eigvalsh(mean), dtype=np.float64)
    md = float(values.mean())
    truth = {"md": md, "adc": md, "d": md, "ad": float(values[2]), "rd": float(values[:2].mean())}
    truth["fa"] = float(fractional_anisotropy(values))
    scalars = kurtosis(elements_of(mean)[None], fourth[None])
    truth |= {name: float(scalars[name][0]) for name in ("mk", "ak", "rk")}
    blood = [c for c in found if c.blood]
    truth["f"] = sum(c.fraction for c in blood)
    return truth | ({"d_star": float(np.trace(blood[0].tensor)) / 3} if blood else {})

"""Sweeps of a study's settings: every combination of a grid, or points drawn at random or by Sobol's sequence.

Keys may reach into tables by dots, e.g. ``"set.tr"``. A range is ``[20, 200]`` (two whole numbers give whole numbers)
or a text with a unit, ``"40 to 120 ms"``.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Literal

import numpy as np

from ..core.errors import InputError

MOST = 4096
"""Arms of one sweep."""
RANGE = re.compile(r"\s*([-+.\deE]+)\s*(?:to|\s)\s*([-+.\deE]+)\s*(.*?)\s*")
DIGITS = 6
"""Of a drawn value."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sweep:
    """Points between bounds: each becomes an arm of its own."""

    points: int
    ranges: dict[str, Any]
    """Setting -> lowest and highest value."""
    by: Literal["random", "sobol"] = "sobol"
    """How points are drawn: independently, or evenly by a scrambled Sobol sequence."""
    logarithmic: tuple[str, ...] = field(default_factory=tuple)
    """Settings whose logarithm is drawn evenly."""


def grid_points(grid: Mapping[str, list[Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Return name and settings of every combination of a grid."""
    return [(" ".join(map(str, values)), dict(zip(grid, values, strict=True))) for values in product(*grid.values())]


def drawn_points(sweep: Sweep, seed: int, name: str) -> list[tuple[str, dict[str, Any]]]:
    """Return number and settings of every point; they follow from the study's seed and the arm's name alone."""
    if not 1 <= sweep.points <= MOST or not sweep.ranges:
        raise InputError(f"needs 1 to {MOST} points and at least one range", key="sweep")
    bounds = {key: _bounds(key, said) for key, said in sweep.ranges.items()}
    stray = [key for key in sweep.logarithmic if key not in bounds or bounds[key][0] <= 0]
    if stray:
        raise InputError(f"'{stray[0]}' has no range above zero", key="sweep.logarithmic")
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(zlib.crc32(name.encode()), 1)))
    if sweep.by == "random":
        unit = rng.random((sweep.points, len(bounds)))
    else:
        from scipy.stats import qmc

        bits = int(np.ceil(np.log2(sweep.points)))
        unit = qmc.Sobol(len(bounds), rng=rng).random_base2(bits)[: sweep.points]
    found = []
    for number, row in enumerate(unit.tolist()):
        chosen = {
            key: _value(part, *bounds[key], logarithmic=key in sweep.logarithmic)
            for key, part in zip(bounds, row, strict=True)
        }
        found.append((str(number + 1), chosen))
    return found


def _bounds(key: str, said: Any) -> tuple[float, float, str | None, bool]:
    """Return lowest and highest value, the unit (None for a plain number), and whether numbers are whole."""
    if isinstance(said, list) and len(said) == 2 and all(isinstance(v, int | float) for v in said):
        low, high, unit, integers = float(said[0]), float(said[1]), None, all(isinstance(v, int) for v in said)
    else:
        form = RANGE.fullmatch(said) if isinstance(said, str) else None
        try:
            low, high = (float(form[1]), float(form[2])) if form else (1.0, 0.0)
        except ValueError:
            low, high = 1.0, 0.0
        unit, integers = form[3] if form else "", False
    if not low < high:
        raise InputError(f"'{said}' is no range; write [20, 200] or '40 to 120 ms'", key=f"sweep.ranges.{key}")
    return low, high, unit, integers


def _value(part: float, low: float, high: float, unit: str | None, integers: bool, *, logarithmic: bool) -> Any:
    """Return the setting at a share of a range."""
    if integers:
        return int(min(low + np.floor(part * (high - low + 1)), high))
    value = low * (high / low) ** part if logarithmic else low + part * (high - low)
    rounded = float(f"{value:.{DIGITS}g}")
    return rounded if unit is None else f"{rounded:.{DIGITS}g} {unit}".strip()


def put(settings: dict[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with chosen ones in place, also within their tables."""
    result = dict(settings)
    for key, value in chosen.items():
        first, _, rest = key.partition(".")
        if not rest:
            result[first] = value
            continue
        inner = result.get(first, {})
        if not isinstance(inner, dict):
            raise InputError(f"'{first}' is no table, so '{key}' cannot be set", key=key)
        result[first] = put(inner, {rest: value})
    return result

"""Timing: what must fit into an echo time, how much is left to wait, and what to say when it does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, WithJsonSchema

from ..core.errors import InfeasibleError, InputError
from ..core.units import Measured, parse_quantity, quantity_schema
from .events import NS
from .gradients import Limits
from .scanner import to_ns
from .sequence import Block

MINIMUM = "minimum"
"""What a user writes for the shortest possible time."""


def _time_or_minimum(value: Any) -> Any:
    if value == MINIMUM:
        return value
    times = parse_quantity(value, "time")
    if len(times) != 1:
        raise ValueError(f"expected one time or '{MINIMUM}', got '{value}'")
    return times[0]


def _times_or_minimum(value: Any) -> Any:
    return value if value == MINIMUM else parse_quantity(value, "time")


_SCHEMA = WithJsonSchema({"anyOf": [{"const": MINIMUM}, quantity_schema("time")]})
_TIME = Measured("time")
TimeOrMinimum = Annotated[float | Literal["minimum"], BeforeValidator(_time_or_minimum), _SCHEMA, _TIME]
"""A time with a unit, s, or ``"minimum"``."""
TimesOrMinimum = Annotated[tuple[float, ...] | Literal["minimum"], BeforeValidator(_times_or_minimum), _SCHEMA, _TIME]
"""Times with a unit, s, or ``"minimum"``."""


def text(time: float) -> str:
    """Return a time of `time` ns in ms, as short as it is exact."""
    return f"{time / 1e6:.6g} ms"


def solve(
    key: str, wanted: float | str, halves: tuple[Mapping[str, int], ...], limits: Limits, remedy: str
) -> tuple[int, tuple[int, ...]]:
    """Return a time in ns and the wait left in each of its equal parts.

    Parameters
    ----------
    key : str
        The protocol's name of the time, e.g. ``"te"``.
    wanted : float or "minimum"
        The time, s.
    halves : tuple of mappings
        Per equal part of the time what it must hold, name -> ns. A te holds two: before and after refocusing.
    limits : Limits
        Parts end on its raster.
    remedy : str
        What the user may change.
    """
    parts = len(halves)
    needs = [sum(half.values()) for half in halves]
    shortest = limits.up(max(needs)) * parts
    total = shortest if wanted == MINIMUM else _on_raster(key, float(wanted), parts * limits.raster)
    if total < shortest:
        tightest = halves[needs.index(max(needs))]
        listing = " + ".join(f"{name} {text(value)}" for name, value in tightest.items() if value)
        half = "half of it must hold " if parts == 2 else "it must hold "
        longest = max(tightest, key=lambda name: tightest[name])
        raise InfeasibleError(
            f"{key} {text(total)} is shorter than {text(shortest)}, the shortest feasible: {half}{listing}, of which "
            f"{longest} takes most; raise {key} or {remedy}"
        )
    return total, tuple(total // parts - need for need in needs)


def several(key: str, wanted: tuple[float, ...] | str) -> tuple[float | str, ...]:
    """Return the times of a list that may be the word ``"minimum"``."""
    if isinstance(wanted, str):
        return (wanted,)
    if not wanted:
        raise InputError("has no value", key=key)
    return wanted


def _on_raster(key: str, wanted: float, step: int) -> int:
    total = to_ns(wanted)
    if total <= 0:
        raise InputError(f"is {text(total)}; it must be positive", key=key)
    if total % step:
        below = total // step * step
        near = " or ".join(text(one) for one in (below, below + step) if one)
        raise InputError(
            f"{text(wanted * NS)} is not a multiple of {step / 1e3:g} us, which the scanner's raster asks of it; "
            f"use {near}",
            key=key,
        )
    return total


def wait(duration: int, name: str = "wait") -> tuple[Block, ...]:
    """Return a block that plays nothing for `duration` ns, or no block if there is nothing to wait for."""
    return (Block(duration=duration, name=name),) if duration else ()


def starting(blocks: list[Block]) -> list[Block]:
    """Return the blocks of one repetition, the first marked as its start."""
    return [replace(blocks[0], starts_tr=True), *blocks[1:]]

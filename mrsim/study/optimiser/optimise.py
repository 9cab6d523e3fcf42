"""The best protocol for a range of tissues, within time and limits, and the front of time against precision."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InfeasibleError, InputError, did_you_mean
from ...core.toml import resource
from ...fit.models import find_model
from ...plan.optimise_cost import Target
from ...plan.optimise_search import Scan
from ...sequence.protocol import FOLDER, read_protocol_file
from ..given import given_options
from ..request import Progress, RunRequest
from ..run import Prepared, prepare
from .forecasted import FORECAST, by_forecast, own_choice
from .free import Choices
from .played import Settings
from .searching import Asked, Point, Searching
from .targets import SEGMENTED, targets_of

Array = NDArray[np.float64]
UNFOLDED = "noise follows the time that is sampled; what unfolding adds to it (g) is not in the search: see mrsim snr"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Optimum:
    """The best protocol."""

    request: RunRequest
    """With the best entries as overrides."""
    asked: Asked
    targets: tuple[Target, ...]
    """Tissues of a signal model; empty where every candidate was forecast by itself."""
    best: Point
    own: Point | None
    """The protocol as it stands; None where it cannot tell the parameters."""
    stood: dict[str, str]
    """Its free entries, as texts."""
    front: tuple[Point, ...] = ()
    """Best protocols by scan time, ascending."""
    notes: tuple[str, ...] = ()


def optimise(
    request: RunRequest, asked: Asked, progress: Progress | None = None, ready: Prepared | None = None
) -> Optimum:
    """Return the best protocol.

    Parameters
    ----------
    request : RunRequest
        Protocol, scanner, field, phantom.
    asked : Asked
        What is free, what is wanted, how long it may take.
    progress : callable, optional
        Called with (step, done, in all).
    ready : Prepared, optional
        The request with its files read, where that has been done.
    """
    report = progress or (lambda step, done, total: None)
    _check(request, asked)
    ready = prepare(request) if ready is None else ready
    if asked.wanted.model in FORECAST:
        best, own, front, said = by_forecast(request, asked, report, ready)
        return Optimum(
            request=replace(request, overrides={**request.overrides, **best.entries}), asked=asked, targets=(),
            best=best, own=own, stood=_stood(request, asked), front=front, notes=said,
        )  # fmt: skip
    report("size of the signal", 0, 1)
    targets, sigma = targets_of(request, asked.wanted, ready.sequence)
    report("size of the signal", 1, 1)
    gap = (0.0, 0.0) if asked.wanted.model != SEGMENTED else (0.0, _threshold(request))
    notes = [UNFOLDED] if any(entry.name == "acceleration" for entry in asked.free) else []
    state = Searching(request=request, scanner=ready.sequence.scanner, asked=asked, targets=targets, sigma=sigma,
                      gap=gap, known={}, notes=notes)  # fmt: skip
    longest, per_time = asked.time or math.inf, asked.time is None
    report("settings", 0, 1 + asked.front)
    found = state.over_choices(longest, per_time)
    if found is None:
        why = state.notes[-1] if state.notes else "nothing can be played"
        within = f" in {longest:g} s" if math.isfinite(longest) else ""
        raise InfeasibleError(f"no protocol of these free settings measures the wanted parameters{within}: {why}")
    report("settings", 1, 1 + asked.front)
    best, own = state.point(found[1], found[0].settings), state.own()
    state.notes += _untold(best)
    front = tuple(_front(state, best, own, report)) if asked.front else ()
    entries = {**request.overrides, **best.entries}
    return Optimum(
        request=replace(request, overrides=entries), asked=asked, targets=targets, best=best, own=own, front=front,
        stood=_stood(request, asked),
        notes=tuple(dict.fromkeys(state.notes)),
    )  # fmt: skip


def _untold(best: Point) -> list[str]:
    """Return what the best images leave open: parameters that are neither wanted nor known and that nothing tells."""
    return [
        f"{name} of {tissue.replace('_', ' ')} stays open (relative SD {100 * value:.0f} %), not being wanted; a "
        "design for one tissue alone can be so: want it, or give a range of tissues"
        for tissue, spread in best.spread.items()
        for name, value in spread.items()
        if value > 1
    ]  # fmt: skip


def _front(state: Searching, best: Point, own: Point | None, report: Progress) -> Iterator[Point]:
    """Yield the best protocols by scan time: what no shorter one measures better."""
    steps = state.asked.front
    durations = [known[1].seconds(corner) for known in state.known.values() if known for corner in _corners(known)]
    least, most = max(min(durations), 1e-3), max(best.time, own.time if own else 0.0, state.asked.time or 0.0)
    reached, said = math.inf, [*state.notes]
    for done, longest in enumerate(np.geomspace(least * 1.001, max(most, 1.5 * least), steps)):
        found = state.over_choices(float(longest), False)
        report("settings", 2 + done, 1 + steps)
        state.notes = [*said]  # what a shorter time forbids is the front's own shape
        if found is None or found[0].value >= reached * (1 - 1e-6):
            continue
        reached = found[0].value
        yield state.point(found[1], found[0].settings)


def _corners(known: tuple[Settings, Scan, Array, Array]) -> tuple[Array, Array]:
    """Return the settings of shortest and longest scan time."""
    _, scan, low, high = known
    up = scan.duration_slopes > 0
    return np.where(up, low, high), np.where(up, high, low)


def _stood(request: RunRequest, asked: Asked) -> dict[str, str]:
    """Return the free entries as the protocol has them."""
    family = read_protocol_file(resource(request.protocol, FOLDER, "protocol"), dict(request.overrides))[1]
    found = {}
    for entry in asked.free:
        value = getattr(family, entry.name)
        if isinstance(entry, Choices):
            found[entry.name] = own_choice(entry, request) or str(value)
        elif isinstance(value, str):
            found[entry.name] = value
        else:
            found[entry.name] = entry.text(value if isinstance(value, tuple) else (value,))
    return found


def _check(request: RunRequest, asked: Asked) -> None:
    """Refuse what the family does not have."""
    if request.protocol.lower().endswith(".seq"):
        raise InputError("a .seq file has no settings; give a protocol", key="protocol")
    family = read_protocol_file(resource(request.protocol, FOLDER, "protocol"), dict(request.overrides))[1]
    known = [entry.name for entry in fields(family)]
    for entry in asked.free:
        if entry.name not in known:
            raise InputError(f"'{entry.name}' is no setting of {family.name}{did_you_mean(entry.name, known)}",
                             key="--free")  # fmt: skip
    if asked.time is not None and not asked.time > 0:
        raise InputError(f"is {asked.time:g} s; it must be positive", key="--time")


def _threshold(request: RunRequest) -> float:
    """Return the b from which perfusion has decayed, s/m^2."""
    model = find_model(SEGMENTED)
    default = next(o.default for o in model.options if o.name == "threshold")
    return float(given_options(model, {k: v for k, v in request.given.items() if k == "threshold"}).get(
        "threshold", default))  # fmt: skip

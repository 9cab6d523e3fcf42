"""The tissues that a protocol is optimised for: their true parameters, at every grade, and the size of their signal.

Sizes and noise come from the engine where no SNR is stated: one voxel of one tissue is scanned with the protocol as it
stands, and what it has over the closed form (slice profile, refocusing) is taken to hold for all tissues and settings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ...core.errors import InputError
from ...core.units import dimension_of, parse_quantity
from ...fit.design import columns_of, signal_design
from ...fit.method import Likelihood
from ...fit.models import find_model
from ...phantom.phantom import true_values
from ...plan.optimise_cost import HIDDEN, Target, hidden_weight
from ...plan.precision import NEUTRAL
from ...sequence.sequence import Sequence
from ..given import given_options, measured
from ..import_phantom import open_phantom
from ..request import RunRequest
from ..run import Prepared, prepare
from ..snr import predicted_snr
from .played import look

SEGMENTED = "ivim-segmented"
"""A fit in two steps: images at or above its threshold see no perfusion, the others but b = 0 are not used."""
GONE = 1e-6
"""D* of perfusion that has decayed in the first image above zero, m^2/s."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What is to be measured."""

    model: str
    weights: Mapping[str, float]
    """Wanted parameter -> by which it counts."""
    known: tuple[str, ...] = ()
    truth: Mapping[str, float] | None = None
    """Parameters instead of the tissues' own, SI."""
    tissues: tuple[str, ...] = ()
    grades: tuple[int, ...] = ()
    likelihood: Likelihood = "gaussian"
    snr: float | None = None
    """M0 over the noise of one image of the protocol as it stands; None: from the engine."""


def targets_of(request: RunRequest, wanted: Wanted, sequence: Sequence) -> tuple[tuple[Target, ...], float]:
    """Return the tissues, and the noise of an image in units of their signals times volume times root of time."""
    grades = wanted.grades or (request.grade,)
    found = [target for grade in grades for target in _of_grade(replace(request, grade=grade), wanted, sequence)]
    if not found:
        names = ", ".join(p.name for p in find_model(_read_as(wanted.model)).parameters)
        raise InputError(f"no tissue of the phantom has all of {names}; state them (--truth)", key="--tissue")
    relative = look(sequence).noise
    if wanted.snr is not None:
        return tuple(found), 1 / (wanted.snr * float(relative[0]))
    middle = found[len(found) // 2]
    size, sigma = _sized(request, wanted, middle, sequence)
    sized = tuple(replace(t, values={**t.values, **_scaled(t, size)}) for t in found)
    return sized, sigma / float(relative[0])


def _scaled(target: Target, size: float) -> dict[str, float]:
    return {name: target.values[name] * size for name in find_model(target.model).linear}


def _sized(request: RunRequest, wanted: Wanted, target: Target, sequence: Sequence) -> tuple[float, float]:
    """Return the engine's signal over the closed form's, and the noise of the first image."""
    name, _, grade = target.name.partition(" of grade ")
    asked = replace(request, grade=int(grade) if grade else request.grade)
    rows = predicted_snr(asked, (name,)).rows
    seen = np.array([row.signal for row in rows])
    columns = {c: np.asarray(v, np.float64) for c, v in look(sequence).columns.items()}
    read = columns_of(target.model)
    clean = signal_design(target.model, target.values, {c: columns[c] for c in read}, sheet=target.sheet,
                          **target.options).value  # fmt: skip
    clean = np.abs(clean * hidden_weight(target, {c: columns[c] for c in HIDDEN if c in columns and c not in read})[0])
    return float(clean @ seen / (clean @ clean)), rows[0].sigma


def _of_grade(request: RunRequest, wanted: Wanted, sequence: Sequence) -> list[Target]:
    """Return the targets of one grade."""
    ready = prepare(replace(request, overrides={}, model=wanted.model))
    phantom = open_phantom(
        str(ready.request.phantom), ready.phantom.field, request.grade or ready.request.grade, request.materials,
        ready.request.extrapolate,
    )  # fmt: skip
    known = [tissue.name for tissue in phantom.tissues]
    stray = [name for name in wanted.tissues if name not in known]
    if stray:
        raise InputError(f"'{stray[0]}' is no tissue of {phantom.name}: {', '.join(known)}", key="--tissue")
    refocused = any(block.rf is not None and block.rf.use == "refocusing" for block in sequence.blocks)
    texts = {n: t for n, t in ready.request.given.items() if not measured(t)}
    found = []
    for tissue in phantom.tissues:
        if wanted.tissues and tissue.name not in wanted.tissues:
            continue
        values = NEUTRAL | true_values(tissue, phantom.field) | {"m0": true_values(tissue, phantom.field)["pd"]}
        values["k"] = values.get("mk", math.nan)
        target = _target(tissue.name, values | dict(wanted.truth or {}), wanted, texts, refocused)
        if target is not None:
            label = f"{tissue.name} of grade {request.grade}" if wanted.grades else tissue.name
            found.append(replace(target, name=label, sheet=sequence.encoding.sheet))
    return found


def _read_as(model: str) -> str:
    return "ivim" if model == SEGMENTED else model


def _target(
    name: str, values: Mapping[str, float], wanted: Wanted, texts: Mapping[str, str], refocused: bool
) -> Target | None:  # fmt: skip
    """Return a tissue as a target; None where it lacks a parameter and was not asked for."""
    model = find_model(_read_as(wanted.model))
    options = given_options(model, texts) if _read_as(wanted.model) == wanted.model else {}
    own = {o.name: values[o.name] for o in model.options if o.name in values and o.name not in NEUTRAL}
    known = wanted.known
    if wanted.model == SEGMENTED:
        values, known = {**values, "d_star": GONE}, (*known, "d_star")
    point = {p.name: float(values.get(p.name, math.nan)) for p in model.parameters}
    missing = [n for n, v in point.items() if not math.isfinite(v)]
    if missing and not wanted.tissues:
        return None
    if missing:
        raise InputError(f"{name} has no {', '.join(missing)}; state it (--truth {missing[0]}=...)", key="--truth")
    decay = values.get("t2" if refocused else "t2_star", math.inf)
    return Target(
        name=name, model=model.name, values=point, wanted=tuple(wanted.weights), weights=wanted.weights, known=known,
        t1=float(values.get("t1", math.inf)), decay=float(decay), likelihood=wanted.likelihood,
        options={**own, **options},
    )  # fmt: skip


def stated(model: str, texts: tuple[str, ...]) -> dict[str, float]:
    """Return parameters from texts such as ``"t2=80 ms"`` and ``"f=0.1"``, of a model and of M0's weights, SI."""
    units = {p.name: p.unit for p in find_model(_read_as(model)).parameters} | {"t1": "s", "t2": "s", "t2_star": "s"}
    found = {}
    for text in texts:
        name, sign, value = (part.strip() for part in text.partition("="))
        if name not in units or not sign:
            raise InputError(f"'{text}' is no NAME=VALUE of {', '.join(units)}", key="--truth")
        dimension = dimension_of(units[name])
        assert dimension is not None  # every model's units are known, tests/fit/test_models.py
        try:
            (found[name],) = parse_quantity(value, dimension)
        except ValueError as problem:
            raise InputError(f"{name}: {problem}", key="--truth") from None
    return found


def chosen_model(ready: Prepared) -> str:
    """Return the model that is fitted: the request's, or the protocol's."""
    model = ready.request.model
    if model is None:
        raise InputError(f"{ready.request.protocol} names no model to fit; give one", key="--model")
    return find_model(model).name


def default_weights(model: str, known: tuple[str, ...]) -> dict[str, float]:
    """Return the maps of a model that count where none are named: all but M0 and what is known."""
    found = find_model(_read_as(model))
    names = [n for n in find_model(model).map_names if n in {p.name for p in found.parameters}]
    left = [n for n in names if n not in known and n not in ("m0", "pd", "d_star")]
    return dict.fromkeys(left or [n for n in names if n not in known], 1.0)

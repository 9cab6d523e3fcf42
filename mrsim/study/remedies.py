"""What turns a no into a yes: another fit, more subjects, a longer scan, larger voxels, other times, another field.

A change costs scanner time: minutes of one scan times the scans of all subjects. Another fit costs none. What averages,
thickness and voxel do to the noise is estimated from the forecast at hand (the standard deviation falls with the root
of the averages and with the voxel's volume); what is named in the end has been forecast anew. No more than `MOST`
forecasts are made; what was left out for that is said.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..core.errors import InfeasibleError, InputError
from ..core.toml import resource
from ..fit.models import MODELS
from ..phantom.phantom import PURE
from ..plan.answer import Remedy, Verdict
from ..plan.forecast import Forecast
from ..plan.question import Question
from ..plan.verdict import group_design, verdict
from ..sequence.families.protocol import Protocol
from ..sequence.protocol import FOLDER, read_protocol_file
from .plan import Tell, forecast, refitted
from .request import RunRequest
from .run import Prepared, prepare
from .snr import Built

MOST = 24
"""Forecasts that the search for one remedy makes: other times, fields and fits first, then what promises a yes."""
ALIKE = (
    ("spin-echo", "spin-echo-simple"),
    ("inversion-recovery", "inversion-recovery-efficiency", "inversion-recovery-magnitude"),
    ("mdme", "mdme-epg", "mdme-magnitude"),
    ("spgr", "despot1", "spgr-epg"),
    ("t2-mono", "t2-offset", "t2-epg"),
    ("mrf-fisp", "mrf-fisp-b1"),
    ("t2star-mono", "t2star-offset", "t2star-loglin", "t2star-arlo", "t2star-complex"),
    ("dixon", "dixon-liver-9", "dixon-liver-6", "dixon-single", "dixon-magnitude"),
    ("adc", "adc-2point", "adc-loglin"),
    ("ivim", "ivim-segmented", "ivim-map"),
    ("dti-ols", "dti-wls", "dti-irls", "dti-nlls", "dti-positive"),
    ("dki-ols", "dki-wls", "dki-irls", "dki-nlls", "dki-constrained"),
)
"""Fits that stand in for each other; in place of a fit that none of them names, all are tried that measure the same."""
AVERAGES = (2, 3, 4, 6, 8, 12, 16)
STRETCHED = (0.7, 1.5, 2.0)
"""Factors of the echo spacing, or of the echo times, to try."""
SLOWER = (1.5, 2.0, 3.0)
"""Factors of the repetition time."""
THICKER, COARSER = (1.25, 1.5, 2.0), (1.25, 1.6, 2.0)
"""Factors of the slice's thickness, of the voxel's sides in the plane."""
FIELDS = (1.5, 3.0, 7.0)
SEARCHED = "another fit, more subjects, averages, voxels, echo and repetition times, or another field"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Place:
    """A tissue of a phantom that a question is about."""

    tissue: str
    voxels: int
    """Pure ones of its region in the scan."""
    spread: dict[int, float]
    """Standard deviation of true values between subjects, by grade."""


def pure_voxels(ready: Prepared) -> dict[str, int]:
    """Return how many voxels of a scan each tissue fills in one of its regions of interest; at least one."""
    grid = ready.sequence.encoding.grid
    masks = ready.phantom.rois(grid).values()
    found = {}
    for name, share in ready.phantom.fractions(grid).items():
        pure = share >= PURE
        found[name] = max((int((mask & pure).sum()) for mask in masks), default=0) or int(pure.sum()) or 1
    return found


def place_of(request: RunRequest, question: Question, name: str, voxels: int, built: Built) -> Place:
    """Return a tissue with the spread of its truth."""
    spread: dict[int, float] = {}
    for grade in question.grades if question.kind == "tell" else ():
        mine = built.of(replace(request, grade=grade))[0].part.phantom
        tissue = next(tissue for tissue in mine.tissues if tissue.name == name)
        known = tissue.known(mine.field)
        spread[grade] = known[question.parameter].sd if question.parameter in known else math.nan
    return Place(tissue=name, voxels=voxels, spread=spread)


@dataclass(slots=True, eq=False)
class _Allowance:
    """Counts forecasts, and notes what is left out once all have been made."""

    progress: Tell | None
    built: Built
    made: int = 0
    untried: list[str] = field(default_factory=list)

    def allows(self, change: str) -> bool:
        """Return whether one more may be made, for a change, and count it."""
        if self.made >= MOST:
            self.untried.append(change)
            return False
        self.made += 1
        if self.progress:
            self.progress("remedies", self.made, MOST)
        return True


def with_remedy(
    answer: Verdict, request: RunRequest, question: Question, found: Forecast, place: Place, built: Built,
    progress: Tell | None = None,
) -> Verdict:  # fmt: skip
    """Return a no with the change that takes the least scanner time, or with the one that comes nearest to a yes."""
    wanted, tried, allowed = answer.wanted, [], _Allowance(progress, built)
    options = [*_more_subjects(question, found, place), *_forecast_anew(request, question, place, allowed)]
    for base in (found, *_other_fits(request, question, found, allowed)):
        options += [] if base is found else [_judged(question, base, place, f"fit {base.model}", model=base.model)]
        options += _scaled(request, question, base, place, "" if base is found else str(base.model))
    remedy = None
    for option in sorted(options, key=lambda option: (option.chance < wanted, option.minutes)):
        if option.chance < wanted:
            tried.append(option)
            continue
        sure = _confirmed(request, question, option, place, allowed)
        if sure is not None and sure.chance >= wanted:
            remedy = sure
            break
        tried += [] if sure is None else [sure]
    if progress:
        progress("remedies", MOST, MOST)
    nearest = max(tried, key=lambda option: option.chance, default=None)
    better = nearest if remedy is None and nearest is not None and nearest.chance > answer.chance else None
    return replace(
        answer, remedy=remedy, nearest=better, searched=SEARCHED, forecasts=allowed.made,
        untried=tuple(dict.fromkeys(allowed.untried)),
    )  # fmt: skip


def _family(request: RunRequest) -> Protocol:
    return read_protocol_file(resource(request.protocol, FOLDER, "protocol"), dict(request.overrides))[1]


def _grades(q: Question) -> tuple[int, ...]:
    return q.grades if q.kind == "tell" else ()


def _more_subjects(q: Question, found: Forecast, place: Place) -> Iterator[Remedy]:
    if q.kind != "tell":
        return
    rows = [found.of(place.tissue, q.parameter, grade) for grade in q.grades]
    first, second = (row for row in rows if row is not None)
    if (first.mean - second.mean) * (first.truth - second.truth) <= 0:
        return
    design = group_design(q, (first, second), place.spread, q.voxels or place.voxels)
    try:
        patients = design.patients_for(q.power, alpha=q.alpha)
    except InputError:
        return
    yield Remedy(
        change=f"{patients * design.discs} discs in each group", entries={}, discs=patients * design.discs,
        minutes=2 * patients * found.scan_time / 60, chance=replace(design, patients=patients).power(alpha=q.alpha),
    )  # fmt: skip


def _other_fits(request: RunRequest, q: Question, found: Forecast, allowed: _Allowance) -> Iterator[Forecast]:
    """Yield the forecast with every other fit that measures the same from the same images."""
    if not q.parameter or found.model is None:
        return
    group = next((group for group in ALIKE if found.model in group), None)
    for model in MODELS:
        if model.name == found.model or q.parameter not in model.map_names or (group and model.name not in group):
            continue
        if not allowed.allows(f"fit {model.name}"):
            continue
        other = refitted(request, found, model.name, allowed.built)
        if other.precision:
            yield other


def _scaled(request: RunRequest, q: Question, found: Forecast, place: Place, fit: str) -> Iterator[Remedy]:
    """Yield changes of averages and voxel, whose effect on noise is known."""
    family, also, model = _family(request), f"fit {fit} and " if fit else "", fit or None
    now = getattr(family, "averages", 1)
    for factor in AVERAGES if hasattr(family, "averages") else ():
        slower = _less_noise(found, math.sqrt(factor), factor)
        entries = {"averages": str(now * factor)}
        yield _judged(q, slower, place, f"{also}{now * factor} averages", entries, model=model)
    thickness: Any = getattr(family, "slice_thickness", None)
    for thicker in THICKER if isinstance(thickness, float) else ():
        text = f"{1e3 * thicker * thickness:.4g} mm"
        less = _less_noise(found, thicker, 1)
        yield _judged(q, less, place, f"{also}slices of {text}", {"slice_thickness": text}, model=model)
    matrix: Any = getattr(family, "matrix", ())
    for coarser in COARSER if len(matrix) > 1 else ():
        points = [2 * round(count / coarser / 2) for count in matrix[:2]]
        entries = {"matrix": " ".join(str(count) for count in (*points, *matrix[2:]))}
        less, fewer = _less_noise(found, coarser**1.5, 1 / coarser), int(place.voxels / coarser**2)
        if fewer:
            there = replace(place, voxels=fewer)
            yield _judged(q, less, there, f"{also}a matrix of {points[0]} x {points[1]}", entries, model=model)


def _less_noise(found: Forecast, factor: float, time: float) -> Forecast:
    """Return a forecast with standard deviations and bounds divided by a factor, and a scan that lasts longer."""
    rows = tuple(
        replace(row, sd=row.sd / factor, bound=row.bound / factor, scan_time=row.scan_time * time)
        for row in found.precision
    )
    snr = tuple(
        replace(one, rows=tuple(replace(row, snr=row.snr * factor, sigma=row.sigma / factor) for row in one.rows))
        for one in found.snr
    )
    return replace(found, precision=rows, scan_time=found.scan_time * time, snr=snr)


def _judged(
    q: Question, found: Forecast, place: Place, change: str, entries: Mapping[str, str] | None = None,
    field: float | None = None, model: str | None = None,
) -> Remedy:  # fmt: skip
    """Return a change with its cost and its chance."""
    answer = verdict(q, found, place.tissue, place.spread, place.voxels)
    chance = answer.chance if answer.answer != "not decidable" else 0.0
    minutes = answer.minutes if math.isfinite(answer.minutes) else found.scan_time / 60
    return Remedy(change=change, entries=dict(entries or {}), field=field, model=model, minutes=minutes, chance=chance)


def _confirmed(
    request: RunRequest, q: Question, option: Remedy, place: Place, allowed: _Allowance
) -> Remedy | None:  # fmt: skip
    """Return a change as a forecast of its own judges it; None where it cannot be scanned or no forecast is left."""
    if not option.entries or option.field is not None or option.forecast:
        return option  # more subjects, another fit, and what has been forecast already
    if not allowed.allows(option.change):
        return None
    other = replace(request, overrides={**request.overrides, **option.entries})
    other = other if option.model is None else replace(other, model=option.model, given={})
    try:
        found = forecast(other, _grades(q), (place.tissue,), brief=True, built=allowed.built)
        same = option.entries.keys() == {"averages"}
        there = place if same else replace(place, voxels=pure_voxels(prepare(other))[place.tissue])
    except (InputError, InfeasibleError):
        return None
    return _judged(q, found, there, option.change, option.entries, model=option.model)


def _forecast_anew(request: RunRequest, q: Question, place: Place, allowed: _Allowance) -> Iterator[Remedy]:
    """Yield changes of times and field, each forecast by itself."""
    for change, entries, tesla in _changes(request, allowed.built.of(request)[0].part.phantom.field):
        if not allowed.allows(change):
            continue
        other = replace(request, overrides={**request.overrides, **entries}, field=tesla or request.field)
        if tesla is not None:
            other = replace(other, scanner=None)
        try:
            found = forecast(other, _grades(q), (place.tissue,), brief=True, built=allowed.built)
            here = place if tesla is None else place_of(other, q, place.tissue, place.voxels, allowed.built)
            yield replace(_judged(q, found, here, change, entries, tesla), forecast=True)
        except (InputError, InfeasibleError):
            continue  # what cannot be played or is not known there is no remedy


def _changes(request: RunRequest, here: float) -> Iterator[tuple[str, dict[str, str], float | None]]:
    family = _family(request)
    for name, words, factors in (
        ("echo_spacing", "an echo spacing", STRETCHED), ("te", "echo times", STRETCHED),
        ("tr", "a repetition time", SLOWER),
    ):  # fmt: skip
        value: Any = getattr(family, name, None)
        times = (value,) if isinstance(value, float) else value if isinstance(value, tuple) else ()
        if not times or not all(isinstance(time, float) for time in times):
            continue
        for factor in factors:
            text = " ".join(f"{1e3 * factor * time:.4g}" for time in times) + " ms"
            yield f"{words} of {text}", {name: text}, None
    for tesla in FIELDS:
        if tesla != here:
            yield f"a field of {tesla:g} T", {}, tesla

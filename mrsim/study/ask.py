"""Questions put to a protocol: the verdict, and the cheapest change that turns a no into a yes.

A change costs scanner time: minutes of one scan times the scans of all subjects. Averages, thickness and the number of
discs follow from the forecast at hand (the standard deviation falls with the root of the averages and with the voxel's
volume); echo times and fields are forecast anew, and so is the winner before it is named, unless it only takes more
discs or averages.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..core.errors import InfeasibleError, InputError
from ..core.toml import read_toml, resource
from ..phantom.phantom import PURE, Phantom
from ..plan.forecast import Forecast
from ..plan.question import Question, read_question
from ..plan.verdict import Remedy, Verdict, group_design, refused, runs_verdict, time_verdict, undecided, verdict
from ..sequence.protocol import FOLDER, read_protocol_file
from ..sequence.scanner import choose_scanner
from .plan import Tell, forecast
from .request import RunRequest
from .run import prepare
from .snr import representative

AVERAGES = (2, 3, 4, 6, 8, 12, 16)
STRETCHED = (0.7, 1.5, 2.0)
"""Factors of the echo spacing, or of the echo times, to try."""
THICKER = (1.25, 1.5, 2.0)
FIELDS = (1.5, 3.0, 7.0)


def questions_of(protocol: str, asked: Iterable[str]) -> tuple[Question, ...]:
    """Return the questions of a protocol's file and of the command line."""
    found = []
    if not protocol.lower().endswith(".seq"):
        path = resource(protocol, FOLDER, "protocol")
        for table in read_toml(path).get("question", []):
            entries = dict(table)
            if "ask" not in entries:
                raise InputError("has no 'ask'", key="question", file=path)
            found.append(read_question(entries.pop("ask"), entries))
    return (*found, *(read_question(text) for text in asked))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Place:
    """A tissue of a phantom that a question is about."""

    tissue: str
    voxels: int
    spread: dict[int, float]


def answers(
    request: RunRequest, questions: Iterable[Question], *, remedies: bool = True, progress: Tell | None = None
) -> tuple[Verdict, ...]:
    """Return a verdict on every question, one for each tissue that its words name.

    Parameters
    ----------
    request : RunRequest
        The protocol as it is asked about.
    questions : iterable of Question
    remedies : bool
        Whether to look for the cheapest change that turns a no into a yes.
    progress : callable, optional
    """
    return tuple(found for question in questions for found in _answers(request, question, remedies, progress))


def _answers(request: RunRequest, question: Question, remedies: bool, progress: Tell | None) -> Iterator[Verdict]:
    if question.kind == "volume":
        from .volume_time import volume_verdict

        yield volume_verdict(request, question)
        return
    if question.kind == "runs":
        yield _runs(request, question)
        return
    grades = question.grades if question.kind == "tell" else ()
    if question.kind == "time":
        yield time_verdict(question, representative(request).scan_time)
        return
    ready = prepare(request)
    for name in named_tissues(question, ready.phantom):
        if question.kind == "tell" and not _graded(ready.phantom, name):
            yield undecided(question, name, f"{name} has no Pfirrmann grades in the phantom {ready.phantom.name}")
            continue
        place = _place(request, question, ready.phantom, name)
        found = forecast(request, grades, (name,), progress, brief=True)
        answer = verdict(question, found, name, place.spread, place.voxels)
        if answer.answer == "no" and remedies:
            answer = replace(answer, remedy=_cheapest(request, question, found, place))
        yield answer


def _runs(request: RunRequest, question: Question) -> Verdict:
    _, family, table = read_protocol_file(resource(request.protocol, FOLDER, "protocol"), dict(request.overrides))
    scanner = choose_scanner(request.field, request.scanner, str(table.get("scanner", "3T")))
    try:
        return runs_verdict(question, family.build(scanner))
    except (InfeasibleError, InputError) as problem:
        return refused(question, str(problem))


def _graded(phantom: Phantom, name: str) -> bool:
    return next(tissue for tissue in phantom.tissues if tissue.name == name).grade is not None


def named_tissues(question: Question, phantom: Phantom) -> tuple[str, ...]:
    """Return the phantom's tissues that a question's words name: all of whose words stand in the tissue's name."""
    known = [tissue.name for tissue in phantom.tissues]
    words = question.where.replace("_", " ").split()
    if not words:
        raise InputError(f"'{question.text}' names no tissue; {phantom.name} has {', '.join(known)}", key="--ask")
    found = tuple(name for name in known if all(word in name.split("_") for word in words))
    if not found:
        said = " ".join(words)
        raise InputError(f"'{said}' is no tissue of {phantom.name}; it has {', '.join(known)}", key="--ask")
    return found


def _place(request: RunRequest, question: Question, phantom: Phantom, name: str) -> _Place:
    """Return the spread of the truth and the voxels of a tissue's region."""
    grid = prepare(request).sequence.encoding.grid
    pure = phantom.fractions(grid)[name] >= PURE
    masks = phantom.rois(grid)
    counts = [int((mask & pure).sum()) for mask in masks.values()]
    voxels = max(counts, default=0) or int(pure.sum()) or 1
    spread: dict[int, float] = {}
    for grade in question.grades if question.kind == "tell" else ():
        mine = prepare(replace(request, grade=grade)).phantom
        tissue = next(tissue for tissue in mine.tissues if tissue.name == name)
        known = tissue.known(mine.field)
        spread[grade] = known[question.parameter].sd if question.parameter in known else math.nan
    return _Place(tissue=name, voxels=voxels, spread=spread)


def _cheapest(request: RunRequest, question: Question, found: Forecast, place: _Place) -> Remedy | None:
    """Return the change that takes the least scanner time."""
    options = [*_more_subjects(question, found, place), *_scaled(request, question, found, place)]
    options += _forecast_anew(request, question, place)
    good = sorted((option for option in options if option.chance >= question.power), key=lambda option: option.minutes)
    return good[0] if good else None


def _more_subjects(q: Question, found: Forecast, place: _Place) -> Iterator[Remedy]:
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


def _scaled(request: RunRequest, q: Question, found: Forecast, place: _Place) -> Iterator[Remedy]:
    """Yield changes of averages and thickness, whose effect on noise is known."""
    _, family, _ = read_protocol_file(resource(request.protocol, FOLDER, "protocol"), dict(request.overrides))
    now = getattr(family, "averages", 1)
    for factor in AVERAGES if hasattr(family, "averages") else ():
        slower = _less_noise(found, math.sqrt(factor), factor)
        yield _judged(q, slower, place, f"{now * factor} averages", {"averages": str(now * factor)})
    thickness: Any = getattr(family, "slice_thickness", None)
    for thicker in THICKER if isinstance(thickness, float) else ():
        text = f"{1e3 * thicker * thickness:.4g} mm"
        yield _judged(q, _less_noise(found, thicker, 1), place, f"slices of {text}", {"slice_thickness": text})


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
    q: Question, found: Forecast, place: _Place, change: str, entries: Mapping[str, str], field: float | None = None
) -> Remedy:
    """Return a change with its cost and its chance."""
    answer = verdict(q, found, place.tissue, place.spread, place.voxels)
    chance = answer.chance if answer.answer != "not decidable" else 0.0
    return Remedy(change=change, entries=dict(entries), field=field, minutes=answer.minutes, chance=chance)


def _forecast_anew(request: RunRequest, q: Question, place: _Place) -> Iterator[Remedy]:
    """Yield changes of echo times and field, each forecast by itself."""
    for change, entries, field in _changes(request):
        other = replace(request, overrides={**request.overrides, **entries}, field=field or request.field)
        if field is not None:
            other = replace(other, scanner=None)
        try:
            found = forecast(other, q.grades if q.kind == "tell" else (), (place.tissue,), brief=True)
            here = place if field is None else _place(other, q, prepare(other).phantom, place.tissue)
            yield _judged(q, found, here, change, entries, field)
        except (InputError, InfeasibleError):
            continue  # what cannot be played or is not known there is no remedy


def _changes(request: RunRequest) -> Iterator[tuple[str, dict[str, str], float | None]]:
    _, family, _ = read_protocol_file(resource(request.protocol, FOLDER, "protocol"), dict(request.overrides))
    for name in ("echo_spacing", "te"):
        value: Any = getattr(family, name, None)
        times = (value,) if isinstance(value, float) else value if isinstance(value, tuple) else ()
        if not times or not all(isinstance(time, float) for time in times):
            continue
        for factor in STRETCHED:
            text = " ".join(f"{1e3 * factor * time:.4g}" for time in times) + " ms"
            yield f"{name} of {text}", {name: text}, None
        break
    here = prepare(request).phantom.field
    for field in FIELDS:
        if field != here:
            yield f"a field of {field:g} T", {}, field


__all__ = ["answers", "questions_of"]

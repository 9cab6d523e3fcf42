"""Verdicts: does a protocol answer a question, how surely, and what stands in its way.

The measured difference of two groups is that of the expected maps, biases included; a disc's measurement error is a
voxel's standard deviation over the root of the voxels that are averaged. The chance of success is a power or a
probability in closed form (`evaluate.group_design`, `evaluate.power`); nothing is simulated here.

Not decidable is what the phantom has no truth for, what the protocol does not measure, and what too few voxels measure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from ..core.errors import InputError
from ..core.written import quantity
from ..evaluate.group_design import GroupDesign
from ..evaluate.power import power_of_estimate
from ..sequence.sequence import Sequence
from .answer import Answer, Verdict, said, said_share, said_signed, said_voxels, threshold, undecided
from .forecast import Forecast
from .limits import limits
from .precision import Precision
from .question import Question

MISREAD = 0.1
"""Bias over the truth that a reader of a yes must know of."""
DECISIVE = 0.1
"""A cause that adds less than this to the chance of success does not limit it."""


def verdict(question: Question, found: Forecast, tissue: str, spread: Mapping[int, float], voxels: int) -> Verdict:
    """Return the answer to a question about a tissue.

    Parameters
    ----------
    question : Question
    found : Forecast
        Of the question's grades, where it has some.
    tissue : str
        Name in the phantom.
    spread : mapping of grade to float
        Standard deviation of true values between subjects, SI.
    voxels : int
        Of the tissue's region in the scan.
    """
    if question.kind == "tell":
        return _tell(question, found, tissue, spread, question.voxels or voxels)
    if question.kind in ("within", "change"):
        row = found.of(tissue, question.parameter)
        problem = _undecidable(question, found, tissue, row)
        if problem or row is None:
            return undecided(question, tissue, problem)
        judge = _within if question.kind == "within" else _change
        return judge(question, row, question.voxels or voxels, found.scan_time / 60)
    if question.kind == "bound":
        row = found.of(tissue, question.parameter)
        problem = _undecidable(question, found, tissue, row)
        if problem or row is None or not math.isfinite(row.bound):
            return undecided(question, tissue, problem or f"no bound of {question.parameter} is known")
        value = row.bound / (abs(row.truth) if question.relative else 1.0)
        return threshold(question, tissue, value, found.scan_time, "noise", "" if question.relative else row.unit)
    best = max(row.snr for row in found.snr[0].rows if row.tissue == tissue)
    return threshold(question, tissue, best, found.scan_time, "noise")


def time_verdict(question: Question, scan_time: float) -> Verdict:
    """Return whether a scan of so many seconds is short enough."""
    return threshold(question, "", scan_time, scan_time, "scan time", "s")


def runs_verdict(question: Question, sequence: Sequence) -> Verdict:
    """Return whether a scanner can play a sequence within all limits, and which limit is the tightest."""
    violations = sequence.check()
    found = limits(sequence)
    worst = max(found.margins, key=lambda margin: margin.use)
    other = str(violations[0]) if violations else "nothing"
    cause = worst.limit_name if worst.use > 1 else other
    met = cause == "nothing"
    value, limit = (quantity(part, worst.unit) for part in (worst.value, worst.limit))
    return Verdict(
        question=question.text, tissue="", answer="yes" if met else "no", chance=float(met), wanted=1.0, cause=cause,
        reason=f"on {sequence.scanner.name} {worst.limit_name} is the tightest limit: {value} of {limit} "
        f"({100 * worst.use:.0f} %)\nIEC mode {found.mode}",
        numbers={margin.limit_name: margin.use for margin in found.margins}, minutes=sequence.duration / 60,
    )  # fmt: skip


def _undecidable(question: Question, found: Forecast, tissue: str, row: Precision | None) -> str:
    """Return why a question has no answer; empty where it has one."""
    measured = sorted({entry.parameter for entry in found.precision})
    if row is None:
        if not measured:
            return f"{found.protocol} measures no map: {found.missing[0] if found.missing else 'it fits nothing'}"
        if question.parameter not in measured:
            return f"{found.protocol} measures {', '.join(measured)}, not {question.parameter}"
        return f"{tissue} is no tissue of the forecast"
    if not math.isfinite(row.truth):
        return f"{tissue} has no single true {row.parameter} in the phantom {found.phantom}"
    if not row.measurable:
        return f"{100 * row.share:.0f} % of the voxels of {tissue} get a value of {row.parameter}: too little signal"
    return ""


def _answer(chance: float, wanted: float) -> Answer:
    return "yes" if chance >= wanted else "no"


def _tell(q: Question, found: Forecast, tissue: str, spread: Mapping[int, float], voxels: int) -> Verdict:
    rows = [found.of(tissue, q.parameter, grade) for grade in q.grades]
    for row, grade in zip(rows, q.grades, strict=True):
        if problem := _undecidable(q, found, tissue, row):
            return undecided(q, tissue, f"grade {grade}: {problem}")
    first, second = (row for row in rows if row is not None)
    per_patient = q.discs / q.patients if q.patients else 1
    if per_patient != int(per_patient) or per_patient < 1:
        raise InputError(f"{q.discs} discs do not divide among {q.patients} patients", key="--ask")
    if per_patient > 1 and q.icc is None:
        return undecided(q, tissue, "discs of one patient are alike, and nobody says how much: add e.g. 'icc 0.4'")
    design = group_design(q, (first, second), spread, voxels)
    chance = design.power(alpha=q.alpha)
    true, seen = first.truth - second.truth, first.mean - second.mean
    reversed_order = seen * true < 0
    chance = 0.0 if reversed_order else chance
    cause = "bias reverses the order of the grades" if reversed_order else _limiting(design, true, q, chance)
    biology = math.hypot(design.disc_sd, design.patient_sd)
    unit = first.unit
    reason = (
        f"grades {q.grades[0]} and {q.grades[1]} read {said(first.mean, unit)} and {said(second.mean, unit)}; "
        f"the truth is {said(first.truth, unit)} and {said(second.truth, unit)}{_misread(first, second)}\n"
        f"discs of one grade differ by {said(biology, unit)} (SD), measurements of one by "
        f"{said(design.error_sd, unit)} (over {said_voxels(voxels)})\n"
        f"effect size {abs(design.effect_size):.2f}, expected AUC {design.area:.3f} ± {design.area_error:.3f}"
    )
    return Verdict(
        question=q.text, tissue=tissue, answer=_answer(chance, q.power), chance=chance, wanted=q.power, cause=cause,
        reason=reason, minutes=2 * design.patients * found.scan_time / 60,
        numbers={
            "difference": seen, "true_difference": true, "disc_sd": design.disc_sd, "patient_sd": design.patient_sd,
            "error_sd": design.error_sd, "voxels": voxels, "effect_size": design.effect_size, "auc": design.area,
            "auc_error": design.area_error, "design_effect": design.design_effect,
        },
    )  # fmt: skip


def _misread(*rows: Precision) -> str:
    """Return how far maps read from the truth, where that is more than a tenth: they tell grades, not values."""
    shares = [row.bias / abs(row.truth) if row.truth else 0.0 for row in rows]
    if max(map(abs, shares)) < MISREAD:
        return ""
    told = " and ".join(f"{100 * share:+.0f} %" for share in shares)
    return f": {told} off, so that thresholds of other protocols do not hold"


def group_design(
    q: Question, rows: tuple[Precision, Precision], spread: Mapping[int, float], voxels: int
) -> GroupDesign:
    """Return the two groups of a question, spreads pooled over both grades."""
    first, second = rows
    true_sd = q.disc_sd if q.disc_sd is not None else _pooled(*(spread[grade] for grade in q.grades))
    icc = q.icc or 0.0
    patients = q.patients or q.discs
    return GroupDesign(
        difference=first.mean - second.mean, disc_sd=true_sd * math.sqrt(1 - icc), patients=patients,
        discs=q.discs // patients, patient_sd=true_sd * math.sqrt(icc),
        error_sd=_pooled(first.sd, second.sd) / math.sqrt(voxels),
    )  # fmt: skip


def _pooled(first: float, second: float) -> float:
    return math.sqrt((first**2 + second**2) / 2)


def _limiting(design: GroupDesign, true: float, q: Question, chance: float) -> str:
    """Return which cause, were it gone, would raise the power most."""
    biology = math.hypot(design.disc_sd, design.patient_sd)
    cures = {
        "spread between discs": replace(design, disc_sd=0.0, patient_sd=0.0) if design.error_sd else None,
        "measurement noise": replace(design, error_sd=0.0) if biology else None,
        "bias": replace(design, difference=math.copysign(max(abs(true), abs(design.difference)), design.difference)),
    }
    gains = {name: cure.power(alpha=q.alpha) - chance for name, cure in cures.items() if cure is not None}
    worst = max(gains, key=lambda name: gains[name])
    if chance >= q.power:
        return f"nothing; {worst} would be next" if gains[worst] > 0.01 else "nothing"
    return worst if gains[worst] >= DECISIVE else "number of discs"


def _within(q: Question, row: Precision, voxels: int, minutes: float) -> Verdict:
    from scipy.stats import norm

    limit = q.limit * abs(row.truth) if q.relative else q.limit
    error = row.sd / math.sqrt(voxels)

    def chance_of(bias: float, sd: float) -> float:
        if sd == 0:
            return float(abs(bias) <= limit)
        return float(norm.cdf((limit - bias) / sd) - norm.cdf((-limit - bias) / sd))

    chance = chance_of(row.bias, error)
    without = {"bias": chance_of(0.0, error), "noise": chance_of(row.bias, 0.0)}
    cause = (
        "nothing" if chance >= q.power else "bias" if abs(row.bias) > limit else max(without, key=lambda c: without[c])
    )
    reason = (
        f"the map reads {said(row.mean, row.unit)}, the truth is {said(row.truth, row.unit)}: bias "
        f"{said_signed(row.bias, row.unit)}{said_share(row.bias, row.truth)}\n"
        f"noise {said(error, row.unit)} over {said_voxels(voxels)}\n"
        f"limit ±{said(limit, row.unit)}"
    )
    return Verdict(
        question=q.text, tissue=row.tissue, answer=_answer(chance, q.power), chance=chance, wanted=q.power, cause=cause,
        reason=reason, minutes=minutes,
        numbers={"bias": row.bias, "sd": error, "limit": limit, "truth": row.truth, "voxels": voxels},
    )  # fmt: skip


def _change(q: Question, row: Precision, voxels: int, minutes: float) -> Verdict:
    limit = q.limit * abs(row.truth) if q.relative else q.limit
    error = math.sqrt(2) * row.sd / math.sqrt(voxels)
    chance = power_of_estimate(limit, error, math.inf, alpha=q.alpha)
    return Verdict(
        question=q.text, tissue=row.tissue, answer=_answer(chance, q.power), chance=chance, wanted=q.power,
        cause="nothing" if chance >= q.power else "measurement noise", minutes=2 * minutes,
        reason=f"the change is {said(limit, row.unit)}\n"
        f"two scans differ by {said(error, row.unit)} (SD) by noise alone, over {said_voxels(voxels)}\n"
        f"bias is taken to be the same in both",
        numbers={"change": limit, "sd_of_difference": error, "voxels": voxels},
    )  # fmt: skip

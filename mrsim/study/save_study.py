"""A finished study on disk, beside its replicates: verdicts as JSON, figures, and one page that tells the story."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from ..core.replacing import replacing
from ..report.study_page import study_page
from ..report.table import Table
from .claims import Verdict
from .run_study import StudyResult, by_experiment

SIGNIFICANT = 4
"""Digits of a measured value."""


def save_study(result: StudyResult, folder: Path) -> Path:
    """Write claims.json, the figures and report.html to the study's folder; return the path of the page."""
    drawn: dict[str, bytes] = {}
    for kind, outcomes in by_experiment(result.study, result.outcomes):
        drawn |= kind.draw(outcomes, result.measures) if kind.draw else {}
    for name, picture in drawn.items():
        _write(folder / f"{name}.png", picture)
    text = json.dumps(summary(result), ensure_ascii=False, indent=2, allow_nan=False)
    _write(folder / "claims.json", text.encode())
    content = result.study.content
    page = study_page(
        title=f"{result.study.name} ({result.study.mode})", description=content.description, question=content.question,
        notes=content.notes, compared=compared(result), claims=[(line(v), v.holds) for v in result.verdicts],
        tables=(claim_table(result), *arm_tables(result), measure_table(result)), drawn=drawn,
        text=result.study.file.read_text("utf-8"),
    )  # fmt: skip
    _write(folder / "report.html", page.encode())
    return folder / "report.html"


def summary(result: StudyResult) -> dict[str, Any]:
    """Return what a program wants to know: whether all claims hold, each claim, each measure."""
    return {
        "study": result.study.name,
        "mode": result.study.mode,
        "holds": result.holds,
        "claims": [_plain(verdict.plain()) for verdict in result.verdicts],
        "compared": [{"says": said, "explained_by_noise": explained} for said, explained in compared(result)],
        "measures": [_plain({f: getattr(m, f) for f in m.__dataclass_fields__}) for m in result.measures],
        "replicates": {arm.name: arm.count for arm in result.study.arms},
        "arms": {arm.name: arm.chosen for arm in result.study.arms if arm.chosen},
    }


def compared(result: StudyResult) -> list[tuple[str, bool]]:
    """Return what is said of groups that are compared, and whether noise explains their difference."""
    kinds = by_experiment(result.study, result.outcomes)
    return [sentence for kind, outcomes in kinds if kind.compare for sentence in kind.compare(outcomes)]


def _plain(entry: dict[str, Any]) -> dict[str, Any]:
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in entry.items()}


def line(verdict: Verdict) -> str:
    """Return a verdict as a sentence."""
    claim = verdict.claim
    judged = "holds" if verdict.holds else "does not hold"
    what = f"{claim.metric} of {claim.region} is {_measured(verdict)}, claimed {_claimed(verdict)}"
    text = f"{claim.says}: {what}: {judged}."
    return f"{text} {claim.shortfall}" if claim.shortfall and not verdict.holds else text


def claim_table(result: StudyResult) -> Table:
    """Return the claims, one row each."""
    rows = tuple(
        (
            "holds" if v.holds else "FAILS", v.claim.says, v.claim.metric, v.claim.region, _measured(v), _claimed(v),
            "control" if v.claim.control else "",
        )
        for v in result.verdicts
    )  # fmt: skip
    columns = ("verdict", "claim", "metric", "region", "found", "claimed", "kind")
    return Table(title="Claims", columns=columns, rows=rows, prose=(1,))


def arm_tables(result: StudyResult) -> tuple[Table, ...]:
    """Return what a grid or a sweep gave each arm, one table per set of settings."""
    arms = [arm for arm in result.study.arms if arm.chosen]
    kinds = dict.fromkeys(tuple(arm.chosen) for arm in arms)
    return tuple(
        Table(title="Arms", columns=("arm", *keys),
              rows=tuple((a.name, *map(str, a.chosen.values())) for a in arms if tuple(a.chosen) == keys))
        for keys in kinds
    )  # fmt: skip


def measure_table(result: StudyResult) -> Table:
    """Return everything that was measured."""
    rows = tuple(
        (m.metric, m.region, shown(m.value), m.unit, _interval(m.low, m.high) or "–", str(m.replicates))
        for m in result.measures
    )
    columns = ("metric", "region", "value", "unit", "95 % interval", "n")
    return Table(title="Measured", columns=columns, rows=rows, numeric=(2, 5))


def shown(value: float) -> str:
    """Return a number with four significant digits."""
    return f"{value:.{SIGNIFICANT}g}".replace("-", "−") if math.isfinite(value) else "–"


def _measured(verdict: Verdict) -> str:
    found = verdict.numbers()
    between = _interval(found["low"], found["high"])
    return f"{shown(found['value'])}{f' ({between})' if between else ''} {verdict.claim.unit}".rstrip()


def _interval(low: float, high: float) -> str:
    return f"{shown(low)} to {shown(high)}" if math.isfinite(low) and math.isfinite(high) else ""


def _claimed(verdict: Verdict) -> str:
    claim = verdict.claim
    room = f" within {claim.standard_errors:g} s.e." if claim.standard_errors else ""
    return f"{claim.limit} {claim.unit}".rstrip() + room


def _write(path: Path, content: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(content)

"""The answer to a question, and what would change it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from ..core.shown import Shown
from ..core.written import quantity
from .question import Question

Answer = Literal["yes", "no", "not decidable"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Remedy:
    """A change that turns a no into a yes."""

    change: str
    """What to change, in words; for the protocol as ``--set`` or ``--field``."""
    entries: dict[str, str]
    """Protocol entries to change."""
    field: float | None = None
    """Another field strength, T."""
    model: str | None = None
    """Another fit."""
    discs: int = 0
    """Discs in each group, where their number changes."""
    minutes: float
    """Scanner time of the whole study, min: all subjects of all groups."""
    chance: float
    forecast: bool = False
    """Whether the numbers are those of a forecast of the changed protocol, not estimates."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict(Shown):
    """The answer to one question."""

    question: str
    tissue: str
    answer: Answer
    chance: float
    """Power or probability; 1 or 0 where nothing is left to chance; NaN where it is not decidable."""
    wanted: float
    cause: str
    """What limits it."""
    reason: str
    """With the numbers; one idea a line."""
    numbers: dict[str, float] = field(default_factory=dict)
    """SI: what went into it."""
    minutes: float = math.nan
    """Scanner time that the question takes, min."""
    remedy: Remedy | None = None
    """The cheapest change that makes a no a yes."""
    nearest: Remedy | None = None
    """Where there is none: the change that comes nearest."""
    searched: str = ""
    """What was looked through for a remedy; empty where none was looked for."""
    forecasts: int = 0
    """Made for that."""
    untried: tuple[str, ...] = ()
    """Changes that were left out because enough forecasts had been made."""

    def _facts(self) -> dict[str, str]:
        remedy = {"remedy": self.remedy.change if self.remedy else ""}
        return {"": f"{self.answer}: {self.question}", "tissue": self.tissue, "limited by": self.cause} | remedy


def refused(question: Question, problem: str) -> Verdict:
    """Return the verdict on a protocol that cannot even be built."""
    return Verdict(
        question=question.text, tissue="", answer="no", chance=0.0, wanted=1.0, cause=problem, reason=problem,
    )  # fmt: skip


def undecided(question: Question, tissue: str, reason: str) -> Verdict:
    """Return the verdict that no answer is known."""
    return Verdict(
        question=question.text, tissue=tissue, answer="not decidable", chance=math.nan, wanted=question.power,
        cause="not known", reason=reason,
    )  # fmt: skip


def threshold(q: Question, tissue: str, value: float, scan_time: float, cause: str, unit: str = "") -> Verdict:
    """Return the answer where a number is compared with a limit and nothing is left to chance.

    Parameters
    ----------
    q : Question
    tissue : str
    value : float
        SI, or a share where the question's limit is one.
    scan_time : float
        s.
    cause : str
        What limits it where the answer is no.
    unit : str
        SI unit of the value.
    """
    met = value >= q.limit if q.kind == "snr" else value <= q.limit
    seen, limit = (f"{100 * v:.3g} %" if q.relative else _time_or(v, unit) for v in (value, q.limit))
    return Verdict(
        question=q.text, tissue=tissue, answer="yes" if met else "no", chance=float(met), wanted=1.0,
        cause="nothing" if met else cause, reason=f"{seen} against {limit}",
        numbers={"value": value, "limit": q.limit}, minutes=scan_time / 60,
    )  # fmt: skip


def _time_or(value: float, unit: str) -> str:
    return f"{value / 60:.3g} min" if unit == "s" and value >= 60 else said(value, unit)


def said(value: float, unit: str) -> str:
    """Return an SI value for a reader, three digits."""
    return quantity(value, unit, 3)


def said_signed(value: float, unit: str) -> str:
    """Return the same with its sign."""
    return f"{'+' if value > 0 else ''}{said(value, unit)}"


def said_share(part: float, whole: float) -> str:
    """Return a part in percent of a whole, in brackets; empty without a whole."""
    return f" ({100 * part / abs(whole):+.1f} %)" if whole else ""


def said_voxels(count: int) -> str:
    """Return a number of voxels in words."""
    return f"{count} voxel{'s' if count > 1 else ''}"

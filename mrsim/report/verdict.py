"""A verdict for a reader: the answer first, then why, then what would change it; one idea a line."""

from __future__ import annotations

import math

from ..plan.answer import Remedy, Verdict
from .quantities import chance, label, number


def verdict_lines(verdict: Verdict) -> tuple[str, ...]:
    """Return a verdict as lines, the answer first."""
    v = verdict
    sure = "" if math.isnan(v.chance) or v.wanted == 1 else f", chance {chance(v.chance)} (wanted {chance(v.wanted)})"
    of = f" [{label(v.tissue)}]" if v.tissue else ""
    limited = () if v.answer == "not decidable" or v.cause == v.reason else (f"limited by: {v.cause}",)
    return (f"{v.answer.upper()}{sure}: {v.question}{of}", *limited, *v.reason.split("\n"), *_change(v))


def _change(v: Verdict) -> tuple[str, ...]:
    if v.answer != "no":
        return ()
    if v.remedy is not None:
        said: tuple[str, ...] = (f"cheapest change: {_words(v.remedy, v.wanted)}",)
    elif v.nearest is not None:
        said = (f"no single change is enough; nearest: {_words(v.nearest, v.wanted)}",)
    else:
        said = (f"not helped by {v.searched}",) if v.searched else ()
    if not v.untried:
        return said
    return (*said, f"not tried, after {v.forecasts} forecasts: {'; '.join(v.untried)}")


def _words(remedy: Remedy, wanted: float) -> str:
    sure = "" if wanted == 1 else f": chance {chance(remedy.chance)}"
    return f"{remedy.change}{sure}; {number(remedy.minutes, 3)} min of scanner time in all"

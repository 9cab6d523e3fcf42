"""Claims: what a study must find, as a metric in a region against a limit.

A limit reads ``">= 0.998"``, ``"<= 10"``, ``"0.946 to 0.973"`` or ``"0.87 +- 0.03"``, in the claim's unit. A claim on a
mean over random replicates may be met within a stated number of that mean's standard errors, so that chance does not
break it every other seed. A negative control is a claim like any other: it says that the wrong way is seen to be wrong.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import combinations

from ..core.errors import InputError, did_you_mean
from ..core.units import UNITS, dimension_of
from .experiment import Measure

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
FORMS = (
    (re.compile(rf">=\s*({NUMBER})"), lambda a: (a, math.inf)),
    (re.compile(rf"<=\s*({NUMBER})"), lambda a: (-math.inf, a)),
    (re.compile(rf"({NUMBER})\s+to\s+({NUMBER})"), lambda a, b: (a, b)),
    (re.compile(rf"({NUMBER})\s*(?:\+-|±)\s*({NUMBER})"), lambda a, b: (a - b, a + b)),
)
"""How a limit may be written, and the interval that it means."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """One line of what a study must find."""

    says: str
    """The claim in words."""
    metric: str
    """What is measured, e.g. ``"Pearson r"``."""
    region: str
    """Of what: an arm, a tissue, a pair of grades, as the experiment names it; ``*`` stands for anything."""
    limit: str
    """See the module."""
    unit: str = ""
    """Unit of the limit."""
    control: bool = False
    """True for a negative control."""
    standard_errors: float = 0.0
    """By how many standard errors of the measured mean the limit may be missed."""
    modes: tuple[str, ...] = ("fast", "full")
    """In which modes the claim is made: some need more replicates than the fast mode has."""
    shortfall: str = ""
    """Why the claim does not hold, with numbers, where it is known not to."""

    def interval(self) -> tuple[float, float]:
        """Return the lowest and highest value allowed, SI."""
        for form, meant in FORMS:
            found = form.fullmatch(self.limit.strip())
            if found:
                low, high = meant(*map(float, found.groups()))
                return low * self.factor, high * self.factor
        raise InputError(
            f"'{self.limit}' is no limit; write '>= 0.99', '<= 3', '0.94 to 0.97' or '0.87 +- 0.03'", key="limit"
        )

    @property
    def factor(self) -> float:
        """SI over the claim's unit."""
        dimension = dimension_of(self.unit)
        if dimension is not None:
            return UNITS[dimension][self.unit]
        known = sorted({unit for table in UNITS.values() for unit in table})
        raise InputError(f"unknown unit '{self.unit}'{did_you_mean(self.unit, known)}", key="unit")


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """A claim beside what was measured."""

    claim: Claim
    measure: Measure
    holds: bool

    def numbers(self) -> dict[str, float]:
        """Return value, interval and standard error in the claim's unit."""
        factor = self.claim.factor
        return {name: getattr(self.measure, name) / factor for name in ("value", "low", "high", "standard_error")}

    def plain(self) -> dict[str, object]:
        """Return the verdict as JSON has it, values in the claim's unit."""
        return (
            dataclasses.asdict(self.claim)
            | self.numbers()
            | {"replicates": self.measure.replicates, "holds": self.holds}
        )


def check_claims(claims: Sequence[Claim]) -> None:
    """Refuse a limit that is none, and two claims on one thing that cannot both hold."""
    for claim in claims:
        low, high = claim.interval()
        if low > high:
            raise InputError(f"'{claim.limit}' allows nothing: its lowest value is above its highest", key="limit")
    for one, other in combinations(claims, 2):
        if (one.metric, one.region) != (other.metric, other.region) or not set(one.modes) & set(other.modes):
            continue
        (low, high), (least, most) = one.interval(), other.interval()
        if low > most or least > high:
            raise InputError(
                f"claims contradict each other: {one.metric} of {one.region} cannot be both {one.limit} {one.unit} "
                f"('{one.says}') and {other.limit} {other.unit} ('{other.says}')", key="claim",
            )  # fmt: skip


def judge(claims: Iterable[Claim], measures: Iterable[Measure]) -> tuple[Verdict, ...]:
    """Return a verdict on every claim; a claim on something that is not measured is an error.

    A claim on regions of a pattern, ``"disc *"``, holds where it holds for every one; its verdict shows the worst.
    """
    found = {(measure.metric, measure.region): measure for measure in measures}
    verdicts = []
    for claim in claims:
        matching = [
            measure for (metric, region), measure in found.items()
            if metric == claim.metric and (region == claim.region or fnmatchcase(region, claim.region))
        ]  # fmt: skip
        if not matching:
            known = sorted(f"{metric} of {region}" for metric, region in found)
            wanted = f"{claim.metric} of {claim.region}"
            raise InputError(f"nothing measures '{wanted}'{did_you_mean(wanted, known)}", key="claim")
        worst = max(matching, key=lambda measure: _beyond(claim, measure))
        verdicts.append(Verdict(claim=claim, measure=worst, holds=bool(_beyond(claim, worst) <= 0)))
    return tuple(verdicts)


def _beyond(claim: Claim, measure: Measure) -> float:
    """Return by how much a value lies beyond its limit, SI; a value that is not a number holds nothing."""
    low, high = claim.interval()
    room = claim.standard_errors * measure.standard_error if claim.standard_errors else 0.0
    beyond = max(low - room - measure.value, measure.value - high - room)
    return math.inf if math.isnan(beyond) else beyond

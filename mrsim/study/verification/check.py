"""One thing that is verified: a claim, how far from it the product is, and how far it may be."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """A claim whose truth is known from outside the code that it is about."""

    name: str
    """Short name, for `mrsim verify NAME`."""
    part: str
    """What part of the product it is about."""
    claim: str
    """What should be so."""
    reference: str
    """Where the truth comes from: a closed form, a published number, another program."""
    tolerance: float
    """Largest error that passes, in the unit of the error."""
    unit: str = ""
    """Unit of the error; none for relative errors and fractions of the equilibrium."""
    why: str
    """What the tolerance follows from."""
    error: Callable[[], float]
    """Measures the error."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a check found."""

    check: Check
    error: float
    """Achieved error; NaN if the check could not be carried out."""
    seconds: float
    """Time that it took, s."""
    problem: str = ""
    """Why it could not be carried out."""

    @property
    def passed(self) -> bool:
        """Whether the error is within the tolerance; NaN is not."""
        return self.error <= self.check.tolerance


def carried_out(check: Check) -> Outcome:
    """Return what `check` finds; one that breaks down has failed and says why, and does not hide the others."""
    start, error, problem = time.perf_counter(), math.nan, ""
    try:
        error = float(check.error())
    except Exception as broken:
        problem = f"{type(broken).__name__}: {' '.join(str(broken).split())}"
    return Outcome(check=check, error=error, seconds=time.perf_counter() - start, problem=problem)

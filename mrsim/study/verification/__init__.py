"""Verification that the product carries with it: what it computes against truths from outside.

Analytic solutions, published numbers, other programs and the engines against each other, each with the achieved
error, the tolerance and where the tolerance comes from. The tests go further; this is what a user can run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ...core.errors import InputError, did_you_mean
from . import engines, estimates, fields, inversions, numerics
from .check import Check, Outcome, carried_out

CHECKS: tuple[Check, ...] = (
    *engines.CHECKS, *fields.CHECKS, *inversions.CHECKS, *estimates.CHECKS, *numerics.CHECKS
)  # fmt: skip
"""Everything that is verified, in the order of the table."""


def verify(names: Iterable[str] = (), progress: Callable[[str, int, int], None] | None = None) -> tuple[Outcome, ...]:
    """Return what the checks find.

    Parameters
    ----------
    names : iterable of str
        Names of the checks; none for all of them.
    progress : callable, optional
        Called with the step's name, the checks done and their number.
    """
    checks = _chosen(tuple(names))
    outcomes = []
    for done, check in enumerate(checks):
        if progress is not None:
            progress("verify", done, len(checks))
        outcomes.append(carried_out(check))
    return tuple(outcomes)


def _chosen(names: tuple[str, ...]) -> tuple[Check, ...]:
    known = {check.name: check for check in CHECKS}
    for name in names:
        if name not in known:
            raise InputError(f"no check '{name}'{did_you_mean(name, [*known])}; there are {', '.join(known)}")
    return tuple(known[name] for name in names) if names else CHECKS


__all__ = ["CHECKS", "Check", "Outcome", "verify"]

"""Verdicts on spectroscopy: whether a metabolite's bound is low enough, and how many averages it takes."""

from __future__ import annotations

import math
from dataclasses import replace

from ..core.errors import InfeasibleError, InputError, did_you_mean
from ..phantom.metabolite import load_metabolites
from ..plan.answer import Remedy, Verdict, said, threshold, undecided
from ..plan.question import Question
from .request import Progress
from .run import Prepared, prepare
from .spectral_bounds import voxel_rows

GUESSES = 3
"""Of the averages that are enough."""


def spectral_verdict(
    ready: Prepared, question: Question, progress: Progress | None = None, *, remedies: bool = True
) -> Verdict:  # fmt: skip
    """Return the answer to a question about the bound of a metabolite's amount.

    Parameters
    ----------
    ready : Prepared
        A protocol of spectroscopy.
    question : Question
        Of kind ``"bound"``.
    progress : callable, optional
    remedies : bool
        Whether to look for the averages that are enough.
    """
    if ready.basis is None or ready.request.model is None:
        return undecided(question, "voxel", f"{ready.request.protocol} names no basis or no fit under [run]")
    name = metabolite_named(ready.basis, question.parameter)
    row = next(row for row in voxel_rows(ready, progress) if row.metabolite == name)
    if question.relative and row.value <= 0:
        return undecided(question, "voxel", f"the voxel holds no {name}: no share of it is known")
    value, seconds = (row.bound / row.value if question.relative else row.bound), ready.sequence.duration
    answer = threshold(question, "voxel", value, seconds, "noise", "" if question.relative else "mol/m^3")
    told = f"{answer.reason}\n{name}: {said(row.bound, 'mol/m^3')} of {said(row.value, 'mol/m^3')} in the voxel"
    answer = replace(answer, reason=told)
    if answer.answer == "yes" or not remedies:
        return answer
    remedy, tried = _averages(ready, question, name, value)
    return replace(answer, remedy=remedy, searched=tried)


def metabolite_named(basis: str, word: str) -> str:
    """Return the name of the metabolite that a word means: a name, or a word of its description."""
    members = load_metabolites(basis)
    for each in members:
        words = each.description.lower().replace("-", " ").replace(",", " ").split()
        if word.lower() == each.name.lower() or word.lower() in words:
            return each.name
    names = [each.name for each in members]
    raise InputError(f"'{word}' is not in the basis {basis}{did_you_mean(word, names)}; it has {', '.join(names)}",
                     key="--ask")  # fmt: skip


def _averages(ready: Prepared, question: Question, name: str, value: float) -> tuple[Remedy | None, str]:
    """Return the averages that bring a bound down to the limit, each guess computed anew, and what was tried.

    The bound falls with their root, and more slowly where the fit's expectations hold it down already.
    """
    now = int(ready.sequence.encoding.sheet["averages"])
    needed, tried = now, ""
    for _ in range(GUESSES):
        needed = math.ceil(1.01 * needed * (value / question.limit) ** 2)
        entries = {"averages": str(needed)}
        hours = ready.sequence.duration * needed / now / 3600
        tried = f"averages alone: it would take some {needed} in place of {now}, {hours:.3g} h of scan"
        try:
            other = prepare(replace(ready.request, overrides={**ready.request.overrides, **entries}))
        except (InputError, InfeasibleError):
            break  # more than a protocol may have
        row = next(row for row in voxel_rows(other) if row.metabolite == name)
        value = row.bound / row.value if question.relative else row.bound
        if value <= question.limit:
            minutes = other.sequence.duration / 60
            change = f"{needed} averages in place of {now}"
            return Remedy(change=change, entries=entries, minutes=minutes, chance=1.0), tried
    return None, tried

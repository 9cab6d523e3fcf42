"""A contest of fitters on images whose truth is known: everybody gets the same images, everybody is judged alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError, StorageError
from ..core.evaluation import Evaluation, EvaluationRow
from ..core.images import Images
from ..core.maps import Maps
from ..core.shown import Rows, Shown
from ..core.storage import load
from ..evaluate import evaluate
from .entrants import Entrant

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Standing(Shown):
    """How one fitter did."""

    name: str
    evaluation: Evaluation
    maps: Maps
    seconds: float
    """Wall time, s, of its own work; a model's first fit holds its compilation."""

    def error(self, parameter: str) -> float:
        """Return the root mean square, over regions, of the relative error of a parameter: bias and scatter."""
        rows = [row for row in self.evaluation.rows if row.parameter == parameter and row.truth]
        found = [root_mean_square(row) / abs(row.truth) for row in rows]
        return float(np.sqrt(np.mean(np.square(found)))) if found else float("nan")

    def rejected(self, parameter: str) -> float:
        """Return the share of voxels without a valid value."""
        rows = [row for row in self.evaluation.rows if row.parameter == parameter]
        voxels = sum(row.n + row.rejected for row in rows)
        return sum(row.rejected for row in rows) / voxels if voxels else float("nan")

    def _facts(self) -> dict[str, str]:
        names = dict.fromkeys(row.parameter for row in self.evaluation.rows)
        errors = {name: f"error {100 * self.error(name):.3g} %" for name in names}
        return {"": self.name} | errors | {"took": f"{self.seconds:.3g} s"}

    def _table(self) -> Rows:
        return self.evaluation._table()


def root_mean_square(row: EvaluationRow) -> float:
    """Return the root mean square of (fitted - true) over a region's voxels, in the row's unit."""
    spread = row.sd if np.isfinite(row.sd) else 0.0
    return float(np.sqrt(row.bias**2 + spread**2 * (row.n - 1) / max(row.n, 1)))


def contest(
    images: Images, truth: Maps, entrants: Sequence[Entrant], rois: Mapping[str, NDArray[np.bool_]] | None = None,
    progress: Progress | None = None,
) -> tuple[Standing, ...]:  # fmt: skip
    """Let fitters fit the same images and compare each with the truth.

    Parameters
    ----------
    images : Images
    truth : Maps
        On the same grid.
    entrants : sequence of Entrant
        See `by_model`, `by_function` and `by_program`.
    rois : mapping of name to (z, y, x) bool array, optional
        Regions; one per tissue with pure voxels by default.
    progress : callable, optional
        Called with the step's name, the fitters done and their number.

    Returns
    -------
    tuple of Standing
        In the order of the entrants.
    """
    names = [entrant.name for entrant in entrants]
    if not names:
        raise InputError("nobody takes part; give a model, a function or a program")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"two entrants are called '{twice}'; give each a name of its own")
    standings = []
    for done, entrant in enumerate(entrants):
        if progress is not None:
            progress("fit", done, len(entrants))
        start = time.perf_counter()
        maps = entrant.fit(images)
        seconds = time.perf_counter() - start
        found = evaluate(maps, truth, rois)
        if not found.rows:
            known, made = ", ".join(truth.values), ", ".join(maps.values)
            raise InputError(f"makes {made}, of which no truth is known; known: {known}", key=entrant.name)
        standings.append(Standing(name=entrant.name, evaluation=found, maps=maps, seconds=seconds))
    return tuple(standings)


def contest_on(file: Path, entrants: Sequence[Entrant], progress: Progress | None = None) -> tuple[Standing, ...]:
    """Return the contest on the images and the truth in a run's ``result.h5``."""
    contents = load(file)
    images, truth = contents.get("images"), contents.get("truth")
    if not isinstance(images, Images) or not isinstance(truth, Maps):
        raise StorageError(f"{file} holds no images with their truth; give the result.h5 of 'mrsim run'")
    return contest(images, truth, entrants, contents.get("rois"), progress)


def ranked(standings: Sequence[Standing], parameter: str) -> list[Standing]:
    """Return those that estimate a parameter, the smallest error first."""
    taking_part = [s for s in standings if any(row.parameter == parameter for row in s.evaluation.rows)]
    return sorted(taking_part, key=lambda s: (not np.isfinite(s.error(parameter)), s.error(parameter), s.name))


def parameters_of(standings: Sequence[Standing]) -> list[str]:
    """Return the parameters that anybody estimates, in the order of their first appearance."""
    return list(dict.fromkeys(row.parameter for s in standings for row in s.evaluation.rows))

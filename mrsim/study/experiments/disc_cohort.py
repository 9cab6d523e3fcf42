"""Discs of a virtual cohort: grades, relaxation and transmit field of one nucleus each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...phantom.cohort import Cohort
from ...phantom.subject import lognormal_factor
from ...phantom.tissue import load_tissue

Array = NDArray[np.float64]
TISSUE = "nucleus_pulposus"
DRAWN = ("t1", "t2", "pd")
T1_T2 = 0.5
"""Correlation of T1 and T2 of a disc, beyond what its grade explains: the cohorts' compiled default."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Discs:
    """One value per disc."""

    grade: NDArray[np.int64]
    """Pfirrmann grade, 1 to 5."""
    t1: Array
    """s."""
    t2: Array
    """s."""
    pd: Array
    b1: Array
    """Relative."""


def grade_values(field: float, materials: tuple[str, ...]) -> dict[str, Array]:
    """Return mean and SD, (grade, 2), of T1, T2 (s) and proton density of the nucleus."""
    tissues = [load_tissue(TISSUE, grade, field, materials) for grade in range(1, 6)]
    known = {name: [tissue.property(name, field) for tissue in tissues] for name in DRAWN}
    return {name: np.array([(p.value, p.sd) for p in entries]) for name, entries in known.items()}


def draw_grades(cohort: Cohort, patients: int, levels: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the (disc,) grades of patients' lowest `levels` discs, or for levels = 0 of the index level alone."""
    seed = int(rng.integers(2**31))
    grades = []
    for subject in cohort.subjects(patients, seed):
        if levels == 0 and subject.index_level is not None:
            grades.append(subject.grades[subject.index_level])
        else:
            grades += list(subject.grades.values())[-(levels or 1) :]
    return np.array(grades, dtype=np.int64)


def draw_discs(
    grade: NDArray[np.int64], values: dict[str, Array], b1_sd: float, heterogeneity: float, rng: np.random.Generator
) -> Discs:
    """Return discs of given grades.

    Each value is its grade's mean times a lognormal factor of mean one, whose spread is the grade's times
    `heterogeneity`; B1 is normal about one.
    """
    score = rng.standard_normal((3, len(grade)))
    score[1] = T1_T2 * score[0] + np.sqrt(1 - T1_T2**2) * score[1]
    found = {}
    for name, z in zip(DRAWN, score, strict=True):
        mean, sd = values[name][grade - 1].T
        spread = heterogeneity * sd / mean
        factor = np.array([lognormal_factor(s, float(v)) for s, v in zip(spread, z, strict=True)])
        found[name] = mean * factor
    return Discs(grade=grade, b1=1 + b1_sd * rng.standard_normal(len(grade)), **found)

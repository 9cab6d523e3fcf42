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


def draw_grades(
    cohort: Cohort, patients: int, levels: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the (disc,) grades of patients' lowest `levels` discs, or for levels = 0 of the index level alone.

    First what they are, then what the cohort's reader says.
    """
    seed = int(rng.integers(2**31))
    found: tuple[list[int], list[int]] = ([], [])
    for subject in cohort.subjects(patients, seed):
        for kept, grades in zip(found, (subject.grades, subject.read_grades), strict=True):
            if levels == 0 and subject.index_level is not None:
                kept.append(grades[subject.index_level])
            else:
                kept += list(grades.values())[-(levels or 1) :]
    true, stated = (np.array(kept, dtype=np.int64) for kept in found)
    return true, stated


def heterogeneity_of(cohort: Cohort) -> float:
    """Return the factor on the tissues' spreads that a cohort's file states, 1 without one."""
    return float(cohort.content.tissues.heterogeneity) if cohort.content.tissues else 1.0


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

"""A subject of a cohort as a phantom: tissues, transmit field, off-resonance and breathing of one person.

A tissue's T1, T2 and proton density are its file's values times a lognormal factor of mean 1 whose spread is the
file's times the cohort's heterogeneity, so that values stay positive and their mean over subjects is the file's. The
traits `body_scale` and `height_scale` resize spines and motion segments: everything, and the heights of discs on top.
T2* follows T2: the subject's factor of
T2 stands for both. Facts without a spread do not vary.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from ..core.errors import InputError
from ..core.nuclei import nucleus
from ..core.toml import read_toml, resource
from .cohort import Subject
from .motion import Affine, Wave
from .phantom import Phantom
from .phantom_file import load_phantom
from .tissue import Tissue
from .tissue_facts import Fact, FactEntry

FOLLOWS = {"t1": ("t1",), "t2": ("t2", "t2_star"), "pd": ("pd",)}
"""Drawn property -> what it scales."""


def subject_phantom(
    subject: Subject, name: str, field: float, level: str | None = None, breathing: bool = False,
    extrapolate: bool = False,
) -> Phantom:  # fmt: skip
    """Return a phantom as a subject has it.

    Parameters
    ----------
    subject : Subject
        Who.
    name : str
        Phantom, as for `load_phantom`.
    field : float
        T.
    level : str, optional
        Whose grade a phantom of one disc has; the subject's index level by default. Spines have all grades.
    breathing : bool
        True moves everything along y with the breath.
    extrapolate : bool
        True allows field strengths beyond those at which the tissues are known.
    """
    sizes = (subject.traits.get("body_scale", 1.0), subject.traits.get("height_scale", 1.0))
    phantom = load_phantom(name, field, _grades(subject, name, level), extrapolate=extrapolate, sizes=sizes)
    b0 = subject.traits.get("b0", 0.0) * nucleus("1H").gamma_bar * field
    if not isinstance(phantom.offset, float) or not isinstance(phantom.b1, float):
        raise InputError(
            f"phantom '{name}' has its own field maps; a subject's numbers need a phantom without", key="b0"
        )
    return replace(
        phantom,
        tissues=tuple(subject_tissue(subject, tissue, field) for tissue in phantom.tissues),
        offset=phantom.offset + b0,
        b1=phantom.b1 * subject.traits.get("b1", 1.0),
        motion=(*phantom.motion, *(_breath(subject) if breathing else ())),
        history=phantom.history | {"cohort": subject.cohort, "seed": subject.seed, "subject": subject.number},
    )


def _grades(subject: Subject, name: str, level: str | None) -> int | tuple[int, ...]:
    """Return the grade of one disc, or those of a spine's discs from the uppermost down."""
    if level is None and "spine" in read_toml(resource(name, "phantoms", "phantom")):
        return tuple(subject.grades.values())
    chosen = level or subject.index_level
    if chosen is None or chosen not in subject.grades:
        known = ", ".join(subject.grades)
        raise InputError(f"'{chosen}' is no level of the subject; choose one of {known}", key="level")
    return subject.grades[chosen]


def subject_tissue(subject: Subject, tissue: Tissue, field: float) -> Tissue:
    """Return a tissue with the relaxation and proton density that a subject has, at one field strength, T."""
    kind = Path(tissue.history["file"]).stem if "file" in tissue.history else tissue.name
    scores = subject.tissue_scores.get(kind)
    if scores is None:
        return tissue
    replaced = dict(tissue.replaced)
    for drawn, score in scores.items():
        if drawn not in tissue.names():
            continue
        known = tissue.property(drawn, field)
        factor = lognormal_factor(subject.heterogeneity * known.sd / known.value, score)
        for name in FOLLOWS[drawn]:
            replaced[name] = _scaled(tissue, name, factor, subject, field)
    return replace(tissue, replaced=replaced)


def lognormal_factor(spread: float, score: float) -> float:
    """Return the factor of mean 1 and standard deviation `spread` at `score` standard deviations of its normal."""
    width = math.sqrt(math.log1p(spread * spread))
    return math.exp(width * score - width * width / 2)


def _scaled(tissue: Tissue, name: str, factor: float, subject: Subject, field: float) -> Fact:
    known = tissue.property(name, field)
    source = f"{known.source}; subject {subject.number} of {subject.cohort}, seed {subject.seed}: times {factor:.4g}"
    entry = FactEntry(value=f"{known.value * factor!r} {known.unit}", source=source, provenance="chosen by definition")
    return Fact(values=(known.value * factor,), spreads=(0.0,), unit=known.unit, entry=entry)


def _breath(subject: Subject) -> tuple[Affine, ...]:
    missing = [name for name in ("breathing_amplitude", "breathing_frequency") if name not in subject.traits]
    if missing:
        raise InputError(f"cohort '{subject.cohort}' does not draw {', '.join(missing)}", key="breathing")
    course = Wave(frequency=subject.traits["breathing_frequency"], sine=True)
    return (Affine(course=course, shift=(0.0, subject.traits["breathing_amplitude"], 0.0)),)

"""T2 of the same discs by two methods, and by a third that is wrong: does correlation tell?

Every disc is one region: its signals come from extended phase graphs through the real profiles of the pulses, in a
multi-echo spin echo (MESE), in MDME, and in a MESE with refocusing slices as wide as the excited one. Noise is that of
the region's mean. Heterogeneity stands for what no physics explains: the two methods never measure quite the same
tissue, because regions are drawn twice and slices do not match.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ...core.grid import Grid
from ...core.images import Images
from ...core.toml import resource
from ...core.units import FieldStrength, Fraction, Time
from ...evaluate.agreement import bland_altman
from ...evaluate.equivalence import equivalence_p
from ...evaluate.roc import areas
from ...fit.fit import fit
from ...phantom.cohort import load_cohort
from ...phantom.subject import lognormal_factor
from ...report.method_agreement import agreement_figure
from ...report.style import png
from ...sequence.protocol import read_protocol_file
from ...sequence.scanner import choose_scanner
from ...sequence.sequence import Sequence as Scan
from ...simulate.slice_trains import SliceTrain
from ..experiment import Arrays, Experiment, Measure, Outcome, mean_over
from .disc_cohort import Discs, draw_discs, draw_grades, grade_values, heterogeneity_of

Array = NDArray[np.float64]
METHODS = ("mese", "mdme", "wrong")
NEIGHBOURS = ((1, 2), (2, 3), (3, 4))
"""Pairs of Pfirrmann grades."""
MARGIN = 0.03
"""Difference of areas that does not matter."""
BASE_PHASE = 0.4
"""Of all images, rad: a scanner's phase is never zero."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """How one of the methods measures."""

    protocol: str
    model: str
    changes: dict[str, str] = field(default_factory=dict)
    """Entries of the protocol, as on the command line."""
    skip: int = 0
    """First images left out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RelaxometryPair:
    """Who is measured, and how."""

    mese: Method
    mdme: Method
    wrong: Method
    """A third method, known to be biased."""
    cohort: str = "lumbar-population"
    materials: tuple[str, ...] = ()
    patients: int = 24
    levels: int = 5
    """Discs of each, the lowest ones."""
    field: FieldStrength = 3.0
    b1_sd: Fraction = 0.07
    """Spread of the transmit field from disc to disc."""
    spread: Fraction = 1.0
    """Factor on the spread of the tissue values within a grade."""
    snr: Fraction = 0.0
    """Of a region's mean: mean proton density of the grades over the noise of one channel; 0 for no noise."""
    short: Time = 0.11
    """True T2 below which a disc belongs to the regions called "short", s."""
    heterogeneity: Fraction = 0.0
    """Independent spread of what each method finds in a region, of its T2."""


def replicate(settings: RelaxometryPair, streams: Sequence[np.random.Generator]) -> Arrays:
    """Return truth and T2 of one cohort per stream: (replicate, disc) each."""
    values, cohort = grade_values(settings.field, settings.materials), load_cohort(settings.cohort)
    drawn = []
    for rng in streams:
        grade, _ = draw_grades(cohort, settings.patients, settings.levels, rng)
        drawn.append(draw_discs(grade, values, settings.b1_sd, settings.spread * heterogeneity_of(cohort), rng))
    shape = (len(streams), len(drawn[0].grade))
    names = ("grade", "t1", "t2", "pd", "b1")
    discs = Discs(**{name: np.concatenate([getattr(d, name) for d in drawn]) for name in names})
    found: Arrays = {name: getattr(discs, name).reshape(shape) for name in names}
    for name in METHODS:
        maps = _measured(settings, getattr(settings, name), discs, streams)
        scores = np.array([rng.standard_normal(shape[1]) for rng in streams])
        factor = np.vectorize(lognormal_factor)(settings.heterogeneity, scores)
        found |= {f"{name} {key}": value.reshape(shape) for key, value in maps.items()}
        found[f"{name} t2"] = found[f"{name} t2"] * factor
    return found


def _measured(
    settings: RelaxometryPair, method: Method, discs: Discs, streams: Sequence[np.random.Generator]
) -> dict[str, Array]:
    """Return what one method finds, per disc; every stream makes the noise of its own discs."""
    sequence = built(method.protocol, tuple(method.changes.items()), settings.field)
    clean = signals(sequence, discs) * discs.pd
    sigma = float(grade_values(settings.field, settings.materials)["pd"][:, 0].mean()) / (settings.snr or 1e6)
    data = clean * np.exp(1j * BASE_PHASE)
    if settings.snr:
        size = (len(data), data.shape[1] // len(streams))
        data += sigma * np.hstack([rng.standard_normal(size) + 1j * rng.standard_normal(size) for rng in streams])
    images = Images(
        data=data[:, None, None, :], grid=Grid(shape=(1, 1, data.shape[1]), spacing=(1e-3, 1e-3, 1e-3)),
        contrast=sequence.encoding.contrast, sigma=np.full((len(data), 1, 1, 1), sigma), noisy=settings.snr > 0,
        encoding=sequence.encoding.sheet,
    )  # fmt: skip
    maps = fit(images, method.model, threads=1, select=slice(method.skip, None))
    return {key: values.ravel() for key, values in maps.values.items()}


def signals(sequence: Scan, discs: Discs) -> Array:
    """Return the (image, disc) signals over M0, through the pulses' real profiles."""
    sheet, contrast = sequence.encoding.sheet, sequence.encoding.contrast
    if "td" not in contrast:
        return np.asarray(SliceTrain.of(sequence).signals(discs.t1, discs.t2, discs.b1).T)
    delays = contrast["td"][:: len(sheet["effective_echoes"])]
    echoes = SliceTrain.of(sequence, delay=float(delays[0])).signals(discs.t1, discs.t2, discs.b1, delays)
    central = np.moveaxis(echoes[:, :, np.asarray(sheet["effective_echoes"]) - 1], 1, 2)
    return np.asarray(central.reshape(-1, len(discs.t1)))


@cache
def built(protocol: str, changes: tuple[tuple[str, str], ...], field: float) -> Scan:
    """Return a protocol's sequence with few lines: what is asked of it is its pulses and times."""
    path = resource(protocol, "protocols", "protocol")
    _, family, table = read_protocol_file(path, dict(changes))
    return family.build(choose_scanner(field, None, str(table.get("scanner", "3T"))))


def measure(outcomes: Mapping[str, Outcome]) -> list[Measure]:
    """Return correlations, biases and areas of every arm."""
    found: list[Measure] = []
    for arm, outcome in outcomes.items():
        data, short = outcome.data, outcome.data["t2"] < outcome.settings.short
        for ending, kept in (("", np.ones_like(short)), (" short", short)):
            for first, second in (("mdme", "mese"), ("wrong", "mdme")):
                found += _paired(f"{arm} {first} {second}{ending}", data[f"{first} t2"], data[f"{second} t2"], kept)
            for name in METHODS:
                off = data[f"{name} t2"] / data["t2"] - 1
                means = [row[k].mean() for row, k in zip(off, kept, strict=True)]
                found.append(mean_over("bias against truth", f"{arm} {name}{ending}", np.array(means)))
        for pair in NEIGHBOURS:
            found += _areas(arm, pair, data)
    return found


def _paired(region: str, first: Array, second: Array, kept: NDArray[np.bool_]) -> list[Measure]:
    """Return correlation and relative bias of two methods in the discs that are kept, means over replicates."""
    from scipy.stats import pearsonr

    pairs = [(a[k], b[k]) for a, b, k in zip(first, second, kept, strict=True)]
    r = np.array([pearsonr(a, b).statistic for a, b in pairs])
    bias = np.array([bland_altman(a, b, relative=True).bias for a, b in pairs])
    return [mean_over("Pearson r", region, r), mean_over("relative bias", region, bias)]


def _areas(arm: str, pair: tuple[int, int], data: Arrays) -> list[Measure]:
    """Return the areas of both methods over all replicates' discs, their difference and its test of equivalence."""
    region = f"{arm} {'I' * pair[0]}-{'IV' if pair[1] == 4 else 'I' * pair[1]}"
    scores = np.stack([data["mdme t2"].ravel(), data["mese t2"].ravel()])
    grade = data["grade"].ravel()
    found = areas(scores[:, grade == pair[0]], scores[:, grade == pair[1]])
    difference, error = found.difference()
    cases = int(np.isin(grade, pair).sum())
    listed = [
        Measure(metric=f"AUC of {name}", region=region, value=float(found.values[k]), replicates=cases)
        for k, name in enumerate(("MDME", "MESE"))
    ]
    return [
        *listed,
        Measure(metric="difference of AUC", region=region, value=difference, standard_error=error, replicates=cases,
                low=difference - 1.96 * error, high=difference + 1.96 * error),
        Measure(metric="p of equivalence", region=region, value=equivalence_p(difference, error, MARGIN),
                replicates=cases),
    ]  # fmt: skip


def draw(outcomes: Mapping[str, Outcome], measures: Sequence[Measure]) -> dict[str, bytes]:
    """Return the figure of the first arm: correlation beside agreement."""
    arm, outcome = next(iter(outcomes.items()))
    first = {name: values[0] for name, values in outcome.data.items()}
    return {"agreement": png(agreement_figure(first, arm))}


EXPERIMENT = Experiment(
    name="relaxometry-pair",
    title="T2 of a virtual cohort by MESE, by MDME and by a biased method: correlation, agreement, areas",
    settings=RelaxometryPair,
    replicate=replicate,
    measure=measure,
    draw=draw,
)

"""The Pfirrmann ladder: discs of all grades through a T2 map and a T2-weighted image, read by a rule.

T2 of the nucleus is measured by a multi-echo spin echo. The cohort's own reader, who may err, states the grades that
T2 is judged by (areas under the curve). The study's reader sees a turbo spin echo: he compares the nucleus with
the cerebrospinal fluid, as the grading asks, takes grades from fixed limits half way between what he would expect of
each grade in thin slices, and calls a dark disc that has lost height grade V. Signals come from extended phase graphs
through the pulses' profiles. Thick slices hold less of nucleus and fluid and more of what lies beside them, by how far
both reach to the sides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ...core.grid import Grid
from ...core.images import Images
from ...core.toml import read_toml, resource
from ...core.units import FieldStrength, Fraction, Length, parse_quantity
from ...evaluate.agreement import weighted_kappa
from ...evaluate.roc import areas
from ...fit.fit import fit
from ...phantom.cohort import load_cohort
from ...phantom.tissue import load_tissue
from ...report.grade_figure import ladder_figure
from ...report.style import png
from ...simulate.slice_trains import SliceTrain
from ..experiment import Arrays, Experiment, Measure, Outcome, mean_over
from .disc_cohort import Discs, draw_discs, draw_grades, grade_values, heterogeneity_of
from .relaxometry_pair import built, signals

Array = NDArray[np.float64]
NAMES = ("I", "II", "III", "IV", "V")
LOW_DISC = 0.76
"""Height of a disc over that of a healthy one below which a dark disc is grade V: half way between IV and V."""
NUCLEUS_HALF, SAC_HALF = 16e-3, 8e-3
"""How far nucleus and thecal sac reach to the side of the middle, m."""
REGION = 0.5
"""Size of a reader's region over that of what it lies in."""
BESIDE = 0.15
"""T2-weighted signal beside nucleus and sac, over that of fluid: bone, annulus, ligament."""
SIGNIFICANT = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class GradeLadder:
    """Which discs, and how they are seen."""

    cohort: str = "lumbar-population"
    patients: int = 24
    levels: int = 5
    """Discs of each, the lowest ones; 0: the index level alone."""
    materials: tuple[str, ...] = ()
    field: FieldStrength = 3.0
    b1_sd: Fraction = 0.07
    spread: Fraction = 1.0
    """Factor on the spread of tissue values within a grade, besides that of the cohort."""
    model: str = "t2-epg"
    """What is fitted to the series for T2."""
    skip: int = 0
    """First echoes left out of it."""
    snr_map: Fraction = 200.0
    """Of a region in the series for T2: its proton density over the noise of one channel."""
    snr_image: Fraction = 40.0
    """The same of what the reader sees; 0 for no noise."""
    thickness: Length = 4e-3
    """Of the reader's slices."""


def replicate(settings: GradeLadder, streams: Sequence[np.random.Generator]) -> Arrays:
    """Return one cohort per stream: (replicate, disc) grade, as it is, as stated and as read; T2, true and measured."""
    values, cohort = grade_values(settings.field, settings.materials), load_cohort(settings.cohort)
    spread, drawn, stated = settings.spread * heterogeneity_of(cohort), [], []
    for rng in streams:
        grade, said = draw_grades(cohort, settings.patients, settings.levels, rng)
        drawn.append(draw_discs(grade, values, settings.b1_sd, spread, rng))
        stated.append(said)
    shape = (len(streams), len(drawn[0].grade))
    discs = Discs(**{n: np.concatenate([getattr(d, n) for d in drawn]) for n in ("grade", "t1", "t2", "pd", "b1")})
    noise = np.hstack([rng.standard_normal((20, shape[1])) for rng in streams])
    found = {
        "grade": discs.grade, "stated": np.concatenate(stated), "t2": discs.t2,
        "measured": _mapped(settings, discs, noise[:16]), "read": _read(settings, discs, noise[16:]),
    }  # fmt: skip
    return {name: array.reshape(shape) for name, array in found.items()}


def _mapped(settings: GradeLadder, discs: Discs, noise: Array) -> Array:
    """Return the T2 map's values, s."""
    sequence = built("disc-t2-mese-wide", (), settings.field)
    sigma = float(discs.pd.mean()) / settings.snr_map
    data = np.asarray(signals(sequence, discs) * discs.pd + sigma * (noise[:8] + 1j * noise[8:]), np.complex128)
    images = Images(
        data=data[:, None, None, :], grid=Grid(shape=(1, 1, data.shape[1]), spacing=(1e-3, 1e-3, 1e-3)),
        contrast=sequence.encoding.contrast, sigma=np.full((len(data), 1, 1, 1), sigma),
        encoding=sequence.encoding.sheet,
    )  # fmt: skip
    return fit(images, settings.model, threads=1, select=slice(settings.skip, None)).values["t2"].ravel()


def _read(settings: GradeLadder, discs: Discs, noise: Array) -> NDArray[np.int64]:
    """Return the grades that the rule gives."""
    fluid = reference_signal(settings.field)
    nucleus = weighted_signal(settings.field, discs)
    through = [_within(half, settings.thickness) for half in (NUCLEUS_HALF, SAC_HALF)]
    sigma = float(discs.pd.mean()) / settings.snr_image if settings.snr_image else 0.0
    seen = through[0] * nucleus + (1 - through[0]) * BESIDE * fluid + sigma * noise[0]
    beside = through[1] * fluid + (1 - through[1]) * BESIDE * fluid + sigma * noise[1]
    read = np.searchsorted(-limits(settings.field, settings.materials), -seen / beside) + 1
    mean, sd = height_factors()
    height = mean[discs.grade - 1] + sd[discs.grade - 1] * noise[2]
    return np.where((read >= len(NAMES) - 1) & (height < LOW_DISC), len(NAMES), np.minimum(read, len(NAMES) - 1))


def _within(half: float, thickness: float) -> float:
    """Return how much of a slice through the middle of a body of elliptic section lies within it, in the region."""
    reach = half * np.sqrt(1 - REGION**2)
    return float(min(1.0, 2 * reach / thickness))


def weighted_signal(field: float, discs: Discs) -> Array:
    """Return the T2-weighted signals of nuclei."""
    sequence = built("sag-t2w-tse", (("matrix", "16,16"), ("slices", "1")), field)
    sheet, te = sequence.encoding.sheet, float(sequence.encoding.contrast["te"][0])
    echo = round(te / float(sheet["echo_spacing"])) - 1
    return np.asarray(discs.pd * SliceTrain.of(sequence).signals(discs.t1, discs.t2, discs.b1)[:, echo])


@cache
def reference_signal(field: float) -> float:
    """Return the T2-weighted signal of cerebrospinal fluid."""
    fluid = load_tissue("csf", field=field)
    one = {name: np.array([fluid.property(name, field).value]) for name in ("t1", "t2", "pd")}
    return float(weighted_signal(field, Discs(grade=np.ones(1, np.int64), b1=np.ones(1), **one))[0])


@cache
def limits(field: float, materials: tuple[str, ...]) -> Array:
    """Return the (3,) falling limits of nucleus over fluid between I, II, III and IV: geometric means."""
    values = grade_values(field, materials)
    typical = Discs(grade=np.arange(1, 6), b1=np.ones(5), **{name: rows[:, 0] for name, rows in values.items()})
    ratio = weighted_signal(field, typical) / reference_signal(field)
    return np.sqrt(ratio[:3] * ratio[1:4])


@cache
def height_factors() -> tuple[Array, Array]:
    """Return mean and SD, (grade,), of a disc's height over that of a healthy one."""
    entry = read_toml(resource("lumbar-disc", "phantoms", "phantom"))["motion_segment"]["height_factor"]
    mean, sd = (np.array(parse_quantity(entry[key], "fraction")) for key in ("value", "spread"))
    return mean, sd


def measure(outcomes: Mapping[str, Outcome]) -> list[Measure]:
    """Return means, tests, correlation, agreement and areas of every arm."""
    found: list[Measure] = []
    for arm, outcome in outcomes.items():
        grade, measured = outcome.data["grade"], outcome.data["measured"]
        found += _means(arm, outcome.data)
        found += _tests(arm, grade, measured)
        found.append(mean_over("weighted kappa", arm, _kappa(outcome)))
        found += _areas(arm, outcome.data["stated"].ravel(), measured.ravel())
    return found + _losses(outcomes)


def _kappa(outcome: Outcome) -> Array:
    """Return the reader's weighted kappa in every cohort."""
    pairs = zip(outcome.data["grade"], outcome.data["read"], strict=True)
    return np.array([weighted_kappa(grade, read) for grade, read in pairs])


def _losses(outcomes: Mapping[str, Outcome]) -> list[Measure]:
    """Return by how much kappa is below that of the first arm that has the same discs, cohort by cohort."""
    found = []
    for arm, outcome in outcomes.items():
        same = [o for o in outcomes.values() if np.array_equal(o.data["t2"], outcome.data["t2"])]
        if same[0] is not outcome:
            found.append(mean_over("loss of kappa", arm, _kappa(same[0]) - _kappa(outcome)))
    return found


def _means(arm: str, data: Arrays) -> list[Measure]:
    """Return mean measured over mean true T2, less one, by grade, and the largest."""
    grade, bias = data["grade"].ravel(), []
    found = []
    for number, name in enumerate(NAMES, 1):
        mine = grade == number
        if mine.sum() > 1:
            bias.append(float(data["measured"].ravel()[mine].mean() / data["t2"].ravel()[mine].mean() - 1))
            found.append(Measure(metric="bias of the mean", region=f"{arm} {name}", value=bias[-1],
                                 replicates=int(mine.sum())))  # fmt: skip
    worst = max(bias, key=abs)
    return [*found, Measure(metric="largest bias of a mean", region=arm, value=abs(worst), replicates=grade.size)]


def _tests(arm: str, grade: NDArray[np.int64], measured: Array) -> list[Measure]:
    """Return how often neighbours differ significantly (Mann-Whitney), and the rank correlation with the grade."""
    from scipy.stats import mannwhitneyu, spearmanr

    found = []
    for low, high in pairwise(range(1, 5)):
        hit = []
        for g, t in zip(grade, measured, strict=True):
            groups = [t[g == low], t[g == high]]
            enough = min(map(len, groups)) > 1
            hit.append(bool(enough and mannwhitneyu(*groups).pvalue < SIGNIFICANT))
        found.append(mean_over("share of cohorts with p < 0.05", f"{arm} {NAMES[low - 1]}-{NAMES[high - 1]}",
                               np.array(hit, dtype=np.float64)))  # fmt: skip
    rho = [spearmanr(g, t).statistic for g, t in zip(grade, measured, strict=True)]
    return [*found, mean_over("Spearman rho", arm, np.array(rho))]


def _areas(arm: str, grade: NDArray[np.int64], measured: Array) -> list[Measure]:
    """Return the areas of T2: grade I against early (II, III) and advanced degeneration (IV, V); IV, V against all."""
    late = grade >= 4
    kinds = {"early": (grade == 1, (grade == 2) | (grade == 3)), "advanced": (grade == 1, late), "late": (~late, late)}
    found = []
    for name, (above, below) in kinds.items():
        if min(above.sum(), below.sum()) > 1:
            both = areas(measured[above], measured[below])
            error = float(np.sqrt(both.covariance[0, 0]))
            found.append(Measure(metric="AUC of T2", region=f"{arm} {name}", value=float(both.values[0]),
                                 standard_error=error, replicates=int(above.sum() + below.sum()),
                                 low=float(both.values[0]) - 1.96 * error,
                                 high=float(both.values[0]) + 1.96 * error))  # fmt: skip
    return found


def draw(outcomes: Mapping[str, Outcome], measures: Sequence[Measure]) -> dict[str, bytes]:
    """Return the ladder of the first arm, what the reader makes of it, and kappa of all arms."""
    kappa = {m.region: m.value for m in measures if m.metric == "weighted kappa"}
    arm, outcome = next(iter(outcomes.items()))
    return {"ladder": png(ladder_figure(outcome.data, kappa, arm))}


EXPERIMENT = Experiment(
    name="grade-ladder",
    title="Discs of all Pfirrmann grades through a T2 map and a T2-weighted image, read by a rule",
    settings=GradeLadder,
    replicate=replicate,
    measure=measure,
    draw=draw,
)

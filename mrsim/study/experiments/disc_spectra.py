"""Spectra of discs: what a voxel in the nucleus tells of lactate, and how well acids over structure tell painful discs.

Each replicate is a disc without pain and one with it. Their amounts are drawn from the tissue's facts, means and
spreads, their line widths and their marrow fat at random; the signals come from density matrices under the pulses as
they are played, the noise from the scanner's calibration. Nothing else makes the groups differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.basis import Basis
from ...core.grid import Grid
from ...core.metabolites import Relaxation, relaxation_at
from ...core.nuclei import WATER_MOLECULES
from ...core.spectra import Spectra
from ...core.units import Fraction, Fractions, Lengths, Time
from ...evaluate.roc import areas
from ...fit.spectral import SpectralFit, WaterScale, fit_spectra
from ...fit.spectral.given import combination_of, fat_ratios
from ...phantom.metabolite import load_metabolites
from ...phantom.tissue import load_tissue
from ...report.score_figure import score_figure
from ...report.style import png
from ...sequence.discretize import discretize
from ...sequence.families.press import Press
from ...sequence.families.semi_laser import SemiLaser
from ...sequence.scanner import Scanner, choose_scanner
from ...simulate.spin_systems import SpinSystem
from ...simulate.spin_systems import basis as basis_of
from ...simulate.spin_systems.in_phantom import FACTS
from ..experiment import Arrays, Experiment, Measure, Outcome, mean_over

Array = NDArray[np.float64]
TISSUE, PAIN = "nucleus_pulposus", "painful_disc"
FAT = ("Lip09", "Lip13", "Lip20")
FAT_T2 = 0.06
"""Of marrow fat's methylene, s."""
ACIDS, STRUCTURE = ("Lac", "Ala", "Prop"), ("NAcGAG",)
DISCS, PAINFUL = 206, 103
"""Of a cohort, as published; how many hurt is an assumption."""
COHORTS = 500
PUBLISHED = {"AUC": 0.93, "accuracy": 0.85, "sensitivity": 0.82, "specificity": 0.88}
"""Gornet 2019, Eur Spine J 28:674 (AUC as the study's specification quotes it)."""
FIELD = 100.0
"""Gaussian rate of all lines, 1/s^2: the field within the voxel, 5.3 Hz."""
SHARPEST = 40e-6
"""B1 that pulses of 1.15 kHz and 5 ms need, T: beyond most bodies' coils."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DiscSpectra:
    """Which scan, of which discs, and how it is fitted."""

    family: str = "press"
    """``"press"`` with equal halves of the echo time, or ``"semi-laser"``."""
    field: Fraction = 3.0
    """T."""
    te: Time = 35e-3
    pulses: str = "shaped"
    sharp: bool = False
    """Refocusing pulses of 1.15 kHz and 5 ms, as the published figures have them, whatever B1 they need."""
    voxel: Lengths = (20e-3, 6e-3, 18e-3)
    averages: int = 384
    tr: Time = 2.0
    snr: Fraction = 1.0
    """Over that of the scanner's calibration."""
    grade: int = 3
    lipid: Fractions = (0.0, 0.0)
    """Least and most marrow methylene, protons over those of the N-acetyl."""
    fitted: tuple[str, ...] = ("Lac", "Ala", "Prop", "NAcGAG", "Cho", *FAT)
    width: Fractions = (6.0, 1.0)
    """Mean and spread of the lines' Lorentz width, Hz."""
    baseline: Fraction = 0.0
    fat_ratios: Fraction = 0.1
    same: bool = False
    """Both groups without pain: the negative control."""


@cache
def _made(family: str, field: float, te: float, pulses: str, sharp: bool, voxel: tuple[float, ...]) -> Basis:
    """Return the basis of everything that a disc holds."""
    scanner = choose_scanner(field, None, "3T")
    extra: dict[str, Any] = {"refocusing_duration": 5e-3, "time_bandwidth": 5.75} if sharp else {}
    scanner = replace(scanner, max_b1=SHARPEST) if sharp else scanner
    x, y, z = voxel
    shared: dict[str, Any] = {"te": te, "voxel": (x, y, z), "shift": -2.3e-6, "samples": 1024, "spectral_width": 2500.0}
    protocol: Press | SemiLaser = (
        Press(first_echo=te / 2, **shared, **extra) if family == "press" else SemiLaser(**shared)
    )
    names = ",".join((*FACTS, "Ace", *FAT))
    return basis_of(load_metabolites(names), discretize(protocol.build(scanner)), SpinSystem(pulses=pulses))


def _basis(settings: DiscSpectra) -> Basis:
    voxel = tuple(settings.voxel)
    return _made(settings.family, settings.field, settings.te, settings.pulses, settings.sharp, voxel)


def _scanner(settings: DiscSpectra) -> Scanner:
    return choose_scanner(settings.field, None, "3T")


def replicate(settings: DiscSpectra, streams: Sequence[np.random.Generator]) -> Arrays:
    """Return (replicate, group) true and fitted amounts and errors of what is fitted, and the scores' ingredients."""
    basis = _basis(settings)
    if not settings.averages:
        return {"kept": np.full(len(streams), methyl(basis, "Lac") / methyl(basis, "Ace"))}
    drawn = [_disc(settings, painful and not settings.same, rng) for rng in streams for painful in (False, True)]
    found, truth = _fitted(settings, basis, drawn)
    shape = (len(streams), 2, len(found.names))
    return {
        "truth": truth.reshape(shape),
        "fitted": found.amplitudes.reshape(shape),
        "error": found.errors.reshape(shape),
        "score": _score(found).reshape(shape[:2]),
    }


def _disc(settings: DiscSpectra, painful: bool, rng: np.random.Generator) -> tuple[dict[str, float], float, Array]:
    """Return the amounts of a disc, mM, the width of its lines, Hz, and the noise of its spectrum, unit variance."""
    tissue = load_tissue(TISSUE, settings.grade, settings.field, (PAIN,) if painful else ())
    facts = {name: tissue.facts[fact] for name, fact in FACTS.items() if fact in tissue.facts}
    amounts = {name: _positive(fact.values[0], fact.spreads[0], rng) for name, fact in facts.items()}
    methylene = rng.uniform(settings.lipid[0], settings.lipid[1]) * 3 * amounts["NAcGAG"]
    ratios = {"Lip13": 1.0} | fat_ratios()
    amounts |= {name: methylene * ratios[name] for name in FAT}
    width = max(2.0, rng.normal(settings.width[0], settings.width[1]))
    return amounts, width, rng.standard_normal((2, 1024))


def _positive(mean: float, spread: float, rng: np.random.Generator) -> float:
    """Return a draw from the gamma distribution of a mean and a spread: amounts are positive."""
    if spread <= 0:
        return mean
    shape = (mean / spread) ** 2
    return float(rng.gamma(shape, mean / shape))


def _fitted(
    settings: DiscSpectra, basis: Basis, drawn: list[tuple[dict[str, float], float, Array]]
) -> tuple[SpectralFit, Array]:
    """Return the fit of the discs' spectra in mM, and their true amounts (disc, metabolite)."""
    sheet = {"te": settings.te, "tr": settings.tr}
    relax, fat = relaxation_at(settings.field), Relaxation(t1=0.3, t2=FAT_T2)
    water = Relaxation(t1=1.2, t2=0.084)
    x, y, z = settings.voxel
    volume, time = x * y * z, basis.time
    sigma = np.sqrt(_scanner(settings).noise_density / basis.dwell / settings.averages) / settings.snr
    selected = float(basis.conditions["water"])
    one = volume / (2 * WATER_MOLECULES)
    data = np.empty((1, len(drawn), len(time)), np.complex128)

    def slow(name: str) -> Array:
        return np.asarray(np.exp(-time / (fat if name in FAT else relax).t2))

    left = {n: basis.left(n, fat if n in FAT else relax, sheet) for n in basis.names}
    for row, (amounts, width, noise) in enumerate(drawn):
        parts = sum(amounts[n] * left[n] * basis.fid(n) * slow(n) for n in amounts)
        clean = one * parts * np.exp(-np.pi * width * time - FIELD * time**2)
        data[0, row] = clean + sigma * (noise[0] + 1j * noise[1])
    size = one * 2 * WATER_MOLECULES * 0.8 * selected * basis.left(None, water, sheet)
    reference = size * np.exp(-np.pi * 6 * time - FIELD * time**2)
    spectra = Spectra(
        data=data, dwell=basis.dwell, frequency=basis.frequency, contrast={k: np.array([v]) for k, v in sheet.items()},
        grid=Grid(shape=(1, 1, len(drawn)), spacing=(x, y, z)), sigma=np.full((1, 1, 1), sigma),
        water=np.broadcast_to(reference, data.shape).astype(np.complex128),
    )  # fmt: skip
    of = {n: ((fat if n in FAT else relax).t1, (fat if n in FAT else relax).t2) for n in settings.fitted}
    scale = WaterScale(content=0.8, t1=water.t1, t2=water.t2, relaxation=of)
    asked = replace(
        combination_of(basis.only(settings.fitted), {"baseline": settings.baseline, "fat_ratios": settings.fat_ratios}),
        extra_width=(settings.width[0] + 1 / np.pi / relax.t2, 3.0), extra_shift=0.005, gauss=(FIELD, FIELD / 4),
        widths={} if set(FAT).isdisjoint(settings.fitted) else {"lipid": (settings.width[0] + 1 / np.pi / fat.t2, 3.0)},
    )  # fmt: skip
    found = fit_spectra(spectra, basis.only(settings.fitted), asked, water=scale, threads=1)
    return found, np.array([[amounts.get(name, 0.0) for name in found.names] for amounts, _, _ in drawn])


def _score(found: SpectralFit) -> Array:
    """Return acids over structure; its logarithm has the same order, and none for amounts that noise makes negative."""
    acids, structure = (sum(found.amount(name)[0] for name in names) for names in (ACIDS, STRUCTURE))
    return np.asarray(acids / np.maximum(structure, 1e-3))


def methyl(basis: Basis, name: str) -> float:
    """Return the in-phase signal of a metabolite's methyl: the area of its lines, 3 Hz wide, from 1 to 2.2 ppm."""
    damped = basis.fid(name) * np.exp(-3 * np.pi * basis.time)
    damped[0] /= 2
    spectrum = np.fft.fftshift(np.fft.ifft(damped, 8192))
    ppm = basis.ppm(8192)
    return float(np.sum(spectrum.real[(ppm > 0.7) & (ppm < 2.4)]))


def measure(outcomes: Mapping[str, Outcome]) -> list[Measure]:
    """Return what is kept of lactate, bias and scatter of amounts, and how well the score tells pain, by arm."""
    found = _kept(outcomes)
    first: dict[str, float] = {}
    for arm, outcome in outcomes.items():
        if "kept" in outcome.data:
            continue
        truth, error = outcome.data["truth"][:, 0], outcome.data["error"][:, 0]
        off = outcome.data["fitted"][:, 0] - truth
        for k, name in enumerate(outcome.settings.fitted):
            if name not in FACTS:
                continue
            found += _scatter(f"{arm} {name}", off[:, k], truth[:, k], error[:, k])
            if set(FAT).isdisjoint(outcome.settings.fitted):
                bias = abs(float(off[:, k].mean()))
                ratio = bias / first.setdefault(name, bias)
                found.append(Measure(metric="bias over that of the first", region=f"{arm} {name}", value=ratio))
        found += _told_apart(arm, outcome.data["score"])
    return found


def _kept(outcomes: Mapping[str, Outcome]) -> list[Measure]:
    """Return what is left of lactate's methyl, and how much of it ideal pulses would leave."""
    kept = {arm: float(o.data["kept"][0]) for arm, o in outcomes.items() if "kept" in o.data}
    found = [Measure(metric="methyl kept", region=arm, value=value) for arm, value in kept.items()]
    pairs = {arm: arm.replace("real", "ideal") for arm in kept if "real" in arm}
    return found + [
        Measure(metric="share of the ideal", region=arm, value=abs(kept[arm] / kept[ideal]))
        for arm, ideal in pairs.items()
        if ideal in kept
    ]


def _scatter(region: str, off: Array, truth: Array, error: Array) -> list[Measure]:
    ratio = float(off.std(ddof=1) / np.sqrt(np.mean(error**2)))
    wide = ratio / np.sqrt(2 * (len(off) - 1))
    return [
        mean_over("bias", region, off / truth.mean()),
        Measure(metric="SD over bound", region=region, value=ratio, standard_error=wide, replicates=len(off)),
        mean_over("bound", region, error, "mol/m^3"),
    ]


def _told_apart(arm: str, score: Array) -> list[Measure]:
    """Return the score's figures over cohorts drawn from the discs, and where the published ones lie among them."""
    rng = np.random.default_rng(206)
    cut = float(np.median(score))
    rows: dict[str, list[float]] = {name: [] for name in PUBLISHED}
    for _ in range(COHORTS):
        calm = rng.choice(score[:, 0], DISCS - PAINFUL)
        painful = rng.choice(score[:, 1], PAINFUL)
        hit, spared = float(np.mean(painful > cut)), float(np.mean(calm <= cut))
        right = (hit * PAINFUL + spared * (DISCS - PAINFUL)) / DISCS
        area = float(areas(painful, calm).values[0])
        for name, value in {"AUC": area, "accuracy": right, "sensitivity": hit, "specificity": spared}.items():
            rows[name].append(value)
    found = []
    for name, values in rows.items():
        low, high = (float(v) for v in np.percentile(values, [2.5, 97.5]))
        found.append(
            Measure(metric=name, region=arm, value=float(np.mean(values)), low=low, high=high, replicates=COHORTS)
        )
        below = float(np.mean(np.array(values) < PUBLISHED[name]))
        found.append(Measure(metric=f"cohorts below the published {name}", region=arm, value=below, replicates=COHORTS))
    return found


def draw(outcomes: Mapping[str, Outcome], measures: Sequence[Measure]) -> dict[str, bytes]:
    """Return the figure of the score and of lactate."""
    shown = {arm: o for arm, o in outcomes.items() if "score" in o.data and not set(FAT).isdisjoint(o.settings.fitted)}
    scores = {arm: o.data["score"] for arm, o in shown.items()}
    amounts = {
        arm: (
            o.data["truth"][:, 0, 0],
            o.data["fitted"][:, 0, 0],
            float(np.sqrt(np.mean(o.data["error"][:, 0, 0] ** 2))),
        )
        for arm, o in shown.items()
        if arm in ("discs", "quarter")
    }
    return {"score": png(score_figure(scores, amounts, PUBLISHED["AUC"]))}


EXPERIMENT = Experiment(
    name="disc-spectra",
    title="Spectra of painful and other discs: lactate by echo time, pulses and fat; acids over structure",
    settings=DiscSpectra,
    replicate=replicate,
    measure=measure,
    draw=draw,
)

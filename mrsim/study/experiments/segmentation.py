"""Labels of a lumbar segment by a classical segmenter: an atlas, grey values, and smoothing.

A T2-weighted image is the sum of each tissue's share of a voxel times its signal through the pulses' profiles, with
noise. The segmenter knows where structures usually lie (the mean over grades, blurred) and how bright they usually are
(histograms of other images), and takes the likeliest label of a slightly smoothed posterior (Ashburner and Friston
1997, doi:10.1006/nimg.1997.0290, without its deformations). It is the baseline that a learned one must beat.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ...core.grid import Grid, orientation_axes
from ...core.units import FieldStrength, Fraction, Length
from ...evaluate.overlap import dice, eroded_dice
from ...phantom.phantom import Phantom
from ...phantom.phantom_file import load_phantom
from ...report.label_figure import label_figure
from ...report.style import png
from ..experiment import Arrays, Experiment, Measure, Outcome, mean_over
from .disc_cohort import Discs
from .grade_ladder import weighted_signal

Array = NDArray[np.float64]
LABELS: Mapping[str, tuple[str, ...]] = {
    "disc": ("nucleus_pulposus", "annulus_fibrosus_inner", "annulus_fibrosus_outer"),
    "vertebra": ("vertebral_bone_marrow", "vertebral_bony_endplate", "cortical_bone", "cartilage_endplate"),
    "fluid": ("csf",),
    "muscle": ("paraspinal_muscle",),
    "fat": ("epidural_fat", "subcutaneous_fat"),
}
"""Structure -> tissues; everything else is background."""
BINS = 48
TINY = 1e-4


@dataclass(frozen=True, kw_only=True, slots=True)
class Segmentation:
    """What is imaged and how well the atlas fits."""

    field: FieldStrength = 3.0
    snr: Fraction = 40.0
    """Of fluid."""
    pixel: Length = 1e-3
    shift: Length = 2e-3
    """Spread of where the segment lies, against the atlas."""
    atlas_blur: Length = 2e-3


def replicate(settings: Segmentation, streams: Sequence[np.random.Generator]) -> Arrays:
    """Return the Dice of every label for one segment per stream, (replicate, label), and of the eroded true disc."""
    rows = [_segmented(settings, rng) for rng in streams]
    found = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return found


def _segmented(settings: Segmentation, rng: np.random.Generator) -> dict[str, NDArray[np.generic]]:
    from scipy.ndimage import binary_erosion

    grade, shift = int(rng.integers(1, 6)), settings.shift * rng.standard_normal(2)
    truth, clean = _scene(settings, grade, (float(shift[0]), float(shift[1])))
    image = _noisy(settings, clean, rng)
    labels = _labelled(settings, image)
    scores = [dice(labels == k, truth == k) for k in range(1, len(LABELS) + 1)]
    disc = truth == 1
    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], dtype=bool)
    smaller = binary_erosion(disc, cross)
    fallen = dice(disc, smaller)
    expected = eroded_dice(int(disc.sum()), int(disc.sum() - smaller.sum()))
    return {
        "dice": np.array(scores), "eroded": np.array(fallen), "expected": np.array(expected),
        "image": image, "labels": labels, "truth": truth, "grade": np.array(grade),
    }  # fmt: skip


def _scene(settings: Segmentation, grade: int, shift: tuple[float, float]) -> tuple[NDArray[np.int8], Array]:
    """Return true labels and noise-free image, (y, x)."""
    axes = orientation_axes("sagittal")
    centre = axes @ np.array([*shift, 0.0])
    size = round(96e-3 / settings.pixel)
    grid = Grid(shape=(1, size, size), spacing=(settings.pixel, settings.pixel, 4e-3), axes=axes,
                centre=(float(centre[0]), float(centre[1]), float(centre[2])))  # fmt: skip
    phantom = load_phantom("lumbar-disc", field=settings.field, grade=grade)
    fractions = phantom.fractions(grid)
    bright = _signals(settings.field, phantom)
    image = np.sum([fractions[name][0] * bright[name] for name in fractions], axis=0)
    return _labels_of(fractions), np.asarray(image)


def _labels_of(fractions: Mapping[str, Array]) -> NDArray[np.int8]:
    return np.asarray(np.argmax(_shares(fractions), axis=0), dtype=np.int8)


def _shares(fractions: Mapping[str, Array]) -> Array:
    """Return the (label, y, x) share of every label, background first."""
    shape = next(iter(fractions.values()))[0].shape
    held = [sum((fractions[t][0] for t in tissues if t in fractions), np.zeros(shape)) for tissues in LABELS.values()]
    return np.array([np.clip(1 - np.sum(held, axis=0), 0, 1), *held])


def _signals(field: float, phantom: Phantom) -> dict[str, float]:
    """Return the T2-weighted signal of each tissue: the sum over its pools."""
    found = {}
    for tissue in phantom.tissues:
        pools = tissue.pools(field)
        one = {name: np.array([getattr(pool, name) for pool in pools]) for name in ("t1", "t2", "pd")}
        atoms = Discs(grade=np.ones(len(pools), np.int64), b1=np.ones(len(pools)), **one)
        found[tissue.name] = float(weighted_signal(field, atoms).sum())
    return found


def _noisy(settings: Segmentation, clean: Array, rng: np.random.Generator) -> Array:
    sigma = float(clean.max()) / settings.snr
    noise = sigma * (rng.standard_normal(clean.shape) + 1j * rng.standard_normal(clean.shape))
    return np.abs(clean + noise)


@cache
def _atlas(settings: Segmentation) -> tuple[Array, Array, Array]:
    """Return the (label, y, x) prior, the (label, bin) likelihood of grey values, and the bins' edges."""
    from scipy.ndimage import gaussian_filter, gaussian_filter1d

    rng = np.random.default_rng(0)
    scenes = [_scene(settings, grade, (0.0, 0.0)) for grade in range(1, 6)]
    labels = np.array([truth for truth, _ in scenes])
    images = np.array([_noisy(settings, clean, rng) for _, clean in scenes])
    width = settings.atlas_blur / settings.pixel
    masks = [(labels == k).mean(axis=0) for k in range(len(LABELS) + 1)]
    prior = np.array([gaussian_filter(mask, width) for mask in masks]) + TINY
    edges = np.linspace(0, 1.05 * float(images.max()), BINS + 1)
    counts = [np.histogram(images[labels == k], edges)[0] for k in range(len(LABELS) + 1)]
    smooth = np.array([gaussian_filter1d(c / max(c.sum(), 1), 1.0) for c in np.array(counts, np.float64)])
    return prior / prior.sum(axis=0), smooth + TINY, edges


def _labelled(settings: Segmentation, image: Array) -> NDArray[np.int8]:
    """Return the likeliest label of every pixel."""
    from scipy.ndimage import gaussian_filter

    prior, likelihood, edges = _atlas(settings)
    bins = np.clip(np.searchsorted(edges, image, side="right") - 1, 0, BINS - 1)
    posterior = prior * likelihood[:, bins]
    posterior /= posterior.sum(axis=0)
    smooth = np.array([gaussian_filter(part, 0.6) for part in posterior])
    return np.asarray(np.argmax(smooth, axis=0), dtype=np.int8)


def measure(outcomes: Mapping[str, Outcome]) -> list[Measure]:
    """Return the mean Dice of every label, of all, and what erosion by one pixel does to the true disc's."""
    found: list[Measure] = []
    for arm, outcome in outcomes.items():
        scores = outcome.data["dice"]
        found += [mean_over("Dice", f"{arm} {name}", scores[:, k]) for k, name in enumerate(LABELS)]
        found.append(mean_over("Dice", arm, scores.mean(axis=1)))
        off = np.abs(outcome.data["eroded"] - outcome.data["expected"])
        found.append(Measure(metric="erosion against closed form", region=arm, value=float(off.max()),
                             replicates=len(off)))  # fmt: skip
        found.append(mean_over("fall of Dice by erosion", arm, 1 - outcome.data["eroded"]))
    return found


def draw(outcomes: Mapping[str, Outcome], measures: Sequence[Measure]) -> dict[str, bytes]:
    """Return an image, its true labels and those found."""
    data = next(iter(outcomes.values())).data
    return {"labels": png(label_figure(data["image"][0], data["truth"][0], data["labels"][0], tuple(LABELS)))}


EXPERIMENT = Experiment(
    name="segmentation",
    title="Labels of a lumbar segment by an atlas and grey values, judged by Dice",
    settings=Segmentation,
    replicate=replicate,
    measure=measure,
    draw=draw,
)

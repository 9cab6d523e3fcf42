"""Verdicts on elastography: whether two examinations of one subject tell a change of stiffness.

The noise of the displacement follows from the protocol's own encoding and the SNR of the tissue; second differences of
a plane wave of the stated amplitude stand against it (`plan.elastography`). Besides noise a subject's stiffness varies
on repetition: positioning, driver, hydration.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..core.errors import InfeasibleError, InputError
from ..core.wave import wavenumber
from ..evaluate.power import power_of_estimate
from ..phantom.stiffness import MODULI, density_of, law_of
from ..phantom.tissue import Tissue
from ..plan.answer import Remedy, Verdict, said, said_voxels, undecided
from ..plan.elastography import (
    DISPLACEMENT,
    LEAST_SNR,
    LEAST_VOXELS,
    REPEAT_SD,
    derivative_snr,
    seen_share,
    stiffness_of,
)
from ..plan.precision import Precision
from ..plan.question import Question
from ..plan.snr import SnrPrediction
from .remedies import pure_voxels
from .request import RunRequest
from .run import prepare
from .snr import Built, Representative, snr_of

FREQUENCIES, CYCLES = (80.0, 120.0, 200.0), (1, 2)
"""Tried as remedies, Hz."""
GREATEST = 20.0
"""Times as wide voxels that are looked through."""
EXAMINATIONS = (2, 3, 4, 6, 8, 12, 16)
SMOOTHING = 1.0
"""Standard deviation of the Gaussian before differentiation, voxels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WaveView:
    """One examination's view of one tissue's stiffness."""

    stiffness: float
    """Pa."""
    snr: float
    """Of the second differences."""
    voxels_per_wavelength: float
    frequency: float
    noise_sd: float
    """Of the mean over the region, Pa."""
    repeat_sd: float
    """Pa."""
    voxels: int
    displacement: float
    scan_time: float
    """s."""
    wavenumber: complex
    """1/m."""
    voxel: float
    """Side in the plane, m."""
    noise: float
    """Of each part of a displacement's phasor, m."""


SEARCHED = "other vibrations and cycles of motion encoding that the protocol can play, or means of several examinations"


def stiffness_verdict(
    request: RunRequest, question: Question, tissue: Tissue, remedies: bool, built: Built | None = None
) -> Verdict:  # fmt: skip
    """Return whether a change of a tissue's stiffness is told by one examination before and one after.

    Parameters
    ----------
    request : RunRequest
        Of a protocol of elastography.
    question : Question
        Of kind ``"change"``.
    tissue : Tissue
    remedies : bool
        Whether to look for the change that turns a no into a yes.
    built : Built, optional
        Protocols that are built already; it is added to.
    """
    built = Built() if built is None else built
    try:
        question = replace(question, voxels=question.voxels or pure_voxels(prepare(request))[tissue.name])
        seen = seen_waves(request, question, tissue, {}, built)
    except InputError as problem:
        return undecided(question, tissue.name, str(problem))
    answer = _judged(question, seen, tissue.name)
    if answer.answer == "yes" or not remedies:
        return answer
    options = sorted(_options(request, question, tissue, seen, built), key=lambda option: option.minutes)
    good = next((option for option in options if option.chance >= question.power), None)
    best = max(options, key=lambda option: option.chance, default=None)
    better = best if good is None and best is not None and best.chance > answer.chance else None
    return replace(answer, remedy=good, nearest=better, searched=SEARCHED)


def seen_waves(
    request: RunRequest, question: Question, tissue: Tissue, entries: dict[str, str], built: Built
) -> WaveView:
    """Return how one examination with changed entries sees a tissue's stiffness.

    Parameters
    ----------
    request : RunRequest
        Of a protocol of elastography.
    question : Question
        Its voxels, displacement and spread on repetition count.
    tissue : Tissue
    entries : dict
        Protocol entries that are changed.
    built : Built
    """
    request = replace(request, overrides={**request.overrides, **entries})
    mine, played = built.of(request)
    return wave_view(request, question, tissue, mine, snr_of(mine, (tissue.name,), budget=False, timeline=played))


def wave_view(
    request: RunRequest, question: Question, tissue: Tissue, mine: Representative, found: SnrPrediction
) -> WaveView:
    """Return how one examination sees a tissue's stiffness, of a protocol whose SNR is known.

    Parameters
    ----------
    request : RunRequest
    question : Question
        Its voxels, displacement and spread on repetition count.
    tissue : Tissue
    mine : Representative
    found : SnrPrediction
    """
    header, field = mine.part.sequence.encoding, mine.part.phantom.field
    table, frequency = header.contrast, float(header.sheet["vibration_frequency"])
    modulus = law_of(tissue, field).at(frequency)
    k = complex(wavenumber(modulus, frequency, density_of(tissue, field)))
    snr = min(row.snr for row in found.rows if row.tissue == tissue.name)
    directions = np.stack([table[f"direction_{axis}"] for axis in "xyz"], axis=1)
    # A phasor's part is the mean of cosine-weighted images: variance 2 / n of one component that n images encode.
    share = 2 * float(np.linalg.pinv(directions.T @ directions).diagonal().max())
    noise = math.sqrt(share) / (float(np.max(table["encoding"])) * snr)
    voxel, moved = header.grid.spacing[0], question.displacement or DISPLACEMENT
    seen = derivative_snr(k, voxel, moved, noise, SMOOTHING)
    voxels = question.voxels or 1
    stiffness = stiffness_of(modulus)
    apart = max(1.0, voxels / (4 * math.pi * SMOOTHING**2))  # patches whose noise is independent
    return WaveView(
        stiffness=stiffness, snr=seen, voxels_per_wavelength=2 * math.pi / abs(k.real) / voxel, frequency=frequency,
        noise_sd=stiffness * seen_share(seen) / (seen * math.sqrt(2 * apart)),
        repeat_sd=REPEAT_SD if question.repeat_sd is None else question.repeat_sd, voxels=voxels, displacement=moved,
        scan_time=mine.scan_time, wavenumber=k, voxel=voxel, noise=noise,
    )  # fmt: skip


def wave_precision(request: RunRequest, mine: Representative, found: SnrPrediction) -> tuple[Precision, ...]:
    """Return what a direct inversion makes of a voxel of every probed tissue that knows its stiffness."""
    question = Question(text="", kind="change", parameter="stiffness", voxels=1)
    probed = {row.tissue for row in found.rows}
    rows = []
    for tissue in mine.part.phantom.tissues:
        if tissue.name not in probed or not any(name in tissue.facts for name in MODULI):
            continue
        seen = wave_view(request, question, tissue, mine, found)
        rows.append(
            Precision(
                tissue=tissue.name, grade=tissue.grade, parameter="shear_stiffness", unit="Pa", truth=seen.stiffness,
                mean=seen.stiffness * seen_share(seen.snr), sd=seen.noise_sd, bound=math.nan, share=1.0,
                scan_time=mine.scan_time,
            )
        )  # fmt: skip
    return tuple(rows)


def _chance(q: Question, seen: WaveView, examinations: int = 1, repeat: bool = True) -> tuple[float, float, float]:
    """Return the power, the change that is seen and its standard deviation, Pa."""
    change = q.limit * seen.stiffness if q.relative else q.limit
    after = seen.stiffness + change  # second differences fall as the wave lengthens
    shown = after * seen_share(seen.snr * seen.stiffness / after) - seen.stiffness * seen_share(seen.snr)
    error = math.sqrt(2 / examinations) * math.hypot(seen.noise_sd, seen.repeat_sd if repeat else 0.0)
    return power_of_estimate(max(shown, 0.0), error, math.inf, alpha=q.alpha), shown, error


def _judged(q: Question, seen: WaveView, tissue: str) -> Verdict:
    chance, shown, error = _chance(q, seen)
    met = chance >= q.power
    noisy = _chance(q, seen, repeat=False)[0] < q.power
    cause = "nothing" if met else "noise of the waves' second differences" if noisy else "repeatability of one subject"
    change = q.limit * seen.stiffness if q.relative else q.limit
    reason = (
        f"a change of {said(change, 'Pa')} of {said(seen.stiffness, 'Pa')} at {seen.frequency:g} Hz "
        f"{'is read as ' + said(shown, 'Pa') if shown > 0 else 'drowns in the noise of a direct inversion'}\n"
        f"two examinations differ by {said(error, 'Pa')} (SD): noise {said(seen.noise_sd, 'Pa')} each over "
        f"{said_voxels(seen.voxels)}, repetition {said(seen.repeat_sd, 'Pa')} each\n"
        f"SNR of the second differences {seen.snr:.2g} ({LEAST_SNR:g} wanted) at {1e6 * seen.displacement:.3g} µm of "
        f"motion; {seen.voxels_per_wavelength:.2g} voxels per wavelength ({LEAST_VOXELS:g} wanted)"
        f"{'' if met else _enough(seen)}"
    )
    return Verdict(
        question=q.text, tissue=tissue, answer="yes" if met else "no", chance=chance, wanted=q.power, cause=cause,
        reason=reason, minutes=2 * seen.scan_time / 60,
        numbers={"change": change, "seen_change": shown, "sd_of_difference": error, "derivative_snr": seen.snr,
                 "noise_sd": seen.noise_sd, "repeat_sd": seen.repeat_sd},
    )  # fmt: skip


def _enough(seen: WaveView) -> str:
    """Return the motion, and the voxel at the same motion, that give second differences their least SNR."""
    if seen.snr >= LEAST_SNR:
        return ""
    motion = said(seen.displacement * LEAST_SNR / seen.snr, "m")
    sides = np.geomspace(1.0, GREATEST, 200)
    gained = [_coarser(seen, side) for side in sides]
    fits = [side for side, snr in zip(sides, gained, strict=True) if snr >= LEAST_SNR]
    if fits:
        per = seen.voxels_per_wavelength / fits[0]
        voxel = f"voxels of {said(fits[0] * seen.voxel, 'm')} in the plane ({per:.2g} per wavelength)"
    else:
        best = int(np.argmax(gained))
        voxel = f"no voxel would do (SNR {gained[best]:.2g} at best, of {said(sides[best] * seen.voxel, 'm')})"
    return f"\nit would take {motion} of motion; at {said(seen.displacement, 'm')} {voxel}"


def _coarser(seen: WaveView, side: float) -> float:
    """Return the SNR of second differences with voxels so many times wider in the plane: noise falls with their area
    and, of as many lines fewer, rises with the root of the sides.
    """
    noise = seen.noise / side**1.5
    return derivative_snr(seen.wavenumber, side * seen.voxel, seen.displacement, noise, SMOOTHING)


def _options(
    request: RunRequest, q: Question, tissue: Tissue, seen: WaveView, built: Built
) -> Iterator[Remedy]:  # fmt: skip
    """Yield more examinations, and other frequencies and cycles, each built and forecast by itself."""
    yield from _repeated(q, seen, "", {})
    for frequency in FREQUENCIES:
        for cycles in CYCLES:
            entries = {"vibration": f"{frequency:g} Hz", "cycles": str(cycles)}
            try:
                there = seen_waves(request, q, tissue, entries, built)
            except (InputError, InfeasibleError):
                continue  # does not fit into the echo time, or breaks a limit
            said_cycles = f"{frequency:g} Hz and {cycles} cycle{'s' if cycles > 1 else ''}"
            yield Remedy(
                change=said_cycles, entries=entries, minutes=2 * there.scan_time / 60, chance=_chance(q, there)[0]
            )
            yield from _repeated(q, there, f"{said_cycles}, ", entries)


def _repeated(q: Question, seen: WaveView, before: str, entries: dict[str, str]) -> Iterator[Remedy]:
    for count in EXAMINATIONS:
        yield Remedy(
            change=f"{before}the mean of {count} examinations before and of {count} after", entries=entries,
            minutes=2 * count * seen.scan_time / 60, chance=_chance(q, seen, count)[0],
        )  # fmt: skip

"""From a request to a protocol's forecast: SNR, resolution, distortion, limits, bias and spread, in seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..core.errors import InfeasibleError, InputError
from ..fit.models import find_model
from ..phantom.phantom import Phantom
from ..plan.distortion import Distortion, distortions
from ..plan.elastography import DISPLACEMENT
from ..plan.forecast import Forecast, Page
from ..plan.limits import limits
from ..plan.precision import Precision, precision
from ..plan.resolution import Resolution, resolutions
from ..plan.snr import SnrPrediction
from ..sequence.timeline import Timeline
from .given import given_options, measured
from .request import RunRequest
from .run import Prepared
from .snr import Built, Representative, snr_of
from .vibration import check_offsets

Tell = Callable[[str, int, int], None]
MOST, MOST_OF_TISSUES = 6000.0, 4000.0
"""Pulses, and readouts at a third of their weight, that all probes together may have before a plan leaves out the SNR's
budget, and that the probes of all tissues may have before it leaves out tissues, first those without a region of
interest and then those without a grade: seconds of processor time."""


HELD = 0.01
"""Share of a spectrum's voxel that a tissue must hold to be foretold."""
WAVE = (
    f"stiffness is that of a plane wave of {1e6 * DISPLACEMENT:g} um in a voxel after a direct inversion; "
    "what geometry and reflections do is not foretold: mrsim shake"
)


def forecast(
    request: RunRequest, grades: tuple[int, ...] = (), tissues: tuple[str, ...] = (), progress: Tell | None = None,
    *, brief: bool = False, built: Built | None = None,
) -> Forecast:  # fmt: skip
    """Return a protocol's forecast.

    Parameters
    ----------
    request : RunRequest
        Protocol, scanner, phantom, fields and model.
    grades : tuple of int
        Pfirrmann grades to foretell; the phantom's own by default.
    tissues : tuple of str
        Names of the phantom's tissues; all by default.
    progress : callable, optional
        Called with (step, done, in all).
    brief : bool
        Whether to leave out what no verdict needs: the SNR's budget, resolution, distortion and limits.
    built : Built, optional
        Protocols that are built already; it is added to.
    """
    built = Built() if built is None else built
    wanted: tuple[int | None, ...] = grades or (None,)
    steps = len(wanted) + 1
    found: list[SnrPrediction] = []
    rows: list[Precision] = []
    missing: list[str] = []
    first: Representative | None = None
    first_played: Timeline | None = None
    whole = True
    for done, grade in enumerate(wanted):
        mine, played = built.of(request if grade is None else replace(request, grade=grade))
        if first is None:
            first, tissues, whole = mine, *_affordable(mine, tissues, missing)
        chosen = tissues if mine is first else _differing(first.part.phantom, mine.part.phantom, tissues)
        if done and not chosen:
            continue
        first_played = first_played or played
        if "vibration_offset" in mine.part.sequence.encoding.contrast:
            check_offsets(mine.part.sequence)
        found.append(snr_of(mine, chosen, budget=whole and not brief, timeline=played))
        rows += _maps(mine, found[-1], missing)
        if progress:
            progress("plan", done + 1, steps)
    assert first is not None
    assert first_played is not None
    page = None if brief else _page(first, first_played, tissues, missing)
    notes = found[0].notes if brief or "vibration_frequency" not in first.part.sequence.encoding.sheet else (
        *found[0].notes, *_of_waves(first, found[0])
    )  # fmt: skip
    ready = first.part.request
    result = Forecast(
        protocol=request.protocol, description=first.part.description, scanner=first.part.sequence.scanner.name,
        field=first.part.phantom.field, phantom=first.part.phantom.name, model=ready.model,
        scan_time=first.scan_time, snr=tuple(found), grades=wanted, precision=tuple(rows), page=page,
        missing=tuple(dict.fromkeys(missing)), notes=notes,
    )  # fmt: skip
    if progress:
        progress("plan", steps, steps)
    return result


def _of_waves(mine: Representative, found: SnrPrediction) -> tuple[str, ...]:
    """Return whether elastograms will be usable."""
    from .wave_forecast import wave_notes

    return wave_notes(mine, found)


def refitted(request: RunRequest, found: Forecast, model: str, built: Built) -> Forecast:
    """Return a brief forecast with another fit of the same images; without precision where the model cannot fit them.

    Parameters
    ----------
    request : RunRequest
        Of the forecast.
    found : Forecast
    model : str
        Name of the other model, with the values that it takes by itself.
    built : Built
    """
    rows: list[Precision] = []
    missing: list[str] = []
    for one, grade in zip(found.snr, found.grades, strict=False):
        mine = request if grade is None else replace(request, grade=grade)
        part = built.of(mine)[0].part
        other = replace(part, request=replace(part.request, model=model, given={}))
        rows += _precision(other, one, missing)
    return replace(found, model=model, precision=tuple(rows), page=None, missing=tuple(dict.fromkeys(missing)))


def _affordable(mine: Representative, tissues: tuple[str, ...], missing: list[str]) -> tuple[tuple[str, ...], bool]:
    """Return the tissues to foretell and whether their SNR gets a budget; what is left out is added to `missing`."""
    if mine.part.sequence.encoding.kind == "spectrum" and not tissues:
        shares = mine.part.phantom.fractions(mine.part.sequence.encoding.grid)
        tissues = tuple(name for name, share in shares.items() if share.max() >= HELD)
    blocks = mine.part.sequence.blocks
    each = sum(block.rf is not None for block in blocks) + sum(block.adc is not None for block in blocks) / 3
    count = len(tissues or mine.part.phantom.tissues)
    if 3 * each * count <= MOST:
        return tissues, True
    missing.append("the SNR's budget of slice profile and T2': mrsim snr takes the time")
    if tissues or each * count <= MOST_OF_TISSUES:
        return tissues, False
    kept = regional(mine.part.phantom)
    if each * len(kept) > MOST_OF_TISSUES:
        grades = {tissue.name: tissue.grade for tissue in mine.part.phantom.tissues}
        inwards = kept[::-1]  # a phantom's inner parts come last
        inner = sorted(inwards, key=lambda name: grades[name] is None)
        kept = tuple(inner[: max(1, int(MOST_OF_TISSUES / each))])
    if len(kept) < count:
        missing.append(f"tissues other than {', '.join(kept)}: name them with --tissue, or take the time of mrsim snr")
    return kept, False


def regional(phantom: Phantom) -> tuple[str, ...]:
    """Return the tissues that regions of interest hold; all of a phantom without regions."""
    inside = {name for roi in phantom.rois_defined for name in roi.regions}
    held = {phantom.tissues[region.tissue].name for region in phantom.regions if region.name in inside}
    return tuple(t.name for t in phantom.tissues if t.name in held) or tuple(t.name for t in phantom.tissues)


def _page(mine: Representative, timeline: Timeline, tissues: tuple[str, ...], missing: list[str]) -> Page:
    resolution, distortion = _image(timeline, mine.part.phantom, tissues, missing)
    grid = mine.part.sequence.encoding.grid
    return Page(
        resolution=resolution, distortion=distortion, limits=limits(mine.judged.sequence),
        voxel=(grid.spacing[0], grid.spacing[1], grid.thickness),
    )  # fmt: skip


def _differing(first: Phantom, other: Phantom, tissues: tuple[str, ...]) -> tuple[str, ...]:
    """Return the tissues that a grade changes."""
    before = {tissue.name: tissue for tissue in first.tissues}
    names = [t.name for t in other.tissues if t.grade is not None and t.grade != before[t.name].grade]
    return tuple(name for name in names if not tissues or name in tissues)


def _maps(mine: Representative, found: SnrPrediction, missing: list[str]) -> tuple[Precision, ...]:
    """Return bias and spread of what a protocol measures; what stands in the way is added to `missing`."""
    encoding = mine.part.sequence.encoding
    try:
        if encoding.kind == "spectrum" and mine.judged.basis is not None and mine.judged.request.model is not None:
            from .spectral_bounds import spectral_precision

            return spectral_precision(mine.judged)
        if "encoding" in encoding.contrast:
            from .wave_verdict import wave_precision

            missing.append(WAVE)
            return wave_precision(mine.part.request, mine, found)
    except InputError as problem:
        missing.append(f"bias and precision: {problem}")
        return ()
    return _precision(mine.part, found, missing)


def _precision(part: Prepared, found: SnrPrediction, missing: list[str]) -> tuple[Precision, ...]:
    """Return bias and spread of a fit to images."""
    request = part.request
    if request.model is None:
        missing.append("bias and precision: the protocol names no model to fit; name one with --model")
        return ()
    model = find_model(request.model)
    told = {name: text for name, text in request.given.items() if not measured(text)}
    missing += [
        f"the error of {text}, which measures {name}: {name} is taken as known"
        for name, text in request.given.items() if measured(text)
    ]  # fmt: skip
    try:
        return precision(
            model, part.sequence.encoding, part.phantom, found, given_options(model, told), rng=request.seed,
            likelihood=request.likelihood, noise_floor=request.noise_floor, threads=request.threads,
        )  # fmt: skip
    except InputError as problem:
        missing.append(f"bias and precision: {problem}")
        return ()


def _image(
    timeline: Timeline, phantom: Phantom, tissues: tuple[str, ...], missing: list[str]
) -> tuple[tuple[Resolution, ...], tuple[Distortion, ...]]:
    """Return resolution and distortion of the first image."""
    if timeline.encoding.kind == "spectrum":
        missing.append(
            "resolution and distortion: a spectrum has one voxel, whose displacement docs/spectroscopy tells"
        )
        return (), ()
    chosen = tuple(tissue for tissue in phantom.tissues if not tissues or tissue.name in tissues)
    try:
        return resolutions(timeline, chosen, phantom.field), distortions(timeline)
    except (InputError, InfeasibleError) as problem:
        missing.append(f"resolution: {problem}")
        return (), ()

"""Whether an elastogram will be usable, as `mrsim plan` foretells it: voxels, noise, boundaries, size of a tissue."""

from __future__ import annotations

import math

import numpy as np

from ..fit.inversion import Inversion
from ..fit.models import find_model
from ..phantom.stiffness import MODULI
from ..plan.answer import said
from ..plan.elastography import LEAST_SNR, LEAST_VOXELS
from ..plan.question import Question
from ..plan.snr import SnrPrediction
from ..sequence.sequence import Sequence
from ..simulate.small_motion import SMALL
from .given import given_options
from .plan import regional
from .request import RunRequest
from .snr import Representative
from .vibration import amplitude_of, drive_of, offset_steps
from .wave_verdict import wave_view


def wave_notes(mine: Representative, found: SnrPrediction) -> tuple[str, ...]:
    """Return what speaks for and against an elastogram of each probed tissue, and whether its motion is small.

    Parameters
    ----------
    mine : Representative
        Of a protocol of elastography.
    found : SnrPrediction
    """
    question = Question(text="", kind="change", parameter="stiffness", voxels=1)
    request, probed = mine.part.request, {row.tissue for row in found.rows}
    notes = [
        *motion_notes(request.drives, min(mine.part.sequence.encoding.grid.spacing)),
        *turn_notes(request.drives, mine.judged.sequence),
    ]
    kept = regional(mine.part.phantom)
    for tissue in mine.part.phantom.tissues:
        if tissue.name not in probed.intersection(kept) or not any(name in tissue.facts for name in MODULI):
            continue
        seen = wave_view(request, question, tissue, mine, found)
        doubts = _doubts(mine, seen.snr, 2 * math.pi / abs(seen.wavenumber.real), tissue.name)
        clear = (
            f"a plane wave of {1e6 * seen.displacement:.3g} um has second differences of SNR {seen.snr:.2g}, "
            f"{LEAST_SNR:g} wanted, and nothing else speaks against them but what geometry does to a wave"
        )
        notes.append(f"elastogram of {tissue.name.replace('_', ' ')}: {'; '.join(doubts) or clear}")
    return tuple(notes)


def motion_notes(drives: tuple[str, ...], side: float) -> tuple[str, ...]:
    """Return a note where what is driven alone moves too far to be simulated by class.

    Parameters
    ----------
    drives : ``"SIDE=MOTION"``
    side : float
        Smallest side of a voxel, m.
    """
    far = max((amplitude_of(text) for text in drives), default=0.0)
    if far <= SMALL * side:
        return ()
    said_so = (
        f"a drive of {said(far, 'm')} exceeds {said(SMALL * side, 'm')}, {SMALL:.0%} of a voxel: in a run every "
        "spin will travel by itself, some hundred times slower; a run says how long before it begins"
    )
    return (said_so,)


def turn_notes(drives: tuple[str, ...], sequence: Sequence) -> tuple[str, ...]:
    """Return a note where phases of what is driven alone wrap between offsets of the vibration.

    Parameters
    ----------
    drives : ``"SIDE=MOTION"``
    sequence : Sequence
        Of elastography.
    """
    axes = sequence.encoding.grid.axes
    steps = {text: float(offset_steps(sequence, (drive_of(text) @ axes)[None]).max()) for text in drives}
    text = max(steps, key=lambda each: steps[each], default="")
    if not text or steps[text] <= math.pi:
        return ()
    most = said(amplitude_of(text) * math.pi / steps[text], "m")
    said_so = (
        f"the drive '{text}' turns phases by up to {steps[text]:.3g} rad between neighbouring offsets, which wraps "
        f"above {math.pi:.3g} rad: shake by {most} or less, encode less, or at more offsets"
    )
    return (said_so,)


def _doubts(mine: Representative, snr: float, wavelength: float, tissue: str) -> list[str]:
    """Return what speaks against an elastogram of a tissue."""
    grid, doubts = mine.judged.sequence.encoding.grid, []
    sides = grid.spacing if grid.shape[0] > 2 else grid.spacing[:2]
    per = wavelength / max(sides)
    if per < LEAST_VOXELS:
        doubts.append(
            f"{per:.2g} voxels per wavelength of {said(wavelength, 'm')}, {LEAST_VOXELS:g} wanted: voxels"
            f"{' and slices' if len(sides) > 2 else ''} of {said(wavelength / LEAST_VOXELS, 'm')} or less"
        )
    if snr < LEAST_SNR:
        doubts.append(f"SNR of its second differences {snr:.2g}, {LEAST_SNR:g} wanted")
    need = 2 * math.floor(_support(mine.part.request)) + 1
    if 2 < grid.shape[0] < need:
        doubts.append(f"no slice off a boundary, which takes {need} slices, or less smoothing and window")
    across = _across(mine, tissue)
    if across < wavelength:
        doubts.append(
            f"{said(across, 'm')} across, shorter than its wavelength of {said(wavelength, 'm')}: between sides that "
            "move alike it moves as one piece, with less strain than a wave has; a higher frequency, or mre-model"
        )
    return doubts


def _support(request: RunRequest) -> float:
    """Return how far, in voxels, the estimates of the inversion that is asked for look; 0 for another model."""
    model = None if request.model is None else find_model(request.model)
    if not isinstance(model, Inversion):
        return 0.0
    plain = {option.name: option.default for option in model.options if not option.varies}
    given = {name: text for name, text in request.given.items() if name in plain}
    return model.support(plain | given_options(model, given))


def _across(mine: Representative, tissue: str) -> float:
    """Return the smaller extent of a tissue in the plane of the image, m."""
    phantom = mine.part.phantom
    low, high = phantom.part(np.array([held.name == tissue for held in phantom.tissues])).box()
    extent = np.abs(mine.part.sequence.encoding.grid.axes[:, :2]) * (high - low)[:, None]
    return float(np.nan_to_num(extent, nan=0.0).sum(axis=0).min())

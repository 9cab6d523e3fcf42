"""How the SNR of a scanner grows with its field: B0 to a power, which may differ from one range of fields to the
next.

The exponent is a choice of model, and the choices are far apart, because they answer different questions: what a
given array reaches, what no array can exceed (ultimate intrinsic SNR), at the surface of a torso or in the middle of
a sphere. Noise comes from the body and not from the coil, whose share falls with the field; temperature enters
through the calibration alone. Relaxation is not part of the law: what T1, T2 and T2' make of the magnetisation is
simulated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..core.errors import InputError, did_you_mean
from ..core.units import FieldStrength

REFERENCE_FIELD = 3.0
"""Where the calibration `Scanner.snr_reference` holds, T."""

Pieces = tuple[tuple[FieldStrength, float], ...]
"""(from this field on, exponent), the first from 0 T."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SnrLaw:
    """A published field law."""

    pieces: tuple[tuple[float, float], ...]
    """(from this field on, T; exponent)."""
    source: str
    """What was found, for which fields, by whom."""


LAWS: dict[str, SnrLaw] = {
    "torso": SnrLaw(
        pieces=((0.0, 0.97), (3.0, 1.5)),
        source="torso: ultimate intrinsic SNR to 3 T (0.96 to 0.98, 0.55 to 3 T; Wang 2025, doi:10.1002/mrm.70202); "
        "above, a choice between a linear gain and the brain's 1.65",
    ),
    "ultimate": SnrLaw(
        pieces=((0.0, 0.97), (3.0, 1.445), (5.0, 1.92)),
        source="ultimate intrinsic SNR of the torso: 0.96 to 0.98 for 0.55 to 3 T, 1.86 to 1.99 for 5 to 14 T (Wang "
        "2025, doi:10.1002/mrm.70202); between 3 and 5 T, where nothing is reported, the mean of both",
    ),
    "sphere-centre": SnrLaw(
        pieces=((0.0, 1.94),),
        source="centre of a sphere: 1.94 +- 0.16 measured from 3 to 11.7 T; below, extrapolated",
    ),
    "brain": SnrLaw(
        pieces=((0.0, 1.65),),
        source="brain: 1.65 +- 0.1 from 3 to 9.4 T (Pohmann 2016, doi:10.1002/mrm.25677); below, extrapolated",
    ),
    "linear": SnrLaw(pieces=((0.0, 1.0),), source="linear: the textbook's law, right at low field"),
}
"""Laws by name; a scanner's file may also give an exponent of its own, or several by field."""


def law_pieces(law: str | float | Pieces) -> tuple[tuple[float, float], ...]:
    """Return (from this field on, T; exponent) of a law's name, one exponent, or several by field."""
    if isinstance(law, str):
        if law not in LAWS:
            problem = f"unknown law '{law}'{did_you_mean(law, list(LAWS))}; or give an exponent"
            raise InputError(problem, key="snr_exponent")
        return LAWS[law].pieces
    pieces = ((0.0, float(law)),) if isinstance(law, int | float) else tuple((float(b), float(p)) for b, p in law)
    starts = [start for start, _ in pieces]
    if not starts or starts[0] != 0.0 or sorted(set(starts)) != starts:
        raise InputError("needs rising fields from 0 T on, e.g. [['0 T', 1.0], ['3 T', 1.5]]", key="snr_exponent")
    if not all(math.isfinite(p) and p >= 0 for _, p in pieces):
        raise InputError(f"is {law}; exponents must be finite and zero or positive", key="snr_exponent")
    return pieces


def field_factor(b0: float, law: str | float | Pieces) -> float:
    """Return the SNR at `b0`, T, over that at 3 T.

    Parameters
    ----------
    b0 : float
        T.
    law : str, float or pieces
        A name of `LAWS`, an exponent, or (from this field on, exponent) pairs; the pieces join continuously.
    """
    pieces = law_pieces(law)
    ends = [*(start for start, _ in pieces[1:]), math.inf]
    low, high = sorted((b0, REFERENCE_FIELD))
    logarithm = sum(
        power * math.log(min(end, high) / max(start, low))
        for (start, power), end in zip(pieces, ends, strict=True)
        if max(start, low) < min(end, high)
    )
    return math.exp(logarithm if b0 > REFERENCE_FIELD else -logarithm)

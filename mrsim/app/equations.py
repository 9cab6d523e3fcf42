"""Every formula of the page as a symbolic expression: the fit's own models, and closed forms for teaching.

The models of `mrsim.fit` and the functions of `mrsim.plan` are called with symbols where they are plain arithmetic, so
that nothing is written twice. What stands here besides is steady states of pulses with any flip, place by place in the
slice: crushers take what a refocusing pulse stores or leaves transverse, and what is transverse before an excitation is
spoiled. Relaxation during pulses is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..core.nuclei import PROTON
from ..fit.model import Model
from ..fit.models import find_model, spgr
from ..plan.power import specific_absorption
from ..sequence.snr_law import LAWS, REFERENCE_FIELD

MODELS = ("t2-mono", "t2star-mono", "spgr", "inversion-recovery", "spin-echo")
"""Signal models whose value and derivatives the page computes."""
LAW = "torso"
"""How the SNR of the shipped scanners grows with the field."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Equation:
    """One formula."""

    name: str
    """In JavaScript."""
    arguments: tuple[str, ...]
    """In the order of the call, SI units."""
    value: Any
    """sympy expression."""
    slopes: tuple[Any, ...] = ()
    """Its derivatives with respect to the first arguments, where the page needs them."""


def equations() -> tuple[Equation, ...]:
    """Return every formula of the page."""
    from sympy import Symbol

    found = [_of_model(find_model(name)) for name in MODELS]
    for make in (*_STEADY_STATES, *_FACTS):
        names = make.__code__.co_varnames[: make.__code__.co_argcount]
        symbols = [Symbol(name, real=True) for name in names]
        found.append(Equation(name=make.__name__, arguments=names, value=make(*symbols)))
    return tuple(found)


def _of_model(model: Any) -> Equation:
    from sympy import diff

    assert isinstance(model, Model)
    symbols, value = model.symbols(), model.expression()
    slopes = tuple(diff(value, symbols[p.name]) for p in model.parameters)
    return Equation(name=model.name.replace("-", "_"), arguments=tuple(symbols), value=value, slopes=slopes)


def inversion_steady(
    cos_inversion: Any, cos_flip: Any, cos_refocus: Any, heard: Any, t1: Any, t2: Any, ti: Any, te: Any, tr: Any
) -> Any:
    """Return the spin echo after an inversion, pulses of any flip, `heard` of the longitudinal magnetisation.

    Over TI, TE/2 and the rest of TR the magnetisation z recovers as 1 - E + E z; each pulse multiplies it by a cosine.
    """
    from sympy import exp

    first, early, late = exp(-ti / t1), exp(-te / (2 * t1)), exp(-(tr - ti - te / 2) / t1)
    kept = cos_inversion * first * cos_flip * early * cos_refocus * late
    made = 1 - late + cos_refocus * late * (1 - early + cos_flip * early * (1 - first))
    start = made / (1 - kept)
    return (1 - first + cos_inversion * first * start) * heard * exp(-te / t2)


def spoiled_steady(flip: Any, t1: Any, tr: Any) -> Any:
    """Transverse magnetisation after a pulse of any flip, ideally spoiled: the model `spgr`."""
    return spgr.signal(1, t1, flip, tr, 1)


def free_decay(te: Any, t2: Any, r2_prime: Any) -> Any:
    """exp(-TE/T2 - TE R2')."""
    from sympy import exp

    return exp(-te / t2 - te * r2_prime)


def t2_star(t2: Any, r2_prime: Any) -> Any:
    """1 / (1/T2 + R2')."""
    return 1 / (1 / t2 + r2_prime)


def ernst_angle(t1: Any, tr: Any) -> Any:
    """Flip with the most spoiled signal, rad."""
    from sympy import acos, exp

    return acos(exp(-tr / t1))


def field_gain(b0: Any) -> Any:
    """SNR over that at 3 T, by the pieces of the shipped scanners' law."""
    from sympy import Piecewise

    pieces = LAWS[LAW].pieces
    value, branches = b0 / REFERENCE_FIELD, []
    ends = [start for start, _ in pieces[1:]]
    for (start, power), end in zip(pieces, [*ends, None], strict=True):
        assert start in (0.0, REFERENCE_FIELD), "pieces join at the reference field, where the gain is 1"
        branches.append((value**power, True if end is None else b0 < end))
    return Piecewise(*branches)


def noise_sigma(reference: Any, gain: Any, volume: Any, adc_time: Any) -> Any:
    """Standard deviation of one quadrature channel, proton density units; volume in m^3, adc_time in s."""
    from sympy import sqrt

    return 1 / (reference * gain * volume * 10**9 * sqrt(adc_time))


def noisy_magnitude(signal: Any, sigma: Any) -> Any:
    """Mean of a noisy magnitude: sqrt(S^2 + sigma^2), Gudbjartsson and Patz 1995; within 2 % above one sigma."""
    from sympy import sqrt

    return sqrt(signal**2 + sigma**2)


def absorbed(energy: Any, tr: Any, coefficient: Any, b0: Any) -> Any:
    """SAR, W/kg, of pulses of `energy`, T^2 s, in every TR."""
    return specific_absorption(energy / tr, coefficient, b0)


def frequency_of(ppm: Any, b0: Any) -> Any:
    """Offset, Hz, of a shift in ppm."""
    return ppm * 1e-6 * PROTON.gamma_bar * b0


def read_shift(frequency: Any, pixel_bandwidth: Any) -> Any:
    """Pixels along the readout by which an offset, Hz, displaces."""
    return frequency / pixel_bandwidth


def slice_shift(frequency: Any, pulse_bandwidth: Any) -> Any:
    """Slice thicknesses by which an offset, Hz, displaces the excited slice."""
    return frequency / pulse_bandwidth


def train_shift(frequency: Any, echo_spacing: Any, lines: Any, acceleration: Any) -> Any:
    """Pixels along the phase encoding of an echo train by which an offset, Hz, displaces."""
    return frequency * echo_spacing * lines / acceleration


_STEADY_STATES: tuple[Callable[..., Any], ...] = (
    inversion_steady, spoiled_steady, free_decay, t2_star,
)  # fmt: skip
_FACTS: tuple[Callable[..., Any], ...] = (
    ernst_angle, field_gain, noise_sigma, noisy_magnitude, absorbed, frequency_of, read_shift, slice_shift, train_shift,
)  # fmt: skip

"""Which b-values a diffusion protocol should have for a tissue, in the time there is, on this scanner.

A larger b weighs more and takes a longer echo time, in which the signal decays with T2. For a row of largest b-values
the shortest echo time of this scanner's gradients is taken, the noise is that of the protocol's own image without
weighting, and the b-values up to there are chosen by the Cramér-Rao bound (`plan.b_values`). The protocol's own stand
beside them, for as many images. Kurtosis is looked at below b = 3 / (D K), where its expansion turns; the bound knows
nothing of what the expansion leaves out, which grows with b.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..core.errors import InfeasibleError, InputError
from ..core.toml import resource
from ..core.units import parse_quantity
from ..fit.method import Likelihood
from ..fit.models import find_model
from ..phantom.phantom import Phantom, true_values
from ..plan.b_values import THRESHOLD, best_b_values, parameters_of, relative_spread
from ..sequence.families.diffusion_epi import DiffusionEpi
from ..sequence.protocol import FOLDER, read_protocol_file
from .request import Progress, RunRequest
from .run import prepare
from .snr import predicted_snr

MODELS = {
    "adc": ("adc",), "kurtosis": ("d", "k"), "ivim": ("f", "d"), "ivim-segmented": ("f", "d"),
    "stretched": ("ddc", "stretch"),
}  # fmt: skip
"""Models over b alone -> parameters that are wanted unless others are named."""
DIMENSIONS = {"": "fraction", "m^2/s": "diffusivity"}
STEPS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Shares of the largest b that is looked at."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DesignRow:
    """One choice."""

    largest: float
    """s/m^2."""
    te: float
    """s."""
    snr: float
    """Of an image without weighting."""
    b: tuple[float, ...]
    images: tuple[int, ...]
    spread: dict[str, float]
    """Least standard deviation of every parameter over its true value, of one voxel."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DiffusionDesign:
    """What b-values are best."""

    protocol: str
    tissue: str
    model: str
    wanted: tuple[str, ...]
    truth: dict[str, float]
    images: int
    time: float
    """s."""
    own: DesignRow
    """The protocol as it stands, with as many images."""
    rows: tuple[DesignRow, ...]

    @property
    def best(self) -> DesignRow:
        """The row of least sum of squared relative errors of what is wanted."""
        return min(self.rows, key=lambda row: sum(row.spread[name] ** 2 for name in self.wanted))


def design_diffusion(
    request: RunRequest, tissue: str, model: str, *, wanted: tuple[str, ...] = (), time: float | None = None,
    snr: float | None = None, largest: float | None = None, truth: Mapping[str, float] | None = None,
    likelihood: Likelihood = "rician", threshold: float = THRESHOLD, progress: Progress | None = None,
) -> DiffusionDesign:  # fmt: skip
    """Return the best b-values of a protocol for a tissue.

    Parameters
    ----------
    request : RunRequest
        A protocol of the family ``diffusion-epi``.
    tissue : str
        Of its phantom.
    model : str
        ``adc``, ``kurtosis``, ``ivim``, ``ivim-segmented`` or ``stretched``.
    wanted : tuple of str
        Parameters that count; the model's own without M0 by default.
    time : float, optional
        Scan time, s; the protocol's by default.
    snr : float, optional
        Of one image without weighting at the protocol's echo time; predicted by default.
    largest : float, optional
        Largest b that is looked at, s/m^2; one and a half times the protocol's by default.
    truth : mapping, optional
        Parameters that count instead of the tissue's own.
    likelihood : str
    threshold : float
        b from which perfusion has decayed, s/m^2, of ``ivim-segmented``.
    progress : callable, optional
        Called with (step, done, in all).
    """
    if model not in MODELS:
        raise InputError(f"'{model}' is none of {', '.join(MODELS)}", key="model")
    ready = prepare(request)
    _, protocol, _ = read_protocol_file(resource(request.protocol, FOLDER, "protocol"), dict(request.overrides))
    if not isinstance(protocol, DiffusionEpi):
        raise InputError(f"{request.protocol} weighs no diffusion; take a protocol of diffusion-epi", key="protocol")
    values = _truth(ready.phantom, tissue, model, truth or {})
    te, scanner = float(np.min(ready.sequence.encoding.contrast["te"])), ready.sequence.scanner
    t2, wanted = values.pop("t2"), wanted or MODELS[model]
    at_te = snr or _predicted(request, tissue)
    whole = ready.sequence.duration if time is None else time
    images = int(whole / (ready.sequence.duration / (len(protocol.weightings()) * protocol.averages)) + 1e-9)
    top, rows = min(largest or 1.5 * max(protocol.b), _turns(model, values)), []
    for done, share in enumerate(STEPS):
        b = math.floor(share * top / 10e6) * 10e6
        try:
            own_te = protocol.lobes(scanner, b).te * 1e-9
        except InfeasibleError:
            break
        seen = at_te * math.exp((te - own_te) / t2)
        found = best_b_values(
            model, [values], wanted, largest=b, images=images, sigma=1 / seen, likelihood=likelihood,
            threshold=threshold,
        )  # fmt: skip
        rows.append(
            DesignRow(largest=b, te=own_te, snr=seen, b=found.b, images=found.images, spread=found.spread)
        )  # fmt: skip
        if progress:
            progress("b-values", done + 1, len(STEPS))
    if not rows:
        raise InputError(f"b up to {top * 1e-6:g} s/mm^2 cannot be played on {scanner.name}; lower it", key="largest")
    return DiffusionDesign(
        protocol=request.protocol, tissue=tissue, model=model, wanted=wanted, truth=values, images=images, time=whole,
        own=_own(protocol, model, values, images, te, at_te, likelihood), rows=tuple(rows),
    )  # fmt: skip


def _turns(model: str, truth: Mapping[str, float]) -> float:
    """Return the b beyond which a model describes nothing, s/m^2: the expansion by kurtosis turns upwards there."""
    if model != "kurtosis" or truth["k"] <= 0:
        return math.inf
    return 3 / (truth["d"] * truth["k"])


def _own(
    protocol: DiffusionEpi, model: str, values: dict[str, float], images: int, te: float, snr: float,
    likelihood: Likelihood,
) -> DesignRow:  # fmt: skip
    """Return the protocol's own b-values with their share of the images."""
    b, counts = np.unique([image.b for image in protocol.weightings()], return_counts=True)
    weight = images / counts.sum()
    spread = relative_spread(model, values, np.repeat(b, counts), 1 / snr, likelihood)
    return DesignRow(
        largest=float(b.max()), te=te, snr=snr, b=tuple(b.tolist()),
        images=tuple(round(c * weight) for c in counts),
        spread={name: value / math.sqrt(weight) for name, value in spread.items()},
    )  # fmt: skip


def _truth(phantom: Phantom, name: str, model: str, given: Mapping[str, float]) -> dict[str, float]:
    """Return the parameters of a tissue, with T2 beside them."""
    tissue = next((t for t in phantom.tissues if t.name == name), None)
    if tissue is None:
        listed = ", ".join(t.name for t in phantom.tissues)
        raise InputError(f"'{name}' is no tissue of {phantom.name}: {listed}", key="--tissue")
    known: dict[str, Any] = {"m0": 1.0} | true_values(tissue, phantom.field)
    known["k"] = known.get("mk", math.nan)
    known |= dict(given)
    found = {p.name: float(known.get(p.name, math.nan)) for p in find_model(model).parameters} | {"m0": 1.0}
    found = {name: found[name] for name in parameters_of(model)}
    missing = [key for key, value in found.items() if not math.isfinite(value)]
    if missing:
        raise InputError(f"{name} has no {', '.join(missing)}; give it (--truth {missing[0]}=...)", key="--truth")
    return found | {"t2": float(known["t2"])}


def stated_truth(model: str, texts: tuple[str, ...]) -> dict[str, float]:
    """Return parameters from texts such as ``"f=0.06"`` and ``"d_star=15 um^2/ms"``."""
    units = {p.name: p.unit for p in find_model(model).parameters}
    found = {}
    for text in texts:
        name, _, value = text.partition("=")
        if name not in units or not value:
            raise InputError(f"'{text}' is no NAME=VALUE of {', '.join(units)}", key="--truth")
        try:
            (found[name],) = parse_quantity(value, DIMENSIONS[units[name]])
        except ValueError as problem:
            raise InputError(f"{name}: {problem}", key="--truth") from None
    return found


def _predicted(request: RunRequest, tissue: str) -> float:
    """Return the SNR of one image without weighting, of a single average."""
    found = predicted_snr(replace(request, overrides={**request.overrides, "averages": "1"}), (tissue,))
    return float(max(row.snr for row in found.rows))

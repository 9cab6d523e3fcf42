"""The SNR of every tissue in every image, before anything is scanned, and where it goes.

    SNR = reference x field x volume x sqrt(ADC time) x coils x reconstruction x proton density x weighting

`reference` is the scanner's calibration at 3 T, `field` its law, `volume` that of a voxel in mm^3, `ADC time` what
the imaging readouts of one image sample, in s. `coils` is what an array hears over one channel of the calibration,
sqrt(s^H Psi^-1 s), and `reconstruction` what the reconstruction makes of the samples over the ideal, 1/g among it:
both are read off the noise that the reconstruction of the same readouts states. The weighting is simulated, by the
same engine as a scan, for one voxel of each tissue (`probe`); it is split into slice profile and T2' (by switching
them off), decay exp(-TE/T2), and the rest: saturation, flip, preparation, pathways. The product of all factors is the
SNR.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.acquisition import Acquisition
from ..core.coils import Coils
from ..core.errors import InputError
from ..core.shown import Shown
from ..core.written import number
from ..phantom.phantom import PURE, Phantom
from ..phantom.tissue import Tissue
from ..recon import Method, Steps
from ..sequence.discretize import discretize
from ..sequence.scanner import Scanner
from ..sequence.sequence import Sequence
from ..sequence.snr_law import field_factor
from ..sequence.timeline import Timeline
from ..simulate import Bloch, Pathways, simulate
from ..simulate.receiver import acquisition
from .image_noise import ImageNoise, adc_time, image_noise
from .probe import centre_signal, listening, probe_of, selects_slab

Engine = Bloch | Pathways
Progress = Callable[[int, int], None]
ACCURACY = 5e-3
"""Discretisation error of the probe, over M0, unless an engine is given."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SnrRow:
    """The SNR of one tissue in one image."""

    tissue: str
    image: int
    contrast: dict[str, float]
    """The image's row of the contrast table: ``te``, ``tr``, ... in SI units."""
    signal: float
    """Magnitude of the transverse magnetisation of a voxel, proton density units."""
    phasor: complex
    """The same with its phase."""
    sigma: float
    """Standard deviation of one quadrature channel of the image's noise, proton density units: the root mean square
    over the tissue's voxels, which an array makes unequal."""
    snr: float
    """Mean over those voxels of signal over noise; of a spectrum its highest peak over it, without apodisation."""
    factors: dict[str, float]
    """Whose product is `snr`, in the order of the chain."""
    out_of_phase: float = 1.0
    """Noise of the channel out of phase with the signal over `sigma`, which is that of the channel in phase."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SnrPrediction(Shown):
    """The SNR of all tissues at one field strength."""

    scanner: str
    field: float
    """T."""
    law: str
    """Of the field."""
    scan_time: float
    """Of the whole sequence, s."""
    rows: tuple[SnrRow, ...]
    errors: dict[str, float] = dataclasses.field(default_factory=dict)
    """What the engine states of its own errors, over M0: the largest of all tissues, by the name in its history."""
    notes: tuple[str, ...] = ()
    """What a reader must know."""

    def per_root_second(self, row: SnrRow) -> float:
        """Return a row's SNR over the root of the scan time, 1/sqrt(s): what is fair to compare between fields."""
        return row.snr / math.sqrt(self.scan_time)

    def _facts(self) -> dict[str, str]:
        best = {row.tissue: max(one.snr for one in self.rows if one.tissue == row.tissue) for row in self.rows}
        facts = {"": f"{self.scanner}, {self.field:g} T", "scan time": f"{self.scan_time:.4g} s"}
        return facts | {tissue: f"SNR {number(snr, 3)}" for tissue, snr in best.items()}


def predict_snr(
    sequence: Sequence,
    phantom: Phantom,
    engine: Engine | None = None,
    *,
    coils: Coils | None = None,
    tissues: tuple[str, ...] = (),
    repeats: float = 1,
    budget: bool = True,
    method: Method | None = None,
    steps: Steps | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    timeline: Timeline | None = None,
) -> SnrPrediction:
    """Return the SNR that a sequence gives each tissue of a phantom, with its budget.

    Parameters
    ----------
    sequence : Sequence
        Built for its scanner.
    phantom : Phantom
        At the scanner's field.
    engine : Bloch or Pathways, optional
    coils : Coils, optional
        The receive array; one channel of the calibration by default.
    tissues : tuple of str
        Names of the tissues; all by default.
    repeats : float
        How often the sequence is played and averaged, or how many times as many lines are read: what need not be
        simulated again.
    budget : bool
        Whether slice profile and T2' are told apart from the rest of the weighting, for which a voxel travels twice
        more.
    method : Method, optional
        That is to reconstruct the scan; what suits its sampling by default.
    steps : Steps, optional
        Before and after it.
    threads : int, optional
        Worker threads.
    progress : callable, optional
        Called with the tissues done and all of them.
    timeline : Timeline, optional
        Of the sequence, where it is at hand.
    """
    if phantom.field != sequence.scanner.b0:
        raise InputError(
            f"the phantom is at {phantom.field:g} T, the scanner at {sequence.scanner.b0:g} T", key="field"
        )
    chosen = _chosen(phantom, tissues)
    timeline, engine = timeline or discretize(sequence), engine or Bloch(accuracy=ACCURACY)
    heard = cache(partial(listening, timeline))
    rows: list[SnrRow] = []
    errors: dict[str, float] = {}
    silent = _silence(timeline)
    noise = image_noise(silent, coils, method, steps)
    pure = _pure(phantom, silent, noise)
    for done, tissue in enumerate(chosen):
        stated, signals = _signals(timeline, heard, phantom, tissue, engine, threads, budget)
        errors |= {name: max(value, errors.get(name, 0.0)) for name, value in stated.items()}
        rows += _rows(sequence.scanner, phantom, tissue, signals, noise, pure[tissue.name], silent, repeats)
        if progress:
            progress(done + 1, len(chosen))
    law = sequence.scanner.snr_exponent
    return SnrPrediction(
        scanner=sequence.scanner.name,
        field=sequence.scanner.b0,
        law=law if isinstance(law, str) else str(law),
        scan_time=sequence.duration * repeats,
        rows=tuple(rows),
        errors=errors,
        notes=(*noise.notes, *_maps_note(phantom), *_inner_note(timeline)),
    )


def _chosen(phantom: Phantom, names: tuple[str, ...]) -> list[Tissue]:
    known = {tissue.name: tissue for tissue in phantom.tissues}
    for name in names:
        if name not in known:
            raise InputError(
                f"phantom '{phantom.name}' has no tissue '{name}'; it has {', '.join(known)}", key="tissue"
            )
    return [known[name] for name in names or known]


def _silence(timeline: Timeline) -> Acquisition:
    """Return the raw data of nothing."""
    table = timeline.readouts
    return acquisition(timeline, np.zeros((len(table.k), 1, table.k.shape[1]), dtype=np.complex128), {})


def _stated(raw: Acquisition) -> dict[str, float]:
    """Return the errors that the engine states of a scan."""
    stated = {name: raw.history[name] for name in raw.history if name.endswith("_error") or name == "pruning_bound"}
    return {name: float(v) for name, v in stated.items() if isinstance(v, int | float) and math.isfinite(v)}


def _pure(phantom: Phantom, raw: Acquisition, noise: ImageNoise) -> dict[str, NDArray[np.bool_]]:
    """Return the pure voxels of each tissue; none where the noise is the same everywhere and they need not be known."""
    grid = raw.encoding.grid
    if noise.uniform:
        return {tissue.name: np.zeros(grid.shape, dtype=bool) for tissue in phantom.tissues}
    return {name: share >= PURE for name, share in phantom.fractions(grid).items()}


def _maps_note(phantom: Phantom) -> tuple[str, ...]:
    mapped = [name for name in ("offset", "b1") if not isinstance(getattr(phantom, name), float | int)]
    said = f"maps of {' and '.join(mapped)} are left out: the probe is on resonance, at the nominal B1"
    return (said,) if mapped else ()


def _inner_note(timeline: Timeline) -> tuple[str, ...]:
    if not any(np.any(pulse.gradient[:, :2]) for pulse in timeline.pulses):
        return ()
    return ("pulses select in the plane: SNR in the middle of the inner volume, which falls off towards its edges",)


def _signals(
    timeline: Timeline, heard: Callable[[bool], Timeline], phantom: Phantom, tissue: Tissue, engine: Engine,
    threads: int | None, budget: bool,
) -> tuple[dict[str, float], dict[str, NDArray[np.complex128]]]:  # fmt: skip
    """Return the engine's errors and the probe's signals: as scanned, without T2', and with nominal flips as well."""
    slices = timeline.encoding.kind == "2d"

    def scan(deep: bool, **changes: Any) -> tuple[Acquisition, NDArray[np.complex128]]:
        probe = probe_of(phantom, tissue, timeline.encoding.grid, deep)
        raw = simulate(heard(deep), probe, replace(engine, **changes), threads=threads)
        return raw, centre_signal(raw, deep)

    deep = slices or selects_slab(timeline)
    raw, real = scan(deep)
    if not budget:
        return _stated(raw), {"real": real, "refocused": real, "nominal": real}
    refocused = scan(deep, t2_prime=False)[1]
    nominal: dict[str, Any] = {"profile": "ideal"} if isinstance(engine, Pathways) else {"ideal_slice": True}
    try:
        ideal = scan(slices, **nominal, t2_prime=False)[1]
    except InputError as error:
        if error.key not in ("ideal_slice", "slab"):
            raise
        ideal = refocused
    return _stated(raw), {"real": real, "refocused": refocused, "nominal": ideal}


def _rows(
    scanner: Scanner,
    phantom: Phantom,
    tissue: Tissue,
    signals: dict[str, NDArray[np.complex128]],
    noise: ImageNoise,
    inside: NDArray[np.bool_],
    raw: Acquisition,
    repeats: float,
) -> list[SnrRow]:
    grid, contrast = raw.encoding.grid, raw.encoding.contrast
    coils, recon, uneven = noise.factors(inside)
    pools = tissue.pools(phantom.field)
    density = sum(pool.pd for pool in pools)
    rows = []
    for image, seconds in enumerate(adc_time(raw)):
        facts = {name: float(column[image]) for name, column in contrast.items()}
        size, refocused, nominal = (float(abs(signals[name][image])) for name in ("real", "refocused", "nominal"))
        te = facts.get("te", 0.0)
        decay = sum(pool.pd * math.exp(-te / pool.t2) for pool in pools) / density
        factors = {
            "reference": scanner.snr_reference,
            "field": field_factor(scanner.b0, scanner.snr_exponent),
            "volume": grid.voxel_volume * 1e9,
            "time": math.sqrt(seconds * repeats),
            "coils": coils,
            "reconstruction": float(recon[image]),
            "proton density": density,
            "T1, flip, preparation": nominal / (density * decay),
            "T2": decay,
            "slice profile": refocused / nominal if nominal else 1.0,
            "T2'": size / refocused if refocused else 1.0,
        }
        snr = math.prod(factors.values())
        sigma = float(uneven[image]) * size / snr if snr else math.nan
        rows.append(
            SnrRow(
                tissue=tissue.name,
                image=image,
                contrast=facts,
                signal=size,
                phasor=complex(signals["real"][image]),
                sigma=sigma,
                snr=snr,
                factors=factors,
                out_of_phase=noise.out_of_phase,
            )
        )
    return rows

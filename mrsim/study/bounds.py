"""What a protocol can know of a tissue: least standard deviations, per root of the scan time, and what biases it.

The noise and the size of the signal come from the probe of `mrsim snr`, the derivatives from the model that is
fitted. The biases come from the engine and not from the model, see `sensitivity`. Replicates say whether real fits
reach the bound (`mrsim.fit.scatter`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InfeasibleError, InputError
from ..fit.crlb import crlb
from ..fit.method import Likelihood
from ..fit.model import Description
from ..fit.models import find_model
from ..fit.quantification import Quantification
from ..fit.scatter import Scatter, scatter
from ..fit.signal import jacobian, resolve_options, signal
from ..phantom.phantom import Phantom, true_values
from ..plan.precision import NEUTRAL, scaled_point
from .given import given_options, measured
from .request import Progress, RunRequest
from .run import Prepared, prepare
from .sensitivity import first_order, nuisances, refitted
from .snr import representative, snr_of
from .spectral_bounds import VoxelRow, voxel_rows

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class BoundRow:
    """One parameter of one tissue."""

    tissue: str
    parameter: str
    unit: str
    value: float
    """True value."""
    bound: float
    """Least standard deviation in one voxel of one scan."""
    per_root_minute: float
    """The same for a scan of one minute: bound times the root of the scan time in minutes."""
    scatter: Scatter | None = None
    """Of fits to the model's own signal in this noise, where replicates were asked for."""
    bias: dict[str, float] = field(default_factory=dict)
    """Cause -> change of the fitted value, without noise: of the protocol as it stands, and of each nuisance."""
    first_order: dict[str, float] = field(default_factory=dict)
    """Nuisance -> the same, as the first order predicts it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What is wanted besides the bound."""

    likelihood: Likelihood = "gaussian"
    sensitivity: bool = False
    """Scan again with wrong nuisances."""
    replicates: int = 0
    """Fits whose scatter is compared with the bound; 0 for none."""
    seed: int = 1


NOTHING_ELSE = Asked()


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """The bounds of a protocol at one field strength."""

    protocol: str
    model: str
    field: float
    scan_time: float
    """s."""
    likelihood: str
    rows: tuple[BoundRow, ...]
    notes: tuple[str, ...] = ()
    voxel: tuple[VoxelRow, ...] = ()
    """Of spectroscopy: what each metabolite keeps, how far it is displaced, and what averages a wish costs."""


def _of_spectra(ready: Prepared, model: Description, progress: Progress | None) -> Bounds:
    """Return the bounds of a spectroscopy protocol's amounts, and what they cost."""
    if ready.basis is None:
        raise InputError("names no basis; write one under [run] in the protocol", key="basis")
    voxel = voxel_rows(ready, progress)
    root = np.sqrt(ready.sequence.duration / 60)
    rows = tuple(
        BoundRow(tissue="voxel", parameter=row.metabolite, unit="mol/m^3", value=row.value, bound=row.bound,
                 per_root_minute=float(row.bound * root))
        for row in voxel
    )  # fmt: skip
    return Bounds(
        protocol=ready.request.protocol, model=model.name, field=ready.phantom.field,
        scan_time=ready.sequence.duration, likelihood="gaussian", rows=rows, voxel=voxel,
    )  # fmt: skip


def predicted_bounds(
    request: RunRequest, tissues: tuple[str, ...] = (), asked: Asked = NOTHING_ELSE, progress: Progress | None = None
) -> Bounds:
    """Return the least standard deviations that a protocol's fit can reach in every tissue.

    Parameters
    ----------
    request : RunRequest
        Protocol, field, phantom and model.
    tissues : tuple of str
        Names of the phantom's tissues; all that have the model's parameters by default.
    asked : Asked
        Likelihood, and what is wanted besides.
    progress : callable, optional
        Called with (step, done, in all).
    """
    ready = prepare(request)
    if ready.request.model is None:
        raise InputError(f"{request.protocol} names no model to fit; give one", key="--model")
    model, header = find_model(ready.request.model), ready.sequence.encoding
    if isinstance(model, Quantification):
        return _of_spectra(ready, model, progress)
    notes = [f"{name} is taken as true; the error of {text}, which measures it, is not in the bound"
             for name, text in ready.request.given.items() if measured(text)]  # fmt: skip
    given = {name: text for name, text in ready.request.given.items() if not measured(text)}
    nominal, cases = _probed(request, tissues), _altered(request, tissues, asked, notes, progress)
    rows: list[BoundRow] = []
    for tissue in ready.phantom.tissues:
        if tissue.name not in nominal.signals:
            continue
        known = NEUTRAL | true_values(tissue, ready.phantom.field) | {"b1": request.b1 or 1.0}
        missing = [p.name for p in model.parameters if not np.isfinite(known.get(p.name, np.nan))]
        if missing:
            notes.append(f"{tissue.name} has no single {', '.join(missing)}: left out")
            continue
        try:
            options = _options(model, known, given_options(model, given))
            rows += _rows(model, header, tissue.name, known, options, asked, nominal, cases)
        except InputError as problem:
            notes.append(f"{tissue.name}: {problem.problem}")
    return Bounds(
        protocol=request.protocol, model=model.name, field=ready.phantom.field, scan_time=nominal.scan_time,
        likelihood=asked.likelihood, rows=tuple(rows), notes=(*nominal.notes, *notes),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class _Probe:
    signals: dict[str, Array]
    """Tissue -> (n,) magnitudes."""
    sigma: dict[str, Array]
    scan_time: float
    notes: tuple[str, ...]


def _altered(
    request: RunRequest, tissues: tuple[str, ...], asked: Asked, notes: list[str], progress: Progress | None
) -> dict[str, _Probe]:
    """Return the scans with one nuisance altered each; what cannot be scanned is noted."""
    cases: dict[str, _Probe] = {}
    wanted = nuisances(request) if asked.sensitivity else {}
    for done, (name, (changed, altered)) in enumerate(wanted.items()):
        try:
            cases[name] = _probed(changed, tissues, altered)
        except (InputError, InfeasibleError) as problem:
            notes.append(f"{name}: {problem}")
        if progress:
            progress("nuisances", done + 1, len(wanted))
    return cases


def _probed(
    request: RunRequest, tissues: tuple[str, ...], altered: Callable[[Phantom], Phantom] | None = None
) -> _Probe:
    found = snr_of(representative(request), tissues, altered=altered, budget=False)
    names = dict.fromkeys(row.tissue for row in found.rows)
    by_tissue = {name: [row for row in found.rows if row.tissue == name] for name in names}
    return _Probe(
        signals={name: np.array([row.signal for row in rows]) for name, rows in by_tissue.items()},
        sigma={name: np.array([row.sigma for row in rows]) for name, rows in by_tissue.items()},
        scan_time=found.scan_time,
        notes=found.notes,
    )


def _options(model: Description, known: Mapping[str, float], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options: given, else the tissue's own value where it has one of that name, else the default."""
    own = {o.name: known[o.name] for o in model.options if o.name in known and o.name not in NEUTRAL}
    return {k: v for k, v in resolve_options(model, own | dict(given)).items() if k in own or k in given}


def _rows(
    model: Description, header: Any, tissue: str, known: Mapping[str, float], options: dict[str, Any],
    asked: Asked, nominal: _Probe, cases: Mapping[str, _Probe],
) -> list[BoundRow]:  # fmt: skip
    point = {p.name: float(known[p.name]) for p in model.parameters}
    columns = {column.name: header.contrast[column.name] for column in model.contrast}
    clean = np.real(signal(model, point, columns, sheet=header.sheet, **options))
    seen = {name: _like(probe.signals[tissue], clean) for name, probe in {"": nominal, **cases}.items()}
    point = scaled_point(model, header, known, nominal.signals[tissue], options)
    sigma = nominal.sigma[tissue]
    every: dict[str, Any] = {"sheet": header.sheet, **options}
    kind = asked.likelihood
    bound = crlb(model, point, columns, sigma, likelihood=kind, **every)
    found: dict[str, Scatter] = {}
    if asked.replicates:
        count, seed = asked.replicates, asked.seed
        found = scatter(model, point, columns, sigma, replicates=count, rng=seed, likelihood=kind, **every)
    base = refitted(model, header, seen[""], sigma, options) if cases else {}
    fitted = {p.name: base.get(p.name, np.nan) for p in model.parameters}
    at = fitted if np.isfinite([*fitted.values()]).all() else point
    slope = np.real(jacobian(model, at, columns, **every)) if cases else np.empty(0)
    shifts = {name: first_order(slope, seen[name] - seen[""], sigma) for name in cases}
    fits = {name: refitted(model, header, seen[name], sigma, options) for name in cases}
    minutes = np.sqrt(nominal.scan_time / 60)
    return [
        BoundRow(
            tissue=tissue, parameter=p.name, unit=p.unit, value=point[p.name], bound=bound[p.name],
            per_root_minute=bound[p.name] * minutes, scatter=found.get(p.name),
            bias={"as it stands": base[p.name] - point[p.name], **{c: fits[c][p.name] - base[p.name] for c in fits}}
            if cases else {},
            first_order={name: float(shift[k]) for name, shift in shifts.items()},
        )
        for k, p in enumerate(model.parameters) if p.name in model.map_names
    ]  # fmt: skip


def _like(magnitudes: Array, clean: Array) -> Array:
    """Return magnitudes with the signs of the model's signal, which a scan of a tissue alone has lost."""
    return np.where(clean < 0, -1.0, 1.0) * magnitudes

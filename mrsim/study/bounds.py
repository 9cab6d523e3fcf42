"""What a protocol can know of a tissue: least standard deviations, per root of the scan time, and what biases it.

The noise and the size of the signal come from the probe of `mrsim snr`, the derivatives from the model that is
fitted. The biases come from the engine and not from the model: the probe is scanned again with a nuisance changed, and
fitted as if nothing had happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.grid import Grid
from ..core.images import Images
from ..fit.crlb import crlb
from ..fit.fit import fit
from ..fit.method import Likelihood
from ..fit.model import Description
from ..fit.models import find_model
from ..fit.signal import resolve_options, signal
from ..phantom.phantom import true_values
from .given import given_options
from .request import RunRequest
from .run import prepare
from .snr import predicted_snr

Array = NDArray[np.float64]
NEUTRAL = {"m0": 1.0, "pd": 1.0, "b1": 1.0, "offset": 0.0, "phase": 0.0, "off_resonance": 0.0}
"""Values of parameters that belong to no tissue."""
WRONG_B1, WRONG_OFFSET = 0.1, 20.0
"""Changes of the nuisances: relative, Hz."""


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
    bias: dict[str, float] = field(default_factory=dict)
    """Cause -> change of the fitted value, without noise: of the protocol as it stands, and of each nuisance."""


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


def predicted_bounds(
    request: RunRequest, tissues: tuple[str, ...] = (), likelihood: Likelihood = "gaussian", sensitivity: bool = False
) -> Bounds:
    """Return the least standard deviations that a protocol's fit can reach in every tissue.

    Parameters
    ----------
    request : RunRequest
        Protocol, field, phantom and model.
    tissues : tuple of str
        Names of the phantom's tissues; all that have the model's parameters by default.
    likelihood : str
        ``"gaussian"`` or ``"rician"``.
    sensitivity : bool
        Whether to scan again with wrong nuisances.
    """
    ready = prepare(request)
    if ready.request.model is None:
        raise InputError(f"{request.protocol} names no model to fit; give one", key="--model")
    model, header = find_model(ready.request.model), ready.sequence.encoding
    nominal = _probed(request, tissues)
    cases = (
        {} if not sensitivity else {name: _probed(changed, tissues) for name, changed in _nuisances(request).items()}
    )
    rows: list[BoundRow] = []
    notes: list[str] = []
    for tissue in ready.phantom.tissues:
        if tissue.name not in nominal.signals:
            continue
        known = NEUTRAL | true_values(tissue, ready.phantom.field) | {"b1": request.b1 or 1.0}
        missing = [p.name for p in model.parameters if not np.isfinite(known.get(p.name, np.nan))]
        if missing:
            notes.append(f"{tissue.name} has no single {', '.join(missing)}: left out")
            continue
        options = _options(model, known, given_options(model, ready.request.given))
        try:
            rows += _rows(model, header, tissue.name, known, options, likelihood, nominal, cases)
        except InputError as problem:
            notes.append(f"{tissue.name}: {problem.problem}")
    return Bounds(
        protocol=request.protocol, model=model.name, field=ready.phantom.field, scan_time=nominal.scan_time,
        likelihood=likelihood, rows=tuple(rows), notes=(*nominal.notes, *notes),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class _Probe:
    signals: dict[str, Array]
    """Tissue -> (n,) magnitudes."""
    sigma: dict[str, Array]
    scan_time: float
    notes: tuple[str, ...]


def _probed(request: RunRequest, tissues: tuple[str, ...]) -> _Probe:
    found = predicted_snr(request, tissues)
    names = dict.fromkeys(row.tissue for row in found.rows)
    by_tissue = {name: [row for row in found.rows if row.tissue == name] for name in names}
    return _Probe(
        signals={name: np.array([row.signal for row in rows]) for name, rows in by_tissue.items()},
        sigma={name: np.array([row.sigma for row in rows]) for name, rows in by_tissue.items()},
        scan_time=found.scan_time,
        notes=found.notes,
    )


def _nuisances(request: RunRequest) -> dict[str, RunRequest]:
    b1, offset = request.b1 or 1.0, request.offset or 0.0
    return {
        f"B1 +{100 * WRONG_B1:g} %": replace(request, b1=b1 * (1 + WRONG_B1)),
        f"B1 -{100 * WRONG_B1:g} %": replace(request, b1=b1 * (1 - WRONG_B1)),
        f"offset +{WRONG_OFFSET:g} Hz": replace(request, offset=offset + WRONG_OFFSET),
        "no slice profile": replace(request, without=(*request.without, "slice-profile")),
        "no T2'": replace(request, without=(*request.without, "t2-prime")),
    }


def _options(model: Description, known: Mapping[str, float], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options: given, else the tissue's own value where it has one of that name, else the default."""
    own = {o.name: known[o.name] for o in model.options if o.name in known and o.name not in NEUTRAL}
    return {k: v for k, v in resolve_options(model, own | dict(given)).items() if k in own or k in given}


def _rows(
    model: Description, header: Any, tissue: str, known: Mapping[str, float], options: dict[str, Any],
    likelihood: Likelihood, nominal: _Probe, cases: Mapping[str, _Probe],
) -> list[BoundRow]:  # fmt: skip
    point = {p.name: float(known[p.name]) for p in model.parameters}
    columns = {column.name: header.contrast[column.name] for column in model.contrast}
    clean = np.abs(signal(model, point, columns, sheet=header.sheet, **options))
    scale = float(clean @ nominal.signals[tissue] / (clean @ clean))
    point[model.parameters[0].name] *= scale
    sigma = nominal.sigma[tissue]
    bound = crlb(model, point, columns, sigma, sheet=header.sheet, likelihood=likelihood, **options)
    minutes = np.sqrt(nominal.scan_time / 60)

    def fitted(probe: _Probe) -> dict[str, float]:
        return _fitted(model, header, probe.signals[tissue], sigma, options)

    base = fitted(nominal) if cases else {}
    biases = {name: fitted(probe) for name, probe in cases.items()}

    def bias(name: str) -> dict[str, float]:
        changes = {cause: found[name] - base[name] for cause, found in biases.items()}
        return {"as it stands": base[name] - point[name], **changes} if cases else {}

    return [
        BoundRow(
            tissue=tissue, parameter=p.name, unit=p.unit, value=point[p.name], bound=bound[p.name],
            per_root_minute=bound[p.name] * minutes,
            bias=bias(p.name),
        )
        for p in model.parameters if p.name in model.map_names
    ]  # fmt: skip


def _fitted(
    model: Description, header: Any, magnitudes: Array, sigma: Array, options: dict[str, Any]
) -> dict[str, float]:
    """Return what the model makes of noise-free magnitudes; the sign of a recovery is that of the best fit."""
    grid, n = Grid(shape=(1, 1, 1), spacing=(1e-3, 1e-3, 1e-3)), len(magnitudes)
    signs = [np.ones(n)]
    if model.data == "phase-corrected" and "ti" in header.contrast:
        rank = np.argsort(np.argsort(header.contrast["ti"]))
        signs = [np.where(rank < k, -1.0, 1.0) for k in range(n + 1)]
    best, least = dict.fromkeys((p.name for p in model.parameters), np.nan), np.inf
    for sign in signs:
        images = Images(
            data=(sign * magnitudes).astype(np.complex128).reshape(n, 1, 1, 1), grid=grid, contrast=header.contrast,
            sigma=sigma.reshape(n, 1, 1, 1), noisy=False, encoding=dict(header.sheet),
        )  # fmt: skip
        maps = fit(images, model, **options)
        cost = float(maps.chi2[0, 0, 0]) if maps.chi2 is not None else np.nan
        cost = cost if np.isfinite(cost) else 0.0
        if maps.status[0, 0, 0] in (0, 3) and cost < least:
            best, least = {name: float(values[0, 0, 0]) for name, values in maps.values.items()}, cost
    return best

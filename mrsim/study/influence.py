"""What to control first: how a protocol's bias depends on fields, motion, assumptions and the tissue itself.

Every run scans one voxel of the tissue by the engine, with its inputs changed at once, without noise, and fits what
came out as if nothing had changed. The result is the relative error of a map: fitted over true, less one, where the
true value moves with the tissue. Inputs are independent and uniform in their ranges.

Inputs: ``b1`` (transmit field over nominal), ``offset`` (Hz), ``t1``, ``t2`` (over the tissue's own), ``speed`` (m/s,
of a steady motion along the slice axis), and ``given.NAME``, an option of the fit: what it assumes, e.g. ``given.t1``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError, did_you_mean
from ..core.units import si_unit
from ..fit.models import find_model
from ..fit.signal import signal
from ..phantom.motion import Flow
from ..phantom.phantom import Phantom, true_values
from ..phantom.tissue import Tissue
from ..plan.precision import NEUTRAL
from ..plan.probe import centre_signal, probe_of, selects_slab
from ..plan.snr import ACCURACY
from ..sequence.discretize import discretize
from ..simulate import simulate
from .engines import engine_of
from .executors import Executor, Serial
from .given import given_options, measured
from .held import Held, held
from .indices import Effects, Indices, elementary_effects, sobol_by_polynomials, sobol_direct
from .optimiser.free import Range
from .request import Progress, RunRequest
from .run import prepare
from .sensitivity import refitted
from .snr import representative

Array = NDArray[np.float64]
Method = Literal["polynomial", "sobol", "morris"]
DIMENSIONS = {"b1": "fraction", "offset": "frequency", "t1": "fraction", "t2": "fraction", "speed": "velocity"}
GIVEN = "given."
USUAL = {"b1": (0.85, 1.15), "offset": (-30.0, 30.0), "t1": (0.85, 1.15), "t2": (0.85, 1.15)}
"""Ranges where none are given, SI."""
RELATIVE = {"t1": "with_t1", "t2": "with_t2"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One run, with everything that a worker needs."""

    request: RunRequest
    tissue: str
    parameter: str
    names: tuple[str, ...]
    values: tuple[float, ...]

    def __str__(self) -> str:
        """Return what a message calls it."""
        return ", ".join(f"{name} {value:.4g}" for name, value in zip(self.names, self.values, strict=True))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Influence:
    """What a protocol's bias depends on."""

    protocol: str
    tissue: str
    parameter: str
    ranges: tuple[Range, ...]
    nominal: float
    """Relative error with every input in the middle of its range."""
    found: Indices | Effects

    @property
    def ranking(self) -> tuple[str, ...]:
        """Names of the inputs, the one to control first in front."""
        return tuple(self.found.names[k] for k in self.found.ranking)


def influence(
    request: RunRequest, tissue: str, parameter: str | None = None, *, ranges: Sequence[Range] = (),
    method: Method = "polynomial", runs: int = 64, seed: int = 1, executor: Executor | None = None,
    progress: Progress | None = None,
) -> Influence:  # fmt: skip
    """Return how the bias of a map depends on inputs.

    Parameters
    ----------
    request : RunRequest
        Protocol, field, phantom, model.
    tissue : str
        Of the phantom.
    parameter : str, optional
        Map whose error is looked at; the model's first that has a truth by default.
    ranges : sequence of Range
        Of the inputs; the usual ones by default.
    method : str
        ``"polynomial"`` (tens of runs), ``"sobol"`` (runs times the inputs and two), ``"morris"`` (runs are walks).
    runs : int
    seed : int
    executor : Executor, optional
        Where runs are made; the result does not depend on it.
    progress : callable, optional
        Called with (step, done, in all).
    """
    chosen = tuple(ranges) or _usual()
    wanted = _checked(request, tissue, parameter, chosen)
    names = tuple(entry.name for entry in chosen)
    low, high = (np.array([getattr(entry, which) for entry in chosen]) for which in ("low", "high"))
    workforce = executor or Serial()

    def errors(inputs: Array) -> Array:
        cases = [Case(request=request, tissue=tissue, parameter=wanted, names=names, values=tuple(row.tolist()))
                 for row in inputs]  # fmt: skip
        results = np.full(len(cases), np.nan)
        for done, (number, error) in enumerate(workforce.run(relative_error, cases)):
            results[number] = error
            if progress:
                progress("runs", done + 1, len(cases))
        return results

    make: dict[str, Callable[..., Indices | Effects]] = {
        "polynomial": sobol_by_polynomials, "sobol": sobol_direct, "morris": elementary_effects,
    }  # fmt: skip
    middle = float(errors(((low + high) / 2)[None])[0])
    return Influence(
        protocol=request.protocol, tissue=tissue, parameter=wanted, ranges=chosen, nominal=middle,
        found=make[method](errors, names, low, high, runs, seed),
    )  # fmt: skip


def relative_error(case: Case) -> float:
    """Return fitted over true less one; NaN where the fit fails."""
    scan = _scanned(held(case.request))
    inputs = dict(zip(case.names, case.values, strict=True))
    phantom, tissue = _altered(scan.phantom, _tissue(scan.phantom, case.tissue), inputs)
    model = find_model(str(scan.request.model))
    texts = {name: text for name, text in scan.request.given.items() if not measured(text)}
    options = given_options(model, texts)
    options |= {name.removeprefix(GIVEN): value for name, value in inputs.items() if name.startswith(GIVEN)}
    known = NEUTRAL | true_values(tissue, phantom.field)
    probe = replace(probe_of(phantom, tissue, scan.timeline.encoding.grid, scan.deep), motion=phantom.motion)
    raw = simulate(scan.timeline, probe, engine_of(scan.request, accuracy=ACCURACY), threads=1)
    seen = np.abs(centre_signal(raw, scan.deep))
    header = scan.timeline.encoding
    point = {p.name: float(known[p.name]) for p in model.parameters}
    columns = {column.name: header.contrast[column.name] for column in model.contrast}
    clean = np.real(signal(model, point, columns, sheet=header.sheet, **options))
    signed = np.where(clean < 0, -1.0, 1.0) * seen
    fitted = refitted(model, header, signed, np.full(len(seen), 1e-3 * float(seen.max())), options)
    return float(fitted[case.parameter] / known[case.parameter] - 1)


@dataclass(frozen=True, slots=True, eq=False)
class _Scan:
    request: RunRequest
    phantom: Phantom
    timeline: Any
    deep: bool


@lru_cache(maxsize=2)
def _scanned(asked: Held[RunRequest]) -> _Scan:
    """Return the scan of a request, once per process."""
    part = representative(asked.value).part
    timeline = discretize(part.sequence)
    deep = timeline.encoding.kind == "2d" or selects_slab(timeline)
    return _Scan(part.request, part.phantom, timeline, deep)


def _altered(phantom: Phantom, tissue: Tissue, inputs: dict[str, float]) -> tuple[Phantom, Tissue]:
    """Return the phantom's fields and motion and the tissue as a run has them."""
    for name, method in RELATIVE.items():
        if name in inputs:
            tissue = getattr(tissue, method)(inputs[name], phantom.field)
    changed: dict[str, Any] = {name: inputs[name] for name in ("b1", "offset") if name in inputs}
    if inputs.get("speed"):
        changed["motion"] = (*phantom.motion, Flow(velocity=(0.0, 0.0, inputs["speed"])))
    return replace(phantom, **changed), tissue


def _tissue(phantom: Phantom, name: str) -> Tissue:
    known = {tissue.name: tissue for tissue in phantom.tissues}
    if name not in known:
        raise InputError(f"'{name}' is no tissue of {phantom.name}: {', '.join(known)}", key="--tissue")
    return known[name]


def _usual() -> tuple[Range, ...]:
    return tuple(
        Range(name=n, low=lo, high=hi, unit=si_unit(DIMENSIONS[n]), factor=1.0, dimension=DIMENSIONS[n])
        for n, (lo, hi) in USUAL.items()
    )


def _checked(request: RunRequest, tissue: str, parameter: str | None, ranges: Sequence[Range]) -> str:
    """Return the map whose error is looked at; refuse what cannot be varied or has no truth."""
    ready = prepare(request)
    if ready.request.model is None:
        raise InputError(f"{request.protocol} names no model to fit; give one", key="--model")
    model = find_model(ready.request.model)
    options = [GIVEN + option.name for option in model.options]
    for entry in ranges:
        if entry.name not in (*DIMENSIONS, *options):
            raise InputError(f"'{entry.name}' cannot be varied{did_you_mean(entry.name, [*DIMENSIONS, *options])}",
                             key="--vary")  # fmt: skip
        wanted = DIMENSIONS.get(entry.name, entry.dimension)
        if entry.dimension != wanted and (entry.dimension, wanted) != ("permeability", "velocity"):  # both are in m/s
            raise InputError(f"'{entry.name}' is a {wanted}, not a {entry.dimension}", key="--vary")
    truth = true_values(_tissue(ready.phantom, tissue), ready.phantom.field)
    possible = [name for name in model.map_names if np.isfinite(truth.get(name, np.nan)) and truth[name] != 0]
    wanted = parameter or (possible[0] if possible else "")
    if wanted not in possible:
        said = f"'{wanted}'" if wanted else "nothing that it fits"
        raise InputError(f"{tissue} has no truth of {said} for {model.name}; possible: {', '.join(possible) or 'none'}",
                         key="--parameter")  # fmt: skip
    lacking = [p.name for p in model.parameters if not np.isfinite((NEUTRAL | truth).get(p.name, np.nan))]
    if lacking:
        raise InputError(f"{tissue} has no single {', '.join(lacking)}, which {model.name} fits", key="--tissue")
    return wanted

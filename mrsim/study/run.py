"""One run down the whole road: protocol and phantom to evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.acquisition import Acquisition
from ..core.basis import Basis
from ..core.errors import InfeasibleError, InputError
from ..core.images import Images
from ..core.maps import Maps
from ..core.toml import resource, structure
from ..core.wave import Waves
from ..exchange.pulseq import read_placement, read_pulseq
from ..fit.fit import fit
from ..fit.models import find_model
from ..phantom.phantom import Phantom
from ..phantom.transfer import transfer_notes, with_transfer
from ..sequence.discretize import discretize
from ..sequence.imperfect import Imperfections
from ..sequence.protocol import read_protocol_file
from ..sequence.scanner import Scanner, choose_scanner
from ..sequence.sequence import Sequence
from ..simulate import Bloch, Pathways, simulate
from .compared import compared
from .engines import as_played, engine_of, with_own_engine
from .fields import coils_of, extrapolation_notes, in_fields
from .given import check_names, given_options
from .import_phantom import open_phantom
from .measured import check_asked, measured
from .prescan import with_prescan
from .provenance import provenance
from .reconstruction import images_of, merged, read_reconstruction
from .request import Progress, RunRequest, RunResult
from .run_table import RunTable
from .spectra import bases_of, one_voxel, quantify_run, with_amounts, with_chemistry
from .vibration import check_drives, check_wraps, driven, moved_by, shaking, wrap_notes
from .waves import model_of_waves, source_of, truth_of


@dataclass(slots=True, eq=False)
class _Clock:
    """Times the steps and tells the user which one is running."""

    progress: Progress | None
    seconds: dict[str, float]

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        if self.progress:
            self.progress(name, 0, 1)
        start = perf_counter()
        yield
        self.seconds[name] = perf_counter() - start
        if self.progress:
            self.progress(name, 1, 1)

    def within(self, name: str) -> Callable[[int, int], None] | None:
        """Return the callback of a step that tells how far it is."""
        report = self.progress
        return None if report is None else lambda done, total: report(name, done, total)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Prepared:
    """A request with its files read: ready to simulate."""

    request: RunRequest
    description: str
    protocol_file: Path
    sequence: Sequence
    phantom: Phantom
    basis: str | None = None
    """Metabolites of a spectrum."""


def prepare(request: RunRequest) -> Prepared:
    """Read the files of a request, build the sequence and check it against the scanner."""
    path, description, defaults, build = _read(request)
    request = shaking(with_own_engine(request, defaults), defaults)
    check_asked(request := replace(request, recon=merged(defaults.recon, request.recon)))
    scanner = _machine(choose_scanner(request.field, request.scanner, defaults.scanner), defaults, request)
    grade = request.grade if request.grade is not None else defaults.grade
    allowed = request.extrapolate or defaults.extrapolate
    phantom = open_phantom(request.phantom or defaults.phantom, scanner.b0, grade, request.materials, allowed)
    phantom = with_transfer(phantom) if "mt" in request.including else phantom
    phantom = phantom if request.vibration is None else moved_by(phantom, request.vibration)
    phantom = in_fields(phantom, scanner, replace(request, extrapolate=allowed))
    phantom = replace(
        phantom,
        b1=phantom.b1 if request.b1 is None else request.b1,
        offset=phantom.offset if request.offset is None else request.offset,
    )
    uniform = {"b1": {"b1": 1.0}, "off-resonance": {"offset": 0.0}}
    for cause in request.without:
        phantom = replace(phantom, **uniform.get(cause, {}))  # type: ignore[arg-type]
    sequence = build(scanner)
    _within_limits(sequence, path, scanner.name)
    check_drives(phantom, request.drives, sequence)
    model = request.model or model_of_waves(request, sequence, defaults)
    given = {**(defaults.given if request.model in (None, defaults.fit) else {}), **request.given}
    if model is not None:
        check_names(find_model(model), given)
    full = replace(
        request,
        scanner=request.scanner or scanner.name,
        phantom=request.phantom or defaults.phantom,
        field=scanner.b0,
        receive=request.receive or (None if request.engine.get("name") == "pathways" else defaults.receive),
        grade=grade,
        extrapolate=allowed,
        model=model,
        given=given,
    )
    return Prepared(
        request=full, description=description, protocol_file=path, sequence=sequence, phantom=phantom,
        basis=defaults.basis,
    )  # fmt: skip


def _in_motion(prepared: Prepared, progress: Progress | None) -> Prepared:
    """Return a prepared run whose phantom moves as the request shakes it."""
    if drives := prepared.request.drives:
        if progress:
            progress("waves", 0, 1)
        prepared = replace(prepared, phantom=driven(prepared.phantom, drives, prepared.sequence))
    check_wraps(prepared.phantom, prepared.sequence)
    return prepared


def _within_limits(sequence: Sequence, path: Path, scanner: str) -> None:
    """Refuse a sequence that the scanner or the patient's safety does not allow."""
    if path.suffix.lower() == ".seq":  # a foreign file is simulated as it stands; `mrsim check` judges it
        return
    if violations := sequence.check():
        listed = "\n".join(f"  {violation}" for violation in violations[:20])
        raise InfeasibleError(f"{path.stem} breaks {len(violations)} limits of scanner {scanner}:\n{listed}")


def _machine(scanner: Scanner, defaults: RunTable, request: RunRequest) -> Scanner:
    """Return the scanner with the SNR law and the imperfections that the run is to have."""
    if request.snr_exponent is not None:
        scanner = replace(scanner, snr_exponent=request.snr_exponent)
    if "imperfections" in request.without:
        return replace(scanner, imperfections=Imperfections())
    return scanner if defaults.imperfections is None else replace(scanner, imperfections=defaults.imperfections)


def _read(request: RunRequest) -> tuple[Path, str, RunTable, Callable[[Scanner], Sequence]]:
    """Return the file of a protocol or a sequence, its description, its [run] table and how to build it."""
    _check_request(request)
    if request.protocol.lower().endswith(".seq"):
        path, placement = Path(request.protocol), read_placement(request.overrides)
        return path, "", RunTable(), lambda scanner: read_pulseq(path, scanner, placement)
    path = resource(request.protocol, "protocols", "protocol")
    description, family, table = read_protocol_file(path, dict(request.overrides))
    return path, description, structure(table, RunTable, path, ("run",)), family.build


def simulate_only(request: RunRequest, progress: Progress | None = None) -> tuple[Sequence, Phantom, Acquisition]:
    """Go down the road as far as the raw data."""
    prepared = _in_motion(prepare(request), progress)
    raw = simulated(prepared, engine_of(prepared.request), progress)
    return prepared.sequence, prepared.phantom, measured(raw, prepared.request)


def simulated(
    prepared: Prepared, engine: Bloch | Pathways, progress: Progress | None, bases: tuple[Basis, ...] = ()
) -> Acquisition:
    """Return the noise-free raw data of a prepared run; the bases of its spectra are made unless they are given."""
    report = (lambda done, total: progress("simulate", done, total)) if progress else None
    timeline = discretize(prepared.sequence)
    coils = coils_of(prepared.phantom, prepared.sequence.scanner, prepared.request)
    threads = prepared.request.threads
    raw = simulate(timeline, prepared.phantom, engine, threads=threads, progress=report, coils=coils)
    raw = with_prescan(raw, prepared.request, prepared.sequence, prepared.phantom, engine)
    if prepared.basis is not None:
        raw = with_chemistry(raw, prepared, timeline, coils, bases or bases_of(prepared, progress))
    guessed = prepared.phantom.extrapolated
    notes = (
        *prepared.sequence.notes, *extrapolation_notes(prepared.phantom), *transfer_notes(prepared.phantom),
        *wrap_notes(prepared.phantom, prepared.sequence),
    )  # fmt: skip
    stamp = {"extrapolated": {name: list(what) for name, what in guessed.items()}} if guessed else {}
    return replace(raw, history=raw.history | stamp | {"warnings": (*raw.history["warnings"], *notes)})


def _check_request(request: Any) -> None:
    if not isinstance(request, RunRequest):
        raise InputError(f"is a {type(request).__name__}; give RunRequest(protocol='disc-t2-mese')", key="request")


def run(request: RunRequest, progress: Progress | None = None) -> RunResult:
    """Go down the whole road.

    Parameters
    ----------
    request : RunRequest
        What to do.
    progress : callable, optional
        Called with (step, done, in all).
    """
    clock = _Clock(progress, {})
    with clock.step("build"):
        prepared = _in_motion(prepare(request), progress)
    request = prepared.request
    with clock.step("simulate"):
        raw = simulated(prepared, engine_of(request), progress, bases := bases_of(prepared, progress))
    with clock.step("reconstruct"):
        heard = measured(raw, request)
        images = images_of(heard, request.recon, clock.within("reconstruct"))
    with clock.step("truth"):
        truth = truth_of(prepared.phantom, prepared.sequence, images.grid)
        rois = prepared.phantom.rois(images.grid)
    if "partial-volume" in request.without:
        with clock.step("unmix"):
            images = _unmixed(prepared, images, raw, truth)
    with clock.step("fit"):
        source = source_of(images, request.model, progress, read_reconstruction(request.recon).unwrapping)
        quantified = quantify_run(prepared, images, bases)
        maps = fitted(source, request, progress) if quantified is None else quantified.fit.maps
    if quantified is not None:
        truth, rois = with_amounts(truth, raw), one_voxel(truth)
    result = RunResult(
        request=request,
        description=prepared.description,
        protocol_file=prepared.protocol_file,
        sequence=prepared.sequence,
        phantom=prepared.phantom,
        raw=heard,
        images=images,
        waves=source if isinstance(source, Waves) else None,
        quantified=quantified,
        maps=maps,
        truth=truth,
        rois=rois,
        evaluation=None if maps is None else compared(prepared.sequence, prepared.phantom, maps, truth, rois),
        warnings=_said(raw, images, source, maps),
        timings=clock.seconds,
        provenance=provenance(prepared),
    )
    return _split(result, progress) if request.budget else result


def _split(result: RunResult, progress: Progress | None) -> RunResult:
    """Return the run with its error budget, whose runs need all of this module."""
    from .budget import with_budget

    return with_budget(result, progress)


def _said(*steps: Acquisition | Images | Waves | Maps | None) -> tuple[str, ...]:
    """Return what all steps warn of, each once."""
    return tuple(dict.fromkeys(text for step in steps if step for text in step.history.get("warnings", ())))


def fitted(images: Images | Waves, request: RunRequest, progress: Progress | None) -> Maps | None:
    """Return the maps, with what the fit is given measured first."""
    if request.model is None or not isinstance(images, Images | Waves):
        return None

    def measure(protocol: str) -> Maps | None:
        own = replace(
            request, protocol=protocol, model=None, given={}, overrides={}, recon={}, seed=request.seed + 1,
            likelihood="gaussian", noise_floor="keep",
        )  # fmt: skip
        return run(own, progress).maps

    options = given_options(find_model(request.model), request.given, measure)
    noise: dict[str, Any] = {"likelihood": request.likelihood, "noise_floor": request.noise_floor}
    way = read_reconstruction(request.recon).unwrapping
    source = as_played(source_of(images, request.model, unwrapping=way), request)
    return fit(source, request.model, threads=request.threads, **noise, **options)


def _unmixed(prepared: Prepared, images: Images, raw: Acquisition, truth: Maps) -> Images:
    """Return images in which a pure voxel holds its own tissue's signal only: no partial volume, no ringing of
    its neighbours. The noise of `images` is kept.
    """
    if raw.encoding.kind == "spectrum":
        raise InputError("a spectrum has one voxel, from which nothing can be unmixed", key="--without")
    noise = images.data - images_of(raw, prepared.request.recon).data
    data = images.data.copy()
    for tissue, fraction in truth.fractions.items():
        pure: NDArray[np.bool_] = fraction >= 0.99
        if not pure.any():
            continue
        part = simulated(prepared, engine_of(prepared.request, only=(tissue,)), None)
        alone = images_of(part, prepared.request.recon)
        data[:, pure] = alone.data[:, pure] + noise[:, pure]
    return replace(images, data=data)

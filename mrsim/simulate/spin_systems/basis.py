"""The basis of a sequence: every metabolite's signal, each made once and kept on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.basis import Basis
from ...core.cache import cache_folder
from ...core.errors import InputError, StorageError
from ...core.metabolites import Recovery
from ...core.nuclei import NUCLEI, WATER_PPM, Nucleus
from ...core.storage import load, save
from ...core.version import __version__
from ...phantom.metabolite import Lines, Metabolite, load_metabolites
from ...sequence.timeline import Timeline
from .metabolites import metabolite_signal, own_width, visible
from .options import Progress, SpinSystem
from .profiles import main_offset
from .recovery import recovery
from .shot import Play, Shot, Wait, reference, shot, unedited, without_slices


def basis(
    metabolites: str | Sequence[Metabolite],
    timeline: Timeline,
    engine: SpinSystem | None = None,
    *,
    contrast: int = 0,
    cached: bool = True,
    progress: Progress | None = None,
) -> Basis:
    """Simulate the signals of metabolites in a spectroscopy sequence.

    Parameters
    ----------
    metabolites : str or sequence of Metabolite
        A basis set (``"disc"``), names with commas (``"Lac,Ala"``), or metabolites.
    timeline : Timeline
        From `discretize`; its field, dwell and points are the basis's.
    engine : SpinSystem, optional
        The engine with its options.
    contrast : int
        Which spectrum of a series, e.g. with the editing pulses elsewhere.
    cached : bool
        Take from the cache folder what was made before, and keep there what is made now.
    progress : callable, optional
        Called with (metabolites done, metabolites in all).
    """
    engine = engine or SpinSystem()
    chosen = load_metabolites(metabolites) if isinstance(metabolites, str) else tuple(metabolites)
    observed, played = _observed(timeline), shot(timeline, contrast)
    if blind := [each.name for each in chosen if not visible(each, observed)]:
        raise InputError(f"{', '.join(blind)} has no spins of {observed.name}; leave it out", key="metabolites")
    fids = []
    for done, each in enumerate(chosen):
        fids.append(_kept(each, played, observed, engine) if cached else _made(each, played, observed, engine))
        if progress is not None:
            progress(done + 1, len(chosen))
    header = timeline.encoding
    sheet = {key: float(value[contrast]) for key, value in header.contrast.items()}
    return Basis(
        names=tuple(each.name for each in chosen),
        fids=np.stack(fids),
        dwell=played.dwell,
        frequency=abs(observed.gamma_bar) * timeline.b0,
        kinds=tuple(each.kind for each in chosen),
        protons=np.array([visible(each, observed) for each in chosen], dtype=np.float64),
        widths=np.array([own_width(each, timeline.b0, observed) for each in chosen]),
        nucleus=observed.name,
        sequence=str(header.sheet.get("family", "")),
        te=sheet.get("te", 0.0),
        conditions={**sheet, **asdict(engine), "voxel": played.voxel, "water": _water(played, observed, engine)},
        recovery=_recovery(chosen, played, observed, engine),
        history={
            "engine": "SpinSystem",
            "mrsim": __version__,
            "sources": {each.name: list(each.sources) for each in chosen},
        },
    )


def _water(played: Shot, observed: Nucleus, engine: SpinSystem) -> float:
    """Return the share of the voxel's water that the pulses of the water reference leave: 1 for ideal ones."""
    if observed.name != "1H":
        return 1.0
    played = unedited(played)
    line = Metabolite(name="water", kind="water", lines=(Lines(shifts=(WATER_PPM * 1e-6,), protons=(1.0,)),))
    return float(np.abs(_made(line, replace(played, samples=1), observed, engine)[0]))


def _recovery(chosen: Sequence[Metabolite], played: Shot, observed: Nucleus, engine: SpinSystem) -> Recovery:
    """Return how far each metabolite and the water reference recover within a repetition."""
    seen = without_slices(played) if engine.pulses == "ideal" else played
    offsets = {each.name: main_offset(each, observed, played.b0) for each in chosen}
    return recovery(seen, offsets, reference(seen))


def _observed(timeline: Timeline) -> Nucleus:
    """Return the nucleus whose gyromagnetic ratio the timeline has."""
    for each in NUCLEI.values():
        if each.gamma_bar == timeline.gamma_bar:
            return each
    raise InputError(f"no nucleus has {timeline.gamma_bar / 1e6:g} MHz/T", key="nucleus")


def _made(each: Metabolite, played: Shot, observed: Nucleus, engine: SpinSystem) -> NDArray[np.complex128]:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        return metabolite_signal(each, played, observed, engine)


def _kept(each: Metabolite, played: Shot, observed: Nucleus, engine: SpinSystem) -> NDArray[np.complex128]:
    """Return a signal from the cache folder, made and written there first if need be."""
    path = cache_folder() / "spin-systems" / f"{fingerprint(each, played, observed, engine)}.h5"
    if path.is_file():
        try:
            return np.asarray(load(path, "fid"))
        except StorageError:  # damaged: anew is always right
            path.unlink(missing_ok=True)
    fid = _made(each, played, observed, engine)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"the cache {path.parent} cannot be written ({error.strerror}); set MRSIM_CACHE to a folder that can"
        ) from None
    save(path, fid=fid)
    return fid


def fingerprint(each: Metabolite, played: Shot, observed: Nucleus, engine: SpinSystem) -> str:
    """Return the hash of everything that a signal is made from, this engine's code included."""
    digest = hashlib.sha256(repr((asdict(each), asdict(engine), observed, np.__version__, __version__)).encode())
    digest.update(repr((played.dwell, played.samples, played.phase, played.frequency)).encode())
    digest.update(repr((played.gamma_bar, played.b0, played.voxel)).encode())
    for event in played.events:
        digest.update(_content(event))
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:24]


def _content(event: Wait | Play) -> bytes:
    if isinstance(event, Wait):
        return repr(("wait", event.duration)).encode() + event.moment.tobytes()
    pulse = event.pulse
    facts: tuple[Any, ...] = ("play", pulse.flip, pulse.centre, pulse.use, pulse.frequency, event.phase)
    change = b"" if pulse.change is None else pulse.change.tobytes()
    return repr(facts).encode() + b"".join(x.tobytes() for x in (pulse.dt, pulse.b1, pulse.gradient)) + change

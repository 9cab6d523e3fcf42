"""From a request to the SNR that its protocol will give: no more of the scan is simulated than differs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..core.errors import InfeasibleError, InputError
from ..core.toml import resource
from ..phantom.phantom import Phantom
from ..plan.snr import ACCURACY, Progress, SnrPrediction, predict_snr
from ..recon import Spectroscopy
from ..sequence.discretize import discretize
from ..sequence.families.cartesian import Cartesian
from ..sequence.families.protocol import Protocol
from ..sequence.protocol import FOLDER, read_protocol_file
from ..sequence.timeline import Timeline
from .engines import engine_of
from .fields import coils_of
from .reconstruction import read_reconstruction
from .request import RunRequest
from .run import Prepared, prepare

LINE_BY_LINE = (
    "spin-echo", "inversion-recovery-spin-echo", "multi-echo-spin-echo", "spoiled-gradient-echo",
    "multi-echo-gradient-echo", "look-locker", "fingerprinting", "bloch-siegert", "mre-gre", "balanced-ssfp",
    "spoiled-gradient-echo-3d", "actual-flip", "free-precession", "mp-rage",
)  # fmt: skip
"""Families that read one line after each excitation, or train of them, and all lines in the same way: a voxel's signal
in the middle of k-space is the same with few lines."""
LINES = 4
"""Lines that are left; half of them, and the dummies in place of the others, come before the middle one."""
SETTLED = 10.0
"""Seconds of dummies that bring any tissue to its steady state."""
WATER_ALONE = {"suppression": "none", "water_averages": "0", "shift": "0 ppm"}
"""Entries of a protocol of spectroscopy that leave the whole signal of water."""
SPECTRUM = (
    "the SNR of a spectrum is the peak height of its tissue's unsuppressed water over the noise of the real part, "
    "without apodisation; that of a resonance follows by its protons and its decay"
)


def predicted_snr(
    request: RunRequest,
    tissues: tuple[str, ...] = (),
    progress: Progress | None = None,
    altered: Callable[[Phantom], Phantom] | None = None,
) -> SnrPrediction:
    """Return the SNR of a protocol's tissues.

    One slice, one volume and one average of the protocol are simulated; the others are like them, but for the
    crosstalk of neighbouring slices.

    Parameters
    ----------
    request : RunRequest
        Protocol, scanner, phantom and fields; what it leaves out (`without`) is left out here.
    tissues : tuple of str
        Names of the phantom's tissues; all by default.
    progress : callable, optional
        Called with the tissues done and all of them.
    altered : callable, optional
        What is done to the phantom before it is scanned.
    """
    return snr_of(representative(request), tissues, progress, altered)


def snr_of(
    mine: Representative,
    tissues: tuple[str, ...] = (),
    progress: Progress | None = None,
    altered: Callable[[Phantom], Phantom] | None = None,
    *,
    budget: bool = True,
    timeline: Timeline | None = None,
) -> SnrPrediction:
    """Return the SNR of a protocol's tissues from its representative part; see `predicted_snr` and `predict_snr`."""
    part = mine.part
    phantom = part.phantom if altered is None else altered(part.phantom)
    scanner = part.sequence.scanner
    asked = read_reconstruction(part.request.recon)
    found = predict_snr(
        part.sequence,
        phantom,
        engine_of(part.request, accuracy=ACCURACY),
        coils=coils_of(part.phantom, scanner, part.request),
        tissues=tissues,
        repeats=mine.repeats,
        budget=budget,
        method=None if isinstance(asked.method, Spectroscopy) else asked.method,
        steps=asked.steps,
        threads=part.request.threads,
        progress=progress,
        timeline=timeline,
    )
    notes = (*found.notes, SPECTRUM) if part.sequence.encoding.kind == "spectrum" else found.notes
    return replace(found, scan_time=mine.scan_time, notes=notes)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Representative:
    """What stands for a whole protocol."""

    part: Prepared
    """One slice, one volume, one average, and few lines where all lines are alike."""
    repeats: float
    """How many times more averages and lines the protocol has."""
    scan_time: float
    """Of the whole protocol, s."""
    judged: Prepared
    """All slices and volumes, with few lines where all are alike: it loads scanner and patient like the whole."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Built:
    """What stands for protocols, with its timelines: each is built once, however many tissues and fits ask for it."""

    known: dict[str, tuple[Representative, Timeline] | InputError | InfeasibleError] = field(default_factory=dict)
    """By request, whose fields are words and numbers."""

    def of(self, request: RunRequest) -> tuple[Representative, Timeline]:
        """Return what stands for a request's protocol, and its timeline."""
        key = repr(request)
        if key not in self.known:
            try:
                mine = representative(request)
                self.known[key] = mine, discretize(mine.part.sequence)
            except (InputError, InfeasibleError) as problem:
                self.known[key] = problem
        found = self.known[key]
        if isinstance(found, Exception):
            raise found
        return found


def fewer_lines(family: Protocol, count: int = LINES) -> dict[str, str]:
    """Return the entries that leave a protocol a few lines of the same size; none where its lines are not alike."""
    if not isinstance(family, Cartesian) or family.name not in LINE_BY_LINE:
        return {}
    lines = family.matrix[1]
    left_out = family.partial_fourier < 1 or family.acceleration > 1 or family.calibration_lines > 0
    if left_out or lines <= 2 * LINES or lines % 2:
        return {}
    matrix = (family.matrix[0], count, *family.matrix[2:])
    fov = (family.fov[0], family.fov[1] * count / lines, *family.fov[2:])
    return {
        "matrix": " ".join(str(points) for points in matrix),
        "fov": " ".join(f"{1e3 * length:.9g}" for length in fov) + " mm",
    }


def representative(request: RunRequest) -> Representative:
    """Return what must be simulated of a protocol to know all of it.

    Of a spectrum the unsuppressed signal is what is left, of water on the carrier and without a reference.
    """
    if request.protocol.lower().endswith(".seq"):
        whole = prepare(request)
        return Representative(part=whole, repeats=1, scan_time=whole.sequence.duration, judged=whole)
    path = resource(request.protocol, FOLDER, "protocol")
    _, family, table = read_protocol_file(path, dict(request.overrides))
    engine = request.engine.get("name", table.get("engine"))
    array = request.receive or (table.get("receive") if engine != "pathways" else None)
    lines = {} if array else fewer_lines(family)
    judged = prepare(replace(request, overrides={**request.overrides, **lines}))
    tr = judged.sequence.encoding.contrast.get("tr")
    fewer = _fewer(family, None if tr is None else float(tr[0]))
    scan_time, left = judged.sequence.duration, 1.0
    if lines:
        assert isinstance(family, Cartesian)
        left = family.matrix[1] / LINES
        more = _built(judged, path, {**request.overrides, **fewer_lines(family, 2 * LINES)}).sequence.duration
        scan_time += (left - 1) * (more - scan_time)
        missing = (family.matrix[1] - LINES) // 2
        known = missing if tr is None else math.ceil(SETTLED / float(tr[0]))
        lines["dummies"] = str(family.dummies + min(missing, known))
    if not fewer and not lines:
        return Representative(part=judged, repeats=1, scan_time=scan_time, judged=judged)
    part = _built(judged, path, {**request.overrides, **lines, **fewer})
    averages = getattr(family, "averages", 1) if "averages" in fewer else 1
    return Representative(part=part, repeats=averages * left, scan_time=scan_time, judged=judged)


def _built(judged: Prepared, path: Path, entries: dict[str, str]) -> Prepared:
    """Return a prepared protocol with other entries of its sequence; phantom, scanner and fit stay."""
    sequence = read_protocol_file(path, entries)[1].build(judged.sequence.scanner)
    return replace(judged, request=replace(judged.request, overrides=entries), sequence=sequence)


def _fewer(family: Protocol, tr: float | None) -> dict[str, str]:
    """Return the entries that leave one slice, one volume, one average, and the whole signal of water."""
    many = {name: getattr(family, name, 1) for name in ("slices", "volumes", "averages")}
    fewer = {name: "1" for name, count in many.items() if isinstance(count, int) and count > 1}
    if getattr(family, "bands", 1) > 1:
        fewer["bands"] = "1"
    if "slices" in fewer and isinstance(getattr(family, "tr", None), str) and tr is not None:
        fewer["tr"] = f"{1e6 * tr:.3f} us"  # the shortest with one slice is shorter
    if "slices" in fewer and getattr(family, "slots", None) == 0:
        fewer["slots"] = str(many["slices"])  # which share the repetition time
    return fewer | {name: text for name, text in WATER_ALONE.items() if getattr(family, name, None) not in (None, text)}

"""From a request to the SNR that its protocol will give: no more of the scan is simulated than differs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..core.toml import resource
from ..phantom.phantom import Phantom
from ..plan.snr import ACCURACY, Progress, SnrPrediction, predict_snr
from ..sequence.protocol import FOLDER, read_protocol_file
from .engines import engine_of
from .fields import coils_of
from .request import RunRequest
from .run import Prepared, prepare

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
    whole = prepare(request)
    part, repeats = _one_of_each(whole)
    phantom = part.phantom if altered is None else altered(part.phantom)
    scanner = part.sequence.scanner
    found = predict_snr(
        part.sequence,
        phantom,
        engine_of(part.request, accuracy=ACCURACY),
        coils=coils_of(part.phantom, scanner, part.request),
        tissues=tissues,
        repeats=repeats,
        threads=request.threads,
        progress=progress,
    )
    notes = (*found.notes, SPECTRUM) if part.sequence.encoding.kind == "spectrum" else found.notes
    return replace(found, scan_time=whole.sequence.duration, notes=notes)


def _one_of_each(whole: Prepared) -> tuple[Prepared, int]:
    """Return the same protocol with one slice, one volume and one average, and the averages it had.

    Of a spectrum the unsuppressed signal is what is left, of water on the carrier and without a reference.
    """
    request = whole.request
    if request.protocol.lower().endswith(".seq"):
        return whole, 1
    _, family, _ = read_protocol_file(resource(request.protocol, FOLDER, "protocol"), dict(request.overrides))
    many = {name: getattr(family, name, 1) for name in ("slices", "volumes", "averages")}
    fewer = {name: "1" for name, count in many.items() if isinstance(count, int) and count > 1}
    tr = whole.sequence.encoding.contrast.get("tr")
    if "slices" in fewer and isinstance(getattr(family, "tr", None), str) and tr is not None:
        fewer["tr"] = f"{1e6 * float(tr[0]):.3f} us"  # the shortest with one slice is shorter
    if "slices" in fewer and getattr(family, "slots", None) == 0:
        fewer["slots"] = str(many["slices"])  # which share the repetition time
    fewer |= {name: text for name, text in WATER_ALONE.items() if getattr(family, name, None) not in (None, text)}
    if not fewer:
        return whole, 1
    averages = many["averages"] if "averages" in fewer else 1
    return prepare(replace(request, overrides={**request.overrides, **fewer})), averages

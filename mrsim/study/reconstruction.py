"""From raw data to images as a user asks: method, steps before and after it, coil maps, and maps of the field.

Every command comes by here: `mrsim run`, `plan`, `snr` and `recon` read the same entries::

    method                        name in `recon_methods.METHODS`; what else is given are its options
    ghost, partial, window, size  the steps of `mrsim.recon.Steps`
    maps                          "calibration" (the scan's own lines), "prescan" (see `prescan`), or a file: raw data
                                  of a prescan, coil maps of mrsim, or BART's
    unwarp, off_resonance         a map of the field, or "pair" for the distortion
    noise_scan                    samples of noise alone that the receiver takes before the scan
    unwrapping                    of the phases of elastography, a way of `recon.wave_images.WAYS`
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..core.acquisition import Acquisition
from ..core.errors import InputError, did_you_mean
from ..core.grid import Grid
from ..core.images import Images
from ..core.spectra import Spectra
from ..phantom.phantom import voxel_centres
from ..recon import Method, NonUniform, Sense, Spectroscopy, Steps, Window, reconstruct
from ..recon.epi import is_parallel
from ..recon.unwarp import field_of_pair, unwarped
from ..recon.wave_images import WAYS
from ..recon.windows import check_size
from .coil_files import maps_from_file
from .fields import read_field
from .prescan import PRESCAN, with_calibration
from .raw_file import raw_of
from .recon_methods import method_of, options_of

Progress = Callable[[int, int], None]
OWN = "calibration"
GENERAL = (
    "method",
    "ghost",
    "partial",
    "window",
    "size",
    "maps",
    "unwarp",
    "off_resonance",
    "noise_scan",
    "unwrapping",
)
"""Entries that belong to no method."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Reconstruction:
    """What makes images of raw data."""

    method: Method | Spectroscopy | None = None
    """None: what suits the sampling."""
    steps: Steps = field(default_factory=Steps)
    maps: str = OWN
    """Where coil maps come from: ``"calibration"``, ``"prescan"``, or a path."""
    unwarp: str | None = None
    """Path of a map of the field, Hz, or ``"pair"``."""
    off_resonance: str | None = None
    """Path of a map of the field, Hz."""
    noise_scan: int = 0
    """Samples of noise alone before the scan."""
    unwrapping: str = WAYS[0]
    """Of the phases of elastography."""


def merged(own: Mapping[str, str], asked: Mapping[str, str]) -> dict[str, str]:
    """Return a protocol's entries with those that a user asks; another method takes none of the options of its own."""
    if asked.get("method", own.get("method")) != own.get("method"):
        own = {key: text for key, text in own.items() if key in GENERAL}
    return {**own, **asked}


def read_reconstruction(entries: Mapping[str, str]) -> Reconstruction:
    """Return the reconstruction of entries in text; what is wrong with them is an `InputError`.

    Parameters
    ----------
    entries : mapping
        ``{"method": "grappa", "neighbours": "2", "partial": "homodyne", "window": "tukey:0.3", "size": "256x256"}``.
    """
    name = entries.get("method", "auto")
    options = {key: text for key, text in entries.items() if key not in GENERAL}
    try:
        method = method_of(name, options)
    except InputError as error:
        if error.key in options and name == "auto":
            raise InputError(f"{error.problem}{did_you_mean(str(error.key), [*GENERAL])}", key=error.key) from None
        raise
    samples = entries.get("noise_scan", "0")
    if not samples.isdigit():
        raise InputError(f"is '{samples}'; expected a number of samples", key="noise_scan")
    way = entries.get("unwrapping", WAYS[0])
    if way not in WAYS:
        raise InputError(f"unknown way '{way}'{did_you_mean(way, WAYS)}", key="unwrapping")
    steps = Steps(
        ghost=entries.get("ghost", "auto"), partial=entries.get("partial", "pocs"),
        window=_window(entries.get("window")), size=_size(entries.get("size")),
    )  # fmt: skip
    found = Reconstruction(
        method=method, steps=steps, maps=entries.get("maps", OWN), unwarp=entries.get("unwarp"),
        off_resonance=entries.get("off_resonance"), noise_scan=int(samples), unwrapping=way,
    )  # fmt: skip
    if found.maps != OWN and method is not None and "estimate" not in options_of(name):
        raise InputError(f"{name} takes no coil maps", key="maps")
    return found


def reconstructed(
    raw: Acquisition, wanted: Reconstruction | Mapping[str, str], progress: Progress | None = None
) -> Images | Spectra:
    """Return the images of raw data, or their spectra.

    Parameters
    ----------
    raw : Acquisition
    wanted : Reconstruction or mapping
        Or its entries in text.
    progress : callable, optional
        Called with the parts done and all of them.
    """
    asked = wanted if isinstance(wanted, Reconstruction) else read_reconstruction(wanted)
    raw, method = _with_maps(raw, asked)
    method = method if asked.off_resonance is None else _with_field(method, raw, asked.off_resonance)
    made: Images | Spectra = reconstruct(raw, cast(Any, method), progress, steps=asked.steps)
    if asked.unwarp is None:
        return made
    if isinstance(made, Spectra):
        raise InputError("is for echo-planar images; these are spectra", key="unwarp")
    return _unwarped(made, asked.unwarp)


def images_of(raw: Acquisition, wanted: Reconstruction | Mapping[str, str], progress: Progress | None = None) -> Images:
    """Return the images of raw data that are no spectra, or the spectra for whom a caller asks for no more."""
    return cast(Images, reconstructed(raw, wanted, progress))


def _with_maps(raw: Acquisition, asked: Reconstruction) -> tuple[Acquisition, Method | Spectroscopy | None]:
    """Return raw data with the calibration, and the method with the coil maps, that are asked for."""
    if asked.maps == OWN:
        return raw, asked.method
    if asked.maps == PRESCAN:
        if "calibration" not in raw.groups:
            raise InputError("there is no prescan in the raw data; name its file", key="maps")
        return raw, asked.method
    held = maps_from_file(Path(asked.maps), raw.encoding.grid, raw.imaging.data.shape[1])
    if held is None:
        return with_calibration(raw, raw_of(Path(asked.maps))), asked.method
    method = asked.method
    if method is None:
        method = _off_raster(raw) if raw.encoding.k_from == "trajectory" and not is_parallel(raw) else Sense()
    return raw, replace(cast(Any, method), maps=held)


def _off_raster(raw: Acquisition) -> NonUniform:
    return NonUniform(kind="adjoint" if raw.imaging.data.shape[1] == 1 else "iterative")


def _with_field(method: Method | Spectroscopy | None, raw: Acquisition, file: str) -> Method:
    """Return a method for samples off the raster that corrects their off-resonance."""
    chosen = _off_raster(raw) if method is None else method
    if not isinstance(chosen, NonUniform):
        raise InputError("is for the method adjoint or iterative; echo-planar images have unwarp", key="off_resonance")
    return replace(chosen, field=_field_on(raw.encoding.grid, file, "off_resonance"))


def _unwarped(images: Images, wanted: str) -> Images:
    """Return images without distortion: by a map, or by the first pair of opposite blips."""
    if wanted == "pair":
        polarity = images.contrast.get("polarity", np.ones(len(images.data)))
        if np.ptp(polarity) == 0:
            problem = "all images have the same polarity of the blips; measure with blips = 'both'"
            raise InputError(problem, key="unwarp")
        return unwarped(images, field_of_pair(images, int(np.argmax(polarity > 0)), int(np.argmax(polarity < 0))))
    return unwarped(images, _field_on(images.grid, wanted, "unwarp"))


def _field_on(grid: Grid, file: str, key: str) -> NDArray[np.float64]:
    """Return the (z, y, x) off-resonance in a file at the voxels of a grid, Hz."""
    return np.asarray(read_field(file, key).at(voxel_centres(grid), key), dtype=np.float64)


def _window(text: str | None) -> Window | None:
    if text is None:
        return None
    name, colon, width = text.partition(":")
    try:
        return Window(name=name, parameter=float(width) if colon else None)
    except ValueError:
        problem = f"'{text}' has no number behind the colon; write for example tukey:0.5"
        raise InputError(problem, key="window") from None


def _size(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    words = text.lower().replace("×", "x").split("x")
    if not all(word.strip().isdecimal() and len(word) <= 6 for word in words) or len(words) not in (2, 3):
        raise InputError(f"'{text}' is no size; write for example 256x256 or 256x256x64", key="size")
    size = tuple(int(word) for word in reversed(words))
    check_size(size)  # of how many images is not known yet: a scan need not come to its end to be refused
    return size

"""The XML header of an MRD file from an encoding, and back."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.acquisition import Acquisition
from ...core.errors import InputError

COUNTERS = {"line": "kspace_encode_step_1", "partition": "kspace_encode_step_2", "average": "average",
            "slice": "slice", "contrast": "contrast", "phase": "phase", "repetition": "repetition", "set": "set",
            "segment": "segment"}  # fmt: skip
"""Labels that MRD has a counter for."""
SERIES = {"te": ("TE", 1e3), "tr": ("TR", 1e3), "ti": ("TI", 1e3), "flip": ("flipAngle_deg", 180 / math.pi)}
"""Contrast entries that MRD has a list for, with the factor to its unit."""


def extra_labels(labels: Iterable[str]) -> list[str]:
    """Return the labels that go into MRD's user counters, in order."""
    return sorted(set(labels) - {*COUNTERS, "reverse"})


def mrd_header(raw: Acquisition, name: str) -> Any:
    """Return the header object of an acquisition."""
    from ismrmrd import xsd

    encoding, grid = raw.encoding, raw.encoding.grid
    nz, ny, nx = grid.shape
    dx, dy, dz = grid.spacing
    volume = encoding.kind == "3d"
    size = xsd.matrixSizeType(x=nx, y=ny, z=nz if volume else 1)
    fov = xsd.fieldOfViewMm(x=1e3 * nx * dx, y=1e3 * ny * dy, z=1e3 * (nz * dz if volume else grid.thickness))
    space = xsd.encodingSpaceType(matrixSize=size, fieldOfView_mm=fov)
    cartesian = encoding.k_from == "labels"
    kinds = xsd.trajectoryType
    series = {
        key: (scale * encoding.contrast[entry]).tolist()
        for entry, (key, scale) in SERIES.items() if entry in encoding.contrast
    }  # fmt: skip
    return xsd.ismrmrdHeader(
        version=1,
        experimentalConditions=xsd.experimentalConditionsType(H1resonanceFrequency_Hz=round(encoding.frequency)),
        acquisitionSystemInformation=xsd.acquisitionSystemInformationType(
            systemVendor="mrsim", receiverChannels=raw.imaging.data.shape[1], relativeReceiverNoiseBandwidth=1.0
        ),
        encoding=[
            xsd.encodingType(
                encodedSpace=space, reconSpace=space, encodingLimits=_limits(raw),
                trajectory=kinds.CARTESIAN if cartesian else kinds.OTHER,
            )
        ],
        sequenceParameters=xsd.sequenceParametersType(**series, sequence_type=name),
        userParameters=_user_parameters(raw),
    )  # fmt: skip


def _limits(raw: Acquisition) -> Any:
    from ismrmrd import xsd

    nz, ny, nx = raw.encoding.grid.shape
    labels = raw.imaging.labels
    limits: dict[str, Any] = {"kspace_encoding_step_0": xsd.limitType(minimum=0, maximum=nx - 1, center=nx // 2)}
    centres = {"line": ny // 2, "partition": nz // 2 if raw.encoding.kind == "3d" else 0}
    for label, counter in COUNTERS.items():
        values = labels.get(label, np.zeros(1, dtype=np.int64))
        key = counter.replace("encode", "encoding")
        limits[key] = xsd.limitType(
            minimum=int(values.min()), maximum=int(values.max()), center=centres.get(label, int(values.min()))
        )
    return xsd.encodingLimitsType(**limits)


def _user_parameters(raw: Acquisition) -> Any:
    """Return what MRD has no field for, so that our own reader gets everything back."""
    from ismrmrd import xsd

    encoding, grid = raw.encoding, raw.encoding.grid
    labels = {name for group in raw.groups.values() for name in group.labels}
    words = {
        "mrsim_kind": encoding.kind,
        "mrsim_k_from": encoding.k_from,
        "mrsim_purposes": ",".join(raw.groups),
        "mrsim_labels": ",".join(extra_labels(labels)),
        "trajectory_unit": "cycles per encoded field of view",
        "noisy": str(raw.noisy).lower(),
    }
    others = [name for name in encoding.contrast if name not in SERIES]
    words |= {f"mrsim_contrast_{name}": _joined(encoding.contrast[name]) for name in others}
    words |= {"mrsim_noise_density": _joined(np.concatenate([raw.noise_density.real, raw.noise_density.imag]).ravel())}
    words |= {
        "mrsim_grid": _joined(np.concatenate([[*grid.shape], grid.spacing, grid.centre, grid.axes.ravel(), [grid.gap]]))
    }
    words |= {"mrsim_frequency": repr(float(encoding.frequency)), "mrsim_dwell": repr(float(encoding.dwell))}
    if "effective_echo_spacing" in encoding.sheet:
        words |= {"mrsim_effective_echo_spacing": repr(float(encoding.sheet["effective_echo_spacing"]))}
    return xsd.userParametersType(
        userParameterString=[xsd.userParameterStringType(name=key, value=text) for key, text in words.items()]
    )


def _joined(values: NDArray[Any]) -> str:
    return " ".join(repr(float(value)) for value in np.ravel(values))


def user_words(header: Any) -> dict[str, str]:
    """Return the header's string parameters by name."""
    parameters = header.userParameters
    strings = parameters.userParameterString if parameters is not None else []
    return {str(entry.name): str(entry.value) for entry in strings}


def sheet_of(header: Any, words: dict[str, str]) -> dict[str, Any]:
    """Return the field of view that images are to have, m (x, y, z), and an echo-planar train's spacing, s."""
    sheet: dict[str, Any] = {"family": "mrd"}
    space = header.encoding[0].reconSpace
    if space is not None:
        fov = np.array([space.fieldOfView_mm.x, space.fieldOfView_mm.y, space.fieldOfView_mm.z], dtype=np.float64)
        sheet |= {"recon_fov": fov * 1e-3} if np.all(np.isfinite(fov)) and np.all(fov > 0) else {}
    if "mrsim_effective_echo_spacing" in words:
        sheet["effective_echo_spacing"] = float(words["mrsim_effective_echo_spacing"])
    return sheet


def lacking(held: Any, known: Any) -> set[str]:
    """Return the fields that a record lacks, or a record in it."""
    names = set(known.names) - set(held.names or ())
    inner = [name for name in known.names if name not in names and known[name].names]
    return names | {f"{name}.{field}" for name in inner for field in lacking(held[name], known[name])}


def known_noise(words: dict[str, str], coils: int, path: Path | str) -> NDArray[np.complex128] | None:
    """Return the (coil, coil) noise density, m^6 s, that our own header states."""
    try:
        values = [float(word) for word in words.get("mrsim_noise_density", "").split()]
    except ValueError as problem:
        raise InputError(f"is no list of numbers: {problem}", file=path, key="mrsim_noise_density") from None
    if len(values) != 2 * coils * coils:
        return None
    pair = np.array(values).reshape(2, coils, coils)
    return np.asarray(pair[0] + 1j * pair[1])

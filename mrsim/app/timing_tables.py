"""Shortest times on their way into the page: what the 3 T scanner needs for pulses and readouts.

Built for a grid of bandwidths and pixels, a slice of 4 mm; between them the page interpolates. What a thinner slice or
another scanner needs more is found out when the setting is run.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.errors import UserError
from ..sequence.events import NS
from .arrays import packed
from .pulse_tables import built
from .sequences import SLIDERS, LabSequence, matrix, played_bandwidth

NODES = 5
"""Of each axis."""


def timing_tables(found: LabSequence) -> dict[str, Any]:
    """Return shortest TE, TR and spacing and the read window, s, (bandwidth, pixel); NaN where none can be played."""
    bandwidths, voxels = (_axis(found, name) for name in ("bandwidth", "voxel"))
    te, tr, spacing, window = (np.full((NODES, NODES), np.nan) for _ in range(4))
    for i, bandwidth in enumerate(bandwidths):
        for j, voxel in enumerate(voxels):
            try:
                sequence = built(found, **_shortest(found, bandwidth, voxel))
            except UserError:
                continue
            facts = sequence.definitions
            window[i, j] = max(block.adc.duration for block in sequence.blocks if block.adc is not None) / NS
            te[i, j], tr[i, j] = float(facts["te"]), float(facts["tr"])
            spacing[i, j] = float(facts.get("echo_spacing", np.nan))
    return {
        "bandwidth": bandwidths.tolist(), "voxel": voxels.tolist(), "te": packed(te), "tr": packed(tr),
        "spacing": packed(spacing), "window": packed(window),
    }  # fmt: skip


def _axis(found: LabSequence, name: str) -> Any:
    slider = next(s for s in SLIDERS if s.name == name)
    low, high, _ = found.limits.get(name, (slider.low, slider.high, slider.step))
    return np.exp(np.linspace(np.log(low), np.log(high), NODES))


def _shortest(found: LabSequence, bandwidth: float, voxel: float) -> dict[str, str]:
    """Return the entries of the shortest scan; few lines where each has a repetition of its own."""
    nx, ny = matrix(voxel)
    lines = ny if found.name == "epi" else 4
    entries = {
        "matrix": f"{nx} {lines}", "fov": f"160 {128 * lines / ny:.9g} mm", "tr": "minimum", "dummies": "0",
        "pixel_bandwidth": f"{bandwidth if found.name == 'epi' else played_bandwidth(bandwidth, nx):.12g} Hz",
    }  # fmt: skip
    if "te" in found.start:
        entries[found.entries.get("te", "te")] = "minimum"
    if found.name == "megre":
        entries["echo_spacing"] = "minimum"
    if found.name == "ir":
        entries["ti"] = f"{found.start['ti']:g} ms"
    return entries

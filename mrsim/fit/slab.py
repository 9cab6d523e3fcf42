"""Flips of a three-dimensional slab from partition to partition: the pulse's profile as part of B1.

A slab-selective pulse turns less at the slab's edges. A transmit field from another scan knows nothing of that, and T1
by flip angles goes with the square of the flip: where the protocol sheet holds the pulse, a fit that takes B1 takes
field times profile. Small flips: the profile does not depend on the amplitude. Partitions that the pulse hardly
reaches have no plausible B1 and no value; the profile within a partition is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.images import Images
from ..core.selective_train import SelectivePulse
from .model import Description

Array = NDArray[np.float64]


def within_slab(model: Description, settings: Mapping[str, Any], images: Images) -> dict[str, Any]:
    """Return a fit's options, with B1 as the slab's pulse makes it in every partition.

    Parameters
    ----------
    model : Model or Method
    settings : mapping
        Every option as one float or a (z, y, x) array.
    images : Images
        Whose protocol sheet holds the pulse of a slab, or not.
    """
    sheet = images.encoding
    if "b1" not in settings or sheet.get("kind") != "3d" or "excitation" not in sheet.get("pulses", {}):
        return dict(settings)
    pulse = SelectivePulse.from_sheet(sheet["pulses"]["excitation"])
    if pulse.gradient == 0.0:
        return dict(settings)
    share = slab_profile(pulse, float(sheet["excitation_flip"]), images, float(sheet["slab_position"]))
    whole = np.broadcast_to(np.asarray(settings["b1"], dtype=np.float64), images.data.shape[1:])
    return {**settings, "b1": whole * share[:, None, None]}


def slab_profile(pulse: SelectivePulse, flip: float, images: Images, position: float) -> Array:
    """Return the (z,) flips over the nominal one, `flip` in rad, of a slab whose centre is at `position`, m."""
    places = images.grid.coordinates(2) - position
    rotation = pulse.matrices(places, np.ones(1))[0][0]
    return np.asarray(np.arctan2(np.hypot(rotation[:, 0, 2], rotation[:, 1, 2]), rotation[:, 2, 2]) / flip)

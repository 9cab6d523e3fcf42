"""Phase-sensitive images: real ones, negative where the magnetisation was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..core import phase_sensitive as signs
from ..core.errors import InputError
from ..core.images import Images

DELAYS = ("td", "ti")
"""Columns of the contrast table that hold a recovery time."""


def phase_sensitive(images: Images) -> Images:
    """Return images whose real part carries the sign of the magnetisation and whose imaginary part is zero.

    Parameters
    ----------
    images : Images
        Complex images with the column ``td`` or ``ti``; those of one echo time share their phase, and the image of
        the longest delay of each is positive. Magnitudes, or a sum of squares over coils, have lost the sign.
    """
    found = [name for name in DELAYS if name in images.contrast]
    if not found:
        raise InputError(f"the images have no column {' or '.join(DELAYS)}: nothing says which one is positive")
    if is_lost(images):
        raise InputError("the images are magnitudes: their signs are lost; reconstruct complex images")
    data = signs.phase_sensitive(images.data, images.contrast[found[0]], images.contrast.get("te"))
    return replace(
        images, data=data.astype(np.complex128), encoding={**images.encoding, "phase": f"referenced to {found[0]}"}
    )


def is_lost(images: Images) -> bool:
    """Return True if the images are magnitudes."""
    return signs.is_magnitude(images.data)

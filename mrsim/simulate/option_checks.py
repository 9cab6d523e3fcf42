"""Checks of the options that engines share: how the object is sampled, and how accurately."""

from __future__ import annotations

import math
from typing import Any

from ..core.errors import InputError

POSITIVE = ("accuracy", "slab", "t2_prime_accuracy", "rf_step", "longest", "memory")
"""Options that are positive numbers; None where the engine chooses."""
ACCURACIES = ("accuracy", "t2_prime_accuracy")
FINEST, COARSEST = 1e-13, 1.0
"""Errors over M0 that can be asked for: numbers of 64 bits hold no finer one, and a coarser one says nothing."""
COUNTS = ("subsamples", "sub_slices", "layers", "walkers")
"""Options that are counts of at least 1; None where the engine chooses."""


def check_sampling(engine: Any) -> None:
    """Raise an `InputError` unless every shared option that the engine has is within its bounds."""
    for key in POSITIVE:
        value = getattr(engine, key, None)
        if value is not None and not (math.isfinite(value) and value > 0):
            raise InputError(f"{value} must be a positive number", key=key)
    for key in ACCURACIES:
        value = getattr(engine, key, None)
        if value is not None and not FINEST <= value <= COARSEST:
            raise InputError(f"{value:g} must lie between {FINEST:g} and {COARSEST:g} of M0", key=key)
    for key in COUNTS:
        value = getattr(engine, key, None)
        if value is not None and value < 1:
            raise InputError(f"{value} must be at least 1", key=key)

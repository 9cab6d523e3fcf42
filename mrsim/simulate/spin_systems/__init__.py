"""Coupled spins: density matrices through the same sequences that are drawn and exported."""

from __future__ import annotations

from .basis import basis
from .options import SpinSystem

__all__ = ["SpinSystem", "basis"]

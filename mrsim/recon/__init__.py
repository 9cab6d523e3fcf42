"""From raw data to images."""

from __future__ import annotations

from .cartesian import reconstruct

__all__ = ["reconstruct"]

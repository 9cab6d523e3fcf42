"""What a scanner allows, what a scan costs and what it will measure."""

from __future__ import annotations

from .limits import Limits, limits

__all__ = ["Limits", "limits"]

"""Truth against maps."""

from __future__ import annotations

from .compare import evaluate

__all__ = ["evaluate"]

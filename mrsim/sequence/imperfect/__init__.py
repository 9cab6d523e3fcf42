"""What a real scanner does to a sequence: the waveforms that it plays, never the sequence nor its nominal k."""

from __future__ import annotations

from .imperfections import EddyCurrent, Imperfections

__all__ = ["EddyCurrent", "Imperfections"]

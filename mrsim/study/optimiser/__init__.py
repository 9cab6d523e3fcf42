"""The optimiser of protocols: free settings of a protocol file, the limits, the best protocol and its test."""

from __future__ import annotations

from .optimise import Optimum, optimise
from .searching import Asked
from .write import protocol_text, save_optimum

__all__ = ["Asked", "Optimum", "optimise", "protocol_text", "save_optimum"]

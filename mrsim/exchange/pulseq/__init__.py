"""Pulseq text files, versions 1.2 to 1.5: read into a `Sequence`, written from one.

The format is that of "Open file format for MR sequences", version 1.5, at pulseq.github.io. Pulseq writes pulse
shapes for exp(+i ...), amplitudes in Hz and gradients in Hz/m; they are converted here and nowhere else.
"""

from __future__ import annotations

from .parse import read_tables
from .placement import Placement, read_placement
from .read import read_pulseq
from .tables import PulseqFile
from .write import pulseq_text

__all__ = ["Placement", "PulseqFile", "pulseq_text", "read_placement", "read_pulseq", "read_tables"]

"""Pulseq text files, versions 1.2 to 1.5: read into a `Sequence`, written from one.

The format is that of the Pulseq specification (https://pulseq.github.io/specification.pdf). Pulseq writes pulse
shapes for exp(+i ...), amplitudes in Hz and gradients in Hz/m; they are converted here and nowhere else.
"""

from __future__ import annotations

from .parse import read_tables
from .read import read_pulseq
from .tables import PulseqFile
from .write import pulseq_text

__all__ = ["PulseqFile", "pulseq_text", "read_pulseq", "read_tables"]

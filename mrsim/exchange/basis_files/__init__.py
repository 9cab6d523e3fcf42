"""Bases in the formats of other programs.

A signal of ours at a shift above the reference goes as exp(-i 2 pi f t). LCModel and FSL-MRS have the same sign; jMRUI
has the other, so that its files hold conjugates.
"""

from __future__ import annotations

from .fsl import read_fsl, write_fsl
from .jmrui import read_jmrui, write_jmrui
from .lcmodel import read_lcmodel, write_lcmodel, write_raw

__all__ = ["read_fsl", "read_jmrui", "read_lcmodel", "write_fsl", "write_jmrui", "write_lcmodel", "write_raw"]

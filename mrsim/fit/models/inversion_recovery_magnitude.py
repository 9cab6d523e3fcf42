"""Inversion recovery of magnitude images, with the lost sign restored.

For a given T1 the signal rises with TI, so the images with the shortest TI are the negative ones. Every
number of negative images is tried and the best fit kept, which is the least-squares fit of |S|. Near the
null the magnitude's noise floor biases the fit; `inversion-recovery` on complex images does not suffer.
"""

from __future__ import annotations

from dataclasses import replace

from . import inversion_recovery

MODEL = replace(
    inversion_recovery.MODEL,
    name="inversion-recovery-magnitude",
    title="inversion recovery of magnitude images, polarity restored",
    data="polarity-restored",
)

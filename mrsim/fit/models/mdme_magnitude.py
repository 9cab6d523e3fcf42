"""MDME of magnitude images, with the lost signs restored where that is possible.

For a given voxel the signal rises with the delay, so the images with the shortest delays are the negative ones: every
number of negative delays is tried and the best fit kept. With four delays for three unknowns one number is left to
choose by: where the signal of the shortest delay is weak (T1 near 0.5 s, or 1 s at a B1 of 0.85, for delays from 0.17 s
on) or noise is strong, two choices fit equally well, T1 is biased and scatters up to twice as much. The fit says of how
many voxels that is so.
"""

from __future__ import annotations

from dataclasses import replace

from . import mdme

MODEL = replace(
    mdme.MODEL,
    name="mdme-magnitude",
    title="MDME of magnitude images, polarity restored; often ambiguous",
    data="polarity-restored",
)

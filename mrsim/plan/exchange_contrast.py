"""The exchange contrast of glycosaminoglycan: how much its hydroxyl protons take off water.

The asymmetry of the Z-spectrum 1 ppm to each side of water after a long continuous saturation, at the best of a few
powers, by the Bloch-McConnell equations. It vanishes at low field, where exchange is fast over the shift (rate over
2 pi shift above 1).
"""

from __future__ import annotations

import math

import numpy as np

from ..core.nuclei import PROTON
from ..phantom.exchange import ExchangePool
from ..phantom.tissue import Pool, Tissue
from ..simulate.z_spectrum import SaturationTrain, z_spectrum

SATURATION, POWERS = 5.0, (0.8e-6, 1.5e-6, 3e-6)
"""s; T, of which the best counts."""
SHIFT, RATE, R1, R2 = 1e-6, 1000.0, 1.0, 66.0
"""Of the hydroxyl protons: share of the field, 1/s."""


def hydroxyl_asymmetry(t1: float, t2: float, fraction: float, b0: float) -> float:
    """Return the asymmetry of water with T1 and T2, s, and a fraction of hydroxyl protons, at a field, T."""
    hydroxyl = ExchangePool(name="hydroxyl", fraction=fraction, rate=RATE, t1=1 / R1, t2=1 / R2, shift=SHIFT)
    water = Pool(name="water", pd=1.0, t1=t1, t2=t2, t2_prime=math.inf, shift=0.0, exchange=(hydroxyl,))
    offset = SHIFT * PROTON.gamma_bar * b0
    pairs = (
        z_spectrum(water, SaturationTrain(b1=np.array([b1]), dwell=SATURATION), [-offset, offset], b0=b0)
        for b1 in POWERS
    )
    return max(float(left - right) for left, right in pairs)


def tissue_asymmetry(tissue: Tissue, field: float) -> float:
    """Return the asymmetry of a tissue at a field, T; NaN where its hydroxyl protons are not known."""
    if "hydroxyl_fraction" not in tissue.facts or tissue.water is None:
        return math.nan
    known = {name: tissue.property(name, field).value for name in ("t1", "t2", "hydroxyl_fraction")}
    return hydroxyl_asymmetry(known["t1"], known["t2"], known["hydroxyl_fraction"], field)

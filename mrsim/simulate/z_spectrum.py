"""Z-spectra: what is left of the water's longitudinal magnetisation after saturation at a list of offsets.

The train is played on one homogeneous voxel; every pulse is an exact product of matrix exponentials (`exchange`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import InputError
from ..core.nuclei import PROTON
from ..phantom.tissue import Pool
from ..sequence.timeline import Pulse
from .exchange import ExchangeSystem, matrix_exponential, pulse_matrix


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SaturationTrain:
    """Equal pulses with pauses between them."""

    b1: NDArray[np.float64]
    """(sample,) amplitude of one pulse, T; one sample is a rectangular pulse."""
    dwell: float
    """Length of a sample, s."""
    pulses: int = 1
    pause: float = 0.0
    """Between pulses, s."""
    spoiled: bool = False
    """True crushes the transverse magnetisation after every pulse."""

    def __post_init__(self) -> None:
        """Refuse trains that cannot be played."""
        if not self.dwell > 0:
            raise InputError(f"{self.dwell:g} s is not positive; give a time above 0", key="dwell")
        if self.pulses < 1:
            raise InputError(f"{self.pulses} must be at least 1", key="pulses")
        if not self.pause >= 0:
            raise InputError(f"{self.pause:g} s is negative; give 0 or more", key="pause")


def z_spectrum(
    pool: Pool,
    train: SaturationTrain,
    offsets: ArrayLike,
    *,
    b0: float,
    gamma_bar: float = PROTON.gamma_bar,
    b0_offset: float = 0.0,
    b1: float = 1.0,
    start: float = 1.0,
) -> NDArray[np.float64]:
    """Return the (offset,) longitudinal magnetisation of water over its equilibrium right after the train.

    Parameters
    ----------
    pool : Pool
        Water with the pools it exchanges with.
    train : SaturationTrain
    offsets : (offset,) array
        Of the RF from the nominal water frequency, Hz.
    b0 : float
        T.
    gamma_bar : float
        Hz/T.
    b0_offset : float
        True water frequency over the nominal one, Hz.
    b1 : float
        Transmit field relative to the nominal one.
    start : float
        Longitudinal magnetisation of all pools before the train, over equilibrium.
    """
    system = ExchangeSystem.of(1 / pool.t1, 1 / pool.t2, pool.exchange, gamma_bar * b0)
    first = np.concatenate([start * system.rest(), [1.0]])
    pause = matrix_exponential(system.generator(0.0, b0_offset, 0.0) * train.pause)
    after = np.eye(system.size + 1)
    if train.spoiled:
        after[: 2 * system.liquids] = 0.0
    water = 2 * system.liquids
    spectrum = []
    for offset in np.asarray(offsets, dtype=np.float64).ravel():
        pulse = Pulse(
            dt=np.full(len(train.b1), train.dwell),
            b1=train.b1 * np.exp(-2j * np.pi * offset * train.dwell * (np.arange(len(train.b1)) + 0.5)),
            gradient=np.zeros((len(train.b1), 3)),
            flip=0.0,
            centre=0.0,
            use="saturation",
            frequency=float(offset),
        )
        played = after @ pulse_matrix(system, pulse, gamma_bar, offset=b0_offset, b1=b1)
        whole = played @ np.linalg.matrix_power(pause @ played, train.pulses - 1) if train.pulses > 1 else played
        spectrum.append((whole @ first)[water])
    return np.array(spectrum)

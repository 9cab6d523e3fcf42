"""What the gradients of one block add up to on the grid's axes, its rotation included."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .events import Adc, Gradient
from .gradients import moments
from .sequence import Block


def collected(block: Block, at: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the (n, 3) gradient areas from the start of the block to each time (ns), T s/m."""
    areas = np.stack([moments(gradient, at) for gradient in block.gradients], axis=-1)
    return areas if block.rotation is None else np.asarray(areas @ block.rotation.T)


def sampled(block: Block, adc: Adc) -> NDArray[np.float64]:
    """Return the (sample, 3) gradient areas from the start of the block to each sample, T s/m.

    Sample times are half dwells, which are whole nanoseconds for even dwells only: the middle of an odd dwell is
    taken from the two nanoseconds around it.
    """
    doubled = 2 * adc.delay + adc.dwell * (2 * np.arange(adc.samples, dtype=np.int64) + 1)
    return np.asarray((collected(block, doubled // 2) + collected(block, (doubled + 1) // 2)) / 2)


def turned(block: Block) -> tuple[Gradient | None, Gradient | None, Gradient | None]:
    """Return the three gradients after the block's rotation, x, y, z; exact, on the knots of all three."""
    if block.rotation is None:
        return block.gradients
    played = [gradient for gradient in block.gradients if gradient is not None]
    if not played:
        return None, None, None
    times, waves = on_common_knots(block.gradients)
    waves = waves @ block.rotation.T
    x, y, z = (Gradient(times=times, amplitudes=waves[:, a]) if np.any(waves[:, a]) else None for a in range(3))
    return x, y, z


def on_common_knots(gradients: tuple[Gradient | None, ...]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the (n,) knots of all gradients together, ns, and their (n, axis) amplitudes there, T/m."""
    times = np.unique(np.concatenate([gradient.times for gradient in gradients if gradient is not None]))
    waves = np.zeros((len(times), len(gradients)))
    for axis, gradient in enumerate(gradients):
        if gradient is not None:
            waves[:, axis] = np.interp(times, gradient.times, gradient.amplitudes, left=0.0, right=0.0)
    return times, waves

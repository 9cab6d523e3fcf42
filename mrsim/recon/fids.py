"""From the readouts of single-voxel spectroscopy to one time signal: coils, drifts, eddy currents, averages.

Signals go as exp(-i 2 pi f t). Coils are combined with the weights that a reference gives them after whitening, which
is the combination of highest SNR. Frequency and phase of each average are found by spectral registration, least
squares against the mean of all in the time domain (Near 2015, doi:10.1002/mrm.25094). Eddy currents turn the phase of
the water reference, and with it that of all signals; it is subtracted point by point (Klose 1990,
doi:10.1002/mrm.1910140104).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .combine import mix, whitening

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
FIRST_POINTS = 16
"""Points whose singular vector gives the coils' weights."""
ROUNDS = 30
"""Of Gauss-Newton steps; each average ends when its step is below a millionth."""
PASSES = 3
"""How often all averages are registered to their mean."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Drift:
    """How each average differs from the mean."""

    frequency: Array
    """(average,) Hz: what was added to the reference's frequency."""
    phase: Array
    """(average,) rad, of the factor exp(i phase)."""


def coil_weights(reference: Complex, density: Complex) -> tuple[Complex, float]:
    """Return the (coil,) weights w of the combination sum w d, and the noise density of its result.

    Parameters
    ----------
    reference : (coil, point) array
        Strong signal, e.g. of unsuppressed water.
    density : (coil, coil) array
        Noise covariance of the coils.
    """
    whitener, variance = whitening(density)
    white = mix(whitener, reference)[:, :FIRST_POINTS]
    vector = np.linalg.svd(white, full_matrices=False)[0][:, 0]
    vector = vector * np.exp(1j * np.angle(np.sum(vector.conj()[:, None] * white)))  # the reference begins at phase 0
    return np.asarray(vector.conj() @ whitener), variance


def register(signals: Complex, dwell: float, until: float = 0.2, fixed: Complex | None = None) -> tuple[Complex, Drift]:
    """Return the aligned (average, point) signals and their drifts.

    Parameters
    ----------
    signals : (average, point) array
    dwell : float
        s.
    until : float
        What lies beyond this time, s, is noise and does not count.
    fixed : (point,) array, optional
        What to align to; the mean of the averages by default, found in passes.
    """
    count = max(8, min(signals.shape[1], round(until / dwell)))
    time = np.arange(count) * dwell
    frequency, phase = np.zeros(len(signals)), np.zeros(len(signals))
    target = signals[0] if fixed is None else fixed
    for _ in range(PASSES if fixed is None else 1):
        for index, signal in enumerate(signals[:, :count]):
            frequency[index], phase[index] = _fit(signal, target[:count], time, dwell)
        aligned = _turned(signals, frequency, phase, dwell)
        if fixed is None:
            target = aligned.mean(axis=0)
    if fixed is None:  # the mean average drifts neither in frequency nor in phase
        frequency, phase = frequency - frequency.mean(), phase - np.angle(np.mean(np.exp(1j * phase)))
    return _turned(signals, frequency, phase, dwell), Drift(frequency=frequency, phase=phase)


def _turned(signals: Complex, frequency: Array, phase: Array, dwell: float) -> Complex:
    """Return the signals with their drifts taken out."""
    time = np.arange(signals.shape[1]) * dwell
    return np.asarray(signals * np.exp(1j * (2 * np.pi * frequency[:, None] * time - phase[:, None])))


def _fit(signal: Complex, target: Complex, time: Array, dwell: float) -> tuple[float, float]:
    """Return f and phi of the least-squares fit signal = target exp(-i 2 pi f t + i phi)."""
    product = signal * target.conj()
    padded = 4 * len(time)
    peak = int(np.argmax(np.abs(np.fft.ifft(product, padded))))
    frequency = (peak if peak < padded / 2 else peak - padded) / (padded * dwell)
    phase = float(np.angle(np.sum(product * np.exp(2j * np.pi * frequency * time))))
    for _ in range(ROUNDS):
        model = target * np.exp(1j * (phase - 2 * np.pi * frequency * time))
        rest = signal - model
        slopes = np.stack([-2j * np.pi * time * model, 1j * model])
        normal = np.real(slopes @ slopes.conj().T)
        step = np.linalg.solve(normal, np.real(slopes.conj() @ rest))
        frequency, phase = frequency + step[0], phase + step[1]
        if abs(step[0]) * time[-1] < 1e-6 and abs(step[1]) < 1e-6:
            break
    return float(frequency), float((phase + np.pi) % (2 * np.pi) - np.pi)


def without_eddy_currents(signals: Complex, water: Complex) -> Complex:
    """Return (..., point) signals with the phase of the (point,) water signal subtracted at every point.

    What was at the frequency of the water then lies at zero.
    """
    size = np.abs(water)
    turn = np.divide(water.conj(), size, out=np.ones_like(water), where=size > 0)
    return np.asarray(signals * turn)


def kept(signals: Complex, limit: float) -> NDArray[np.bool_]:
    """Return which (average, point) signals to average: those whose distance from the median is not far off.

    An average is rejected where its mean squared distance exceeds the median of all by `limit` robust standard
    deviations; zero keeps all.
    """
    if limit <= 0 or len(signals) < 4:
        return np.ones(len(signals), dtype=bool)
    middle = np.median(signals.real, axis=0) + 1j * np.median(signals.imag, axis=0)
    distance = np.mean(np.abs(signals - middle) ** 2, axis=1)
    centre = float(np.median(distance))
    spread = 1.4826 * float(np.median(np.abs(distance - centre)))
    return np.asarray(distance <= centre + limit * max(spread, 1e-3 * centre))

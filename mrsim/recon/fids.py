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
ALIKE = 1e-2
"""Root of the mean squared distance of an average from the median of all, over its size, that makes no outlier."""
FIRST_POINTS = 16
"""Points whose singular vector gives the coils' weights."""
ROUNDS = 30
"""Of Gauss-Newton steps; each average ends when its step is below a millionth."""
PASSES = 3
"""How often all averages are registered to their mean."""
REACH = 25.0
"""Largest drift that is looked for, Hz."""
WANTED = 1.5
"""Standard error with which noise may leave the frequency of a frame, Hz."""


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


def register(
    signals: Complex, dwell: float, until: float = 0.2, fixed: Complex | None = None, noise: float = 0.0
) -> tuple[Complex, Drift]:
    """Return the aligned (average, point) signals and their drifts.

    Parameters
    ----------
    signals : (average, point) array
        In the order in which they were measured.
    dwell : float
        s.
    until : float
        What lies beyond this time, s, is noise and does not count.
    fixed : (point,) array, optional
        What to align to; the mean of the averages by default, found in passes.
    noise : float
        Standard deviation of one quadrature channel of one average; 0 takes every difference for drift.
    """
    count = max(8, min(signals.shape[1], round(until / dwell)))
    time = np.arange(count) * dwell
    frames = [np.arange(len(signals))[[i]] for i in range(len(signals))]
    target, aligned = (signals[0] if noise == 0 else signals.mean(axis=0)) if fixed is None else fixed, signals
    frequency, phase = np.zeros(len(signals)), np.zeros(len(signals))
    for _ in range(PASSES if fixed is None else 1):
        spread = _spread(target[:count], time, noise, len(signals) if fixed is None else 0)
        frames = _frames(len(signals), spread[0])
        found = [_fit(signals[frame, :count].mean(axis=0), target[:count], time, dwell) for frame in frames]
        size = np.array([len(frame) for frame in frames])
        shifts = _kept_part(np.array([pair[0] for pair in found]), spread[0], size)
        turns = np.array([pair[1] for pair in found])
        middle = float(np.angle(np.sum(np.exp(1j * turns))))
        turns = middle + _kept_part((turns - middle + np.pi) % (2 * np.pi) - np.pi, spread[1], size)
        if len(frames) > 1 or noise == 0:
            frequency, phase = np.repeat(shifts, size), np.repeat(turns, size)
        aligned = _turned(signals, frequency, phase, dwell)
        if fixed is None:
            target = aligned.mean(axis=0)
    if fixed is None:  # the mean average drifts neither in frequency nor in phase
        frequency, phase = frequency - frequency.mean(), phase - np.angle(np.mean(np.exp(1j * phase)))
    return _turned(signals, frequency, phase, dwell), Drift(frequency=frequency, phase=phase)


def _spread(target: Complex, time: Array, noise: float, averages: int) -> tuple[float, float]:
    """Return the bounds on the standard errors of frequency, Hz, and phase, rad, of one average.

    The target's own noise, if it is a mean of `averages`, is taken off its power.
    """
    if noise == 0:
        return 0.0, 0.0
    power = np.abs(target) ** 2 - (2 * noise**2 / averages if averages else 0.0)
    turn = 2 * np.pi * time
    a, b, c = (float(np.sum(power * each)) for each in (turn**2, turn, np.ones_like(time)))
    bound = a * c - b * b
    if a <= 0 or c <= 0 or bound <= 0:
        return np.inf, np.inf
    return float(noise * np.sqrt(c / bound)), float(noise * np.sqrt(a / bound))


def _frames(count: int, spread: float) -> list[NDArray[np.intp]]:
    """Return the averages of each frame: so many that noise leaves its frequency known; one frame if none can be."""
    length = (spread / WANTED) ** 2
    frames = count if length <= 1 else 1 if length > count / 2 else int(count // np.ceil(length))
    return list(np.array_split(np.arange(count), frames))


def _kept_part(values: Array, spread: float, size: NDArray[np.intp]) -> Array:
    """Return values drawn towards their mean by the share of their scatter that noise explains."""
    if spread == 0 or len(values) < 2 or not np.isfinite(spread):
        return values
    middle = float(np.average(values, weights=size))
    scatter = float(np.sum(size * (values - middle) ** 2)) / spread**2
    return np.asarray(middle + max(0.0, 1 - (len(values) - 1) / max(scatter, 1e-300)) * (values - middle))


def _turned(signals: Complex, frequency: Array, phase: Array, dwell: float) -> Complex:
    """Return the signals with their drifts taken out."""
    time = np.arange(signals.shape[1]) * dwell
    return np.asarray(signals * np.exp(1j * (2 * np.pi * frequency[:, None] * time - phase[:, None])))


def _fit(signal: Complex, target: Complex, time: Array, dwell: float) -> tuple[float, float]:
    """Return f and phi of the least-squares fit signal = target exp(-i 2 pi f t + i phi)."""
    product = signal * target.conj()
    padded = 4 * len(time)
    near = np.abs(np.fft.fftfreq(padded, dwell)) <= REACH
    peak = int(np.argmax(np.abs(np.fft.ifft(product, padded)) * near))
    frequency = (peak if peak < padded / 2 else peak - padded) / (padded * dwell)
    phase = float(np.angle(np.sum(product * np.exp(2j * np.pi * frequency * time))))
    for _ in range(ROUNDS):
        model = target * np.exp(1j * (phase - 2 * np.pi * frequency * time))
        rest = signal - model
        slopes = np.stack([-2j * np.pi * time * model, 1j * model])
        normal = np.real(slopes @ slopes.conj().T)
        step = np.linalg.solve(normal, np.real(slopes.conj() @ rest))
        frequency, phase = frequency + step[0], phase + step[1]
        frequency = float(np.clip(frequency, -REACH, REACH))
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
    deviations; zero keeps all. One within `ALIKE` of the median stays: without noise the smallest difference would
    count.
    """
    if limit <= 0 or len(signals) < 4:
        return np.ones(len(signals), dtype=bool)
    middle = np.median(signals.real, axis=0) + 1j * np.median(signals.imag, axis=0)
    distance = np.mean(np.abs(signals - middle) ** 2, axis=1)
    centre = float(np.median(distance))
    spread = 1.4826 * float(np.median(np.abs(distance - centre)))
    far = max(centre + limit * max(spread, 1e-3 * centre), ALIKE**2 * float(np.mean(np.abs(middle) ** 2)))
    return np.asarray(distance <= far)

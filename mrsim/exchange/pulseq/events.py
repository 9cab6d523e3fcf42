"""Pulses, gradients and ADC windows from the rows of a Pulseq file.

Shapes are expanded once and shared. Pulseq's shapes and phases are for exp(+i ...): shapes are conjugated, while
phases and frequencies keep their numbers, because B1 = b exp(-i (2 pi f t + phase)) here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...sequence.events import Gradient, RfPulse
from ...sequence.scanner import Scanner
from .shapes import MOST_SAMPLES, expanded
from .tables import PulseqFile
from .text import Row

USES = {"e": "excitation", "r": "refocusing", "i": "inversion", "s": "saturation", "p": "preparation",
        "o": "preparation"}  # fmt: skip
"""Pulseq's letters; ``u`` is undefined."""
MOST_ALL_SHAPES = 200_000_000
"""Samples of all shapes that one file may expand to: 1.6 GB."""


@dataclass(slots=True, eq=False)
class Events:
    """The events of one file, made when they are first asked for."""

    file: PulseqFile
    scanner: Scanner
    rf_raster: int
    """ns."""
    gradient_raster: int
    """ns."""
    _shapes: dict[int, NDArray[np.float64]] = field(default_factory=dict)
    _signals: dict[tuple[float, int, int, int], tuple[NDArray[np.complex128], int]] = field(default_factory=dict)
    _gradients: dict[tuple[int, float], Gradient] = field(default_factory=dict)
    _expanded: int = 0

    def shape(self, identifier: int) -> NDArray[np.float64]:
        """Return a shape's samples."""
        if identifier not in self._shapes:
            stored = self.file.shapes[identifier]
            self._expanded += stored.samples
            if self._expanded > MOST_ALL_SHAPES:
                raise self.file.error("SHAPES", f"all shapes together exceed {MOST_ALL_SHAPES:,} samples", stored.line)
            samples = expanded(stored)
            if isinstance(samples, str):
                raise self.file.error("SHAPES", f"shape {identifier} {samples}", stored.line)
            self._shapes[identifier] = samples
        return self._shapes[identifier]

    def offsets(self, row: Row) -> tuple[float, float]:
        """Return frequency, Hz, and phase, rad, with the parts that scale with the field (1.5: ppm, rad/MHz)."""
        larmor = abs(self.scanner.gamma_bar) * self.scanner.b0 * 1e-6
        frequency = row["frequency"] + row["frequency_ppm"] * larmor
        return frequency, row["phase"] + row["phase_ppm"] * larmor

    def pulse(self, identifier: int, use: str = "", weight: complex = 1.0) -> RfPulse:
        """Return a pulse; `use` where the file does not say it, `weight` of a one-channel shim."""
        row = self.file.rows("RF")[identifier]
        signal, dwell = self._signal(row, weight)
        frequency, phase = self.offsets(row)
        area = 2 * np.pi * abs(self.scanner.gamma_bar) * abs(complex(np.sum(signal))) * dwell * 1e-9
        centre = row.nanoseconds("centre") if "centre" in row.values else peak(signal, dwell)
        if not 0 <= centre <= len(signal) * dwell:
            raise self.file.error("RF", f"event {identifier}: its centre lies outside the pulse", row.line)
        known = USES.get(row.words.get("use", "u"), use)
        return RfPulse(
            signal=signal, dwell=dwell, delay=self._delay("RF", identifier, row), frequency=frequency, phase=phase,
            centre=centre, flip=area, use=known or "excitation",
        )  # fmt: skip

    def modulation(self, identifier: int, row: Row, samples: int) -> tuple[float, float]:
        """Return an ADC's phase modulation as turns per sample and the phase at the window's start, rad.

        Windows have a frequency and a phase here; a modulation that is no straight line is refused.
        """
        shape = self.shape(row.whole("phase_shape"))
        if len(shape) != samples:
            problem = f"event {identifier} has {samples} samples, its phase modulation {len(shape)}"
            raise self.file.error("ADC", problem, row.line)
        smooth = np.unwrap(shape)
        slope = float(smooth[-1] - smooth[0]) / max(samples - 1, 1)
        line = smooth[0] + slope * np.arange(samples)
        if np.abs(smooth - line).max() > 1e-3:
            problem = f"event {identifier}: its phase modulation bends by {np.abs(smooth - line).max():.3g} rad"
            raise self.file.error("ADC", f"{problem}; only straight ones, which are a frequency, are played", row.line)
        return slope / (2 * math.pi), float(smooth[0]) - slope / 2

    def _delay(self, section: str, identifier: int, row: Row) -> int:
        delay = row.nanoseconds("delay")
        if delay < 0:
            raise self.file.error(section, f"event {identifier}: a delay of {row['delay']:g} us is negative", row.line)
        return delay

    def _signal(self, row: Row, weight: complex) -> tuple[NDArray[np.complex128], int]:
        """Return the (n,) samples, T, and their dwell, ns."""
        shapes = row.whole("magnitude"), row.whole("phase_shape"), row.whole("time")
        key = (row["amplitude"] * abs(weight), *shapes)
        if key not in self._signals or weight != 1.0:
            magnitude = self.shape(shapes[0])
            turns = self.shape(shapes[1]) if shapes[1] else np.zeros(len(magnitude))
            if len(turns) != len(magnitude):
                problem = f"magnitude has {len(magnitude)} samples, phase {len(turns)}"
                raise self.file.error("RF", problem, row.line)
            dwell = self.rf_raster
            if shapes[2]:
                magnitude, turns, dwell = self._resampled(magnitude, turns, self.shape(shapes[2]), row)
            tesla = row["amplitude"] / abs(self.scanner.gamma_bar)
            signal = np.asarray(np.conj(weight) * tesla * magnitude * np.exp(-2j * np.pi * turns))
            if weight != 1.0:
                return _coarsest(signal, dwell)
            self._signals[key] = _coarsest(signal, dwell)
        return self._signals[key]

    def _resampled(
        self, magnitude: NDArray[np.float64], turns: NDArray[np.float64], rasters: NDArray[np.float64], row: Row
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
        """Return a pulse with a time shape as equal steps: its own dwell, one step, or the raster."""
        n = len(magnitude)
        if len(rasters) != n or n == 0 or rasters[0] < 0 or np.any(np.diff(rasters) < 0):
            raise self.file.error("RF", "the time shape does not ascend with the magnitude's samples", row.line)
        steps = math.ceil(rasters[-1] - 1e-6)
        if not 1 <= steps <= MOST_SAMPLES:
            raise self.file.error("RF", f"the time shape ends after {rasters[-1]:g} rasters", row.line)
        dwell = 2 * rasters[0]
        if dwell >= 1 and dwell == round(dwell) and np.allclose(rasters, (np.arange(n) + 0.5) * dwell, atol=1e-4):
            return magnitude, turns, round(dwell) * self.rf_raster
        if rasters[0] == 0 and np.ptp(magnitude) == 0 and np.ptp(turns) == 0:
            return magnitude[:1], turns[:1], steps * self.rf_raster
        at = np.arange(steps) + 0.5
        smooth = np.unwrap(turns, period=1.0)
        return np.interp(at, rasters, magnitude, 0.0, 0.0), np.interp(at, rasters, smooth), self.rf_raster

    def gradient(self, identifier: int, before: float) -> Gradient:
        """Return a gradient.

        Parameters
        ----------
        identifier : int
        before : float
            Where the axis stood at the end of the block before, Hz/m: the first value of shapes before version 1.5.
        """
        key = (identifier, before)
        if key not in self._gradients:
            row = self.file.rows("TRAP").get(identifier)
            times, values = self._trapezoid(identifier, row) if row is not None else self._free(identifier, before)
            self._gradients[key] = Gradient(times=times, amplitudes=values / self.scanner.gamma_bar)
        return self._gradients[key]

    def _trapezoid(self, identifier: int, row: Row) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        lengths = [row.nanoseconds(name) for name in ("delay", "rise", "flat", "fall")]
        if min(lengths) < 0:
            raise self.file.error("TRAP", f"gradient {identifier} has a negative time", row.line)
        amplitude = row["amplitude"]
        if amplitude == 0:
            ends = [lengths[0], max(sum(lengths), lengths[0] + 1)]
            return np.array(ends, dtype=np.int64), np.zeros(2)
        if min(lengths[1], lengths[3]) == 0:
            problem = f"gradient {identifier} jumps to {amplitude:g} Hz/m without a ramp; no scanner plays that"
            raise self.file.error("TRAP", problem, row.line)
        times = np.cumsum(lengths, dtype=np.int64)
        values = np.array([0.0, amplitude, amplitude, 0.0])
        fresh = np.concatenate([[True], np.diff(times) > 0])
        return times[fresh], values[fresh]

    def _free(self, identifier: int, before: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return knots of an arbitrary shape: samples at raster centres, at half rasters, or at given times."""
        row = self.file.rows("GRADIENTS")[identifier]
        delay = self._delay("GRADIENTS", identifier, row)
        values = row["amplitude"] * self.shape(row.whole("shape"))
        first, last = self._ends(row, values, 0.0 if delay else before)
        half, n, timing = self.gradient_raster / 2, len(values), row.whole("time")
        if timing > 0:
            rasters = self.shape(timing)
            times = np.rint(rasters * self.gradient_raster).astype(np.int64)
            if len(rasters) != n or n < 2 or times[0] < 0 or np.any(np.diff(times) <= 0):
                problem = f"gradient {identifier}: the times do not ascend with the {n} amplitudes"
                raise self.file.error("GRADIENTS", problem, row.line)
            return times + delay, values
        if timing < 0 and n % 2 == 0:
            problem = f"gradient {identifier} is sampled at half rasters and has {n} samples; the number must be odd"
            raise self.file.error("GRADIENTS", problem, row.line)
        inner, end = (np.arange(1, n + 1), n + 1) if timing < 0 else (2 * np.arange(n) + 1, 2 * n)
        times = np.rint(np.concatenate([[0], inner, [end]]) * half).astype(np.int64)
        return times + delay, np.concatenate([[first], values, [last]])

    def _ends(self, row: Row, values: NDArray[np.float64], before: float) -> tuple[float, float]:
        """Return the values at the two edges, Hz/m: written from 1.5 on, else continued and extrapolated."""
        if "first" in row.values:
            return row["first"], row["last"]
        if row.whole("time") or len(values) < 2:
            return before, float(values[-1])
        return before, float(3 * values[-1] - values[-2]) / 2

    def last_value(self, identifier: int, before: float, block: int) -> float:
        """Return where a gradient stands at the end of a block of `block` ns, Hz/m: 0 if it ends earlier."""
        if identifier in self.file.rows("TRAP"):
            return 0.0
        times, values = self._free(identifier, before)
        return float(values[-1]) if times[-1] >= block else 0.0


def _coarsest(signal: NDArray[np.complex128], dwell: int) -> tuple[NDArray[np.complex128], int]:
    """Return the same steps with as few samples as they need: a hard pulse is one."""
    edges = np.flatnonzero(signal[1:] != signal[:-1]) + 1
    step = int(np.gcd.reduce(np.append(edges, len(signal))))
    return (signal[::step].copy(), dwell * step) if step > 1 else (signal, dwell)


def peak(signal: NDArray[np.complex128], dwell: int) -> int:
    """Return the middle of a pulse's plateau of largest amplitude, ns from its start."""
    magnitude = np.abs(signal)
    if not magnitude.any():
        return len(signal) * dwell // 2
    top = np.flatnonzero(magnitude >= 0.99999 * magnitude.max())
    return round(float(top[0] + top[-1] + 1) / 2 * dwell)


def rotation_matrix(file: PulseqFile, identifier: int) -> NDArray[np.float64]:
    """Return the (3, 3) rotation of a unit quaternion (q0, qx, qy, qz)."""
    row = file.rows("extension ROTATIONS")[identifier]
    quaternion = np.array([row[name] for name in ("q0", "qx", "qy", "qz")])
    norm = float(np.linalg.norm(quaternion))
    if abs(norm - 1) > 1e-3:
        problem = f"rotation {identifier} has a quaternion of length {norm:.4g}; it must be 1"
        raise InputError(problem, key="extension ROTATIONS", file=file.path, line=row.line)
    w, x, y, z = quaternion / norm
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )

"""Gradient impulse response: the measured transfer function of each coil, applied to the whole scan.

The file is text: a line per frequency with seven numbers, separated by commas or blanks: frequency (Hz, from 0 on,
evenly spaced), then real and imaginary part for x, y and z; lines that begin with # are comments. Convention: a
gradient exp(+i 2 pi f t) comes out multiplied by the response (Vannesjo 2013, doi:10.1002/mrm.24263). The nominal
waveform is sampled every 1 / (2 f_max), convolved, and taken as linear in between: it holds what lies below f_max.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core.bounded import check_file
from ...core.errors import InputError
from .axis_wave import Array, PiecewiseLinear

MOST_SAMPLES = 200_000_000
"""Longest scan over shortest step that is convolved: 1.6 GB an axis."""


def read_response(path: str) -> tuple[Array, NDArray[np.complex128]]:
    """Return the (n,) frequencies, Hz, and the (3, n) complex response of a file."""
    place = Path(path)
    check_file(place, text=True)
    try:
        lines = place.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", key="gradient_response", file=place) from None
    except UnicodeDecodeError:
        raise InputError("is not UTF-8 text", key="gradient_response", file=place) from None
    rows = [_row(text, number, place) for number, text in enumerate(lines, 1) if text.split("#")[0].strip()]
    if len(rows) < 2:
        raise InputError(f"has {len(rows)} frequencies; at least 2 are needed", key="gradient_response", file=place)
    table = np.array(rows)
    step = np.diff(table[:, 0])
    if table[0, 0] != 0.0 or step[0] <= 0 or np.any(np.abs(step - step[0]) > 1e-6 * step[0]):
        problem = "frequencies must run from 0 Hz in even steps; write them so"
        raise InputError(problem, key="gradient_response", file=place)
    return table[:, 0], np.ascontiguousarray((table[:, 1::2] + 1j * table[:, 2::2]).T)


def _row(text: str, number: int, place: Path) -> list[float]:
    words = text.split("#")[0].replace(",", " ").split()
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if len(values) != 7 or not all(np.isfinite(values)):
        problem = f"'{text.strip()[:60]}' is not seven finite numbers: frequency, then real and imaginary of x, y, z"
        raise InputError(problem, key="gradient_response", file=place, line=number)
    return values


def respond(wave: PiecewiseLinear, frequency: Array, response: NDArray[np.complex128]) -> PiecewiseLinear:
    """Return a gradient after the coil's response; its memory is 1 / (frequency step), half of it for echoes ahead."""
    from scipy.signal import oaconvolve

    step = 1 / (2 * frequency[-1])
    count = int(np.ceil((wave.times[-1] - wave.times[0]) / step)) + 1
    if count > MOST_SAMPLES:
        problem = f"needs {count:.3g} samples of the scan, more than {MOST_SAMPLES:.3g}; lower its highest frequency"
        raise InputError(problem, key="gradient_response")
    kernel = np.fft.irfft(response)  # circular: what comes before t = 0 stands in the second half
    half = len(kernel) // 2
    times = wave.times[0] + step * np.arange(count)
    sampled = wave.at(times)
    played = oaconvolve(sampled, np.roll(kernel, half))[half : half + count]
    return PiecewiseLinear(times=times, values=np.asarray(played, dtype=np.float64))

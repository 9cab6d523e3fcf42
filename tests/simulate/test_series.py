"""The series for sines and cosines err by no more than their docstrings say, against long double."""

import numpy as np
import pytest

from mrsim.simulate.sampling import LARGEST_BEND, SLIGHT_BEND, SLIGHT_SHIFT, sine_of_shift
from mrsim.simulate.steps import MAX_HALF_ANGLE, SHORT_HALF_ANGLE, rotation_series, turn_series

LONG = np.longdouble
PI = LONG("3.14159265358979323846264338327950288")


def sinc(x):
    return np.where(x == 0, LONG(1), np.sin(x) / np.where(x == 0, LONG(1), x))


def tangent(p):
    return np.where(p == 0, PI, np.tan(PI * p) / np.where(p == 0, LONG(1), p))


def error(terms, wave, largest):
    """Return the largest error over the largest value."""
    x = np.linspace(0, float(largest), 2001).astype(LONG)
    found = sum(LONG(c) * x ** (2 * k) for k, c in enumerate(terms))
    return float(np.abs(found - wave(x)).max() / np.abs(wave(x)).max()), found - wave(x), x


@pytest.mark.parametrize(("real", "most", "fifth", "slight", "last"), [
    (np.float64, 3e-15, 3e-15, 1e-15, 1e-15), (np.float32, 1e-7, 1e-6, 4e-9, 1e-6),
])  # fmt: skip
def test_turns(real, most, fifth, slight, last):
    bend, shift = SLIGHT_BEND[real], SLIGHT_SHIFT[real]
    series = turn_series(real).astype(LONG)
    unit = LONG(sine_of_shift(real))
    series[7:] *= unit ** (2 * np.arange(8) + 1)
    root = np.sqrt(LONG(2))
    waves = {
        0: (lambda p: root * np.cos(PI * p), 0.5), 1: (lambda p: root * PI * sinc(PI * p), 0.5),
        2: (lambda p: np.cos(2 * PI * p), LARGEST_BEND), 3: (lambda p: 2 * PI * sinc(2 * PI * p), LARGEST_BEND),
        4: (lambda p: root * PI * sinc(PI * p), 0.5), 5: (tangent, bend),
        6: (lambda p: 2 * PI * sinc(2 * PI * p), bend), 7: (tangent, shift),
        8: (lambda p: 2 * PI * sinc(2 * PI * p), shift),
    }  # fmt: skip
    for row, (wave, largest) in waves.items():
        relative, wrong, p = error(series[row], wave, largest)
        if row < 5:
            assert relative <= (fifth if row == 4 else most), row
        else:
            assert float(np.abs(wrong * p).max()) <= (slight if row < 7 else last), row


@pytest.mark.parametrize(("real", "most", "short"), [(np.float64, 1e-15, 2e-14), (np.float32, 3e-8, 3e-8)])
def test_rotations(real, most, short):
    series, root = rotation_series(real), np.sqrt(LONG(2))
    waves = {
        0: (lambda h: root * np.cos(h), MAX_HALF_ANGLE, 0), 1: (lambda h: root * sinc(h), MAX_HALF_ANGLE, 1),
        2: (lambda h: sinc(h / 2) ** 2, SHORT_HALF_ANGLE, 2), 3: (lambda h: 2 * sinc(h), SHORT_HALF_ANGLE, 1),
        5: (lambda h: sinc(h / 2) ** 2, MAX_HALF_ANGLE, 2), 6: (lambda h: 2 * sinc(h), MAX_HALF_ANGLE, 1),
    }  # fmt: skip
    for row, (wave, largest, power) in waves.items():
        _, wrong, h = error(series[row], wave, largest)
        assert float(np.abs(wrong * h**power).max()) <= (short if row == 2 else most), row

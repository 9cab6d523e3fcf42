"""What a figure of spectra draws of a series, and of an edited pair."""

import numpy as np
import pytest

import mrsim as mr
from mrsim.core.spectra import Spectra
from mrsim.report.spectra import spectra_figure

TIME = np.arange(256) / 2500.0
LINE = np.exp(-8 * TIME - 2j * np.pi * -400.0 * TIME)


def series(contrast: dict[str, list[float]], **more: object) -> Spectra:
    return Spectra(
        data=np.stack([2 * LINE, 0.5 * LINE])[:, None] * np.exp(0.7j), dwell=1 / 2500.0, frequency=127.7e6,
        grid=mr.Grid(shape=(1, 1, 1), spacing=(0.01, 0.01, 0.01)),
        contrast={key: np.array(value) for key, value in contrast.items()},
        sigma=np.zeros((2, 1, 1)), noisy=False, **more,
    )  # fmt: skip


def heights(spectra: Spectra) -> dict[str, float]:
    """Return the largest real value of each curve, by its words."""
    axes = spectra_figure(spectra).figure.axes[0]
    drawn = [line for line in axes.lines if not str(line.get_label()).startswith("_")]
    return {str(line.get_label()): float(np.max(np.asarray(line.get_ydata()))) for line in drawn}


def test_an_edited_pair_is_drawn_with_its_difference_all_turned_alike() -> None:
    found = heights(series({"te": [0.144, 0.144], "editing": [-0.55e-6, 0.55e-6]}))
    on, off, difference = found.values()
    assert list(found) == ["editing pulses at 4.10 ppm", "editing pulses at 5.20 ppm", "difference"]
    assert [on / off, difference / off] == pytest.approx([4.0, 3.0], rel=1e-6)


def test_a_series_is_drawn_by_its_echo_times() -> None:
    assert list(heights(series({"te": [0.03, 0.144]}))) == ["TE 30 ms", "TE 144 ms"]

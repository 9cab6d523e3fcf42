"""Files that leave lines of k-space out say so, and their images show it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from mrsim.cli import perform
from mrsim.core.storage import load
from mrsim.exchange.pulseq import read_pulseq
from mrsim.exchange.pulseq.coverage import coverage_notes
from mrsim.sequence.scanner import load_scanner

from . import scans

N = scans.N
FOV = (scans.FOV, scans.FOV, 0.0)


def written(lines: Iterable[int], folder: Path) -> Path:
    """A gradient echo of some of 16 lines whose samples lie on the raster."""
    path = folder / "lines.seq"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pp, system, sequence = scans.started()
        gx, adc, _ = scans.readout(pp, system)
        before = pp.make_trapezoid("x", area=-(gx.area + 1 / scans.FOV) / 2, duration=1e-3, system=system)
        for line in lines:
            sequence.add_block(scans.hard(pp, system, 90))
            sequence.add_block(before, scans.phase(pp, system, line))
            sequence.add_block(gx, adc)
            sequence.add_block(pp.make_delay(scans.REST))
        sequence.write(str(path))
    return path


def notes(path: Path) -> list[str]:
    return [note for note in read_pulseq(path, load_scanner("3T")).notes if "k-space" in note]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (range(N), None),
        (range(1, N), None),  # an odd raster
        (range(0, N, 2), "8 of 16 lines were sampled"),
        (range(0, N, 4), "4 of 16 lines were sampled"),
        ([*range(0, 6, 2), *range(6, 10), *range(10, N, 2)], "10 of 16 lines were sampled"),
        ([line for line in range(N) if line != 11], "15 of 16 lines were sampled"),
        (range(6, N), "ky runs from -2 to 7 lines; partial Fourier"),
    ],
)
def test_missing_lines_are_counted(lines, said, tmp_path):
    answer = notes(written(lines, tmp_path))
    assert len(answer) == (said is not None)
    assert said is None or said in answer[0]
    assert said is None or ("will alias" in answer[0]) == ("sampled" in said)


def points(ky: np.ndarray, kz: np.ndarray) -> list[np.ndarray]:
    along = np.arange(-4, 4) / scans.FOV
    return [
        np.stack([along, np.full(8, y / scans.FOV), np.full(8, z / 0.04)], axis=1) for y, z in zip(ky, kz, strict=True)
    ]


def test_ellipse_in_ky_and_kz_is_complete_and_a_sheared_lattice_is_not():
    kz, ky = (axis.ravel() for axis in np.mgrid[-4:4, -8:8])
    size = (scans.FOV, scans.FOV, 0.04)

    def said(kept: np.ndarray) -> list[str]:
        return coverage_notes(points(ky[kept], kz[kept]), np.zeros(int(kept.sum()), dtype=np.int64), size)

    assert said((ky / 8) ** 2 + (kz / 4) ** 2 <= 1) == []
    assert "64 of 128 lines" in said((ky + kz) % 2 == 0)[0]


def test_undersampled_scan_aliases_and_the_command_says_so(tmp_path, capsys):
    source, out = str(written(range(0, N, 2), tmp_path)), tmp_path / "out.h5"
    asked = ["simulate", source, "--phantom", "ellipse", "--field", "3", "--noise-free", "--out", str(out)]
    assert perform(asked) == 0
    said = "k-space is undersampled: 8 of 16 lines were sampled"
    assert f"warning: {said}" in capsys.readouterr().err
    contents = load(out)
    assert any(said in warning for warning in contents["raw"].history["warnings"])
    image = contents["images"].data[0, 0]
    # every second line repeats the image after half the field of view; the non-uniform transform is exact to 1e-6
    assert np.abs(np.abs(image) - np.abs(np.roll(image, N // 2, axis=0))).max() < 1e-5 * np.abs(image).max()
    assert perform(["show", source, "--field", "3", "--json"]) == 0
    shown = capsys.readouterr()
    assert f"warning: {said}" in shown.err
    assert json.loads(shown.out)["matrix"] == [N, N, 1]

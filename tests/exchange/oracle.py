"""What pypulseq makes of a file, and small versions of every family."""

from __future__ import annotations

import warnings
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mrsim.core.errors import InfeasibleError
from mrsim.sequence.families import FAMILIES
from mrsim.sequence.families.single_voxel import SingleVoxel
from mrsim.sequence.scanner import Scanner
from mrsim.sequence.sequence import Sequence

SMALL = {"matrix": (8, 8), "shape": (8, 8, 4), "averages": 1, "dummies": 1}
"""What makes a protocol small where it has such a field."""


def pypulseq() -> Any:
    """Import pypulseq; its import warns about its own style."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pypulseq as pp
    return pp


def system(scanner: Scanner) -> Any:
    """Return pypulseq's limits for a scanner."""
    pp = pypulseq()
    gamma = scanner.gamma_bar
    return pp.Opts(
        max_grad=scanner.max_gradient * gamma, grad_unit="Hz/m", max_slew=scanner.max_slew * gamma, slew_unit="Hz/m/s",
        rf_dead_time=scanner.rf_dead_time, rf_ringdown_time=scanner.rf_ringdown, adc_dead_time=scanner.adc_dead_time,
        grad_raster_time=scanner.gradient_raster, rf_raster_time=scanner.rf_raster, B0=scanner.b0, gamma=gamma,
        adc_raster_time=scanner.adc_raster, block_duration_raster=scanner.block_raster,
    )  # fmt: skip


def read_by_pypulseq(path: Path, scanner: Scanner) -> Any:
    """Return pypulseq's sequence of a file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sequence = pypulseq().Sequence(system(scanner))
        sequence.read(str(path), remove_duplicates=False)
    return sequence


def small(family: type, scanner: Scanner) -> Sequence:
    """Return a family's sequence with few lines."""
    known = {entry.name for entry in fields(family)}
    wanted = {key: value for key, value in SMALL.items() if key in known}
    if "spokes" in known:
        wanted["spokes"] = 6
    if "matrix" in wanted:
        size = family().matrix
        wanted["matrix"] = 16 if isinstance(size, int) else (8, 8, 4)[: len(size)]
    if "fov" in wanted and isinstance(family().fov, float):
        del wanted["fov"]
    try:
        return family(**wanted).build(scanner)
    except InfeasibleError:
        return family().build(scanner)


def waveform(sequence: Sequence, axis: int, at: np.ndarray) -> np.ndarray:
    """Return a gradient of a sequence at some times, s, in Hz/m; zero between gradients."""
    from mrsim.sequence.played import turned

    times, values = [np.array([-1.0])], [np.zeros(1)]
    for start, block in zip(sequence.starts(), sequence.blocks, strict=True):
        gradient = turned(block)[axis]
        if gradient is not None:
            times.append((gradient.times + start) * 1e-9)
            values.append(gradient.amplitudes * sequence.scanner.gamma_bar)
    knots = np.concatenate(times)
    return np.interp(at, knots, np.concatenate(values), right=0.0)


IMAGING = [family for family in FAMILIES if not issubclass(family, SingleVoxel)]
"""A Pulseq file says nothing of a voxel: spectroscopy is written, and read back as a scan without a grid of its own."""
every_family = pytest.mark.parametrize("family", IMAGING, ids=lambda family: family.name)

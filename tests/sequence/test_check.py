"""The hardware check finds every violation that is put into a clean sequence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mrsim.core.grid import Grid, orientation_axes
from mrsim.sequence.check import check, margins
from mrsim.sequence.events import Adc, Gradient
from mrsim.sequence.families.spin_echo import SpinEcho


@pytest.fixture
def clean(scanner):
    sequence = SpinEcho(matrix=(16, 16)).build(scanner)
    assert sequence.check() == ()
    return sequence


def with_block(sequence, name, **changes):
    """Return the sequence with changes to the first block of that name, and its index."""
    index = next(i for i, block in enumerate(sequence.blocks) if block.name == name)
    blocks = list(sequence.blocks)
    blocks[index] = replace(blocks[index], **{key: make(blocks[index]) for key, make in changes.items()})
    return replace(sequence, blocks=tuple(blocks)), index


def ramped(peak, rise=10_000, start=0):
    times = start + np.array([0, rise, rise + 200_000, 2 * rise + 200_000], dtype=np.int64)
    return Gradient(times=times, amplitudes=np.array([0.0, peak, peak, 0.0]))


SEEDED = {
    "amplitude": ("spoil", "physical y", {"gx": lambda b: ramped(0.07, 500_000), "duration": lambda b: 3_000_000}),
    "slew": ("spoil", "physical y", {"gx": lambda b: ramped(0.01)}),
    "knot raster": (
        "spoil",
        "gx",
        {"gx": lambda b: Gradient(times=np.array([0, 15_000, 100_000]), amplitudes=np.array([0.0, 0.001, 0.0]))},
    ),
    "duration raster": ("wait", "block", {"duration": lambda b: b.duration + 1_000}),
    "duration": ("wait", "block", {"duration": lambda b: 0}),
    "dwell raster": ("read 1", "adc", {"adc": lambda b: replace(b.adc, dwell=b.adc.dwell - 50)}),
    "delay raster": ("read 1", "adc", {"adc": lambda b: replace(b.adc, delay=b.adc.delay + 500)}),
    "dead time": ("excite", "rf", {"rf": lambda b: replace(b.rf, delay=90_000)}),
    "ringdown": ("excite", "rf", {"rf": lambda b: replace(b.rf, delay=b.duration - b.rf.duration - 20_000)}),
    "dead time before": ("read 1", "adc", {"adc": lambda b: replace(b.adc, delay=10_000)}),
    "dead time after": ("read 1", "adc", {"adc": lambda b: replace(b.adc, delay=b.duration - b.adc.duration - 10_000)}),
    "overlap: end": ("spoil", "gx", {"gx": lambda b: ramped(0.001, start=b.duration - 100_000)}),
    "overlap with rf: start": (
        "refocus 1",
        "adc",
        {"adc": lambda b: Adc(samples=16, dwell=10_000, delay=b.rf.delay + b.rf.duration - 100_000)},
    ),
    "continuity": (
        "spoil",
        "gx",
        {"gx": lambda b: Gradient(times=np.array([0, 100_000]), amplitudes=np.array([0.01, 0.0]))},
    ),
    "knot order: first": (
        "spoil",
        "gx",
        {"gx": lambda b: Gradient(times=np.array([0, 50_000, 40_000]), amplitudes=np.array([0.0, 0.001, 0.0]))},
    ),
}


@pytest.mark.parametrize("what", SEEDED)
def test_check_finds_the_seeded_violation(clean, what):
    name, where, changes = SEEDED[what]
    broken, index = with_block(clean, name, **changes)
    found = [v for v in check(broken) if v.what == what]
    assert [(v.block, v.name, v.where) for v in found] == [(index, name, where)]
    assert found[0].remedy
    assert f"block {index} ({name}) {where}: {what}" in str(found[0])


def test_check_finds_rf_peak_and_dwell(clean):
    broken, index = with_block(clean, "refocus 1", rf=lambda b: replace(b.rf, signal=b.rf.signal * 2, dwell=14_500))
    found = {v.what: v for v in check(broken) if v.where == "rf"}
    assert found["amplitude"].block == index
    assert found["amplitude"].value > found["amplitude"].limit == pytest.approx(14.0)
    assert "dwell raster" in found


def test_check_finds_a_gradient_left_on_at_the_end_of_a_block(clean):
    def on(block):
        return Gradient(times=np.array([0, 100_000, block.duration]), amplitudes=np.array([0.0, 0.01, 0.01]))

    broken, index = with_block(clean, "spoil", gx=on)
    assert [v.block for v in check(broken) if v.what == "continuity"] == [index + 1]


def test_check_lists_all_violations_in_block_order(clean):
    broken, _ = with_block(clean, "spoil", gx=SEEDED["slew"][2]["gx"])
    broken, _ = with_block(broken, "excite", rf=SEEDED["dead time"][2]["rf"])
    broken, _ = with_block(broken, "wait", duration=SEEDED["duration raster"][2]["duration"])
    blocks = [v.block for v in check(broken)]
    assert len(blocks) >= 3
    assert blocks == sorted(blocks)


def test_slew_remedy_is_enough(clean):
    broken, _ = with_block(clean, "spoil", gx=lambda b: ramped(0.05))
    slew = next(v for v in check(broken) if v.what == "slew")
    # 50 mT/m at 200 T/m/s: 0.25 ms.
    assert slew.remedy == "the ramp needs at least 0.25 ms"
    mended, _ = with_block(clean, "spoil", gx=lambda b: ramped(0.05, 250_000))
    assert check(mended) == ()


def test_amplitude_is_judged_on_the_physical_axes(clean):
    def lobe(_):
        return ramped(0.05, 500_000)

    straight, index = with_block(clean, "spoil", gx=lobe, gy=lobe, duration=lambda b: 3_000_000)
    assert check(straight) == ()
    grid = clean.encoding.grid
    turned = Grid(shape=grid.shape, spacing=grid.spacing, axes=orientation_axes("sagittal", 0.0, np.pi / 4))
    oblique = replace(straight, encoding=replace(straight.encoding, grid=turned))
    found = next(v for v in check(oblique) if v.block == index)
    # 45 degrees: the two add to sqrt(2) of one.
    assert (found.what, found.value) == ("amplitude", pytest.approx(0.05 * np.sqrt(2)))


def test_margins_name_the_tightest_block(clean):
    table = {row.limit_name: row for row in margins(clean)}
    peak = max(np.abs(block.rf.signal).max() for block in clean.blocks if block.rf)
    assert table["RF amplitude"].value == peak
    assert clean.blocks[table["RF amplitude"].block].name == "refocus 1"
    assert 0.9 < table["slew physical x"].value / 70.0 <= 1.0 + 1e-9  # the default slew rate of the families

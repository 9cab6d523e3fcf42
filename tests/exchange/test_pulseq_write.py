from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from mrsim.core.toml import available
from mrsim.exchange.pulseq import pulseq_text, read_pulseq
from mrsim.sequence.families import FAMILIES
from mrsim.sequence.scanner import load_scanner

from .oracle import every_family, read_by_pypulseq, small, waveform

SCANNER = load_scanner("3T")


def written(tmp_path: Path, text: str, name: str = "scan.seq") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@every_family
@pytest.mark.parametrize("version", ["1.4.1", "1.5.0"])
def test_written_family_read_back_is_written_the_same(family, version, tmp_path):
    text = pulseq_text(small(family, SCANNER), version)
    assert pulseq_text(read_pulseq(written(tmp_path, text), SCANNER), version) == text


@every_family
def test_written_family_plays_the_same_waveforms(family, tmp_path):
    sequence = small(family, SCANNER)
    back = read_pulseq(written(tmp_path, pulseq_text(sequence)), SCANNER)
    assert [block.duration for block in back.blocks] == [block.duration for block in sequence.blocks]
    times = np.linspace(0, sequence.duration, 20_001)
    for axis in range(3):
        # Shapes are rounded to 1e-7 of their largest value when they are written.
        largest = max(np.abs(waveform(sequence, axis, times)).max(), 1.0)
        assert np.abs(waveform(back, axis, times) - waveform(sequence, axis, times)).max() < 2e-7 * largest
    for one, other in zip(back.blocks, sequence.blocks, strict=True):
        assert (one.rf is None) == (other.rf is None)
        assert (one.adc is None) == (other.adc is None)
        if one.rf is not None and other.rf is not None:
            fine = np.gcd(one.rf.dwell, other.rf.dwell)
            a, b = (np.repeat(rf.signal, rf.dwell // fine) for rf in (one.rf, other.rf))
            assert np.abs(a - b).max() < 1e-6 * np.abs(b).max()  # magnitude and phase are rounded to 1e-7
            assert (one.rf.delay, one.rf.centre, one.rf.use) == (other.rf.delay, other.rf.centre, other.rf.use)
            assert one.rf.phase == pytest.approx(other.rf.phase, abs=1e-8)
            assert one.rf.frequency == pytest.approx(other.rf.frequency, rel=1e-8)


@every_family
def test_written_family_is_recognised_with_its_echo_times(family, tmp_path):
    sequence = small(family, SCANNER)
    back = read_pulseq(written(tmp_path, pulseq_text(sequence)), SCANNER)
    assert back.encoding.kind == sequence.encoding.kind
    if sequence.encoding.k_from != "labels" or sequence.encoding.kind == "spectrum":
        return
    assert back.encoding.k_from == "labels"
    assert back.encoding.grid.shape == sequence.encoding.grid.shape
    assert np.allclose(back.encoding.grid.spacing, sequence.encoding.grid.spacing, rtol=1e-6)
    # The echo sample lies on k = 0: its time is the echo time to the nanosecond raster of times.
    assert np.allclose(back.encoding.contrast["te"], sequence.encoding.contrast["te"], atol=2e-9)


PRESETS = sorted(available("protocols/scanners"))


@pytest.mark.parametrize("number", range(len(FAMILIES)), ids=[family.name for family in FAMILIES])
def test_pypulseq_finds_the_timing_of_every_family_clean_and_reports_on_it(number, tmp_path):
    # The presets share their rasters; each family takes two of them, so that every field has its turn.
    for turn, version in enumerate(("1.4.1", "1.5.0")):
        scanner = load_scanner(PRESETS[(number + turn) % len(PRESETS)])
        read = read_by_pypulseq(written(tmp_path, pulseq_text(small(FAMILIES[number], scanner), version)), scanner)
        passed, errors = read.check_timing()
        assert passed, (version, errors[:3])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert "Event timing check passed successfully" in read.test_report()

"""The timeline: no gaps, exact moments, distinct pulses once, repetitions bit for bit."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.sequence.discretize import discretize
from mrsim.sequence.events import NS
from mrsim.sequence.families.multi_echo_gradient_echo import MultiEchoGradientEcho
from mrsim.sequence.families.multi_echo_spin_echo import MultiEchoSpinEcho
from mrsim.sequence.families.spin_echo import SpinEcho
from mrsim.sequence.timeline import FREE, READOUT, RF


def test_timeline_segments_follow_each_other_without_gaps(scanner):
    sequence = MultiEchoSpinEcho(matrix=(16, 16), tr=0.2, dummies=1).build(scanner)
    timeline = discretize(sequence)
    assert timeline.start[0] == 0
    np.testing.assert_array_equal(timeline.start[1:], (timeline.start + timeline.duration)[:-1])
    assert int(timeline.duration.sum()) == sum(block.duration for block in sequence.blocks)
    pulses = [timeline.pulses[i] for i in timeline.event[timeline.kind == RF]]
    lengths = [round(float(pulse.dt.sum()) * 1e9) for pulse in pulses]
    np.testing.assert_array_equal(lengths, timeline.duration[timeline.kind == RF])
    assert np.all(timeline.event[timeline.kind == FREE] == -1)
    np.testing.assert_array_equal(timeline.event[timeline.kind == READOUT], np.arange(16 * 8))
    neighbours = (timeline.kind[1:] == FREE) & (timeline.kind[:-1] == FREE)
    assert set(np.flatnonzero(neighbours) + 1) <= set(timeline.tr_start)


def test_timeline_moments_are_integrals_of_the_knots(scanner):
    timeline = discretize(MultiEchoGradientEcho(matrix=(16, 16), tr=0.1, readout="bipolar").build(scanner))
    for axis, (times, amplitudes) in enumerate(timeline.knots):
        area = np.concatenate([[0.0], np.cumsum((amplitudes[1:] + amplitudes[:-1]) / 2 * np.diff(times) / NS)])
        # A dense comb of the running integral would be inexact between knots: segment edges are made knots first.
        edges = np.concatenate([timeline.start, [timeline.start[-1] + timeline.duration[-1]]])
        comb = np.union1d(times, edges)
        wave = np.interp(comb, times, amplitudes)
        running = np.concatenate([[0.0], np.cumsum((wave[1:] + wave[:-1]) / 2 * np.diff(comb) / NS)])
        expected = np.diff(np.interp(edges, comb, running)) * timeline.gamma_bar
        # Running sums over 1.6 s of scan carry 1e-10 of the largest moment.
        np.testing.assert_allclose(timeline.moment[:, axis], expected, atol=1e-9 * np.max(np.abs(timeline.moment)))
        assert area[-1] == pytest.approx(running[-1], abs=1e-12)


def test_equal_pulses_are_stored_once(scanner):
    timeline = discretize(MultiEchoSpinEcho(matrix=(16, 16), tr=0.2).build(scanner))
    assert [pulse.use for pulse in timeline.pulses] == ["excitation", "refocusing"]
    copies = SpinEcho(matrix=(16, 16)).build(scanner)
    blocks = tuple(
        replace(b, rf=replace(b.rf, signal=b.rf.signal.copy())) if b.rf is not None else b for b in copies.blocks
    )
    assert len(discretize(replace(copies, blocks=blocks)).pulses) == 2


def test_repetitions_are_the_same_bit_for_bit_but_for_the_phase_axis(scanner):
    timeline = discretize(MultiEchoSpinEcho(matrix=(16, 16), tr=0.2).build(scanner))
    first, second = timeline.tr_start[0], timeline.tr_start[1]
    size = second - first
    for start in timeline.tr_start[1:]:
        part = slice(start, start + size)
        assert np.array_equal(timeline.kind[part], timeline.kind[:size])
        assert np.array_equal(timeline.duration[part], timeline.duration[:size])
        assert np.array_equal(timeline.moment[part][:, [0, 2]], timeline.moment[:size][:, [0, 2]])


def test_frequency_offset_enters_the_pulse_with_the_project_sign(scanner):
    sequence = SpinEcho(matrix=(16, 16)).build(scanner)
    index = 0
    pulse = replace(sequence.blocks[index].rf, frequency=500.0)
    blocks = (replace(sequence.blocks[index], rf=pulse), *sequence.blocks[1:])
    shifted = discretize(replace(sequence, blocks=blocks)).pulses[0]
    step = shifted.dt[0]
    middle = (np.arange(len(shifted.b1)) + 0.5) * step
    carrier = np.exp(-2j * np.pi * 500.0 * middle) / np.sinc(500.0 * step)
    np.testing.assert_allclose(shifted.b1, np.repeat(pulse.signal, len(middle) // len(pulse.signal)) * carrier)


def test_pulse_absurdly_far_off_resonance_is_refused(scanner):
    sequence = SpinEcho(matrix=(16, 16)).build(scanner)
    far = replace(sequence.blocks[0], rf=replace(sequence.blocks[0].rf, frequency=1e15))
    with pytest.raises(InputError, match="too far for samples of"):
        discretize(replace(sequence, blocks=(far, *sequence.blocks[1:])))


def test_unequal_windows_are_refused(scanner):
    sequence = SpinEcho(matrix=(16, 16)).build(scanner)
    index = next(i for i, block in enumerate(sequence.blocks) if block.adc is not None)
    blocks = list(sequence.blocks)
    blocks[index] = replace(blocks[index], adc=replace(blocks[index].adc, samples=15))
    with pytest.raises(InputError, match="all ADC windows that image must have the 16 samples"):
        discretize(replace(sequence, blocks=tuple(blocks)))


def test_discretize_is_fast_enough_for_interactive_use(scanner):
    sequence = MultiEchoSpinEcho().build(scanner)
    start = time.process_time()
    timeline = discretize(sequence)
    # 128 repetitions of 8 echoes take 0.3 s here; five times that of processor time on a busy machine.
    assert time.process_time() - start < 1.5
    assert len(timeline.readouts.dwell) == 1024

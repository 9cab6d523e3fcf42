"""Memory of a run grows with its spins and with its samples, not with their product."""

import tracemalloc

import pytest
from objects import Box, Script, hard_pulse, pool

from mrsim.core import machine_memory
from mrsim.core.errors import InfeasibleError
from mrsim.simulate import Bloch, Pathways, memory, simulate

GIB = 2**30


def run(side, readouts):
    """Carry some 100 side^2 spins through 100 samples a readout, each spin by itself."""
    script = Script(matrix=(1, side, side), samples=100, dwell=4e-6)
    for _ in range(readouts):
        script.tr().rf(hard_pulse(0.3)).free(1e-3, (-50.0, 0, 0)).read((1.0, 0, 0)).free(1e-3, (-50.0, 0, 800.0))
    engine = Bloch(slab=1.0, subsamples=1, sub_slices=100, reuse=False, rf_step=1e-6)
    box = Box(size=(side * 1e-3, side * 1e-3), pools=(pool(),))
    return simulate(script.timeline(), box, engine, threads=2)


def peak(side, readouts):
    """Most memory of a run, bytes, and its spins."""
    tracemalloc.start()
    try:
        raw = run(side, readouts)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert raw.imaging.data.size == 100 * readouts
    return most, raw.history["spins"]


def test_million_spins_and_hundred_thousand_samples_fit_in_a_gibibyte():
    run(4, 4)  # loads and compiles what the others use
    (few, none), (spins, some), (samples, _) = peak(4, 4), peak(30, 4), peak(4, 100)
    per_spin, per_sample = (spins - few) / (some - none), (samples - few) / 9600
    both, _ = peak(30, 100)
    # what the spins take and what the samples take add up
    assert both - few < 1.2 * (spins - few + samples - few) + 2e6
    assert 1e6 * per_spin + 1e5 * per_sample < 0.8 * GIB


def test_run_that_would_not_fit_is_refused_before_the_object_is_made(monkeypatch):
    script = Script(matrix=(1, 4, 4), samples=4, dwell=4e-6)
    script.tr().rf(hard_pulse(0.3)).read((1.0, 0, 0))
    box = Box(size=(0.1, 0.1), pools=(pool(),))
    monkeypatch.setattr(Box, "sample", None)  # cannot be called
    for engine in (Bloch(slab=1.0, memory=1e6), Pathways(slab=1.0, memory=1e6)):
        with pytest.raises(
            InfeasibleError, match=r"would need about .* of memory, more than the 0.95 MiB .*--max-memory"
        ):
            simulate(script.timeline(), box, engine)


def test_default_limit_is_what_the_machine_can_still_give(monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda: 0)
    script = Script(matrix=(1, 4, 4), samples=4, dwell=4e-6)
    with pytest.raises(InfeasibleError, match="this machine can give now"):
        memory.check_memory(None, script.tr().read((1.0, 0, 0)).timeline(), 1, 1)
    monkeypatch.setattr(memory, "free_bytes", lambda: None)  # a system that does not say
    memory.check_memory(None, script.timeline(), 10**12, 1)


def test_prediction_grows_by_what_samples_and_cells_take():
    few, many = (Script(matrix=(1, 4, 4), samples=n, dwell=4e-6).tr().read((1.0, 0, 0)).timeline() for n in (10, 1010))
    base = memory.predicted_bytes(few, 0, 1)
    assert abs(memory.predicted_bytes(many, 0, 16) - base - 1000 * 1950 - 10 * 1500) < 1e6
    assert memory.predicted_bytes(few, 10**7, 1) - base > 1.0e9


def test_free_memory_is_what_the_system_says():
    free = machine_memory.free_bytes()
    assert free is None or 0 < free < 1 << 50
    assert 0 <= machine_memory.held_bytes() < 1 << 40

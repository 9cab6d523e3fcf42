"""Memory of a run grows with its spins and with its samples, not with their product."""

import tracemalloc

from objects import Box, Script, hard_pulse, pool

from mrsim.simulate import Bloch, simulate

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

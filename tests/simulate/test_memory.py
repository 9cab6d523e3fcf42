"""Memory of a run grows with its spins and with its samples, not with their product."""

import tracemalloc

from objects import Box, Script, hard_pulse, pool

from mrsim.simulate import Bloch, simulate

GIB = 2**30


def peak(side, readouts):
    """Most memory, bytes, of a run of 100 side^2 spins through 100 samples a readout, each spin by itself."""
    script = Script(matrix=(1, side, side), samples=100, dwell=4e-6)
    for _ in range(readouts):
        script.tr().rf(hard_pulse(0.3)).free(1e-3, (-50.0, 0, 0)).read((1.0, 0, 0)).free(1e-3, (-50.0, 0, 800.0))
    engine = Bloch(slab=1.0, subsamples=1, sub_slices=100, reuse=False, rf_step=1e-6)
    timeline, box = script.timeline(), Box(size=(side * 1e-3, side * 1e-3), pools=(pool(),))
    tracemalloc.start()
    try:
        raw = simulate(timeline, box, engine, threads=2)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert raw.imaging.data.size == 100 * readouts
    return most, raw.history["spins"]


def test_million_spins_and_hundred_thousand_samples_fit_in_a_gibibyte():
    (few, none), (spins, million), (samples, _) = peak(4, 4), peak(100, 4), peak(4, 1000)
    assert million >= 1e6
    both, some = peak(20, 50)
    # what the spins take and what the samples take add up
    share = (some - none) / (million - none), 46 / 996
    assert both - few < 1.2 * (share[0] * (spins - few) + share[1] * (samples - few)) + 2e6
    assert spins + samples < 0.8 * GIB

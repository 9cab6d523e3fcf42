"""What a scan spin by spin costs is told before it starts."""

from dataclasses import replace

import pytest
from objects import Box, Script, hard_pulse, pool

from mrsim.core.errors import InfeasibleError
from mrsim.simulate import Bloch, cost, simulate

ENGINE = Bloch(slab=1.0, subsamples=2, sub_slices=40, reuse=False, rf_step=1e-3)


def scan(repetitions):
    script = Script(samples=8)
    for _ in range(repetitions):
        script.tr().rf(hard_pulse(0.5, 1e-4, steps=20)).free(1e-3).read((20.0, 0, 0)).free(2e-3, (0, 0, 300.0))
    return script.timeline()


def test_steps_are_those_of_pulses_intervals_and_samples():
    assert cost.steps_of(scan(3)) == 3 * (20 + 2 + 8)


def test_a_long_scan_is_refused_with_its_cost_and_what_makes_it_cheaper(monkeypatch):
    monkeypatch.setattr(cost, "QUICK", 0.0)
    box, timeline = Box(size=(4e-3, 4e-3), pools=(pool(),)), scan(40)
    with pytest.raises(
        InfeasibleError, match=r"3\.2e\+03 spins x 1\.2e\+03 steps .* Cheaper: .*--longest '1 min'"
    ) as said:
        simulate(timeline, box, replace(ENGINE, longest=1e-9), threads=1)
    assert "reuse is switched off" in str(said.value)
    assert simulate(timeline, box, ENGINE, threads=1).imaging.data.shape == (40, 1, 8)


def test_predicted_time_grows_with_spins_and_falls_with_threads(monkeypatch):
    monkeypatch.setattr(cost, "QUICK", 0.0)
    clock = iter([0.0, 2.0, 0.0, 2.0])
    monkeypatch.setattr(cost, "process_time", lambda: next(clock))
    assert cost.predicted_seconds(scan(1), 5000, 1, lambda: 100) == 100.0
    assert cost.predicted_seconds(scan(1), 10000, 4, lambda: 100) == 50.0


@pytest.mark.parametrize(("seconds", "words"), [(12.34, "12 s"), (100, "1.7 min"), (7000, "1.9 h"), (1.1e6, "306 h")])
def test_times_are_spoken_in_two_digits(seconds, words):
    assert cost.spoken(seconds) == words


def test_a_scan_that_cannot_be_short_is_refused_before_its_errors_are_estimated(monkeypatch):
    monkeypatch.setattr(cost, "NOTICED", 0.0)
    box = Box(size=(4e-3, 4e-3), pools=(pool(),))
    with pytest.raises(InfeasibleError, match=r"81 spins x 1\.2e\+03 steps .* take at least"):
        simulate(scan(40), box, replace(ENGINE, longest=1e-9), threads=1)


def test_a_scan_that_takes_a_while_says_so_before_it_starts(monkeypatch, caplog):
    monkeypatch.setattr(cost, "QUICK", 0.0)
    monkeypatch.setattr(cost, "NOTICED", 0.0)
    with caplog.at_level("INFO", logger="mrsim"):
        simulate(scan(2), Box(size=(4e-3, 4e-3), pools=(pool(),)), ENGINE, threads=1)
    (said,) = caplog.messages
    assert said.startswith("every spin travels by itself (reuse is switched off): about ")
    assert said.endswith("on 1 threads")

"""Windows of differing purpose, length and dwell in one scan: each is what it would be alone, on both roads."""

import importlib
from dataclasses import replace

import numpy as np
import pytest
from objects import Box, Script, hard_pulse, pool

from mrsim.core.errors import InputError
from mrsim.sequence.timeline import READOUT
from mrsim.simulate import Bloch, Pathways, add_noise, simulate
from mrsim.simulate.plane import pencils_suffice
from mrsim.simulate.program import program

BOX = Box(size=(3e-3, 2e-3), pools=(pool(0.5, 0.04),), offset=60.0)
ENGINE = Bloch(slab=2.0, subsamples=2, sub_slices=40, rf_step=1e-6)
KINDS = (("imaging", 16, 8e-6), ("navigator", 5, 8e-6), ("imaging", 16, 8e-6), ("navigator", 6, 20e-6))


def scan(kinds, slope=200.0):
    """One excitation and one window of each kind, an equal time after each other; slope : 1/m per 8 us."""
    scripts = [
        Script(matrix=(1, 4, 4), samples=n, dwell=dwell)
        .tr()
        .rf(hard_pulse(0.8))
        .read((slope * dwell / 8e-6 / 16, 0, 0))
        for _, n, dwell in kinds
    ]
    script, longest = Script(matrix=(1, 4, 4), samples=16, dwell=8e-6).tr(), max(n for _, n, _ in kinds)
    script.rf(hard_pulse(0.8))
    for other in scripts:
        moment, phase = other.windows[0]
        padded = np.concatenate([moment, np.repeat(moment[-1:], longest - len(moment), axis=0)])
        segment = list(other.parts[-1])
        segment[3] = len(script.windows)
        script.windows.append((padded, phase))
        script.labels.append({})
        script.free(1e-3, (-float(segment[2][0]), 0, 0)).parts.append(tuple(segment))
    timeline = replace_samples(script, longest)
    table = replace(
        timeline.readouts,
        samples=np.array([n for _, n, _ in kinds]),
        purpose=tuple(purpose for purpose, _, _ in kinds),
        dwell=np.array([dwell for _, _, dwell in kinds]),
    )
    return replace(timeline, readouts=table)


def replace_samples(script, longest):
    script.samples = longest
    return script.timeline()


@pytest.mark.parametrize("engine", [ENGINE, replace(ENGINE, reuse=False), Pathways(profile="ideal", accuracy=1e-8)])
def test_every_window_is_what_it_would_be_without_the_others(engine):
    together = simulate(scan(KINDS), BOX, engine).groups
    assert {name: group.data.shape for name, group in together.items()} == {
        "imaging": (2, 1, 16),
        "navigator": (1, 1, 5),
        "navigator-6x20000ns": (1, 1, 6),
    }
    assert [together[name].dwell for name in together] == [8e-6, 8e-6, 20e-6]
    rows = {"imaging": (0, 2), "navigator": (1,), "navigator-6x20000ns": (3,)}
    for name, mine in rows.items():
        # the same scan whose windows all have this kind's dwell and length: only the looking differs
        n, dwell = KINDS[mine[0]][1:]
        timeline = scan(KINDS)
        start = timeline.readouts.moment[:, :1]
        stride = timeline.readouts.moment[:, 1:2] - start
        same = replace(
            timeline.readouts,
            moment=start + stride * np.arange(n)[None, :, None],
            samples=np.full(4, n),
            dwell=np.full(4, dwell),
            purpose=("imaging",) * 4,
            k=np.zeros((4, n, 3)),
            t=np.zeros((4, n)),
        )
        alone = simulate(replace(timeline, readouts=same), BOX, engine).imaging.data[list(mine)]
        # round-off; for Pathways also states dropped at its accuracy of 1e-8
        tolerance = 1e-7 if isinstance(engine, Pathways) else 1e-10
        np.testing.assert_allclose(together[name].data, alone, atol=tolerance * np.abs(alone).max())


def test_noise_of_a_window_follows_its_dwell():
    kinds = (("imaging", 4000, 4e-6), ("calibration", 4000, 16e-6))
    raw = simulate(scan(kinds, slope=0.0), BOX, ENGINE)
    noise = {name: (add_noise(raw, rng=2).groups[name].data - raw.groups[name].data).std() for name in raw.groups}
    # 4000 complex samples each: the ratio scatters by 1.1 %; four times that
    assert noise["imaging"] / noise["calibration"] == pytest.approx(2.0, rel=0.045)


def test_scan_without_an_image_is_refused():
    with pytest.raises(InputError, match="no readout has the purpose 'imaging', only navigator"):
        simulate(scan((("navigator", 4, 8e-6),)), BOX, ENGINE)


def echo_planar(lines=6, samples=24, volumes=1):
    """One excitation a volume, then lines to and fro under half a sine of gradient, a blip between two."""
    script, pulse = Script(matrix=(1, lines, 16), samples=samples, dwell=4e-6), hard_pulse(0.8)
    for _ in range(volumes):
        _train(script.tr().rf(pulse), lines, samples)
    return script.timeline()


def _train(script, lines, samples):
    rising = 900.0 * (1 - np.cos(np.pi * (np.arange(samples) + 0.5) / samples)) / 2  # 1/m
    script.free(1e-3, (-450.0, -150.0, 0))
    for line in range(lines):
        sign = 1 - 2 * (line % 2)
        moment = np.zeros((samples, 3))
        moment[:, 0] = sign * rising
        script.windows.append((moment, 0.0))
        script.labels.append({})
        end = np.array([sign * 900.0, 0, 0])
        script.parts.append((READOUT, samples * script.dwell, end, len(script.windows) - 1, 0.0))
        script.free(1e-4, (0, 300.0 / lines, 0))
    script.free(1e-3, (450.0, -150.0, 0))


@pytest.mark.parametrize(("volumes", "start"), [(1, "equilibrium"), (3, "steady")])
def test_ramp_sampled_lines_summed_along_y_first_are_those_summed_place_by_place(monkeypatch, volumes, start):
    reuse = importlib.import_module("mrsim.simulate.class_run")
    asked = []

    def never(table, plan):
        asked.append(pencils_suffice(table, plan))
        return False

    box = replace(BOX, size=(14e-3, 9e-3))
    engine, timeline = replace(ENGINE, start=start), echo_planar(volumes=volumes)
    quick = simulate(timeline, box, engine).imaging.data
    monkeypatch.setattr(reuse, "pencils_suffice", never)
    slow = simulate(timeline, box, engine).imaging.data
    assert asked == [True]
    np.testing.assert_allclose(quick, slow, atol=1e-11 * np.abs(slow).max())


def test_readouts_that_move_along_the_phase_direction_are_not_summed_along_it_first():
    timeline = scan(KINDS)
    table, plan = timeline.readouts, program(timeline, (0.01, 0.004))
    assert pencils_suffice(table, plan)
    assert not pencils_suffice(replace(table, moment=table.moment[..., [1, 0, 2]]), plan)


@pytest.mark.parametrize("curved", [False, True])
@pytest.mark.parametrize("reuse", [True, False])
def test_single_precision_does_not_drift_through_a_long_window(reuse, curved):
    """A decay over a sample that is rounded once is multiplied twelve thousand times."""
    samples, dwell = 12_001, 4e-6
    script = Script(samples=samples, dwell=dwell, matrix=(1, 1, 3)).tr().rf(hard_pulse(1.0)).free(2e-3).read()
    line = script.timeline()
    if curved:
        angle = np.arange(samples) / 200
        path = 300 * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
        line = replace(line, readouts=replace(line.readouts, moment=path[None]))
    box = Box(pools=(pool(1.0, 0.08),), offset=40.0, centre=(1e-3, 0.0))
    found = {}
    for precision in ("double", "single"):
        engine = Bloch(subsamples=1, sub_slices=1, slab=1.0, reuse=reuse, precision=precision)
        found[precision] = simulate(line, box, engine, threads=1).imaging.data[0, 0]
    difference = found["single"] - found["double"]
    # 5e-5 to 8e-5 if nothing is done; positions and moments are rounded, too
    assert np.linalg.norm(difference) < 3e-5 * np.linalg.norm(found["double"])

"""Nerve stimulation, absorbed power, heat and resonance against closed forms and pypulseq."""

import dataclasses
import math

import numpy as np
import pytest

import mrsim as mr
from mrsim.core.errors import InputError
from mrsim.plan import gradient_load, limits, nerves, power
from mrsim.plan.safety import Band, load_safety
from mrsim.plan.waveforms import Waveform, waveform

SAFETY = load_safety("example")


def build(name, field=3.0, **overrides):
    return mr.load_protocol(name, overrides).build(mr.Scanner.preset(f"{field:g}T"))


def wave_of(times, amplitudes):
    times, amplitudes = np.asarray(times, float), np.asarray(amplitudes, float)
    starts, content = np.zeros(1, dtype=np.int64), np.ones(1, dtype=np.int64)
    return Waveform(times=times, amplitudes=amplitudes, starts=starts, content=content, duration=float(times[-1]))


@pytest.fixture(scope="module")
def spgr():
    return build("disc-spgr", matrix="32 8")


def test_safe_stimulation_equals_pypulseqs_implementation(spgr):
    from pypulseq.utils.safe_pns_prediction import safe_example_hw, safe_gwf_to_pns

    wave, raster = waveform(spgr), 10e-6
    count = round(0.12 / raster)  # the longest time constant is 3 ms: 0.12 s hold many repetitions
    gradient = wave.sampled(0.0, raster, count)
    level, _ = nerves.stimulation(np.diff(gradient, axis=0) / raster, raster, SAFETY.nerves)
    theirs, _ = safe_gwf_to_pns(gradient, np.full(count, np.nan), raster, safe_example_hw(), do_padding=False)
    assert np.abs(level * 100 - theirs).max() < 1e-9 * np.abs(theirs).max()  # the same filter, summed in another order


def test_safe_peak_over_the_scan_equals_the_uninterrupted_filter(spgr):
    wave, raster = waveform(spgr), 10e-6
    count = math.ceil(wave.duration / raster) + 1
    level, _ = nerves.stimulation(np.diff(wave.sampled(-raster, raster, count), axis=0) / raster, raster, SAFETY.nerves)
    norm = np.sqrt((level**2).sum(axis=1))
    peak, when = nerves.safe_peak(wave, SAFETY.nerves, raster)
    assert peak == pytest.approx(norm.max(), rel=1e-9)  # pauses are bridged in closed form
    assert norm[round(when / raster)] == pytest.approx(peak, rel=1e-9)


@pytest.mark.parametrize("compiled", [True, False])
def test_safe_filters_equal_scipys_and_go_on_where_they_stopped(compiled):
    from scipy.signal import lfilter

    from mrsim.plan._kernels.low_pass import stimulate

    run = stimulate if compiled else stimulate.py_func
    rng = np.random.default_rng(3)
    slew, share, weight = rng.normal(size=(400, 3)), rng.uniform(0.01, 0.5, (3, 3)), rng.uniform(0.1, 1, (3, 3))
    level, state = np.empty(slew.shape), np.zeros((3, 3))
    for part in (slice(0, 150), slice(150, 400)):
        run(slew[part], share, weight, state, level[part])
    for axis in range(3):
        sources = (slew[:, axis], np.abs(slew[:, axis]), slew[:, axis])
        parts = [
            w * np.abs(lfilter([a], [1, a - 1], source))
            for a, w, source in zip(share[axis], weight[axis], sources, strict=True)
        ]
        assert np.allclose(level[:, axis], sum(parts), rtol=1e-12)


def test_windows_in_which_the_same_is_played_are_judged_once():
    sequence = build("disc-t2-mese", matrix="64 4")
    wave = waveform(sequence)
    bands = SAFETY.acoustics.bands
    once = gradient_load.largest_lines(wave, bands)
    own = dataclasses.replace(wave, content=np.arange(1, len(wave.content) + 1))  # as if no block were repeated
    assert len(gradient_load._distinct(wave)) < 0.6 * len(gradient_load._distinct(own))
    for (value, at, _), (each, there, _) in zip(once, gradient_load.largest_lines(own, bands), strict=True):
        assert value == pytest.approx(each, rel=1e-6)
        assert at == there


@pytest.mark.parametrize(
    ("duration", "limit"), [(0.1e-3, 73.6), (0.2e-3, 44.8), (0.36e-3, 32.0), (0.5e-3, 27.52), (1e-3, 21.76)]
)
def test_iec_threshold_has_the_standards_values(duration, limit):
    assert nerves.NORMAL * nerves.threshold(duration, SAFETY.nerves) == pytest.approx(limit, rel=1e-12)


def test_iec_level_of_a_trapezoid_is_that_of_its_ramp():
    """A ramp of 0.2 ms at 150 T/m/s changes B by 30 T/s at 0.2 m; the threshold for 0.2 ms is 56 T/s."""
    wave = wave_of(
        [0, 1e-3, 1.2e-3, 3e-3, 3.2e-3, 5e-3], [[0, 0, 0], [0, 0, 0], [0.03, 0, 0], [0.03, 0, 0], [0] * 3, [0] * 3]
    )
    level, when = nerves.iec_peak(wave, SAFETY.nerves)
    assert level == pytest.approx(0.2 * 150 / 56.0, rel=1e-9)
    assert when == pytest.approx(1e-3)


def test_iec_level_of_a_swing_through_zero_counts_the_whole_swing():
    wave = wave_of(
        [0, 1e-3, 1.2e-3, 1.6e-3, 1.8e-3, 3e-3], [[0] * 3, [0] * 3, [0.03, 0, 0], [-0.03, 0, 0], [0] * 3, [0] * 3]
    )
    level, _ = nerves.iec_peak(wave, SAFETY.nerves)
    assert level == pytest.approx(0.2 * 150 / (20 * (1 + 0.36 / 0.4)), rel=1e-9)


def test_iec_level_adds_axes_in_quadrature():
    ramp = np.array([[0.0] * 3, [0.03, 0.03, 0.0], [0.03, 0.03, 0.0], [0.0] * 3])
    one = nerves.iec_peak(wave_of([0, 2e-4, 1e-3, 1.2e-3], ramp * [1, 0, 0]), SAFETY.nerves)[0]
    both = nerves.iec_peak(wave_of([0, 2e-4, 1e-3, 1.2e-3], ramp), SAFETY.nerves)[0]
    assert both == pytest.approx(math.sqrt(2) * one, rel=1e-12)


def test_rf_energy_of_hard_pulses_is_the_closed_form():
    """A hard pulse of 1 ms and 90 deg has 5.8716 uT and 34.476 uT^2 ms; 180 deg four times the energy."""
    scanner = mr.Scanner.preset("3T")
    for flip, energy in ((90, 34.476), (180, 137.905), (120, 61.291)):
        from mrsim.sequence import rf

        pulse = rf.hard(scanner, math.radians(flip), 1e-3)
        found = float(np.sum(np.abs(pulse.signal) ** 2)) * pulse.dwell * 1e-9
        assert found * 1e15 == pytest.approx(energy, rel=2e-5)  # the reference has five digits


def test_sar_grows_with_the_square_of_the_field():
    base = power.specific_absorption(4e-12, 0.25e12, 3.0)
    assert base == pytest.approx(1.0)
    ratios = [power.specific_absorption(4e-12, 0.25e12, b0) / base for b0 in (1.5, 7.0)]
    assert ratios == pytest.approx([0.25, 5.444], rel=1e-4)


def test_sar_of_a_train_falls_as_the_square_of_the_refocusing_flip():
    """Sixteen 120 deg pulses instead of 180 deg: 4/9 of their power, 0.453 with the excitation in equal pulses."""
    sars = []
    for flip in ("180 deg", "120 deg"):
        found = limits(
            build("disc-t2-mese", matrix="32 8", pulse="hard", refocusing_flip=flip, echoes="16", echo_spacing="13 ms")
        )
        sars.append(next(m.value for m in found.margins if m.limit_name == "SAR whole body, 6 min"))
    tau = 3.0 / 4.4  # excitation shorter than the refocusing pulses: energy of 90 deg is (1/2)^2 / tau of theirs

    def whole(share):
        return 0.25 / tau + 16 * share

    assert sars[1] / sars[0] == pytest.approx(whole(4 / 9) / whole(1), rel=1e-6)


def test_worst_window_finds_the_busiest_stretch():
    time = np.concatenate([np.arange(0, 100, 1.0), np.arange(100, 110, 0.1), np.arange(110, 500, 1.0)])
    load = power.RfLoad(
        time=time, energy=np.ones(len(time)), on=np.ones(len(time)), block=np.arange(len(time)), duration=500.0
    )
    mean, block = load.worst(load.energy, 10.0)
    assert mean == pytest.approx(10.0, rel=0.02)  # ten a second; the window's edges catch one more or less
    assert time[block] == pytest.approx(100.0, abs=0.2)
    assert load.worst(load.energy, 360.0)[0] == pytest.approx((350 + 100) / 360, rel=0.01)


def test_rms_gradient_of_a_sinusoid_is_its_amplitude_over_root_two():
    t = np.arange(0, 12, 1e-4)
    g = np.zeros((len(t), 3))
    g[:, 1] = 0.02 * np.sin(2 * np.pi * 50 * t)
    rms, _ = gradient_load.largest_rms(wave_of(t, g))
    assert rms[1] == pytest.approx(0.02 / math.sqrt(2), rel=1e-3)  # straight pieces of a two-hundredth of a period
    assert rms[0] == rms[2] == 0


def test_acoustic_line_reads_the_amplitude_of_a_sinusoid_and_only_in_its_band():
    t = np.arange(0, 0.3, 2e-5)
    g = np.zeros((len(t), 3))
    g[:, 0] = 0.02 * np.sin(2 * np.pi * 600 * t)
    bands = (Band(centre=590.0, width=100.0), Band(centre=1140.0, width=220.0))
    (inside, at, when), (outside, _, _) = gradient_load.largest_lines(wave_of(t, g), bands)
    assert inside == pytest.approx(0.02, rel=0.01)  # between lines of the spectrum the window loses up to 1 %
    assert at == pytest.approx(600.0, abs=2.5)
    assert 0 <= when <= 0.3
    assert outside < 0.02 * inside  # side lobes where the first and last window cut the sinusoid off


def test_limits_name_the_tightest_block_and_the_mode(spgr):
    found = limits(spgr)
    assert found.mode == "normal"
    assert not found.broken
    names = [margin.limit_name for margin in found.margins]
    assert len(names) == len(set(names)) == 19
    assert all(0 <= margin.block < len(spgr.blocks) for margin in found.margins)


def test_stimulation_above_a_limit_is_broken_and_changes_the_mode():
    sequence = build("disc-spgr", matrix="32 8")
    weak = dataclasses.replace(SAFETY.nerves, rheobase=1.0)
    found = limits(sequence, dataclasses.replace(SAFETY, nerves=weak))
    assert found.mode == "second level controlled"
    assert "nerve stimulation, IEC" in [margin.limit_name for margin in found.broken]


def test_machine_for_specimens_has_no_nerves_and_its_gradients_are_judged_all_the_same():
    """What breaks a human scanner's nerves plays; rms gradients and the mode are those of the facts without nerves."""
    small, facts = {"matrix": "52 4", "fov": "36.4 2.8 mm", "dummies": "1"}, load_safety("specimens")
    sequence = mr.load_protocol("exvivo-mre-gre-1000hz", small).build(mr.Scanner.preset("7T-small-bore"))
    found, as_human = limits(sequence), limits(sequence, SAFETY)
    assert facts.nerves is None
    assert "nerve stimulation, SAFE" in [margin.limit_name for margin in as_human.broken]
    assert not [margin for margin in found.margins if "nerve" in margin.limit_name]
    assert (found.safety, found.mode, found.broken) == ("specimens", "normal", ())
    assert found.sources[0] == "nerve stimulation: not judged, a machine for specimens"
    rms = [margin for margin in found.margins if margin.limit_name.startswith("rms gradient")]
    expected = gradient_load.largest_rms(waveform(sequence))[0]
    assert [margin.value for margin in rms] == pytest.approx(expected)
    assert {margin.limit for margin in rms} == {40e-3}
    weak = dataclasses.replace(facts, gradient_rms=float(expected.max()) / 2)
    assert "rms gradient physical z, 10 s" in [margin.limit_name for margin in limits(sequence, weak).broken]


def test_seven_tesla_says_that_the_square_law_ends():
    found = limits(build("disc-spgr", field=7.0, matrix="32 8"))
    notes = [margin.note for margin in found.margins if margin.limit_name.startswith("SAR")]
    assert all("holds to 3 T" in note for note in notes)


def test_safety_file_with_weights_that_do_not_sum_to_one_is_refused(tmp_path):
    from mrsim.core.toml import data_root

    text = (data_root() / "protocols/scanners/safety/example.toml").read_text()
    path = tmp_path / "mine.toml"
    path.write_text(text.replace("[0.40, 0.10, 0.50]", "[0.40, 0.10, 0.40]"))
    with pytest.raises(InputError, match=r"sum to 0\.9"):
        load_safety(str(path))


@pytest.mark.parametrize(
    ("body", "head", "nerves_used", "mode"),
    [
        (1.9, 3.1, 0.7, "normal"),
        (2.1, 3.1, 0.7, "first level controlled"),
        (1.0, 3.3, 0.7, "second level controlled"),  # the head has one limit in both modes
        (1.0, 1.0, 0.9, "first level controlled"),
        (4.1, 1.0, 0.1, "second level controlled"),
    ],
)
def test_operating_mode_follows_the_strictest_of_body_head_and_nerves(body, head, nerves_used, mode):
    assert power.operating_mode(body, head, nerves_used) == mode

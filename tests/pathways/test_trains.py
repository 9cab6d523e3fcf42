"""The batched phase graphs: closed forms, tabulated echoes, slow twins, cutting off, precision, threads."""

import numpy as np
import pytest
from reference import epg_cpmg, epg_spoiled

from mrsim.core._kernels import epg
from mrsim.core.echo_trains import TINY, _series, echo_train, unbalanced_train
from mrsim.core.errors import InputError

RNG = np.random.default_rng(11)
T1, T2, B1 = RNG.uniform(0.3, 2.0, 70), RNG.uniform(0.02, 0.3, 70), RNG.uniform(0.6, 1.3, 70)


def test_echo_train_without_relaxation_follows_the_closed_forms():
    for flip in (1e-3, 0.7, np.deg2rad(120), 3.0, np.pi):
        echoes = echo_train(1e12, 1e12, refocusing=np.full(400, flip), spacing=10e-3)[0]
        np.testing.assert_allclose(echoes[0], np.sin(flip / 2) ** 2, atol=1e-12)
        np.testing.assert_allclose(echoes[1], np.sin(flip / 2) ** 4 + np.sin(flip) ** 2 / 2, atol=1e-12)
    five = echo_train(1e12, 1e12, refocusing=np.full(5, np.deg2rad(120)), spacing=10e-3)[0]
    np.testing.assert_allclose(five, [0.75, 0.9375, 0.84375, 0.85546875, 0.884765625], atol=1e-12)


@pytest.mark.parametrize(("degrees", "plateau"), [(120, 0.8660254), (60, 0.5)])
def test_echo_train_settles_on_the_sine_of_half_the_flip(degrees, plateau):
    echoes = echo_train(1e12, 1e12, refocusing=np.full(600, np.deg2rad(degrees)), spacing=10e-3)[0]
    assert echoes[-100:].mean() == pytest.approx(plateau, abs=1e-3)  # still ringing by a few 1e-3


def test_echo_train_gives_the_tabulated_echoes_for_low_b1():
    table = [
        (0.87183, 0.81180, 0.71451, 0.66651),
        (0.77838, 0.78423, 0.65022, 0.63650),
        (0.64005, 0.72099, 0.57581, 0.55935),
    ]
    echoes = echo_train(1.0, 0.1, [0.9, 0.8, 0.7], refocusing=np.full(16, np.pi), spacing=10e-3)
    np.testing.assert_allclose(echoes[:, :4], table, atol=6e-6)  # five digits are given


def test_ideal_echo_train_decays_with_t2():
    echoes = echo_train(T1, T2, refocusing=np.full(32, np.pi), spacing=9e-3)
    np.testing.assert_allclose(echoes, np.exp(-9e-3 * np.arange(1, 33) / T2[:, None]), rtol=1e-10)


@pytest.mark.parametrize(("precision", "tolerance"), [("double", 1e-13), ("single", 1e-5)])
def test_echo_train_of_changing_flips_equals_the_slow_twin(precision, tolerance):
    # single: round-off of 6e-8 in each of 19 turns of up to 1.5 cycles
    flips = np.concatenate([np.full(9, 2.6), np.full(4, 1.3), np.linspace(0.4, 3.1, 6)])
    twin = [epg_cpmg(flips * b, 10e-3, a, c, 1.4 * b) for a, c, b in zip(T1, T2, B1, strict=True)]
    echoes = echo_train(T1, T2, B1, refocusing=flips, spacing=10e-3, excitation=1.4, precision=precision)
    np.testing.assert_allclose(echoes, twin, atol=tolerance)


@pytest.mark.parametrize("increment", [0.0, np.pi, np.deg2rad(117), np.deg2rad(50)])
@pytest.mark.parametrize(("precision", "tolerance"), [("double", 1e-11), ("single", 1e-5)])
def test_unbalanced_train_with_all_orders_equals_the_slow_twin(increment, precision, tolerance):
    count, n = 120, np.arange(120)
    phases = increment * n * (n + 1) / 2
    settings = {"flips": np.full(count, 0.4), "phases": phases, "tr": 10e-3, "te": 0.0, "tolerance": 0.0}
    found = unbalanced_train(T1, T2, B1, **settings, precision=precision).signal
    twin = [epg_spoiled(0.4 * b, increment, 10e-3, a, c, count, count) for a, c, b in zip(T1, T2, B1, strict=True)]
    # the train counts what a 90 degree pulse excites, i M0 about x, as 1
    np.testing.assert_allclose(1j * found, twin, atol=tolerance)


def fingerprint(count=400, phase=117.0):
    n = np.arange(count)
    flips = np.deg2rad(8 + 50 * np.abs(np.sin(n / count * 3 * np.pi)))
    phases, tr = np.deg2rad(phase) * n**2 / 2, 12e-3 + 2e-3 * np.sin(n)
    return {"flips": flips, "phases": phases, "tr": tr, "te": 3e-3, "start": -1.0}


@pytest.mark.parametrize("phase", [0.0, 117.0])
def test_cut_off_error_stays_within_what_is_stated(phase):
    full = unbalanced_train(T1, T2, B1, **fingerprint(phase=phase), tolerance=0.0)
    for proven in (False, True):
        cut = unbalanced_train(T1, T2, B1, **fingerprint(phase=phase), tolerance=1e-4, proven=proven)
        error = np.abs(cut.signal - full.signal).max(axis=1)
        assert np.all(error <= cut.bound + 1e-12)
        assert np.all(error <= cut.error + 1e-12)
        assert cut.error.max() <= 1e-4
        if proven:
            assert cut.bound.max() <= 1e-4
        else:
            assert cut.orders.max() < full.orders.min()
    rough = unbalanced_train(T1, T2, B1, **fingerprint(phase=phase), tolerance=1e-2)
    assert np.abs(rough.signal - full.signal).max() > 1e-4  # cutting off more does cost something


@pytest.mark.parametrize("phase", [0.0, 50.0])
def test_bound_on_cut_off_orders_holds_for_every_atom_of_random_trains(phase):
    rng = np.random.default_rng(5)
    t2 = np.exp(rng.uniform(np.log(0.01), np.log(2.0), 128))  # up to where 120 repetitions decay by half
    t1, b1 = t2 * rng.uniform(1.0, 6.0, 128), rng.uniform(0.6, 1.3, 128)
    for _ in range(4):
        flips, tr = rng.uniform(0, np.pi, 120), rng.uniform(6e-3, 14e-3, 120)
        train = {"flips": flips, "phases": np.deg2rad(phase) * np.arange(120) ** 2, "tr": tr, "te": 0.0}
        full = unbalanced_train(t1, t2, b1, **train, tolerance=0.0).signal
        for tolerance in (1e-1, 1e-3):
            cut = unbalanced_train(t1, t2, b1, **train, tolerance=tolerance)
            error = np.abs(cut.signal - full).max(axis=1)
            assert np.all(error <= cut.bound + 1e-12)
            assert np.all(error <= cut.error + 1e-12)  # measured at the extremes of a group, holds within it
            assert error.max() > 1e-5 or tolerance < 1e-1  # where much may be cut off, something was


def test_single_precision_of_a_long_train_stays_within_its_stated_error():
    double, single = (
        unbalanced_train(T1, T2, B1, **fingerprint(1000), tolerance=0.0, precision=p).signal
        for p in ("double", "single")
    )
    assert np.abs(double - single).max() < 2e-5


def test_result_does_not_depend_on_threads():
    t1, t2 = np.tile(T1, 40), np.tile(T2, 40)
    one, two = (unbalanced_train(t1, t2, **fingerprint(60), threads=n).signal for n in (1, 2))
    assert np.array_equal(one, two)
    one, two = (echo_train(t1, t2, refocusing=[2.0] * 8, spacing=1e-2, threads=n) for n in (1, 2))
    assert np.array_equal(one, two)


def test_compiled_kernels_equal_their_python_functions(monkeypatch):
    n, dtype = epg.LANES, np.float64
    r1, r2, b1 = np.linspace(0.5, 3, n), np.linspace(4, 40, n), np.linspace(0.8, 1.2, n)
    turns, spin = np.array([0.2, 0.1, 0.3, 0.1]), np.array([[1.0, 0.0], [0.6, 0.8], [0.6, 0.8], [1.0, 0.0]])
    times = (np.full(4, 0.01), np.full(4, 0.002), np.array([1.0, -1.0, -1.0, 1.0]))
    constants = (_series(dtype), TINY[dtype])

    def play(unbalanced, cpmg):
        results = [np.zeros((4, n))]
        cpmg(np.exp(-r1 * 0.01), np.exp(-r2 * 0.01), b1, b1, turns, *constants, results[0])
        for parts in (1, 2):
            results += [np.zeros((n, 4, parts)), np.zeros(n)]
            rows = np.arange(n)[::-1].copy()
            unbalanced(r1, r2, b1, np.ones(n), turns, spin, *times, 2, *constants, rows, *results[-2:])
        return results

    compiled = play(epg.unbalanced, epg.cpmg)
    monkeypatch.setattr(epg, "range", lambda *a: __builtins__["range"](*(int(x) for x in a)), raising=False)
    for one, other in zip(compiled, play(epg.unbalanced.py_func, epg.cpmg.py_func), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-14)
        assert np.any(one)


@pytest.mark.parametrize(("key", "value"), [("t1", -1.0), ("t2", 0.0), ("t2", np.nan), ("spacing", -1e-3)])
def test_impossible_times_are_refused(key, value):
    settings = {"t1": 1.0, "t2": 0.1, "spacing": 1e-2} | {key: value}
    with pytest.raises(InputError, match=key):
        echo_train(settings["t1"], settings["t2"], refocusing=[np.pi], spacing=settings["spacing"])

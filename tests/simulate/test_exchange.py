"""Exchanging pools against closed forms, scipy and BMCTool (physics B-19)."""

from dataclasses import replace

import numpy as np
import pytest
from objects import GAMMA_BAR, Box, Script, hard_pulse, pool
from scipy.integrate import quad
from scipy.linalg import expm

from mrsim.core.errors import InputError
from mrsim.core.toml import resource
from mrsim.phantom.exchange import ExchangePool
from mrsim.phantom.tissue import load_tissue
from mrsim.sequence.timeline import Pulse
from mrsim.simulate import Bloch, exchange_walk, simulate
from mrsim.simulate.absorption import absorption
from mrsim.simulate.classes import TissueClass
from mrsim.simulate.exchange import ExchangeSystem, matrix_exponential, pulse_matrix
from mrsim.simulate.exchange_walk import exchange_signal
from mrsim.simulate.z_spectrum import SaturationTrain, z_spectrum

GAMMA = 2 * np.pi * GAMMA_BAR
AMIDE = ExchangePool(name="amide", fraction=1e-3, rate=30.0, t1=1.0, t2=0.1, shift=3.5e-6)
HYDROXYL = ExchangePool(name="hydroxyl", fraction=5e-3, rate=900.0, t1=1.0, t2=0.015, shift=1.0e-6)
MATRIX = ExchangePool(name="matrix", fraction=0.13, rate=28.0, t1=1.0, t2=11e-6, line="super-lorentzian")
WATER = replace(pool(1.5, 0.06), exchange=(AMIDE, HYDROXYL, MATRIX))


def system(water=WATER, b0=7.0):
    return ExchangeSystem.of(1 / water.t1, 1 / water.t2, water.exchange, GAMMA_BAR * b0)


def test_exchange_conserves_magnetisation_and_keeps_equilibrium():
    found = system()
    # without relaxation every column of the exchange sums to zero: what leaves one pool enters another
    lossless = ExchangeSystem.of(0.0, 0.0, [replace(p, t1=1e300, t2=1e300) for p in WATER.exchange], 3e8)
    assert np.abs(lossless.longitudinal.sum(axis=0)).max() < 1e-12
    assert np.abs(lossless.transverse.sum(axis=0)).max() < 1e-12
    flow = lossless.longitudinal * lossless.equilibrium  # detailed balance: as much flows one way as the other
    np.testing.assert_allclose(flow, flow.T, atol=1e-12)
    rest = np.concatenate([found.rest(), [1.0]])
    still = matrix_exponential(found.generator(0.0, 120.0, 0.0) * 0.7)
    np.testing.assert_allclose(still @ rest, rest, atol=1e-12)


def test_a_step_turns_every_spin_by_rodrigues_formula():
    """Up to the largest angle that a step may have, about any axis, with all three gradients."""
    from mrsim.simulate._kernels.exchange import turn_pool
    from mrsim.simulate.steps import rotation_series

    rng = np.random.default_rng(3)
    place, m = rng.uniform(-1, 1, (3, 40)), rng.standard_normal((3, 40))
    field = np.array([0.2, -0.25, 0.05])
    slopes = np.array([0.11, -0.07, 0.13])
    half = np.stack([np.full(40, field[0]), np.full(40, field[1]), field[2] + slopes @ place])
    angle = 2 * np.linalg.norm(half, axis=0)
    assert 0.75 < angle.max() < 1
    n, turned = half / np.linalg.norm(half, axis=0), m.copy()
    along = np.sum(n * m, axis=0)
    wanted = m * np.cos(angle) + np.cross(n, m, axis=0) * np.sin(angle) + n * along * (1 - np.cos(angle))
    turn_pool(*turned, place, field[2], field[0], field[1], *slopes, rotation_series(np.float64))
    np.testing.assert_allclose(turned, wanted, atol=1e-13)


def test_blocks_of_spins_do_not_matter():
    """Spins in several blocks, the last one not full, are carried as they are alone."""
    from mrsim.simulate._kernels.exchange import BLOCK, exchange_free, exchange_steps
    from mrsim.simulate.steps import rotation_series, turn_series

    rng, n = np.random.default_rng(8), 2 * BLOCK + 37
    place, x, y, z = (rng.uniform(-1, 1, (rows, n)) for rows in (3, 2, 2, 3))
    mixing = (rng.uniform(-0.5, 0.5, (2, 2)), rng.uniform(-0.5, 0.5, (3, 3)), rng.uniform(0, 0.1, 3))
    b1, slopes, kept = rng.uniform(-0.1, 0.1, (2, 3)), rng.uniform(-0.1, 0.1, (3, 3)), rng.uniform(0.5, 1, (3, 1))
    moved = rng.uniform(-2, 2, 3)
    whole = [x.copy(), y.copy(), z.copy()]

    def carry(mx, my, mz, where):
        offset = np.array([0.05, -0.1])
        exchange_steps(mx, my, mz, where, offset, b1, slopes, kept, mixing, mixing, rotation_series(np.float64))
        transverse = np.stack([mixing[0], mixing[0].T])
        exchange_free(mx, my, mz, where, moved, 0.3, transverse, mixing[1], mixing[2], turn_series(np.float64))

    carry(*whole, place)
    for i in (0, 5, BLOCK - 1, BLOCK, 2 * BLOCK + 1, n - 1):
        alone = [array[:, i : i + 1].copy() for array in (x, y, z)]
        carry(*alone, place[:, i : i + 1].copy())
        for one, every in zip(alone, whole, strict=True):
            np.testing.assert_allclose(every[:, i : i + 1], one, rtol=1e-12, atol=1e-14)


def test_step_equals_the_exponential_of_scipy():
    generator = system().generator([900.0, 40.0, 0.0], [-2000.0, 30.0, 500.0], [2000.0, -30.0, 0.0]) * 0.3
    expected = np.array([expm(g) for g in generator])
    np.testing.assert_allclose(matrix_exponential(generator), expected, atol=1e-10)


def test_shaped_off_resonant_pulse_equals_steps_in_the_frame_of_the_scanner():
    # 100 us samples of a Gauss at 400 Hz offset, sampled finely and stepped without any carrier frame
    n, dwell, offset = 8, 100e-6, 400.0
    shape = 3e-6 * np.exp(-(((np.arange(n) + 0.5) / n - 0.5) ** 2) / 0.08)
    middle = (np.arange(n) + 0.5) * dwell
    pulse = Pulse(dt=np.full(n, dwell), b1=shape * np.exp(-2j * np.pi * offset * middle), gradient=np.zeros((n, 3)),
                  flip=0.0, centre=0.0, use="saturation", frequency=offset)  # fmt: skip
    found = system()
    state, fine = np.concatenate([found.rest(), [1.0]]), 50
    for i in range(n * fine):
        t = (i + 0.5) * dwell / fine
        turn = found.turned(2 * np.pi * offset * t)
        step = matrix_exponential(found.generator(GAMMA * shape[i // fine], 55.0, offset - 55.0) * dwell / fine)
        state = turn @ step @ turn.T @ state
    whole = pulse_matrix(found, pulse, GAMMA_BAR, offset=55.0) @ np.concatenate([found.rest(), [1.0]])
    # stepping holds the phase for 2 us, in which the carrier turns 5e-3 rad: an error of second order
    np.testing.assert_allclose(whole, state, atol=2e-6)


def test_lines_are_normalised_and_the_super_lorentzian_is_the_orientation_average():
    offset = np.linspace(-1e7, 1e7, 200001)
    for line in ("gaussian", "lorentzian"):
        area = 2 * np.pi * np.trapezoid(absorption(line, 1e-5, offset), offset)
        assert area == pytest.approx(1, abs=2e-3)  # a Lorentzian holds 1.0e-3 beyond 10 MHz

    def oriented(u, d, t2=1e-5):
        p = abs(3 * u * u - 1)
        return np.sqrt(2 / np.pi) * t2 / p * np.exp(-2 * (2 * np.pi * d * t2 / p) ** 2) if p > 1e-9 else 0.0

    for d in (1500.0, 4000.0, 2e4):
        parts = [quad(oriented, *ends, args=(d,), epsrel=1e-11, limit=400)[0] for ends in ((0, 3**-0.5), (3**-0.5, 1))]
        assert float(absorption("super-lorentzian", 1e-5, d)) == pytest.approx(sum(parts), rel=1e-8)
    # Gloor 2008 extrapolates to 1.4e-5 s at 12 us; continuations differ by some 10 %
    assert float(absorption("super-lorentzian", 12e-6, 0.0)) == pytest.approx(1.4e-5, rel=0.12)


def rex(pool_b, w1, offset, larmor):
    """Zaiss and Bachert's exchange-dependent relaxation in the rotating frame, 1/s."""
    k, r2, da = pool_b.rate, 1 / pool_b.t2, 2 * np.pi * offset
    shift = 2 * np.pi * pool_b.shift * larmor
    db = da - shift
    quarter = (r2 + k) / k * w1**2 + (r2 + k) ** 2
    peak = pool_b.fraction * k * w1**2 / (w1**2 + da**2)
    peak *= (shift**2 + r2 / k * (w1**2 + da**2) + r2 * (k + r2)) / quarter
    return peak * quarter / (quarter + db**2)


@pytest.mark.parametrize("ppm", [3.5, 4.0, 2.0, -3.5, 8.0])
def test_continuous_saturation_reaches_the_steady_state_of_zaiss(ppm):
    larmor, b1 = GAMMA_BAR * 7.0, 1e-6
    water = replace(pool(1.6, 0.06), exchange=(AMIDE,))
    train = SaturationTrain(b1=np.array([b1]), dwell=60.0)
    found = z_spectrum(water, train, [ppm * 1e-6 * larmor], b0=7.0)[0]
    w1, da = GAMMA * b1, 2 * np.pi * ppm * 1e-6 * larmor
    cos2 = da**2 / (da**2 + w1**2)
    r1, r2 = 1 / water.t1, 1 / water.t2
    expected = cos2 * r1 / (r1 * cos2 + r2 * (1 - cos2) + rex(AMIDE, w1, ppm * 1e-6 * larmor, larmor))
    assert found == pytest.approx(expected, abs=1e-3)  # the closed form's own error, as B-19 finds it


@pytest.mark.parametrize("line", ["super-lorentzian", "gaussian", "lorentzian"])
def test_continuous_saturation_reaches_the_steady_state_of_henkelman(line):
    solid = replace(MATRIX, line=line)
    water = replace(pool(1.2, 0.05), exchange=(solid,))
    w1, offsets = 2 * np.pi * 500.0, np.array([2e3, 5e3, 1e4, 3e4])
    train = SaturationTrain(b1=np.array([w1 / GAMMA]), dwell=40.0)
    found = z_spectrum(water, train, offsets, b0=3.0)
    ra, rb, m0, rate = 1 / water.t1, 1 / solid.t1, solid.fraction, solid.rate  # R M0a = rate from the matrix
    sat = np.pi * w1**2 * absorption(line, solid.t2, offsets)
    direct = 1 + (w1 / (2 * np.pi * offsets)) ** 2 / ra / water.t2
    top = rb * rate * m0 / ra + sat + rb + rate
    expected = top / (rate * m0 / ra * (rb + sat) + direct * (sat + rb + rate))
    np.testing.assert_allclose(found, expected, rtol=0.01)


def test_gag_contrast_vanishes_at_low_field():
    # 300 mM hydroxyl, 1000 /s, 1 ppm, 5 s at the best of 0.8, 1.5 and 3 uT: 0.50 / 2.84 / 8.51 % (B-19)
    tissue = {1.5: (1.0, 0.1, 0.50), 3.0: (1.2, 0.1, 2.84), 7.0: (1.6, 0.06, 8.51)}
    for b0, (t1, t2, expected) in tissue.items():
        hydroxyl = ExchangePool(name="oh", fraction=300e-3 / 110, rate=1000.0, t1=1.0, t2=1 / 66, shift=1e-6)
        water = replace(pool(t1, t2), exchange=(hydroxyl,))
        df = 1e-6 * GAMMA_BAR * b0
        found = []
        for b1 in (0.8e-6, 1.5e-6, 3e-6):
            left, right = z_spectrum(water, SaturationTrain(b1=np.array([b1]), dwell=5.0), [-df, df], b0=b0)
            found.append(100 * (left - right))
        assert max(found) == pytest.approx(expected, abs=0.006)  # printed to 0.01


def test_spectrum_equals_bmctool(tmp_path):
    import pypulseq
    from bmctool.parameters.CESTPool import CESTPool
    from bmctool.parameters.MTPool import MTPool
    from bmctool.parameters.Options import Options
    from bmctool.parameters.Parameters import Parameters
    from bmctool.parameters.System import System
    from bmctool.parameters.WaterPool import WaterPool
    from bmctool.simulation.BMCSim import BMCSim

    b0, b1, duration, pause, count = 3.0, 2e-6, 20e-3, 5e-3, 4
    ppm = np.array([-20.0, -3.5, -1.0, 0.5, 1.0, 2.0, 3.5, 5.0])
    limits = pypulseq.Opts(grad_raster_time=1e-5, rf_dead_time=0, rf_ringdown_time=0, B0=b0)
    sequence = pypulseq.Sequence(limits)
    adc = pypulseq.make_adc(num_samples=1, duration=1e-3, system=limits)
    for shift in ppm:
        flip = GAMMA * b1 * duration
        for p in range(count):
            offset = shift * 1e-6 * GAMMA_BAR * b0
            facts = {"freq_offset": offset, "use": "saturation", "system": limits}
            sequence.add_block(pypulseq.make_block_pulse(flip_angle=flip, duration=duration, **facts))
            if p < count - 1:
                sequence.add_block(pypulseq.make_delay(pause))
        sequence.add_block(adc)
    sequence.set_definition("offsets_ppm", ppm.tolist())
    path = tmp_path / "cest.seq"
    sequence.write(str(path))
    # its line of the semisolid pool is a sum over 101 orientations, and cubic near resonance: compare Lorentzians
    solid = replace(MATRIX, line="lorentzian", fraction=0.05)
    parameters = Parameters(
        water_pool=WaterPool(t1=1.5, t2=0.06),
        cest_pools=[CESTPool(k=p.rate, f=p.fraction, dw=p.shift * 1e6, t1=p.t1, t2=p.t2) for p in (AMIDE, HYDROXYL)],
        mt_pool=MTPool(k=solid.rate, f=solid.fraction, dw=0.0, lineshape="Lorentzian", t1=solid.t1, t2=solid.t2),
        system=System(b0=b0, gamma=GAMMA * 1e-6, b0_inhom=0.0, rel_b1=1.0),
        options=Options(verbose=False, reset_init_mag=True, scale=1.0),
    )
    other = BMCSim(parameters, str(path), verbose=False)
    other.run()
    _, theirs = other.get_zspec(return_abs=False)
    water = replace(WATER, exchange=(AMIDE, HYDROXYL, solid))
    train = SaturationTrain(b1=np.array([b1]), dwell=duration, pulses=count, pause=pause)
    ours = z_spectrum(water, train, ppm * 1e-6 * GAMMA_BAR * b0, b0=b0)
    np.testing.assert_allclose(ours, theirs, atol=2e-4)


def sloped(flip, steps=64, duration=2e-3, gradient=8e-3):
    """A Hann-shaped pulse along +x under a slice gradient."""
    shape = 1 - np.cos(2 * np.pi * (np.arange(steps) + 0.5) / steps)
    dt = duration / steps
    b1 = (flip / GAMMA / dt / shape.sum() * shape).astype(complex)
    slope = np.tile([0.0, 0.0, gradient], (steps, 1))
    times = np.full(steps, dt)
    return Pulse(dt=times, b1=b1, gradient=slope, flip=flip, centre=duration / 2, use="excitation")


def brute_force(script, found, place, offset, b1):
    """Every spin by itself, every interval one exponential by scipy; pulses without carrier offset."""
    line = script.timeline()
    signal = []
    for r in place:
        state, rows = np.concatenate([found.rest(), [1.0]]), []
        n = found.liquids
        for s in range(len(line.kind)):
            if line.kind[s] == 1:
                pulse = line.pulses[line.event[s]]
                turn = found.turned(line.phase[s])
                state = turn.T @ state
                for dt, b, g in zip(pulse.dt, pulse.b1, pulse.gradient, strict=True):
                    df = offset + GAMMA_BAR * g @ r
                    state = expm(found.generator(GAMMA * b.real * b1, df, -offset) * dt) @ state
                state = turn @ state
                continue
            seconds = line.duration[s] * 1e-9
            if line.kind[s] == 2:
                for k in range(script.samples):
                    t = (k + 0.5) * script.dwell
                    moment = line.readouts.moment[line.event[s], k]
                    seen = expm(found.generator(0.0, offset + moment @ r / t, 0.0) * t) @ state
                    rows.append(seen[:n].sum() + 1j * seen[n : 2 * n].sum())
            df = offset + line.moment[s] @ r / seconds
            state = expm(found.generator(0.0, df, 0.0) * seconds) @ state
        signal.append(np.reshape(rows, (-1, script.samples)))
    return np.mean(signal, axis=0)


def spoiled_train(pulse, repetitions=4):
    """A gradient echo with RF spoiling, a spoiler along z and a read gradient along x."""
    script = Script(samples=6, dwell=50e-6, b0=7.0)
    for n in range(repetitions):
        script.tr().rf(pulse, phase=np.deg2rad(58.5) * n * (n + 1)).free(1e-3, (-600.0, 200.0, 0.0))
        script.read((200.0, 0.0, 0.0)).free(3e-3, (0.0, -200.0, 900.0))
    return script


def seen(script, water, place, offset, b1):
    kind = TissueClass(name="w", tissue="w", pd=1.0, r1=1 / water.t1, r2=1 / water.t2, offset=offset, b1=b1,
                       exchange=water.exchange, members=np.arange(len(place)))  # fmt: skip
    volume = np.full(len(place), 1 / len(place))
    return exchange_signal(script.timeline(), [kind], place, volume, threads=1)


PLACES = np.random.default_rng(3).uniform(-1, 1, (5, 3)) * [2e-3, 2e-3, 1e-3]


def test_spoiled_gradient_echo_with_exchange_and_mt_equals_exponentials_spin_by_spin():
    script = spoiled_train(hard_pulse(np.deg2rad(25), 2e-4))
    expected = brute_force(script, system(), PLACES, 21.0, 0.9)
    found = seen(script, WATER, PLACES, 21.0, 0.9)
    assert np.linalg.norm(found - expected) < 1e-10 * np.linalg.norm(expected)
    alone = seen(script, replace(WATER, exchange=(HYDROXYL,)), PLACES, 21.0, 0.9)
    assert np.linalg.norm(found - alone) > 1e-3 * np.linalg.norm(expected)  # the matrix does take part


def test_selective_pulse_on_exchanging_pools_converges_with_the_square_of_the_step():
    expected = brute_force(spoiled_train(sloped(0.6), 1), system(), PLACES, 21.0, 1.1)
    errors = []
    for cut in (2, 4, 8):
        coarse = sloped(0.6)
        fine = replace(coarse, dt=np.repeat(coarse.dt / cut, cut), b1=np.repeat(coarse.b1, cut),
                       gradient=np.repeat(coarse.gradient, cut, axis=0))  # fmt: skip
        found = seen(spoiled_train(fine, 1), WATER, PLACES, 21.0, 1.1)
        errors.append(np.linalg.norm(found - expected) / np.linalg.norm(expected))
    assert errors[0] < 1e-5
    assert np.log2(errors[0] / errors[2]) / 2 == pytest.approx(2.0, abs=0.2)


def test_pools_of_no_weight_leave_the_ordinary_engine():
    tiny = replace(HYDROXYL, fraction=1e-9)
    script = Script(samples=8, spacing=(4e-3, 4e-3, 4e-3)).tr().rf(hard_pulse(1.0, 1e-6)).free(2e-3, (30.0, 0.0, 80.0))
    script.read((25.0, 0.0, 0.0))
    line = replace(script.timeline(), b0=3.0)
    engine = Bloch(reuse=False, sub_slices=4, subsamples=1, slab=1.0)
    plain, mixed = (
        simulate(line, Box(pools=(replace(pool(0.9, 0.05), exchange=e),)), engine).imaging.data for e in ((), (tiny,))
    )
    np.testing.assert_allclose(mixed, plain, atol=1e-8 * np.abs(plain).max())


def test_impossible_pools_are_refused_by_name():
    with pytest.raises(InputError, match=r"amide\.t2"):
        replace(AMIDE, t2=3.0)
    with pytest.raises(InputError, match=r"amide\.line"):
        replace(AMIDE, line="triangle")


def test_tissue_file_names_pools_beside_water(tmp_path):
    text = resource("nucleus_pulposus", "phantoms/tissues", "tissue").read_text(encoding="utf-8")
    table = """
[exchange.amide]
fraction = 0.001
rate = "30 1/s"
t1 = "1 s"
t2 = "100 ms"
shift = "3.5 ppm"
source = "test"
provenance = "chosen by definition"
"""
    path = tmp_path / "mixed.toml"
    path.write_text(text + table, encoding="utf-8")
    water = load_tissue(str(path), field=3.0).pools(3.0)[0]
    assert water.exchange == (AMIDE,)
    path.write_text(text + table.replace("30 1/s", "0 1/s"), encoding="utf-8")
    with pytest.raises(InputError, match=r"amide\.rate"):
        load_tissue(str(path), field=3.0)


def test_pulse_that_plays_often_acts_by_its_map_as_by_its_steps(monkeypatch):
    script = spoiled_train(sloped(0.3), repetitions=14)  # more often than the state has components
    place = np.array([[0.0, 0.0, 1e-3], [2e-3, 0.0, -2e-3]])
    mapped = seen(script, WATER, place, 12.0, 0.9)
    monkeypatch.setattr(exchange_walk, "_spin_maps", lambda *_: None)
    np.testing.assert_allclose(mapped, seen(script, WATER, place, 12.0, 0.9), rtol=1e-9, atol=1e-12)

"""Diffusion in steady states and under tensors against a Bloch-Torrey solver on a grid, and the Gaussian law."""

from dataclasses import replace

import numpy as np
from objects import Box, Script, hard_pulse, pool

from mrsim.simulate.pathways import run_pathways
from mrsim.simulate.pathways_options import Pathways
from mrsim.simulate.pulse_maps import rotation

VOXEL = 1e-3 * 1e-3 * 4e-3
T1, T2, FLIP, TR, WINDING, D = 1.0, 0.2, np.deg2rad(30), 15e-3, 20e3, 2e-9
IDEAL = Pathways(subsamples=1, profile="ideal", accuracy=1e-7)


def double_echo(count=40):
    pulse, script = hard_pulse(FLIP, 2e-9), Script(dwell=1e-9)
    for _ in range(count):
        script.tr().rf(pulse).read(contrast=0).free(TR - 4e-9, (0, 0, WINDING)).read(contrast=1)
    return script.timeline()


def on_a_grid(diffusion, count=40, points=128, substeps=100):
    """Both echoes by time steps of the Bloch-Torrey equation over one period of the winding."""
    k = np.fft.fftfreq(points) * points * WINDING
    place = np.arange(points) / points / WINDING
    m, echoes, dt = np.zeros((3, points)), [], TR / substeps
    m[2] = 1
    wound = np.exp(-2j * np.pi * WINDING * place)
    stored = np.exp(-dt * diffusion * (2 * np.pi * k) ** 2)
    for _ in range(count):
        m = rotation(FLIP, 0.0)[:, :3] @ m
        plus, z = m[0] + 1j * m[1], m[2]
        first = plus.mean()
        for step in range(substeps):
            # M+ = exp(-i 2 pi q z) times a periodic function, which diffuses with its own k shifted by -q
            q = (step + 0.5) / substeps * WINDING
            plus = np.fft.ifft(np.fft.fft(plus) * np.exp(-dt * (diffusion * (2 * np.pi * (k - q)) ** 2 + 1 / T2)))
            z = 1 + (np.fft.ifft(np.fft.fft(z) * stored).real - 1) * np.exp(-dt / T1)
        plus = plus * wound
        echoes.append((first, plus.mean()))
        m = np.stack([plus.real, plus.imag, z])
    return np.array(echoes)


def test_double_echo_with_diffusion_equals_the_bloch_torrey_equation():
    box = Box(pools=(pool(T1, T2),))
    engine = replace(IDEAL, diffusion={"*": D})
    found = run_pathways(double_echo(), box, engine, threads=1).imaging.data[:, 0, 0].reshape(-1, 2) / VOXEL
    expected = on_a_grid(D)
    # midpoint steps of a hundredth of TR leave (2 pi k)^2 D TR / 12 / 1e4 = 4e-6 of a state's decay
    assert np.abs(found - expected).max() < 2e-5
    assert np.abs(expected - on_a_grid(0.0)).max() > 1e-2


def test_spin_echo_under_a_tensor_and_oblique_trapezes_has_the_gaussian_decay():
    tensor = np.array([[1.7, 0.3, -0.2], [0.3, 0.9, 0.1], [-0.2, 0.1, 0.5]]) * 1e-9
    ramp, flat, gap, rate = 1e-3, 4e-3, 7e-3, 42.577478518e6
    strength = np.array([12e-3, -20e-3, 25e-3])
    script = Script(dwell=1e-9).tr().rf(hard_pulse(np.pi / 2, 2e-9))
    lobe = rate * strength * (flat + ramp)
    script.free(2 * ramp + flat, lobe).free(gap / 2).rf(hard_pulse(np.pi, 2e-9, use="refocusing")).free(gap / 2)
    timeline = script.free(2 * ramp + flat, lobe).read().timeline()
    corners = np.array([0, ramp, ramp + flat, 2 * ramp + flat])
    second = 2 * ramp + flat + gap + 2e-9
    times = np.rint(np.concatenate([corners, corners + second]) * 1e9).astype(np.int64) + 2
    knots = tuple((times, g * np.array([0.0, 1, 1, 0, 0, 1, 1, 0])) for g in strength)
    engine = replace(IDEAL, diffusion={"*": tensor})
    box = Box(pools=(pool(1e9, 1e9),))
    signal = np.abs(run_pathways(replace(timeline, knots=knots), box, engine, threads=1).imaging.data[0, 0, 0]) / VOXEL
    length, apart = flat + ramp, second
    # Price and Kuchel's trapezes: delta^2 (Delta - delta/3) + ramp^3/30 - delta ramp^2/6
    weight = (2 * np.pi * rate) ** 2 * (length**2 * (apart - length / 3) + ramp**3 / 30 - length * ramp**2 / 6)
    np.testing.assert_allclose(signal, np.exp(-weight * strength @ tensor @ strength), rtol=1e-5)


def test_train_in_a_constant_gradient_decays_as_carr_and_purcell():
    """Echo n keeps exp(-n gamma^2 G^2 ESP^3 D / 12): ideal 180 degree pulses leave a single pathway."""
    # long times make the pulses of 2 ns, which have no gradient, 1e-12 of them
    spacing, gradient = 1000.0, 30.0 / 1000.0
    script = Script(dwell=1e-9).tr().rf(hard_pulse(np.pi / 2, 2e-9), phase=0.0)
    for n in range(12):
        pulse = hard_pulse(np.pi, 2e-9, use="refocusing")
        script.free(spacing / 2, (0, 0, gradient * spacing / 2)).rf(pulse, phase=np.pi / 2)
        script.free(spacing / 2, (0, 0, gradient * spacing / 2)).read(contrast=n)
    exponent = (2 * np.pi * gradient) ** 2 * spacing**3 / 12
    diffusivity = 0.15 / exponent
    box, engine = Box(pools=(pool(1e16, 1e16),)), replace(IDEAL, diffusion={"*": diffusivity}, accuracy=1e-12)
    found = np.abs(run_pathways(script.timeline(), box, engine, threads=1).imaging.data[:, 0, 0].ravel()) / VOXEL
    np.testing.assert_allclose(found, np.exp(-0.15 * np.arange(1, 13)), rtol=1e-8)

"""Moving spins against an ODE solver and closed forms (physics B-20, B-32)."""

from dataclasses import replace

import numpy as np
import pytest
from reference import bloch_ode

from mrsim.core.errors import InputError
from mrsim.core.grid import Grid
from mrsim.phantom.exchange import ExchangePool
from mrsim.phantom.motion import (
    Affine,
    Displacement,
    Flow,
    Power,
    Rotation,
    Trace,
    Vibration,
    Wave,
    field_on_grid,
    places,
)
from mrsim.phantom.phantom_file import load_phantom
from mrsim.sequence.discretize import discretize
from mrsim.sequence.events import Adc, Gradient, RfPulse
from mrsim.sequence.families.spin_echo import SpinEcho
from mrsim.sequence.families.spoiled_gradient_echo import SpoiledGradientEcho
from mrsim.sequence.scanner import Scanner
from mrsim.sequence.sequence import Block
from mrsim.sequence.timeline import Pulse
from mrsim.simulate import Bloch, simulate
from mrsim.simulate.classes import TissueClass
from mrsim.simulate.direct import direct_signal
from mrsim.simulate.motion_moments import moving_components, moving_timeline
from mrsim.simulate.pulse_response import pulse_response

SCANNER = Scanner.preset("3T")
MODEL = SpinEcho(matrix=(8, 8)).build(SCANNER)
GAMMA_BAR = SCANNER.gamma_bar
GAMMA = 2 * np.pi * GAMMA_BAR
PLACES = np.array([[3e-3, -2e-3, 1e-3], [-4e-3, 5e-3, -2e-3], [1e-3, 1e-3, 0.5e-3]])


def gradient(times, amplitudes):
    """Knots in us and mT/m."""
    at = np.round(np.asarray(times, float) * 1e3).astype(np.int64)
    return Gradient(times=at, amplitudes=np.asarray(amplitudes, float) * 1e-3)


def scan(*blocks):
    return discretize(replace(MODEL, blocks=tuple(blocks)))


def signal(line, motions, position=PLACES, offset=35.0, dtype=np.float64):
    courses, parts = moving_components(motions, position)
    kind = TissueClass(name="w", tissue="w", pd=1.0, r1=1 / 0.8, r2=1 / 0.05, offset=offset, b1=0.95,
                       members=np.arange(len(position)))  # fmt: skip
    volume = np.full(len(position), 1 / len(position))
    return direct_signal(moving_timeline(line, courses), [kind], parts.T, volume, dtype=dtype, threads=1)


def every_waveform():
    """Shaped RF under a ramp and a plateau, a trapezoid, a sampled sine, a jump, and a readout over ramps."""
    n = 60
    shape = np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2
    rf = RfPulse(signal=(6e-6 * shape).astype(complex), dwell=5_000, delay=100_000, phase=0.4, flip=1.0)
    wave = np.linspace(0, 1, 41)
    jump = gradient([0, 300, 301, 800], [0, 8, -9, 0])
    sampled = gradient(800 * wave, 15 * np.sin(9 * wave) * (1 - wave))
    read = Adc(samples=8, dwell=40_000, delay=40_000)
    return scan(
        Block(duration=500_000, rf=rf, gz=gradient([0, 250, 420, 500], [0, 10, 10, 0]), starts_tr=True),
        Block(duration=800_000, gx=gradient([0, 100, 700, 800], [0, -6, -6, 0]), gy=sampled, gz=jump),
        Block(
            duration=400_000, gx=gradient([0, 150, 250, 400], [0, 12, 12, 0]), gy=gradient([0, 400], [3, -3]), adc=read
        ),
    )


def by_solver(line, motions, offset=35.0, b1=0.95, t1=0.8, t2=0.05):
    """Integrate every spin through the played waveforms, with stops at RF steps, knots and samples."""
    stops, steps, samples = {0.0}, [], []
    for s in range(len(line.kind)):
        start = line.start[s] * 1e-9
        stops.add(start)
        if line.kind[s] == 1:
            pulse = line.pulses[line.event[s]]
            edges = start + np.concatenate([[0], np.cumsum(pulse.dt)])
            steps += [
                (a, b, v * np.exp(-1j * line.phase[s])) for a, b, v in zip(edges, edges[1:], pulse.b1, strict=False)
            ]
            stops.update(edges)
        if line.kind[s] == 2:
            samples += list(start + (np.arange(8) + 0.5) * line.readouts.dwell[0])
    for times, _ in line.knots:
        stops.update(t * 1e-9 for t in times if t * 1e-9 < samples[-1])
    stops = np.array(sorted(stops | set(samples)))
    stops = stops[np.concatenate([[True], np.diff(stops) > 1e-12]) & (stops <= samples[-1] + 1e-12)]
    found = np.zeros(8, complex)
    for place in PLACES:
        m = np.array([0.0, 0.0, 1.0])
        for begin, end in zip(stops[:-1], stops[1:], strict=True):
            rf = b1 * sum((v for a, b, v in steps if a - 1e-12 < begin and end < b + 1e-12), 0j)

            def field(t, begin=begin, rf=rf, place=place):
                x = places(motions, place[None], begin + t)[0]
                g = [np.interp(begin + t, times * 1e-9, values) for times, values in line.knots]
                return np.array([rf.real, rf.imag, np.dot(g, x) + offset / GAMMA_BAR])

            m = bloch_ode(field, m, end - begin, GAMMA, t1, t2)
            near = np.flatnonzero(np.abs(np.array(samples) - end) < 1e-11)
            if len(near):
                found[near[0]] += (m[0] + 1j * m[1]) / len(PLACES)
    return found


def swirl(position):
    """Metres: a smooth field whose derivatives differ in all directions."""
    return 1e-3 * np.sin(300 * position[:, [1, 2, 0]]) + 0.2 * position


MOTIONS: dict[str, tuple] = {
    "none": (),
    "flow": (Flow(velocity=(0.6, -0.3, 0.4), acceleration=(50.0, 20.0, -30.0)),),
    "rigid": (Flow(velocity=(0.1, 0.2, 0.3)), Rotation(axis=(1.0, 2.0, 0.5), frequency=40.0, centre=(1e-3, 0.0, 2e-3))),
    "affine": (Affine(course=Trace(times=(0.0, 4e-4, 9e-4, 2e-3), values=(0.0, 1.0, 0.4, 0.8)),
                      matrix=((0.2, 0.1, 0.0), (0.0, -0.1, 0.3), (0.1, 0.0, 0.2)), shift=(1e-3, 0.0, -1e-3)),),
    "field": (
        Displacement(field=swirl, course=Power(order=1)),
        Displacement(field=swirl, course=Wave(frequency=700.0)),
    ),
    "periodic": (Vibration(field=lambda r: swirl(r) * np.exp(1j * 400 * r[:, ::-1]), frequency=900.0),),
}  # fmt: skip


@pytest.mark.parametrize("kind", MOTIONS)
def test_moving_spins_equal_an_ode_solver_under_every_waveform(kind):
    line, motions = every_waveform(), MOTIONS[kind]
    expected = by_solver(line, motions)
    found = signal(line, motions)[0]
    assert np.linalg.norm(found - expected) < 1e-6 * np.linalg.norm(expected)
    single = signal(line, motions, dtype=np.float32)[0]
    assert np.linalg.norm(single - expected) < 1e-4 * np.linalg.norm(expected)
    still = signal(line, ())[0]
    assert kind == "none" or np.linalg.norm(found - still) > 1e-2 * np.linalg.norm(expected)  # the motion matters


def phase_of(motions, *encoders, position=((0.0, 0.0, 0.0),)):
    """Phase, rad, of a spin after a hard pulse and encoding blocks, over that of one at rest."""
    rf = RfPulse(signal=np.array([GAMMA**-1 * np.pi / 2 / 1e-6 + 0j]), dwell=1_000, delay=0, flip=np.pi / 2)
    blocks = (Block(duration=10_000, rf=rf, starts_tr=True), *encoders,
              Block(duration=20_000, adc=Adc(samples=8, dwell=1_000, delay=5_000)))  # fmt: skip
    line = scan(*blocks)
    moved, still = (signal(line, m, np.array(position), offset=0.0)[0, 0] for m in (motions, ()))
    return float(np.angle(moved / still))


def test_bipolar_gradient_encodes_velocity_by_its_first_moment():
    knots, values = np.array([0, 200, 1000, 1200, 1400, 2200, 2400]), np.array([0, 20, 20, 0, -20, -20, 0])
    area = 20e-3 * 1e-3  # T s/m of one lobe; the lobes' centres are 1.2 ms apart
    moment = -area * 1.2e-3
    velocity = 0.3
    found = phase_of((Flow(velocity=(0.0, velocity, 0.0)),), Block(duration=2_400_000, gy=gradient(knots, values)))
    assert found == pytest.approx(-GAMMA * moment * velocity, rel=1e-9)


def test_motion_encoding_reads_the_closed_forms_of_elastography():
    # 80 Hz, 30 mT/m, 20 um, one period: gamma G T xi / 2 and 2 gamma G T xi / pi (B-20)
    period, amplitude, delay = 1 / 80, 20e-6, 10e-6
    start = -1j * amplitude * np.exp(-2j * np.pi * 80 * delay)  # a sine that starts with the encoder
    vibration = Vibration(frequency=80.0, field=lambda r: np.tile([0, 0, start], (len(r), 1)))
    time = np.linspace(0, 12500, 12501)
    sine = Block(duration=12_500_000, gz=gradient(time, 30 * np.sin(2 * np.pi * time / 12500)))
    found = phase_of((vibration,), sine)
    assert found == pytest.approx(-GAMMA * 30e-3 * period * amplitude / 2, rel=1e-6)  # lines between knots: 2e-8
    assert abs(found) == pytest.approx(1.00321, abs=1e-5)
    square = Block(duration=12_500_000, gz=gradient([0, 1e-3, 6250, 6250.001, 12500], [0, 30, 30, -30, -30]))
    found = phase_of((vibration,), square)
    assert found == pytest.approx(-2 * GAMMA * 30e-3 * period * amplitude / np.pi, rel=1e-6)
    assert abs(found) == pytest.approx(1.27732, abs=1e-5)


def test_rotation_keeps_distances_and_turns_right_handed():
    turned = places((Rotation(axis=(0.0, 0.0, 2.0), frequency=1.0, centre=(1.0, 0.0, 0.0)),), [[2.0, 0.0, 0.5]], 0.25)
    np.testing.assert_allclose(turned, [[1.0, 1.0, 0.5]], atol=1e-12)


def test_field_on_a_grid_is_linear_between_voxels():
    grid = Grid(shape=(4, 5, 6), spacing=(1e-3, 2e-3, 3e-3))
    z, y, x = np.meshgrid(*(grid.coordinates(a) for a in (2, 1, 0)), indexing="ij")
    linear = np.stack([x + 2 * y, y - z, (1 + 2j) * z], axis=-1)
    inside = np.random.default_rng(1).uniform(-1, 1, (20, 3)) * [1.9e-3, 3.9e-3, 2.9e-3]
    found = field_on_grid(grid, linear)(inside)
    px, py, pz = inside.T
    np.testing.assert_allclose(found, np.stack([px + 2 * py, py - pz, (1 + 2j) * pz], axis=-1), atol=1e-15)
    with pytest.raises(InputError, match="shape"):
        field_on_grid(grid, linear[:2])


def test_shifted_object_differs_by_a_linear_phase_in_k_space():
    """A translation is a linear phase (B-35), through the whole engine and from world axes to the grid's."""
    timeline = discretize(SpoiledGradientEcho(matrix=(8, 6), fov=(0.12, 0.12), dummies=0).build(SCANNER))
    phantom = load_phantom("ellipse", field=3.0)
    engine = Bloch(subsamples=1, sub_slices=4, reuse=False, slab=1.0, layers=1)
    along = np.array([3e-3, -2e-3, 0.0])  # grid axes, in the plane: the slice stays the same
    shift = tuple(timeline.encoding.grid.axes @ along)
    moved = replace(phantom, motion=(Affine(course=Trace(times=(0.0,), values=(1.0,)), shift=shift),))
    still, shifted = (simulate(timeline, each, engine, threads=1).imaging for each in (phantom, moved))
    expected = still.data[:, 0] * np.exp(-2j * np.pi * (still.k @ along))
    assert np.linalg.norm(shifted.data[:, 0] - expected) < 1e-6 * np.linalg.norm(expected)  # spoilers: none in plane


def test_exchanging_pools_that_move_are_refused():
    timeline = discretize(SpoiledGradientEcho(matrix=(8, 6), fov=(0.12, 0.12), dummies=0).build(SCANNER))
    phantom = load_phantom("ellipse", field=3.0)
    pool = ExchangePool(name="amide", fraction=1e-3, rate=30.0, t1=1.0, t2=0.1, shift=3.5e-6)
    mixed = tuple(replace(tissue, exchange=(pool,)) for tissue in phantom.tissues)
    moving = replace(phantom, tissues=mixed, motion=(Flow(velocity=(0.1, 0.0, 0.0)),))
    with pytest.raises(InputError, match="cannot move"):
        simulate(timeline, moving, Bloch(subsamples=1, sub_slices=4, slab=1.0, layers=1))


def test_ramped_gradient_under_rf_is_of_fourth_order_and_saves_steps():
    """With the change of the gradient in each step the turn is a fourth-order Magnus step; without it, of second."""
    duration, slope, z = 400e-6, 60.0, 2e-3

    def field(t):
        return np.array([9e-6, 0.0, slope * (t - duration / 3) * z])

    truth = bloch_ode(field, (0, 0, 1), duration, GAMMA)
    steps, errors = np.array([16, 32, 64]), {}
    for name in ("midpoint", "magnus"):
        errors[name] = []
        for n in steps:
            dt = duration / n
            mean = np.zeros((n, 3))
            mean[:, 2] = slope * ((np.arange(n) + 0.5) * dt - duration / 3)
            change = np.tile([0.0, 0.0, slope * dt], (n, 1))
            pulse = Pulse(dt=np.full(n, dt), b1=np.full(n, 9e-6 + 0j), gradient=mean, flip=0.0, centre=0.0,
                          use="excitation", change=change if name == "magnus" else None)  # fmt: skip
            errors[name].append(np.abs(pulse_response(pulse, GAMMA_BAR, position=(0, 0, z)) - truth).max())
    orders = {name: -np.polyfit(np.log(steps), np.log(found), 1)[0] for name, found in errors.items()}
    assert orders["midpoint"] == pytest.approx(2.0, abs=0.1)
    assert orders["magnus"] == pytest.approx(4.0, abs=0.2)
    # steps for 1e-6: what each order's last error says it takes
    needed = {name: 64 * (found[-1] / 1e-6) ** (1 / orders[name]) for name, found in errors.items()}
    assert needed["midpoint"] > 8 * needed["magnus"]

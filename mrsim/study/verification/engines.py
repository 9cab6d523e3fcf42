"""Engines: pulses, relaxation, echoes, steady states and coupled spins against closed forms and other programs."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ...core.echo_trains import echo_train
from ...core.nuclei import PROTON, WATER_PPM
from ...phantom import load_phantom
from ...sequence.discretize import discretize
from ...sequence.families.balanced_ssfp import BalancedSSFP
from ...sequence.families.spin_echo import SpinEcho
from ...sequence.scanner import Scanner
from ...sequence.timeline import Pulse
from ...simulate import Bloch, Pathways, simulate
from ...simulate.pulse_response import pulse_response
from ...simulate.spin_systems.shot import Play, Shot, Wait
from .check import Check

GAMMA_BAR = PROTON.gamma_bar
GAMMA = 2 * math.pi * GAMMA_BAR


def pulse_of(b1: NDArray[np.complexfloating | np.floating], duration: float, gradient: float = 0.0) -> Pulse:
    """Return a pulse of equal steps (T) lasting `duration` s under a constant gradient along z, T/m."""
    count = len(b1)
    along = np.zeros((count, 3))
    along[:, 2] = gradient
    step = np.full(count, duration / count)
    return Pulse(dt=step, b1=b1.astype(complex), gradient=along, flip=0.0, centre=duration / 2, use="excitation")


def hamming_sinc(
    count: int, duration: float, flip: float | None = None, peak: float = 0.0, gradient: float = 0.0
) -> Pulse:
    """Return a sinc of time-bandwidth 4 under a Hamming window: of a flip angle, rad, or of a peak, T."""
    x = (np.arange(count) + 0.5) / count - 0.5
    shape = np.sinc(4 * x) * (0.54 + 0.46 * np.cos(2 * np.pi * x))
    scale = peak if flip is None else flip / (GAMMA * duration * float(shape.mean()))
    return pulse_of(scale * shape.astype(complex), duration, gradient)


def rabi() -> float:
    """Return the largest error of Mz after a rectangular pulse of 180 degrees, 1 ms, up to 3 kHz off resonance."""
    duration, flip = 1e-3, math.pi
    offset = np.linspace(-3000, 3000, 121)
    pulse = pulse_of(np.full(100, flip / (GAMMA * duration), complex), duration)
    found = pulse_response(pulse, GAMMA_BAR, offset=offset)[:, 2]
    w1, dw = flip / duration, 2 * np.pi * offset
    big = np.hypot(w1, dw)
    true = 1 - 2 * (w1 / big) ** 2 * np.sin(big * duration / 2) ** 2
    return float(np.abs(found - true).max())


def relaxation() -> float:
    """Return the error of 30 ms of free relaxation at T1 500 ms and T2 40 ms."""
    found = pulse_response(pulse_of(np.zeros(1, complex), 0.03), GAMMA_BAR, t1=0.5, t2=0.04, start=(0.6, -0.3, -0.4))
    e1, e2 = math.exp(-0.03 / 0.5), math.exp(-0.03 / 0.04)
    return float(np.abs(found - [0.6 * e2, -0.3 * e2, 1 - 1.4 * e1]).max())


def order_of_convergence() -> float:
    """Return how far from 2 the order is with which a pulse with fast relaxation converges to an ODE solver."""
    from scipy.integrate import solve_ivp

    duration, t1, t2, along = 2e-3, 0.004, 0.002, 8e-3 * 1.5e-3

    def rate(t: float, m: NDArray[np.float64]) -> NDArray[np.float64]:
        x = t / duration - 0.5
        b1 = 9e-6 * np.sinc(4 * x) * (0.54 + 0.46 * np.cos(2 * np.pi * x))
        return np.asarray(GAMMA * np.cross(m, [b1, 0.0, along]) - np.array([m[0] / t2, m[1] / t2, (m[2] - 1) / t1]))

    true = solve_ivp(rate, (0, duration), [0.0, 0.0, 1.0], method="DOP853", rtol=1e-11, atol=1e-13).y[:, -1]
    steps = np.array([32, 64, 128, 256])
    errors = []
    for count in steps:
        pulse = hamming_sinc(int(count), duration, peak=9e-6, gradient=8e-3)
        errors.append(np.abs(pulse_response(pulse, GAMMA_BAR, position=(0, 0, 1.5e-3), t1=t1, t2=t2) - true).max())
    return float(abs(-np.polyfit(np.log(steps), np.log(errors), 1)[0] - 2.0))


def slice_profile() -> float:
    """Return the largest difference from sigpy's Cayley-Klein simulation of a selective 180-degree pulse."""
    from sigpy.mri.rf.sim import abrm

    pulse = hamming_sinc(256, 3e-3, flip=math.pi, gradient=10e-3)
    place = np.linspace(-16, 16, 129)  # in cycles over the pulse
    a, b = (np.ravel(part) for part in abrm((GAMMA * pulse.b1.real * pulse.dt).astype(complex), place))
    z = place / (GAMMA_BAR * 10e-3 * 3e-3)
    m = pulse_response(pulse, GAMMA_BAR, position=np.stack([0 * z, 0 * z, z], axis=1))
    across = np.abs(np.hypot(m[:, 0], m[:, 1]) - np.abs(2 * np.conj(a) * b)).max()
    return float(max(across, np.abs(m[:, 2] - (1 - 2 * np.abs(b) ** 2)).max()))


def short_t2() -> float:
    """Return the largest error of rectangular pulses on tissue whose T2 is of their length."""
    cases = (
        (5e-4, 3e-4, 15, 0.194640, 0.971823), (1e-4, 5e-4, 30, 0.100556, 0.956711),
        (1.5e-3, 1e-4, 10, 0.167986, 0.985140),
    )  # fmt: skip
    errors = []
    for t2, duration, flip, across, along in cases:
        b1 = np.full(400, math.radians(flip) / (GAMMA * duration), complex)
        m = pulse_response(pulse_of(b1, duration), GAMMA_BAR, t2=t2)
        errors += [abs(math.hypot(m[0], m[1]) - across), abs(m[2] - along)]
    return float(max(errors))


def echoes_of_120_degrees() -> float:
    """Return the largest error of five echoes of a 120-degree train without relaxation: fractions of powers of two."""
    found = echo_train(1e12, 1e12, refocusing=np.full(5, math.radians(120)), spacing=10e-3)[0]
    return float(np.abs(found - [0.75, 0.9375, 0.84375, 0.85546875, 0.884765625]).max())


def echoes_at_low_b1() -> float:
    """Return the largest error of the first four echoes at B1 0.9, 0.8 and 0.7, T1 1 s, T2 100 ms, 10 ms apart."""
    table = [
        (0.87183, 0.81180, 0.71451, 0.66651), (0.77838, 0.78423, 0.65022, 0.63650),
        (0.64005, 0.72099, 0.57581, 0.55935),
    ]  # fmt: skip
    found = echo_train(1.0, 0.1, [0.9, 0.8, 0.7], refocusing=np.full(16, np.pi), spacing=10e-3)
    return float(np.abs(found[:, :4] - table).max())


def _strong(protocol: BalancedSSFP | SpinEcho, engine: Bloch | Pathways) -> tuple[NDArray[np.complex128], float, float]:
    """Return a scan's signals at the middle of its lines over proton density and volume, T1 and T2, s."""
    scanner = Scanner(name="strong", b0=3.0, max_gradient=0.06, max_slew=200.0, max_b1=1e-3)
    timeline = discretize(protocol.build(scanner))
    phantom = load_phantom("single-voxel", field=3.0)
    data = simulate(timeline, phantom, engine).imaging.data[:, 0, protocol.matrix[0] // 2]
    pool = phantom.sample(timeline.encoding.grid).pools[0][0]
    volume = protocol.fov[0] / protocol.matrix[0] * protocol.fov[1] / protocol.matrix[1] * protocol.slice_thickness
    return data / (volume * pool.pd), pool.t1, pool.t2


def balanced_steady_state() -> float:
    """Return the relative error of a built balanced SSFP scan, 30 degrees, TR 6 ms, 20-us pulses, after 6 s."""
    tr, flip = 6e-3, math.radians(30)
    protocol = BalancedSSFP(matrix=(16, 8), fov=(0.16, 0.08), slice_thickness=10e-3, flip=flip, tr=tr, pulse="hard",
                            excitation_duration=20e-6, dummies=1000)  # fmt: skip
    signal, t1, t2 = _strong(protocol, Bloch(subsamples=1, accuracy=1e-2))
    e1, e2 = math.exp(-tr / t1), math.exp(-tr / t2)
    true = math.sin(flip) * (1 - e1) / (1 - (e1 - e2) * math.cos(flip) - e1 * e2) * math.exp(-tr / 2 / t2)
    return float(abs(np.abs(signal).max() / true - 1))


def engines_agree() -> float:
    """Return the largest difference of Bloch and Pathways on a built spin echo, relative to its largest signal."""
    protocol = SpinEcho(matrix=(16, 8), fov=(0.16, 0.08), slice_thickness=10e-3, te=(20e-3,), tr=0.5)
    bloch = _strong(protocol, Bloch(accuracy=1e-4, subsamples=41))[0]
    pathways = _strong(protocol, Pathways(accuracy=1e-4, subsamples=41))[0]
    return float(np.abs(bloch - pathways).max() / np.abs(bloch).max())


def lactate() -> float:
    """Return the largest error of lactate's methyl signal after ideal PRESS at 3 T, TE 35, 72, 144 and 288 ms."""
    from ...phantom.metabolite import CoupledSpins
    from ...simulate.spin_systems.ideal import ideal_state
    from ...simulate.spin_systems.operators import embedded, levels, spin_matrices
    from ...simulate.spin_systems.relaxation import Damping
    from ...simulate.spin_systems.subspaces import networks, subspaces

    couplings = ("1-2 6.93 Hz", "1-3 6.93 Hz", "1-4 6.93 Hz")
    spins = CoupledSpins(shifts=(4.0974e-6, 1.3142e-6, 1.3142e-6, 1.3142e-6), couplings=couplings)
    (network,) = networks(spins, PROTON, 3.0, WATER_PPM * 1e-6)
    errors = []
    for te, true in ((0.035, 0.7382), (0.072, 0.0156), (0.144, -0.9982), (0.288, 0.9970)):
        total = 0.0 + 0.0j
        for space, weight in subspaces(network).items():
            states = levels(space)
            still = Damping(levels=states, rates=np.zeros((len(space.spins), 2)))
            rho = states.vectors @ ideal_state(still, _ideal_press(te / 2, te / 2)) @ states.vectors.T
            if len(space.spins) == 2:
                x, y, _ = spin_matrices(space.spins[1])
                total += weight * np.trace(rho @ embedded(space, 1, x + 1j * y))
        errors.append(abs(total.real / 3 - true))
    return max(errors)


def _ideal_press(te1: float, te2: float) -> Shot:
    """Return a PRESS shot of microsecond pulses between crushers."""
    short = 1e-6

    def turn(degrees: float, phase: float, use: str) -> Play:
        b1 = np.array([math.radians(degrees) / (GAMMA * short) + 0j])
        pulse = Pulse(dt=np.array([short]), b1=b1, gradient=np.zeros((1, 3)), flip=math.radians(degrees), centre=0.0,
                      use=use)  # fmt: skip
        return Play(pulse=pulse, phase=phase)

    def wait(seconds: float, moment: float) -> Wait:
        return Wait(duration=seconds, moment=np.array([0.0, 0.0, moment]))

    events = (
        turn(90, math.pi / 2, "excitation"), wait(te1 / 2 - short, 300.0), turn(180, 0.0, "refocusing"),
        wait(te1 / 2 - short, 300.0), wait(te2 / 2, 700.0), turn(180, 0.0, "refocusing"), wait(te2 / 2 - short, 700.0),
    )  # fmt: skip
    return Shot(events=events, dwell=4e-4, samples=16, phase=0.0, frequency=0.0, gamma_bar=GAMMA_BAR, b0=3.0,
                voxel=(0.02, 0.02, 0.02))  # fmt: skip


BLOCH, GRAPHS = "Bloch engine", "Echo trains"
CHECKS = (
    Check(name="rabi", part=BLOCH, claim="a rectangular pulse off resonance turns Mz as Rabi's formula says",
          reference="closed form", tolerance=1e-11, why="round-off of 100 steps", error=rabi),
    Check(name="relaxation", part=BLOCH, claim="free magnetisation decays and recovers exponentially",
          reference="closed form", tolerance=1e-12, why="round-off", error=relaxation),
    Check(name="order", part=BLOCH, claim="the error of a shaped pulse falls with the square of its step",
          reference="DOP853 of scipy, rtol 1e-11", tolerance=0.1, why="a fit over three doublings",
          error=order_of_convergence),
    Check(name="slice-profile", part=BLOCH, claim="a selective 180-degree pulse has the profile of Cayley and Klein",
          reference="sigpy, abrm", tolerance=1e-3, why="abrm plays its gradient and its B1 in turns",
          error=slice_profile),
    Check(name="short-t2", part=BLOCH, claim="pulses as long as T2 excite as Sussman's formula says",
          reference="Sussman et al. 1998", tolerance=2e-5, why="400 steps", error=short_t2),
    Check(name="balanced", part=BLOCH, claim="a built balanced SSFP scan reaches Freeman and Hill's steady state",
          reference="Freeman and Hill 1971", tolerance=1e-4, why="pulses of 20 us in 6 ms",
          error=balanced_steady_state),
    Check(name="engines", part="Bloch against Pathways", claim="a built spin echo gives the same raw data in both",
          reference="each other", tolerance=1e-3, why="1e-4 of each, and 41 points across a voxel",
          error=engines_agree),
    Check(name="echoes-120", part=GRAPHS, claim="120 degrees give 3/4, 15/16, 27/32, 219/256, 453/512",
          reference="closed form", tolerance=1e-12, why="round-off", error=echoes_of_120_degrees),
    Check(name="echoes-b1", part=GRAPHS, claim="low B1 mixes stimulated echoes in as tabulated",
          reference="an independent phase graph", tolerance=6e-6, why="five digits are tabulated",
          error=echoes_at_low_b1),
    Check(name="lactate", part="Coupled spins", claim="ideal PRESS turns lactate's methyl by J",
          reference="an independent density-matrix program", tolerance=1e-4, why="four digits are given",
          error=lactate),
)  # fmt: skip

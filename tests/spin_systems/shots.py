"""Shots made by hand: waits and ideal pulses with the delays that a test wants."""

import numpy as np

from mrsim.core.nuclei import PROTON
from mrsim.sequence.timeline import Pulse
from mrsim.simulate.spin_systems.shot import Play, Shot, Wait


def turn(degrees, phase=0.0, use="refocusing"):
    """A pulse that ideal mode takes as a rotation about B1 along exp(-i phase)."""
    flip = np.radians(degrees)
    b1 = flip / (2 * np.pi * PROTON.gamma_bar * 1e-6)
    pulse = Pulse(
        dt=np.array([1e-6]), b1=np.array([b1 + 0j]), gradient=np.zeros((1, 3)), flip=flip, centre=0.0, use=use
    )
    return Play(pulse=pulse, phase=phase)


def wait(seconds, moment=0.0):
    return Wait(duration=seconds, moment=np.array([0.0, 0.0, moment]))


def shot_of(*events, b0=3.0, dwell=4e-4, samples=2048):
    return Shot(events=events, dwell=dwell, samples=samples, phase=0.0, frequency=0.0,
                gamma_bar=PROTON.gamma_bar, b0=b0, voxel=(0.02, 0.02, 0.02))  # fmt: skip


def ideal_press(te1, te2, **options):
    """Pulses of one microsecond's centre zero: what follows each is shortened by its length."""
    pulse = 1e-6
    return shot_of(
        turn(90, np.pi / 2, "excitation"), wait(te1 / 2 - pulse, 300.0), turn(180), wait(te1 / 2 - pulse, 300.0),
        wait(te2 / 2, 700.0), turn(180), wait(te2 / 2 - pulse, 700.0), **options,
    )  # fmt: skip

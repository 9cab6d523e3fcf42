"""Small hand-made timelines and objects for testing the engine on its own."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mrsim.core.acquisition import Encoding
from mrsim.core.grid import Grid
from mrsim.core.nuclei import PROTON
from mrsim.phantom.spins import Spins
from mrsim.phantom.tissue import Pool
from mrsim.sequence.timeline import FREE, READOUT, RF, Pulse, ReadoutTable, Timeline

GAMMA_BAR = PROTON.gamma_bar


def hard_pulse(flip, duration=1e-6, use="excitation", steps=1):
    """A rectangular pulse along +x, rad, s."""
    b1 = flip / (2 * np.pi * GAMMA_BAR * duration)
    return Pulse(
        dt=np.full(steps, duration / steps),
        b1=np.full(steps, b1, complex),
        gradient=np.zeros((steps, 3)),
        flip=flip,
        centre=duration / 2,
        use=use,
    )


@dataclass
class Script:
    """Collects segments; times in s are rounded to ns."""

    matrix: tuple = (1, 1, 1)
    spacing: tuple = (1e-3, 1e-3, 4e-3)
    dwell: float = 10e-6
    samples: int = 1
    b0: float = 3.0
    parts: list = field(default_factory=list)
    pulses: list = field(default_factory=list)
    labels: list = field(default_factory=list)
    starts: list = field(default_factory=list)
    windows: list = field(default_factory=list)

    def tr(self):
        self.starts.append(len(self.parts))
        return self

    def rf(self, pulse, phase=0.0):
        if not any(p is pulse for p in self.pulses):
            self.pulses.append(pulse)
        index = [p is pulse for p in self.pulses].index(True)
        moment = GAMMA_BAR * (pulse.dt @ pulse.gradient)
        self.parts.append((RF, float(pulse.dt.sum()), moment, index, phase))
        return self

    def free(self, seconds, moment=(0.0, 0.0, 0.0)):
        self.parts.append((FREE, seconds, np.array(moment, float), -1, 0.0))
        return self

    def read(self, slope=(0.0, 0.0, 0.0), phase=0.0, **labels):
        """A readout with moment `slope` (1/m) per sample, constant gradient."""
        slope = np.array(slope, float)
        self.windows.append((slope[None] * (np.arange(self.samples) + 0.5)[:, None], phase))
        self.parts.append((READOUT, self.samples * self.dwell, slope * self.samples, len(self.windows) - 1, 0.0))
        self.labels.append(labels)
        return self

    def timeline(self):
        duration = np.array([round(p[1] * 1e9) for p in self.parts], np.int64)
        n = len(self.windows)
        grid = Grid(shape=self.matrix, spacing=self.spacing)
        keys = sorted({k for row in self.labels for k in row})
        table = ReadoutTable(
            samples=np.full(n, self.samples),
            purpose=("imaging",) * n,
            dwell=np.full(n, self.dwell),
            phase=np.array([w[1] for w in self.windows]),
            frequency=np.zeros(n),
            moment=np.array([w[0] for w in self.windows]).reshape(n, self.samples, 3),
            k=np.zeros((n, self.samples, 3)),
            t=np.zeros((n, self.samples)),
            labels={k: np.array([row.get(k, 0) for row in self.labels]) for k in keys},
        )
        return Timeline(
            kind=np.array([p[0] for p in self.parts], np.int8),
            start=np.concatenate([[0], np.cumsum(duration)[:-1]]),
            duration=duration,
            moment=np.array([p[2] for p in self.parts]),
            event=np.array([p[3] for p in self.parts], np.int32),
            phase=np.array([p[4] for p in self.parts]),
            pulses=tuple(self.pulses),
            readouts=table,
            tr_start=np.array(self.starts or [0], np.int64),
            encoding=Encoding(grid=grid, frequency=GAMMA_BAR * self.b0, dwell=self.dwell, contrast={"te": np.zeros(1)}),
            noise_density=1e-20,
            b0=self.b0,
            gamma_bar=GAMMA_BAR,
        )


def pool(t1=1.0, t2=0.1, pd=1.0, t2_prime=np.inf, shift=0.0):
    return Pool(name="water", pd=pd, t1=t1, t2=t2, t2_prime=t2_prime, shift=shift)


@dataclass
class Box:
    """A homogeneous box, extruded along z, as a phantom."""

    size: tuple = (1e-3, 1e-3)
    pools: tuple = (pool(),)
    offset: float = 0.0
    b1: float = 1.0
    centre: tuple = (0.0, 0.0)
    name: str = "box"
    motion: tuple = ()

    def extent(self, grid):
        half = np.array([*self.size, np.inf]) / 2
        middle = np.array([*self.centre, 0.0])
        return np.stack([middle - half, middle + half])

    def uniform_through(self, grid, thickness):
        return True

    def sample(self, grid):
        def cover(axis):
            d = grid.spacing[axis]
            c = grid.coordinates(axis)
            low, high = self.centre[axis] - self.size[axis] / 2, self.centre[axis] + self.size[axis] / 2
            return np.clip(np.minimum(c + d / 2, high) - np.maximum(c - d / 2, low), 0, None) / d

        part = np.ones(grid.shape[0])[:, None, None] * cover(1)[None, :, None] * cover(0)[None, None, :]
        cell = np.flatnonzero(part.ravel() > 0)
        iz, iy, ix = np.unravel_index(cell, grid.shape)
        position = np.stack([grid.coordinates(0)[ix], grid.coordinates(1)[iy], grid.coordinates(2)[iz]], axis=1)
        n = len(cell)
        return Spins(
            position=position,
            volume=part.ravel()[cell] * grid.voxel_volume,
            tissue=np.zeros(n, np.int32),
            cell=cell,
            offset=np.full(n, self.offset),
            b1=np.full(n, self.b1),
            pools=(self.pools,),
            tissues=("box",),
        )

"""Simulate a balanced SSFP and a turbo spin echo image with MRzeroCore and store what it received.

``python tests/golden/make_mrzero.py`` in an environment with MRzeroCore 1.2.0 (and torch) writes ``mrzero.npz``
beside this file: the sequences event by event, the object voxel by voxel, the signals, and the version. MRzeroCore
simulates phase distribution graphs in single precision (Endres et al., MRM 92:1189, 2024). No gyromagnetic ratio
enters: flips are angles, gradient moments are 1/m and offsets Hz.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np

RF, FREE, READ = 0, 1, 2
PIXELS, VOXEL, DWELL = 24, 4e-3, 50e-6
"""Matrix; edge of the cubic voxels, m; time per sample, s."""
STEP = 1 / (PIXELS * VOXEL)
"""Distance of neighbouring samples in k-space, 1/m."""
WINDOW = PIXELS * DWELL
TISSUES = np.array(
    [
        # proton density, T1 s, T2 s, T2' s, B1 relative to nominal
        (0.90, 1.20, 0.110, 0.060, 1.00),
        (0.70, 0.75, 0.045, 0.030, 0.90),
        (1.00, 2.50, 0.800, 0.200, 1.05),
    ]
)
STATES, SIGNALS = 1e-6, 1e-6
"""Weakest state that is kept, over M0, and weakest that is received or carried on, over the strongest."""


def rf(flip, phase):
    """One instantaneous pulse, degrees."""
    return (RF, 0.0, 0.0, 0.0, 0.0, np.deg2rad(flip), np.deg2rad(phase))


def free(seconds, x=0.0, y=0.0, z=0.0):
    """An interval with moments, 1/m."""
    return (FREE, seconds, x, y, z, 0.0, 0.0)


def read(phase):
    """A window under a constant gradient along x; its signal is turned by -phase, degrees."""
    return (READ, WINDOW, PIXELS * STEP, 0.0, 0.0, 0.0, -np.deg2rad(phase))


def line(index):
    """Moment of one phase-encoding line, 1/m."""
    return (index - PIXELS // 2) * STEP


def balanced(tr=5e-3, flip=40.0, dummies=8):
    """Half a flip and half a TR, then alternating pulses: dummies and one line each."""
    wait, first = (tr - WINDOW) / 2, -(PIXELS // 2 + 0.5) * STEP
    rows = [rf(flip / 2, 180.0), free(tr / 2)]
    for n in range(dummies + PIXELS):
        y, phase = (line(n - dummies) if n >= dummies else 0.0), 180.0 * (n % 2)
        window = read(phase) if n >= dummies else free(WINDOW, PIXELS * STEP)
        rows += [rf(flip, phase), free(wait, first, y), window, free(wait, -first - PIXELS * STEP, -y)]
    return np.array(rows)


def turbo(spacing=10e-3, flip=120.0, echoes=8, tr=0.3, crusher=500.0, spoiler=2500.0):
    """Trains of echoes refocused by less than 180 degrees between crushers along z; lines interleaved."""
    shots = PIXELS // echoes
    wait = (spacing - WINDOW) / 2
    rows = []
    for shot in range(shots):
        rows += [rf(90.0, 90.0), free(spacing / 2, PIXELS / 2 * STEP, z=crusher)]
        for echo in range(echoes):
            y = line(shot + shots * echo)
            # the sample of k = 0 is the one after the middle of the window: half a step is made good and taken back
            rows += [
                rf(flip, 0.0), free(wait, -STEP / 2, y, crusher), read(90.0), free(wait, STEP / 2, -y, crusher)
            ]  # fmt: skip
        rows += [free(tr - (echoes + 0.5) * spacing, z=spoiler)]
    return np.array(rows)


def voxels():
    """Return the tissue of each voxel (y, x), -1 outside, and the field offset, Hz, along a slope."""
    y, x = np.mgrid[:PIXELS, :PIXELS] - PIXELS // 2
    tissue = np.where(np.hypot(x / 10, y / 8) <= 1, 0, -1)
    tissue[np.hypot(x - 4, y - 1) <= 3] = 1
    tissue[(np.abs(x + 4) <= 2) & (np.abs(y + 1) <= 3)] = 2
    return tissue, 7.0 * x + 3.0 * y


def sequence(rows):
    """Return the rows as MRzeroCore wants them: a repetition per pulse, a sample at the end of each event."""
    import MRzeroCore
    import torch

    starts = [*np.flatnonzero(rows[:, 0] == RF), len(rows)]
    found = MRzeroCore.Sequence(normalized_grads=False)
    for begin, end in zip(starts[:-1], starts[1:], strict=True):
        events = []
        for kind, seconds, *moment, _, phase in rows[begin + 1 : end]:
            whole = np.array([seconds, *moment])
            if kind == FREE:
                events.append((*whole, 0.0, 0))
                continue
            share = np.array([0.5, *[1.0] * (PIXELS - 1), 0.5]) / PIXELS
            events += [(*(whole * part), phase, int(i < PIXELS)) for i, part in enumerate(share)]
        repetition = found.new_rep(len(events))
        table = np.array(events)
        repetition.pulse.usage = MRzeroCore.PulseUsage.UNDEF
        repetition.pulse.angle = torch.tensor(rows[begin, 5], dtype=torch.float32)
        repetition.pulse.phase = torch.tensor(rows[begin, 6], dtype=torch.float32)
        repetition.event_time[:] = torch.tensor(table[:, 0])
        repetition.gradm[:] = torch.tensor(table[:, 1:4])
        repetition.adc_phase[:] = torch.tensor(table[:, 4])
        repetition.adc_usage[:] = torch.tensor(table[:, 5])
    return found


def signal(rows):
    """Return the (line, sample) signal that MRzeroCore receives, in voxels of proton density 1."""
    import MRzeroCore
    import torch

    tissue, offset = voxels()
    y, x = np.nonzero(tissue >= 0)
    place = np.stack([x - PIXELS // 2, y - PIXELS // 2, 0 * x], axis=1) * VOXEL
    pd, t1, t2, t2_prime, b1 = TISSUES[tissue[y, x]].T.astype(np.float32)
    phantom = MRzeroCore.CustomVoxelPhantom(
        place.astype(np.float32).tolist(), pd.tolist(), t1.tolist(), t2.tolist(), t2_prime.tolist(), 0.0,
        offset[y, x].astype(np.float32).tolist(), b1.tolist(), voxel_size=VOXEL, voxel_shape="box",
    )  # fmt: skip
    data, played = phantom.build(), sequence(rows)
    with torch.no_grad():
        graph = MRzeroCore.compute_graph(played, data, 20_000, STATES)
        found = MRzeroCore.execute_graph(graph, played, data, SIGNALS, SIGNALS, print_progress=False)
    return found.numpy().reshape(-1, PIXELS)


def main():
    tissue, offset = voxels()
    scans = {"bssfp": balanced(), "tse": turbo()}
    np.savez_compressed(
        Path(__file__).with_name("mrzero.npz"),
        version=version("mrzerocore"),
        tissue=tissue.astype(np.int8),
        offset=offset,
        tissues=TISSUES,
        voxel=VOXEL,
        **scans,
        **{f"{name}_signal": signal(rows).astype(np.complex64) for name, rows in scans.items()},
    )


if __name__ == "__main__":
    main()

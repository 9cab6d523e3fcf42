"""Diffusion-weighted volumes that lie differently: eddy currents of the lobes, and motion between volumes, in images.

Nothing corrects them: what is asked of the images is that they are displaced by as much as the parameters say.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from objects import Box, pool
from scipy.optimize import curve_fit

import mrsim as mr
from mrsim.phantom.motion import Affine, OnGrid, Trace
from mrsim.sequence.families.diffusion_epi import DiffusionEpi
from mrsim.sequence.imperfect import EddyCurrent, Imperfections
from mrsim.sequence.scanner import Scanner

pytestmark = pytest.mark.slow

SCANNER = Scanner.preset("3T")
N, FOV, TR = 16, 0.064, 1.5
PROTOCOL = DiffusionEpi(
    matrix=(N, N), fov=(FOV, FOV), b=(0.0, 600e6), directions="x", tr=TR, orientation="axial", dummies=0
)
BOX = Box(size=(0.032, 0.024), pools=(pool(),))
DECAY = 0.1
"""Time constant of the eddy currents, s: long against the train, short against TR."""
INSIDE = slice(N // 2 - 3, N // 2 + 4)
"""Columns of the object."""
X = (np.arange(N) - N // 2) * FOV / N


def volumes(box=BOX, **imperfections):
    """Return the (volume, y, x) images without weighting and at b 600 s/mm^2 along x, and their timeline."""
    timeline = mr.discretize(PROTOCOL.build(replace(SCANNER, imperfections=Imperfections(**imperfections))))
    return mr.reconstruct(mr.simulate(timeline, box, mr.Bloch(sub_slices=9), threads=1)).data[:, 0], timeline


def train(timeline, volume):
    """Return when the lines of a volume begin, s."""
    lines = timeline.readouts.labels["contrast"] == volume
    mine = np.flatnonzero(lines & (np.array(timeline.readouts.purpose) == "imaging"))
    return timeline.start[np.isin(timeline.event, mine) & (timeline.kind == 2)] * 1e-9


def left_behind(timeline):
    """Return what the lobes' steps along x leave at the middle of the train, T/m, by quadrature: exp(-t / DECAY)."""
    times, wave = (np.asarray(v, np.float64) for v in timeline.knots[0])
    middle = train(timeline, 1)[[N // 2 - 1, N // 2]].mean()
    t = np.linspace(middle - 0.2, middle, 400_001)
    lobes = np.interp(t, times * 1e-9, wave) - np.interp(t - TR, times * 1e-9, wave)  # the rest is that of b = 0
    return np.sum(np.diff(lobes) * np.exp(-(middle - t[:-1]) / DECAY))


def hybrid(image):
    """Return the lines over k along y of every column."""
    return np.fft.fftshift(np.fft.fft(np.fft.ifftshift(image, 0), axis=0), 0)


def shifts(image, other):
    """Return by how much every column of `image` is shifted along y against `other`, m: the slope of phases over k."""
    lines, against = hybrid(image), hybrid(other)
    use = slice(N // 2 - 2, N // 2 + 3)  # where the object has signal; k = 0 in the middle
    turns = np.unwrap(np.angle(lines * against.conj())[use], axis=0)
    weight = np.abs(against[use]) ** 2
    k = np.broadcast_to(((np.arange(N) - N // 2) / FOV)[use][:, None], turns.shape)
    k = k - (weight * k).sum(0) / weight.sum(0)
    return -(weight * k * turns).sum(0) / (weight * k**2).sum(0) / (2 * np.pi)


@pytest.fixture(scope="module")
def still():
    return volumes()[0]


def test_field_that_lobes_leave_behind_shifts_their_volume(still):
    share = 1e-4
    bent, timeline = volumes(eddy_currents=(EddyCurrent(axis="x", b0=share, time_constant=DECAY),))
    spacing = np.diff(train(timeline, 1)).mean()
    expected = timeline.gamma_bar * share * left_behind(timeline) * spacing * FOV
    assert abs(expected) > 1e-3
    # the field decays by a tenth over the train, evenly around its middle: of second order
    np.testing.assert_allclose(shifts(bent[1], still[1])[INSIDE], expected, rtol=0.01)
    np.testing.assert_allclose(shifts(bent[0], still[0])[INSIDE], 0, atol=1e-6)


def test_gradient_that_lobes_leave_behind_shears_their_volume(still):
    share = 2e-3
    bent, timeline = volumes(eddy_currents=(EddyCurrent(axis="x", amplitude=share, time_constant=DECAY),))
    slope = -timeline.gamma_bar * share * left_behind(timeline) * np.diff(train(timeline, 1)).mean() * FOV
    sheared = np.polyfit(X[INSIDE], shifts(bent[1], still[1])[INSIDE], 1)
    assert abs(slope) > 0.03
    assert sheared[0] == pytest.approx(slope, rel=0.02)
    np.testing.assert_allclose(shifts(bent[0], still[0])[INSIDE], 0, atol=1e-6)


def test_gradient_onto_the_phase_axis_stretches_their_volume(still):
    """The box's own transform, sin(pi L k) / (pi k), tells its length along the phase axis."""
    share = 2e-3
    bent, timeline = volumes(eddy_currents=(EddyCurrent(axis="x", onto="y", amplitude=share, time_constant=DECAY),))
    slope = -timeline.gamma_bar * share * left_behind(timeline) * np.diff(train(timeline, 1)).mean() * FOV

    def transform(k, height, size, offset):
        return height * np.abs(np.sinc(size * (k + offset)))

    def length(image):
        lines = np.abs(hybrid(image)[3:14, N // 2])
        return curve_fit(transform, (np.arange(3, 14) - N // 2) / FOV, lines, p0=(lines.max(), BOX.size[1], 0.0))[0][1]

    assert length(still[0]) == pytest.approx(BOX.size[1], rel=1e-3)
    assert length(bent[0]) == pytest.approx(length(still[0]), rel=1e-4)
    assert length(bent[1]) / length(still[1]) == pytest.approx(1 + slope, abs=0.02 * slope)


class Moving(Box):
    """A box that moves."""

    def sample(self, grid):
        return replace(super().sample(grid), motion=tuple(OnGrid(motion=m, grid=grid) for m in self.motion))


def test_displacement_between_volumes_displaces_the_second():
    """The object jumps by one voxel to the right and one down between both excitations."""
    # Lobes through the slice: what the refocusing pulse excites anew is then the same all over the plane. Few cells
    # through the slice change its size, so that images are compared by their shape.
    protocol = replace(PROTOCOL, matrix=(8, 8), directions="z")
    jump = np.array([1.0, -1.0, 0.0]) * FOV / 8
    course = Trace(times=(0.0, 0.9, 1.0), values=(0.0, 0.0, 1.0))
    moving = Moving(size=BOX.size, motion=(Affine(course=course, shift=tuple(jump)),))
    timeline = mr.discretize(protocol.build(SCANNER))
    engine = mr.Bloch(sub_slices=9, subsamples=1, rf_step=1e-3, reuse=False)
    still, moved = (mr.reconstruct(mr.simulate(timeline, box, engine, threads=1)).data[:, 0] for box in (BOX, moving))
    still, moved = (np.abs(one) / np.abs(one).sum(axis=(1, 2), keepdims=True) for one in (still, moved))
    np.testing.assert_allclose(moved[0], still[0], atol=1e-3 * still.max())
    np.testing.assert_allclose(moved[1], np.roll(still[1], (-1, 1), (0, 1)), atol=1e-3 * still.max())
    assert np.abs(moved[1] - still[1]).max() > 0.4 * still.max()

"""Random walkers against the series of restricted diffusion, diffraction of planes, and effective diffusivities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_diffusion import box, signals, weighted  # noqa: F401

from mrsim.core.errors import InputError
from mrsim.core.restriction import SHAPES, Restriction, exponents
from mrsim.phantom.diffusion import Compartment
from mrsim.simulate._kernels import walls as kernels
from mrsim.simulate.random_walk import walk

GAMMA_BAR = 42.577478518e6
SIZE, D = 10e-6, 2e-9
X, Z = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)


def walls(shape, **changed):
    return Restriction(**({"shape": shape, "size": SIZE, "diffusivity": D, "axis": X} | changed))


def pulses(delta, separation, strength, dimensions):
    """Times, and the effective gradient behind and before every knot, along the first axis."""
    times = np.array([0.0, delta, separation, separation + delta])
    after, before = np.zeros((4, dimensions)), np.zeros((4, dimensions))
    after[:, 0], before[:, 0] = strength * np.array([1, 0, -1, 0]), strength * np.array([0, 1, 0, -1])
    return times, after, before


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_variance_of_the_phase_is_that_of_the_series(shape):
    """The second cumulant is exact whatever the distribution: Murday and Cotts, Neuman, Balinov."""
    kind, walkers = walls(shape), 20_000
    times, after, before = pulses(3e-3, 12e-3, 0.1, len(kind.confined()))
    found = walk(kind, times, after, before, GAMMA_BAR, np.array([1, 3]), walkers, np.random.default_rng(3)).phase
    series = exponents(times, after[:, 0], before[:, 0], shape, SIZE, D)[[1, 3]] * (2 * np.pi * GAMMA_BAR) ** 2
    variance = np.mean(found**2, axis=1)
    error = np.std(found**2, axis=1) / np.sqrt(walkers)
    # Half of the variance, at the echo and while a place is still encoded; steps of a fiftieth of the size leave 0.5 %.
    assert np.all(np.abs(variance / 2 - series) < 3 * error / 2 + 0.005 * series)


def test_narrow_pulses_between_planes_diffract():
    """A = |sinc|^2 behind a long time (Callaghan 1991): far from a normal distribution of phases."""
    q = 1.3 / SIZE  # cycles per metre
    delta = 20e-6
    times, after, before = pulses(delta, 60e-3, q / (GAMMA_BAR * delta), 1)
    left, error = walk(
        walls("planes"), times, after, before, GAMMA_BAR, np.array([3]), 8000, np.random.default_rng(4)
    ).left()
    expected = np.sinc(q * SIZE) ** 2
    exponent = exponents(times, after[:, 0], before[:, 0], "planes", SIZE, D)[-1] * (2 * np.pi * GAMMA_BAR) ** 2
    gaussian = np.exp(-exponent)
    assert left[0] == pytest.approx(expected, abs=3 * error[0] + 2e-3)
    assert abs(gaussian - expected) > 3 * error[0] + 2e-3


@pytest.mark.slow
def test_planes_that_water_passes_slow_it_as_resistors_in_series():
    """1 / D_long = 1 / D + 1 / (kappa a) for membranes at a distance a (Crick)."""
    kind = walls("planes", permeability=100e-6)
    long, walkers = [], 12_000
    for span in (0.25, 0.5):
        times = np.array([0.0, span])
        none = np.zeros((2, 1))
        found = walk(kind, times, none, none, GAMMA_BAR, np.array([1]), walkers, np.random.default_rng(5))
        long.append(found.travelled)
    # The slope of the mean square distance has forgotten the first steps; its error is that of two squares.
    slope = (long[1] - long[0]) / 0.25 / 2
    error = np.sqrt(2 / walkers) * np.hypot(*long) / 0.25 / 2
    expected = 1 / (1 / D + 1 / (100e-6 * SIZE))
    assert slope == pytest.approx(expected, abs=3 * error)
    assert 3 * error < 0.1 * expected


@pytest.mark.slow
@pytest.mark.parametrize("permeability", [1e-9, 200e-6])
def test_cylinders_that_water_passes_slow_it_as_rayleigh_says(permeability):
    """Rayleigh 1892 for a square lattice; a wall makes of a cylinder one that conducts 1 / (1 + D / (kappa R)).

    Inside and outside keep their shares: as many go in as come out.
    """
    spacing, radius, walkers, spans = 20e-6, SIZE / 2, 8000, (0.04, 0.1)
    kind = walls("cylinder", axis=Z, permeability=permeability, spacing=spacing)
    share = np.pi * radius**2 / spacing**2
    far = []
    for span in spans:
        none = np.zeros((2, 2))
        times = np.array([0.0, span])
        found = walk(kind, times, none, none, GAMMA_BAR, np.array([1]), walkers, np.random.default_rng(6))
        far.append(found.travelled)
        assert found.inside == pytest.approx(share, abs=3 * np.sqrt(share * (1 - share) / walkers))
    inside = 1 / (1 + D / (permeability * radius))
    t = (1 + inside) / (1 - inside)
    effective = D * (1 - 2 * share / (t + share - 0.305827 * share**4 * t / (t**2 - 1.402958 * share**8)))
    slope = (far[1] - far[0]) / (spans[1] - spans[0]) / 2
    # two axes of every walker
    error = np.sqrt(1 / walkers) * np.hypot(*far) / (spans[1] - spans[0]) / 2
    assert slope == pytest.approx(effective, abs=3 * error)
    assert 3 * error < 0.5 * (D - effective)


def test_the_engine_takes_walkers_and_says_their_error(weighted):  # noqa: F811
    kind = walls("planes", size=8e-6)
    phantom = box(Compartment(fraction=0.6, tensor=D * np.eye(3), walls=kind))
    plain = signals(weighted, box())
    series, walked = (np.abs(signals(weighted, phantom, **more)) for more in ({}, {"walkers": 4000}))
    largest = np.abs(plain).max()
    # Close walls and long lobes: phases are normal; 4,000 walkers know what is left to 1e-3.
    np.testing.assert_allclose(walked, series, atol=5e-3 * largest)
    assert np.abs(walked - series).max() > 1e-6 * largest
    passed = box(Compartment(fraction=1.0, tensor=D * np.eye(3), walls=replace(kind, permeability=50e-6)))
    with pytest.raises(InputError, match="walkers"):
        signals(weighted, passed)
    leaky = np.abs(signals(weighted, passed, walkers=2000))
    closed = np.abs(signals(weighted, box(Compartment(fraction=1.0, tensor=D * np.eye(3), walls=kind)), walkers=2000))
    open_ = np.abs(signals(weighted, box(Compartment(fraction=1.0, tensor=D * np.eye(3)))))
    image = slice(8, 16)  # the lines that are weighted along x, across the planes
    assert open_[image].max() < leaky[image].max() < closed[image].max()


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_kernels_keep_walkers_on_their_side_compiled_or_not(dimensions):
    rng = np.random.default_rng(dimensions)
    start = rng.random((dimensions, 6)) * 0.5
    draws = rng.standard_normal((200, dimensions + 1, 6))
    draws[:, dimensions] = 1.0
    steps = np.full(200, 0.2), np.zeros(200), np.ones((200, dimensions))
    ends = []
    name, more = ("between_planes", (1.0,)) if dimensions == 1 else ("between_spheres", (1.0, 0.0))
    for kernel in (getattr(kernels, name), getattr(kernels, name).py_func):
        place, phase = start.copy(), np.zeros(6)
        kernel(place, phase, draws, *steps, *more)
        ends.append((place, phase))
    np.testing.assert_allclose(ends[0][0], ends[1][0], atol=1e-12)
    np.testing.assert_allclose(ends[0][1], ends[1][1], atol=1e-10)
    assert np.linalg.norm(ends[0][0], axis=0).max() <= 1.0
    free = start[0] + 0.2 * draws[:, 0].sum(axis=0)
    assert np.abs(free).max() > 1.0  # some would have left


@pytest.mark.parametrize(
    ("shape", "changed", "problem"),
    [
        ("planes", {"spacing": 2e-5}, "none for planes"), ("cylinder", {"permeability": 1e-5}, "lattice"),
        ("sphere", {"spacing": 5e-6, "permeability": 1e-5}, "more than their"), ("planes", {"size": 0.0}, "positive"),
    ],
)  # fmt: skip
def test_impossible_walls_are_refused(shape, changed, problem):
    with pytest.raises(InputError, match=problem):
        walls(shape, **changed)

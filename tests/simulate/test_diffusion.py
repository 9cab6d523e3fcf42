"""Diffusion in both engines: the echo of one pathway loses exp(-b : D), compartments add up, walls restrict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from objects import Box

from mrsim.core.errors import InputError
from mrsim.core.restriction import SHAPES, Restriction, exponents, modes
from mrsim.phantom.diffusion import Compartment
from mrsim.sequence.b_matrix import b_matrices
from mrsim.sequence.discretize import discretize
from mrsim.sequence.families.diffusion_epi import DiffusionEpi
from mrsim.sequence.families.multi_echo_spin_echo import MultiEchoSpinEcho
from mrsim.sequence.scanner import Scanner
from mrsim.simulate import Bloch, Pathways, simulate
from mrsim.simulate.diffusion import weighting
from mrsim.simulate.lobes import without_lobes

SCANNER = Scanner.preset("3T")
TENSOR = 1e-9 * np.array([[1.6, 0.2, 0.1], [0.2, 1.1, -0.1], [0.1, -0.1, 0.9]])


class Diffusing(Box):
    """A box whose water diffuses."""

    def __init__(self, *parts, **kwargs):
        super().__init__(**kwargs)
        self.parts = parts

    def sample(self, grid):
        return replace(super().sample(grid), diffusion=(self.parts,))


@pytest.fixture(scope="module")
def weighted():
    protocol = DiffusionEpi(
        matrix=(8, 8), fov=(0.032, 0.032), b=(0.0, 600e6), directions="x z", tr=1.5, orientation="axial"
    )
    return discretize(protocol.build(SCANNER))


def box(*parts):
    return Diffusing(*parts, size=(0.02, 0.02))


def b_of_images(timeline):
    return b_matrices(timeline)[np.array(timeline.readouts.purpose) == "imaging"]


def signals(timeline, phantom, **options):
    return simulate(timeline, phantom, Bloch(ideal_slice=True, **options), threads=1).groups["imaging"].data[:, 0]


@pytest.fixture(scope="module")
def plain(weighted):
    return signals(weighted, box())


def test_one_pathway_loses_by_its_whole_b_matrix(weighted, plain):
    found = signals(weighted, box(Compartment(fraction=1.0, tensor=TENSOR)))
    axes = weighted.encoding.grid.axes
    b = b_of_images(weighted)
    left = np.exp(-np.einsum("rij,ji->r", b, axes.T @ TENSOR @ axes))
    assert left.min() < 0.6
    # Linear in the magnetisation: an identity up to round-off.
    np.testing.assert_allclose(found, plain * left[:, None], atol=1e-14 * np.abs(plain).max())


def test_compartments_add_up(weighted, plain):
    fast, slow = Compartment(fraction=0.3, tensor=3e-9 * np.eye(3)), Compartment(fraction=0.7, tensor=TENSOR)
    both = signals(weighted, box(fast, slow))
    alone = [signals(weighted, box(replace(part, fraction=1.0))) for part in (fast, slow)]
    np.testing.assert_allclose(both, 0.3 * alone[0] + 0.7 * alone[1], atol=1e-13 * np.abs(plain).max())


def test_spins_that_travel_alone_lose_as_much(weighted):
    phantom = box(Compartment(fraction=1.0, tensor=TENSOR))
    coarse = {"reuse": False, "sub_slices": 8, "subsamples": 1, "rf_step": 1e-3}
    kept, all_of_it = (
        simulate(weighted, phantom, Bloch(diffuse=d, **coarse), threads=1).groups["imaging"].data[:, 0]
        for d in (True, False)
    )
    axes = weighted.encoding.grid.axes
    left = np.exp(-np.einsum("rij,ji->r", b_of_images(weighted), axes.T @ TENSOR @ axes))
    np.testing.assert_allclose(kept, all_of_it * left[:, None], atol=1e-14 * np.abs(all_of_it).max())


def test_engines_agree_on_a_weighted_echo(weighted, plain):
    phantom = box(Compartment(fraction=0.5, tensor=TENSOR), Compartment(fraction=0.5, tensor=0.5 * TENSOR))
    one = signals(weighted, phantom)
    other = simulate(weighted, phantom, Pathways(profile="ideal"), threads=1).groups["imaging"].data[:, 0]
    same = simulate(weighted, box(), Pathways(profile="ideal"), threads=1).groups["imaging"].data[:, 0]
    # What is left, line by line; Pathways follows b within a window too, Bloch takes that of the echo.
    left = [
        np.sum(x * y.conj(), axis=1).real / np.sum(np.abs(y) ** 2, axis=1) for x, y in ((one, plain), (other, same))
    ]
    assert left[0].min() < 0.8
    np.testing.assert_allclose(left[0], left[1], rtol=1e-6)


def test_trains_are_left_to_pathways():
    timeline = discretize(MultiEchoSpinEcho(matrix=(8, 4), echoes=3, tr=0.3).build(SCANNER))
    weight = weighting(timeline)
    echo = timeline.readouts.labels["contrast"]
    assert weight.many[echo > 0].all()
    loss = 1 - np.exp(-weight.largest * 1e-9)
    for d, expected in ((1e-9 * 0.03 / loss, "warned"), (1e-9 * 0.3 / loss, "refused")):
        phantom = box(Compartment(fraction=1.0, tensor=d * np.eye(3)))
        if expected == "refused":
            with pytest.raises(InputError, match="Pathways engine"):
                signals(timeline, phantom)
        else:
            raw = simulate(timeline, phantom, Bloch(ideal_slice=True), threads=1)
            assert "several pathways" in raw.history["warnings"][-1]


def test_unknown_diffusion_is_said(weighted):
    class Beside(Diffusing):
        """A second tissue, of which no spins lie here, diffuses; of the first nothing is known."""

        def sample(self, grid):
            spins = super().sample(grid)
            return replace(spins, diffusion=((), self.parts), tissues=("box", "other"), pools=spins.pools * 2)

    known = Compartment(fraction=1.0, tensor=TENSOR)
    raw = simulate(weighted, Beside(known, size=(0.02, 0.02)), Bloch(ideal_slice=True), threads=1)
    assert raw.history["warnings"] == ("no diffusivity is known of box: diffusion takes nothing of it",)
    assert raw.history["diffusion_loss"] == 0.0


@pytest.mark.parametrize("shape", SHAPES)
def test_walls_attenuate_as_murday_and_cotts(shape):
    g, delta, separation, size, d = 0.2, 5e-3, 30e-3, 10e-6, 2e-9
    times = np.array([0.0, delta, separation, separation + delta])
    found = exponents(times, np.array([g, 0, -g, 0]), np.array([0, g, 0, -g]), shape, size, d)[-1]
    weight, square = modes(shape)
    rate = square * d / size**2
    bracket = (
        2 + np.exp(-rate * (separation - delta)) - 2 * np.exp(-rate * delta) - 2 * np.exp(-rate * separation)
        + np.exp(-rate * (separation + delta))
    )  # fmt: skip
    closed = 2 * g**2 * np.sum(weight * size**2 / rate * (delta - bracket / (2 * rate)))
    assert found == pytest.approx(closed, rel=1e-12)
    # The mean square position over the size: 1/12, 1/16 and 1/20, up to the modes that are left out.
    assert weight.sum() == pytest.approx({"planes": 1 / 12, "cylinder": 1 / 16, "sphere": 1 / 20}[shape], rel=1e-6)


def test_wide_walls_leave_diffusion_free(weighted, plain):
    d = 2e-9
    walls = Restriction(shape="sphere", size=5e-3, diffusivity=d, axis=(0.0, 0.0, 1.0))
    wide = signals(weighted, box(Compartment(fraction=1.0, tensor=d * np.eye(3), walls=walls)))
    free = signals(weighted, box(Compartment(fraction=1.0, tensor=d * np.eye(3))))
    # Walls take part of a diffusion length over the size off: some per cent of the exponent.
    np.testing.assert_allclose(wide, free, atol=0.02 * np.abs(plain).max())
    narrow = signals(weighted, box(Compartment(fraction=1.0, tensor=d * np.eye(3), walls=replace(walls, size=5e-6))))
    assert np.abs(narrow).max(axis=1).min() > 0.9 * np.abs(plain).max(axis=1).min()


def test_pathways_leaves_walls_to_bloch(weighted):
    walls = Restriction(shape="planes", size=5e-6, diffusivity=2e-9, axis=(1.0, 0.0, 0.0))
    phantom = box(Compartment(fraction=1.0, tensor=2e-9 * np.eye(3), walls=walls))
    with pytest.raises(InputError, match="Bloch engine"):
        simulate(weighted, phantom, Pathways(profile="ideal"), threads=1)


def test_lobes_that_refocus_do_not_matter_to_the_echo(weighted):
    """Without their winding every direction plays what b = 0 plays, and the echo of ideal pulses is the same."""
    short = without_lobes(weighted, weighting(weighted))
    assert np.abs(short.moment).max() < 0.2 * np.abs(weighted.moment).max()
    spins = np.random.default_rng(5).uniform(-0.01, 0.01, (50, 3))
    for line in (0, 20, 30):
        assert phase(short, spins, line) == pytest.approx(phase(weighted, spins, line), abs=1e-6)


def phase(timeline, places, readout):
    """Return the (place,) phase, cycles, of the intended echo at a window's start by walking the moments."""
    wound = np.zeros(3)
    for kind, event, moment in zip(timeline.kind, timeline.event, timeline.moment, strict=True):
        use = timeline.pulses[event].use if kind == 1 else ""
        if use == "excitation":
            wound = moment / 2
        elif use == "refocusing":
            wound = -(wound + moment / 2) + moment / 2
        elif kind == 2 and event == readout:
            return places @ wound
        else:
            wound = wound + moment
    raise AssertionError


def test_many_directions_share_one_slice_response():
    protocol = DiffusionEpi(matrix=(8, 8), fov=(0.032, 0.032), b=(0.0, 600e6), directions=6, tr=1.5)
    phantom = box(Compartment(fraction=1.0, tensor=TENSOR))
    raw = simulate(discretize(protocol.build(SCANNER)), phantom, Bloch(ideal_slice=True), threads=1)
    assert raw.history["reuse"] == "through the slice"

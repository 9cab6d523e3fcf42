"""Fibres that run around a disc: what diffusion leaves turns with them, in every road and in the fitted tensor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mrsim.core.grid import Grid
from mrsim.phantom.diffusion import compartments, true_diffusion, turned
from mrsim.phantom.fibres import fibre_rotations, fibres_of
from mrsim.phantom.lamellae import SECTOR, TILT, rotation
from mrsim.phantom.phantom_file import load_phantom
from mrsim.recon import reconstruct
from mrsim.sequence.discretize import discretize
from mrsim.sequence.families.diffusion_epi import DiffusionEpi
from mrsim.sequence.scanner import Scanner
from mrsim.simulate import Bloch, Pathways, simulate
from mrsim.simulate.classes import ClassOptions, tissue_classes
from mrsim.simulate.diffusion import Diffusing
from mrsim.simulate.few_lefts import with_few_lefts


@pytest.fixture(scope="module")
def disc():
    return load_phantom("single-disc", 3.0, grade=3)


@pytest.fixture(scope="module")
def annulus(disc):
    """The disc with nothing but its annulus, whose water alone is seen."""
    kept = np.array([tissue.name.startswith("annulus") for tissue in disc.tissues])
    return disc.part(kept)


@pytest.fixture(scope="module")
def timeline():
    protocol = DiffusionEpi(
        matrix=(16, 16), fov=(0.08, 0.08), b=(0.0, 600e6), directions="x y z", tr=3.0, orientation="axial"
    )
    return discretize(protocol.build(Scanner.preset("3T")))


def test_fibres_run_along_the_outline(disc):
    lamellae = disc.lamellae[0]
    grid = Grid(shape=(1, 40, 40), spacing=(2e-3, 2e-3, 2e-3), centre=lamellae.frame.world(0.0, 0.0, 0.0))
    turn = fibre_rotations(disc, grid)["annulus_fibrosus_outer"][0]
    place = np.stack(np.meshgrid(grid.coordinates(1), grid.coordinates(0), indexing="ij")[::-1], axis=-1)
    point = grid.to_world(np.concatenate([place, np.zeros_like(place[..., :1])], axis=-1).reshape(-1, 3))
    rim = np.abs(lamellae.outline.level(point)) < 2e-3
    # the fibres of both signs are +-30 deg off the disc's plane, along t between them
    mean = lamellae.direction(point[rim])
    up = np.asarray(lamellae.frame.direction(0.0, 1.0))
    around = mean - np.outer(mean @ up, up)
    around /= np.linalg.norm(around, axis=1, keepdims=True)
    found = turn.reshape(-1, 3, 3)[rim]
    off = np.degrees(np.arccos(np.clip(np.abs(np.einsum("ni,ni->n", around, found[..., 0])), 0, 1)))
    assert rim.sum() > 100
    assert off.max() < np.degrees(np.hypot(SECTOR, TILT) / 2)
    assert np.abs(np.einsum("ni,ni->n", np.broadcast_to(up, around.shape), found[..., 2])).min() > np.cos(TILT)


def test_a_turn_keeps_what_is_true_of_the_tissue(disc):
    tissue = next(tissue for tissue in disc.tissues if tissue.name == "annulus_fibrosus_outer")
    found = compartments(tissue, 3.0)
    other = turned(found, rotation((5, -3)))
    truth = true_diffusion(other)
    assert truth == pytest.approx(true_diffusion(found), rel=1e-9)
    mean = sum(part.fraction * part.tensor for part in other)
    first = np.linalg.eigh(mean)[1][:, 2]
    assert abs(first @ rotation((5, -3))[:, 0]) == pytest.approx(1.0, abs=1e-9)
    assert fibres_of(disc)["annulus_fibrosus_outer"].mean == pytest.approx([1.0, 0.0, 0.0])


class SomeTurns:
    """What lies of one tissue where its fibres have some turns around the disc."""

    def __init__(self, phantom, *turns):
        self.phantom, self.turns = phantom, turns

    def __getattr__(self, name):
        return getattr(self.phantom, name)

    def sample(self, grid):
        spins = self.phantom.sample(grid)
        here = np.isin(spins.fibres.turns(spins.position)[:, 0], self.turns)
        return spins.where(here & (spins.tissue == min(spins.fibres.tissues)))


def test_engines_agree_on_a_ring(timeline, annulus):
    few = {"subsamples": 1, "layers": 1, "t2_prime": False}
    left, inside = [], annulus.filled(timeline.encoding.grid)
    for engine in (Bloch(ideal_slice=True, **few), Pathways(profile="ideal", **few)):
        image = np.abs(reconstruct(simulate(timeline, annulus, engine, threads=1)).data)
        left.append((image[1:] / image[:1])[:, inside])
    assert np.ptp(left[0], axis=1)[:2].min() > 0.25  # along x and y, the most and the least
    # what lies at the edge of a voxel differs: points here, boxes there
    np.testing.assert_allclose(left[0], left[1], atol=0.02)


def test_spins_that_travel_alone_turn_as_well(timeline, annulus):
    def signal(diffuse, *turns):
        engine = Bloch(diffuse=diffuse, reuse=False, sub_slices=4, subsamples=1, layers=1, rf_step=1e-3, t2_prime=False)
        return simulate(timeline, SomeTurns(annulus, *turns), engine, threads=1).groups["imaging"].data[:, 0]

    spins, diffusing, expected = (
        annulus.sample(timeline.encoding.grid),
        Diffusing(timeline=timeline, accuracy=1e-3),
        0.0,
    )
    mine = (np.array(timeline.readouts.purpose) == "imaging").nonzero()[0]
    for turn in (2, 14):
        left = diffusing.left(spins, min(spins.fibres.tissues), (turn, round(annulus.lamellae[0].frame.tilt / TILT)))
        expected = expected + signal(False, turn) * left[mine, None]
    assert np.abs(signal(True, 2, 14) - expected).max() < 1e-12 * np.abs(expected).max()


def test_few_columns_hold_all_turns(timeline, annulus):
    spins = annulus.sample(replace(timeline.encoding.grid, shape=(1, 32, 32), spacing=(2.5e-3, 2.5e-3, 4e-3)))
    options = ClassOptions(t2_prime_accuracy=np.inf, chemical_shift=True)
    classes, _ = tissue_classes(spins, timeline, options, Diffusing(timeline=timeline, accuracy=1e-3))
    few = with_few_lefts(classes, 1e-4)
    assert len(few) < len(classes) / 2
    whole = {name: np.full((len(spins.volume), len(timeline.readouts.dwell)), np.nan) for name in spins.tissues}
    for kind in classes:
        whole[kind.tissue][kind.members] = kind.left
    for name in {kind.tissue for kind in classes}:
        mine = [kind for kind in few if kind.tissue == name]
        total = sum(np.outer(kind.share, kind.left) for kind in mine)
        assert np.abs(total - whole[name][mine[0].members]).max() <= 1e-4
        assert np.ptp(whole[name][mine[0].members], axis=0).max() > 0.1  # the turns differ indeed

"""Streamlines of a run against the fibres of its phantom, which alternate in the annulus."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from mrsim.core.maps import Maps
from mrsim.core.streamlines import Streamlines
from mrsim.phantom.fibres import fibres_of, tissue_fibres
from mrsim.report.streamlines import streamline_figure
from mrsim.report.style import png
from mrsim.study import streamlines
from mrsim.study.request import RunRequest
from mrsim.study.run import prepare


@pytest.fixture(scope="module")
def ready():
    overrides = {"slices": "1", "directions": "6", "matrix": "48 48"}
    request = RunRequest(protocol="sag-dti", overrides=overrides)
    return request, prepare(request)


def test_fibres_of_the_annulus_alternate_about_left_to_right(ready):
    phantom = ready[1].phantom
    found = fibres_of(phantom)
    annulus = found["annulus_fibrosus_outer"]
    np.testing.assert_allclose(np.abs(annulus.mean), [1, 0, 0], atol=1e-12)
    assert len(annulus.each) == 2
    turned = np.degrees(np.arccos(abs(annulus.each[0] @ annulus.each[1])))
    angle = next(t for t in phantom.tissues if t.name == "annulus_fibrosus_outer").known(3.0)["fibre_angle"].value
    assert turned == pytest.approx(2 * np.degrees(angle), abs=1e-6)
    assert "csf" not in found
    assert tissue_fibres(next(t for t in phantom.tissues if t.name == "csf"), 3.0) is None


def through(grid, inside, direction):
    """One short streamline in the centre of every voxel."""
    z, y, x = np.nonzero(inside)
    centre = np.stack([grid.coordinates(axis)[at] for axis, at in enumerate((x, y, z))], axis=1)
    world, half = grid.to_world(centre), 0.5e-3 * np.asarray(direction)
    points = np.stack([world - half, world + half], axis=1).reshape(-1, 3)
    ends = np.zeros((len(world), 2), np.int8)
    return Streamlines(points=points, offsets=np.arange(0, len(points) + 1, 2), ends=ends, grid=grid)


def test_streamlines_that_lean_are_off_by_that_angle(ready, monkeypatch):
    request, made = ready
    grid = made.sequence.encoding.grid
    truth = made.phantom.truth(grid)
    inside = truth.fractions["annulus_fibrosus_outer"] >= 0.5
    lean = np.radians(10)
    found = through(grid, inside, [np.cos(lean), np.sin(lean), 0.0])
    monkeypatch.setattr(streamlines, "as_stored", contextmanager(lambda file: iter([request])))
    monkeypatch.setattr(streamlines, "prepare", lambda request: made)
    contents = {"truth": truth, "provenance": {"request": {"protocol": "sag-dti"}}}
    (row,) = streamlines.fibre_angles(Path("result.h5"), contents, found)
    assert (row.tissue, row.steps) == ("annulus_fibrosus_outer", int(inside.sum()))
    assert np.degrees(row.to_mean) == pytest.approx(10.0, abs=1e-6)
    fibre = fibres_of(made.phantom)[row.tissue].each[0]
    assert np.cos(row.to_fibres) == pytest.approx(np.cos(lean) * abs(fibre[0]), abs=1e-9)
    assert streamlines.fibre_angles(Path("maps.h5"), {"maps": truth}, found) == ()  # a fit knows no truth


def test_streamlines_are_drawn_by_direction(ready):
    grid = ready[1].sequence.encoding.grid
    inside = np.zeros(grid.shape, bool)
    inside[0, 20:28, 20:28] = True
    fa = np.where(inside, 0.3, np.nan)
    maps = Maps(grid=grid, values={"fa": fa}, errors={}, units={"fa": ""}, status=np.zeros(grid.shape, np.int8))
    drawn = streamline_figure(maps, through(grid, inside, [0.0, 0.0, 1.0]))
    (lines,) = drawn[0].collections
    np.testing.assert_allclose(lines.get_colors()[:, :3], np.tile([0.0, 0.0, 1.0], (64, 1)), atol=1e-12)
    ends = np.array(lines.get_segments())
    np.testing.assert_allclose(np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1), 1.0)  # mm
    assert png(drawn)[:4] == b"\x89PNG"

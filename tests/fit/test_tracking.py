"""Streamlines against circles, lamellae that alternate, a crossing, dipy's tracker, and files."""

from __future__ import annotations

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.core.grid import Grid, orientation_axes
from mrsim.core.images import Images
from mrsim.core.maps import Maps
from mrsim.core.tensors import SECOND
from mrsim.evaluate.tractometry import Bundle, streamline_angles, streamline_connections
from mrsim.exchange.streamline_files import read_streamlines, write_streamlines
from mrsim.fit.fit import fit
from mrsim.fit.tracking import track
from mrsim.sequence.directions import repelled

OBLIQUE = Grid(
    shape=(9, 40, 40), spacing=(1e-3, 1e-3, 1e-3), centre=(0.02, -0.03, 0.05),
    axes=orientation_axes("axial", tilt=0.3, in_plane=-0.4),
)  # fmt: skip
MEAN, LONG, ACROSS = 1.3e-9, 1.9e-9, 1.0e-9


def places(grid):
    """(z, y, x, 3) grid coordinates."""
    z, y, x = np.meshgrid(*(grid.coordinates(axis) for axis in (2, 1, 0)), indexing="ij")
    return np.stack([x, y, z], axis=-1)


def around(points, thickness=None, angle=np.pi / 6):
    """Fibres around the grid's z, turned out of the plane to either side by lamella after lamella."""
    radius = np.hypot(points[..., 0], points[..., 1])
    flat = np.stack([-points[..., 1], points[..., 0], np.zeros_like(radius)], axis=-1)
    flat /= np.where(radius > 0, radius, 1.0)[..., None]
    if thickness is None:
        return flat
    sign = np.where(np.floor(radius / thickness) % 2 == 0, 1.0, -1.0)[..., None]
    return np.cos(angle) * flat + sign * np.sin(angle) * np.array([0.0, 0.0, 1.0])


def tensors(fibres):
    """(..., 3, 3) tensors along (..., 3) unit vectors."""
    return ACROSS * np.eye(3) + (LONG - ACROSS) * fibres[..., :, None] * fibres[..., None, :]


def maps_of(matrices, grid, inside, error=0.0):
    """The maps that a fit of these tensors gives."""
    names = [f"d_{'xyz'[i]}{'xyz'[j]}" for i, j in SECOND]
    found = {name: np.where(inside, matrices[..., i, j], np.nan) for name, (i, j) in zip(names, SECOND, strict=True)}
    values = np.linalg.eigvalsh(matrices)
    spread = ((values - values.mean(-1, keepdims=True)) ** 2).sum(-1)
    found["fa"] = np.where(inside, np.sqrt(1.5 * spread / (values**2).sum(-1)), np.nan)
    return Maps(grid=grid, values=found, errors={name: np.full(grid.shape, error) for name in found},
                units=dict.fromkeys(found, ""), status=np.zeros(grid.shape, np.int8))  # fmt: skip


def ring(grid, inner=8e-3, outer=17e-3):
    radius = np.hypot(*np.moveaxis(places(grid)[..., :2], -1, 0))
    return (radius >= inner) & (radius <= outer)


def middle(grid):
    """(z, y, x) seeds in the middle slice."""
    return np.broadcast_to((np.arange(grid.shape[0]) == grid.shape[0] // 2)[:, None, None], grid.shape)


def in_world(grid, field):
    return lambda points: (field((points - np.asarray(grid.centre)) @ grid.axes) @ grid.axes.T)[:, None]


def test_streamlines_close_circles_to_the_second_order_of_the_step():
    whole = np.ones(OBLIQUE.shape, bool)
    maps = maps_of(tensors(around(places(OBLIQUE))), OBLIQUE, ring(OBLIQUE, 6e-3, 19e-3))
    seed = OBLIQUE.to_world(np.array([[12e-3, 0.0, 0.0]]))
    away = []
    for step in (1e-3, 0.5e-3):
        found = track(maps, seeds=seed, step=step, longest=40e-3, mask=whole)
        local = (found.points - np.asarray(OBLIQUE.centre)) @ OBLIQUE.axes
        away.append(np.abs(np.hypot(local[:, 0], local[:, 1]) - 12e-3).max())
        assert np.abs(local[:, 2]).max() < 1e-12
        assert found.lengths()[0] == pytest.approx(40e-3, abs=step)
        assert found.ends.tolist() == [[3, 3]]
    assert max(away) < 0.05e-3  # what the interpolation of curved tensors leaves
    score = streamline_angles(found, in_world(OBLIQUE, around))
    assert np.degrees(score.mean) < 0.5
    assert score.outside == 0


def lamellae(grid, snr, rng):
    """Maps fitted to a scan of lamellae 5 mm thick."""
    inside, fibres = ring(grid, 5e-3, 20e-3), around(places(grid), 5e-3)
    n = np.concatenate([np.zeros((1, 3)), repelled(30)])
    b = np.array([0.0] + [800e6] * 30)
    clean = np.exp(-b[:, None, None, None] * np.einsum("ni,zyxij,nj->nzyx", n, tensors(fibres), n)) * inside
    noise = rng.standard_normal((2, *clean.shape)) / snr if snr else np.zeros((2, *clean.shape))
    table = {"b": b} | {f"direction_{a}": n[:, i] for i, a in enumerate("xyz")}
    images = Images(data=clean + noise[0] + 1j * noise[1], grid=grid, contrast=table, noisy=bool(snr),
                    sigma=np.full((1, 1, 1, 1), 1 / (snr or 1e9)))  # fmt: skip
    return fit(images, "dti-wls", mask=inside)


@pytest.mark.parametrize(("snr", "limit"), [(None, 5.0), (30, 15.0)])
def test_lamellae_of_the_annulus_are_followed(snr, limit):
    grid = Grid(shape=(7, 42, 42), spacing=(1e-3, 1e-3, 1e-3))
    maps = lamellae(grid, snr, np.random.default_rng(3))
    found = track(maps, seeds=middle(grid), shortest=5e-3, least_fa=0.1, longest=20e-3)
    assert len(found) > 500
    score = streamline_angles(found, in_world(grid, lambda p: around(p, 5e-3)))
    assert np.degrees(score.mean) < limit
    # the negative control: a field without lamellae is another thirty degrees away
    assert np.degrees(streamline_angles(found, in_world(grid, around)).mean) > 20


def crossing(grid):
    """Two straight bundles that cross at a right angle, maps and truth."""
    at = places(grid)
    first, second = np.abs(at[..., 1]) <= 3e-3, np.abs(at[..., 0]) <= 3e-3
    x, y = np.eye(3)[:2]
    share = [m[..., None, None] * tensors(np.broadcast_to(v, at.shape)) for m, v in ((first, x), (second, y))]
    count = np.maximum(first.astype(int) + second, 1)[..., None, None]
    maps = maps_of((share[0] + share[1]) / count + 1e-13 * np.eye(3), grid, first | second)
    edge = [[side * at[..., axis] > 11e-3 for side in (1, -1)] for axis in (0, 1)]
    bundles = {
        "first": Bundle(inside=first, ends=(first & edge[0][0], first & edge[0][1])),
        "second": Bundle(inside=second, ends=(second & edge[1][0], second & edge[1][1])),
    }
    fibres = np.stack([first[..., None] * x, second[..., None] * y], axis=-2)
    return maps, fibres, bundles


def test_one_tensor_stops_where_fibres_cross_and_the_measure_says_so():
    grid = Grid(shape=(3, 25, 25), spacing=(1e-3, 1e-3, 1e-3))
    maps, fibres, bundles = crossing(grid)
    alone = maps_of(tensors(np.broadcast_to(np.eye(3)[0], (*grid.shape, 3))), grid, bundles["first"].inside)
    straight = streamline_connections(track(alone), bundles)
    assert straight.valid == 1.0
    assert straight.overlap["first"] == 1.0
    assert straight.overreach["first"] == 0.0
    crossed = track(maps, least_fa=0.25)  # 0.37 along one bundle, 0.21 where they cross
    found = streamline_connections(crossed, bundles)
    assert found.none > 0.9
    assert np.degrees(streamline_angles(crossed, fibres).mean) < 5
    assert (crossed.ends == 1).any()


def test_draws_spread_streamlines_as_noise_spreads_the_first_eigenvector():
    grid = Grid(shape=(1, 1, 4000), spacing=(1e-3, 1e-3, 1e-3))
    axis = np.array([0.48, 0.6, 0.64])
    n, b = np.concatenate([np.zeros((1, 3)), repelled(30)]), np.array([0.0] + [800e6] * 30)
    clean = np.exp(-b * np.einsum("ni,ij,nj->n", n, tensors(axis), n))[:, None, None, None]
    rng = np.random.default_rng(5)
    noise = rng.standard_normal((2, len(b), *grid.shape)) / 40
    table = {"b": b} | {f"direction_{a}": n[:, i] for i, a in enumerate("xyz")}
    images = Images(
        data=clean + noise[0] + 1j * noise[1], grid=grid, contrast=table, sigma=np.full((1, 1, 1, 1), 1 / 40)
    )
    maps = fit(images, "dti-wls")
    truth = angle_to(np.stack([maps.values[f"v1_{a}"].ravel() for a in "xyz"], axis=1), axis)
    # the same tensor and errors in voxels that have no neighbours, drawn in every one
    line = Grid(shape=(1, 1, 801), spacing=(1e-3, 1e-3, 1e-3))
    mean = {k: np.full(line.shape, v.mean()) for k, v in maps.values.items()}
    errors = {k: np.full(line.shape, np.sqrt((v**2).mean())) for k, v in maps.errors.items() if k[:2] == "d_"}
    alike = Maps(grid=line, values=mean, errors=errors, units=maps.units, status=np.zeros(line.shape, np.int8))
    lonely = np.arange(801)[None, None] % 2 == 0
    drawn = track(alike, seeds=lonely, mask=lonely, per_voxel=5, probabilistic=True, rng=6, step=0.1e-3)
    first = np.array([p[1] - p[0] for p in drawn]) / 0.1e-3
    spread = angle_to(first, axis)
    assert np.sqrt(np.mean(spread**2)) == pytest.approx(np.sqrt(np.mean(truth**2)), rel=0.1)


def angle_to(vectors, axis):
    return np.arccos(np.clip(np.abs(vectors @ axis), 0, 1))


def test_dipy_follows_the_same_curves():
    pytest.importorskip("dipy")
    from dipy.data import default_sphere as coarse_sphere
    from dipy.direction.peaks import PeaksAndMetrics
    from dipy.tracking.local_tracking import LocalTracking
    from dipy.tracking.stopping_criterion import BinaryStoppingCriterion

    default_sphere = coarse_sphere.subdivide(n=1)
    grid = Grid(shape=(5, 40, 40), spacing=(1e-3, 1e-3, 1e-3))
    inside = ring(grid, 6e-3, 19e-3)
    fibres = around(places(grid))
    ours = track(maps_of(tensors(fibres), grid, inside), seeds=np.array([[12e-3, 0, 0]]), step=0.25e-3, longest=40e-3)
    peaks = PeaksAndMetrics()
    peaks.sphere = default_sphere
    peaks.peak_dirs = np.ascontiguousarray(np.swapaxes(fibres, 0, 2)[..., None, :])
    peaks.peak_values = np.ascontiguousarray(np.swapaxes(inside, 0, 2)[..., None].astype(float))
    peaks.peak_indices = -np.ones((*peaks.peak_dirs.shape[:3], 1), dtype=np.int32)
    peaks.peak_indices[..., 0] = np.argmax(np.abs(peaks.peak_dirs[..., 0, :] @ default_sphere.vertices.T), axis=-1)
    peaks.qa_thr, peaks.ang_thr = 0.0, 60.0
    affine = grid.affine()
    affine[:3] *= 1e3
    stop = BinaryStoppingCriterion(np.ascontiguousarray(np.swapaxes(inside, 0, 2)))
    start = np.array([[12.0, 0, 0]])
    with pytest.warns(DeprecationWarning, match="eudx"):  # dipy is about to rename it
        (theirs,) = LocalTracking(peaks, stop, start, affine, step_size=0.05, maxlen=400)
    radius = np.hypot(theirs[:, 0], theirs[:, 1])
    mine = 1e3 * np.hypot(ours.points[:, 0], ours.points[:, 1])
    # dipy takes its directions from the sphere's vertices and Euler's steps of 0.05 mm; both stay on
    # the circle, and our points, 0.25 mm apart, are never farther from its than half of that and the radius' error
    assert np.abs(mine - 12).max() < 1e-3
    assert np.abs(radius - 12).max() < 0.1
    assert np.linalg.norm(theirs[:, None] - 1e3 * ours.points[None], axis=-1).min(axis=1).max() < 0.16


@pytest.mark.parametrize("suffix", [".trk", ".tck"])
def test_streamlines_come_back_from_files(suffix, tmp_path):
    maps = maps_of(tensors(around(places(OBLIQUE))), OBLIQUE, ring(OBLIQUE))
    found = track(maps, seeds=middle(OBLIQUE), shortest=10e-3, longest=20e-3)
    write_streamlines(tmp_path / f"a{suffix}", found)
    again = read_streamlines(tmp_path / f"a{suffix}", OBLIQUE)
    np.testing.assert_array_equal(again.offsets, found.offsets)
    np.testing.assert_allclose(again.points, found.points, atol=2e-8)  # single precision of 0.1 m


def test_tracking_refuses_what_it_cannot_follow():
    maps = maps_of(tensors(around(places(OBLIQUE))), OBLIQUE, ring(OBLIQUE))
    for wrong, words in (
        ({"step": 5e-3}, "at most a voxel"), ({"least_fa": 1.5}, "below 1"), ({"most_turn": 0.0}, "at most 90"),
        ({"seeds": np.zeros((2, 2))}, "points"), ({"probabilistic": True}, "rng"),
        ({"longest": 1e-5}, "more than a step"),
        ({"mask": np.ones((2, 2, 2), bool)}, "shape"), ({"per_voxel": 0}, "at least 1"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            track(maps, **wrong)
    empty = Maps(
        grid=OBLIQUE,
        values={"md": np.ones(OBLIQUE.shape)},
        errors={},
        units={},
        status=np.zeros(OBLIQUE.shape, np.int8),
    )
    with pytest.raises(InputError, match="tensor fit"):
        track(empty)
    nothing = track(maps, seeds=np.zeros(OBLIQUE.shape, bool))
    assert len(nothing) == 0
    assert nothing.lengths().shape == (0,)

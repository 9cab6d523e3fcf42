"""The field of magnetised matter against closed forms: sphere, cylinders, superposition, shim."""

import math
from dataclasses import replace

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.core.field_map import FieldMap
from mrsim.core.grid import Grid
from mrsim.core.nuclei import nucleus
from mrsim.phantom import load_phantom
from mrsim.phantom.offset_map import AIR, POCKETS, TORSO, offset_map, torso_field
from mrsim.phantom.shim import shim, solid_harmonics
from mrsim.phantom.susceptibility import dipole_field


def ball(counts, radius, centre=(0.0, 0.0, 0.0), parts=6):
    """Volume fraction of a ball (a disc where an axis has one voxel), by parts^3 points per voxel."""
    offsets = (np.arange(parts) + 0.5) / parts - 0.5
    axes = [
        ((np.arange(n) - n // 2)[:, None] + offsets).ravel() - c if n > 1 else np.zeros(1)
        for n, c in zip(counts, centre, strict=True)
    ]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    inside = (z * z + y * y + x * x < radius**2).astype(float)
    shape = [size for n in counts for size in ((n, parts) if n > 1 else (1, 1))]
    return inside.reshape(shape).mean(axis=(1, 3, 5))


def distances(counts):
    z, y, x = np.meshgrid(*((np.arange(n) - n // 2).astype(float) for n in counts), indexing="ij")
    return x, y, z


def relative_error(found, true, where):
    return math.sqrt(np.mean((found - true)[where] ** 2) / np.mean(true[where] ** 2))


@pytest.mark.parametrize(
    ("size", "radius", "limit"), [(32, 4, 0.015), (128, 8, 0.01)]
)  # the gate is 1 % for a radius of 8 in 128 voxels; the error falls with the radius: the staircase at the edge
def test_dipole_field_of_a_sphere_is_that_of_a_dipole(size, radius, limit):
    counts, small = (size,) * 3, (2 * radius + 4,) * 3
    chi = np.zeros(counts)
    inside = slice(size // 2 - radius - 2, size // 2 + radius + 2)
    chi[inside, inside, inside] = ball(small, radius)
    field = dipole_field(chi, (1e-3, 1e-3, 1e-3))
    x, y, z = distances(counts)
    r = np.maximum(np.sqrt(x * x + y * y + z * z), 0.5)
    true = np.where(r < radius, 0.0, (radius / r) ** 3 * (3 * z * z / r**2 - 1) / 3)
    assert relative_error(field, true, np.abs(r - radius) > 1) < limit
    deep = r < radius - 2
    assert np.abs(np.mean(field[deep])) < 1e-9  # cubic symmetry makes the mean vanish, as inside the sphere
    assert np.abs(field[deep]).max() < 0.005


@pytest.mark.parametrize("counts", [(192, 192, 1), (192, 1, 192)])
def test_dipole_field_of_a_cylinder_across_the_field_is_its_closed_form(counts):
    radius = 24
    field = dipole_field(ball(counts, radius, parts=12), (1e-3, 1e-3, 1e-3))
    x, y, z = distances(counts)
    r = np.maximum(np.sqrt(x * x + y * y + z * z), 0.5)
    true = np.where(r < radius, -1 / 6, (radius / r) ** 2 * (2 * z * z / r**2 - 1) / 2)
    assert (
        relative_error(field, true, np.abs(r - radius) > 1.5) < 0.003
    )  # the staircase at the edge; it falls with 1 over the radius
    assert np.mean(field[r < radius - 2]) == pytest.approx(-1 / 6, abs=1e-4)


def test_dipole_field_of_a_cylinder_along_the_field_is_a_third_inside_and_nothing_outside():
    field = dipole_field(ball((1, 48, 48), 8), (1e-3, 1e-3, 1e-3))
    x, y, _ = distances((1, 48, 48))
    r = np.hypot(x, y)
    np.testing.assert_allclose(field[r < 7], 1 / 3, atol=1e-9)  # length 1e6 widths instead of infinite
    np.testing.assert_allclose(field[r > 9], 0, atol=1e-9)


def test_dipole_field_wraps_nothing_around():
    """The same sphere beside the edge of a grid and in the middle of a larger one has the same field."""
    small, large = (24, 20, 16), (64, 60, 64)
    corner = dipole_field(ball(small, 3.3, (7.3, -6, 4)), (1e-3, 2e-3, 3e-3))
    middle = dipole_field(ball(large, 3.3, (7.3, -6, 4)), (1e-3, 2e-3, 3e-3))
    cut = tuple(slice(b // 2 - a // 2, b // 2 - a // 2 + a) for a, b in zip(small, large, strict=True))
    np.testing.assert_allclose(corner, middle[cut], atol=1e-15)


def test_offset_of_a_disc_has_the_sign_of_its_susceptibility(tmp_path):
    """A long tube of air along B0 in water: (chi/3) B0 inside, positive because air is paramagnetic to water."""
    path = tmp_path / "tube.toml"
    path.write_text(
        'description = "a tube of air"\nextruded = "z"\n[shape.tube]\nkind = "ellipse"\ntissue = "gas"\n'
        'semi_axes = "10 10 mm"\n[material.gas]\nt1 = "1 s"\nt2 = "1 s"\npd = "1 %"\nsusceptibility = "9.41 ppm"\n'
    )
    tube = load_phantom(str(path), 3.0)
    offset = offset_map(tube, 1e-3, "water")
    inside = offset.at(np.zeros((1, 3)), "offset")[0]
    assert inside == pytest.approx(9.41e-6 / 3 * 3 * nucleus("1H").gamma_bar, rel=1e-6)
    turned = offset_map(tube, 1e-3, "air")  # air in air is nothing
    assert np.abs(turned.values).max() < 1e-6


def test_offset_needs_the_susceptibility_of_every_tissue():
    disc = load_phantom("lumbar-disc", 3.0)
    first = replace(disc.tissues[0], facts={})
    with pytest.raises(InputError, match=f"no susceptibility is known of {first.name}"):
        offset_map(replace(disc, tissues=(first, *disc.tissues[1:])), 2e-3, "water")
    with pytest.raises(InputError, match="too many for the field"):
        offset_map(disc, 1e-4, "water")


def test_offset_scales_with_the_main_field():
    low, high = (offset_map(load_phantom("lumbar-disc", b0), 3e-3, "torso") for b0 in (1.5, 3.0))
    np.testing.assert_allclose(2 * low.values, high.values, rtol=1e-12, atol=1e-9)


def test_torso_field_is_that_of_its_ends_and_of_dipoles_for_its_gas():
    """At the centre: -chi (1/3 - N) with N from the magnetic charge of the two end faces, and a dipole per pocket."""
    centre, (rx, ry, half) = TORSO
    u = (np.arange(400) - 199.5) / 200
    x, y = np.meshgrid(rx * u, ry * u)
    far = np.sqrt(x * x + y * y + half**2)[(x / rx) ** 2 + (y / ry) ** 2 <= 1]
    ends = 2 * np.sum(half / far**3) * (rx / 200) * (ry / 200) / (4 * math.pi)
    expected = -AIR * (1 / 3 - ends)
    for place, size, chi in POCKETS:
        apart = np.subtract(centre, place)
        r = np.linalg.norm(apart)
        expected += chi * math.prod(size) / 3 * (3 * apart[2] ** 2 / r**2 - 1) / r**3
    found = torso_field().at(np.array([centre]), "torso")[0]
    assert found == pytest.approx(expected, rel=0.03)  # 2 ppm of 3: lungs are no points, voxels of 8 mm


def box(counts=(9, 11, 13), centre=(0.01, -0.02, 0.005)):
    return Grid(shape=counts, spacing=(4e-3, 3e-3, 5e-3), centre=centre)


def place(grid):
    x, y, z = (grid.coordinates(a) for a in range(3))
    return grid.to_world(np.stack(np.broadcast_arrays(x[None, None, :], y[None, :, None], z[:, None, None]), axis=-1))


def test_solid_harmonics_obey_laplace():
    """Second differences of each harmonic add up to zero; step 1 and degree 5 leave no higher terms but the fourth."""
    step, point = 1e-2, np.array([0.3, -0.2, 0.4])
    names, centre = solid_harmonics(point, 5)
    total = np.zeros(len(names))
    for axis in np.eye(3):
        total += solid_harmonics(point + step * axis, 5)[1] + solid_harmonics(point - step * axis, 5)[1] - 2 * centre
    assert len(names) == 36
    assert np.abs(total / step**2).max() < 0.05  # step^2 / 12 times fourth derivatives of order 100
    size = [np.abs(solid_harmonics(np.random.default_rng(1).normal(size=(50, 3)), 5)[1][i]).max() for i in range(36)]
    assert min(size) > 0.1


@pytest.mark.parametrize("order", [1, 2, 4])
def test_shim_removes_a_pure_harmonic_exactly(order):
    grid = box()
    for harmonic in solid_harmonics(place(grid), order)[1]:
        field = FieldMap(values=1e3 * harmonic / np.abs(harmonic).max(), grid=grid)
        left = shim(field, np.ones(grid.shape), order).left.values
        assert np.abs(left).max() < 1e-8  # of 1 kHz: 1e-11


def test_shim_leaves_a_higher_harmonic_and_falls_with_the_order():
    grid = box()
    names, terms = solid_harmonics(place(grid), 3)
    field = FieldMap(values=1e6 * terms[names.index("3 +1")] + 1e5 * terms[names.index("2 0")], grid=grid)
    spread = [float(np.std(shim(field, np.ones(grid.shape), order).left.values)) for order in range(4)]
    assert spread[0] > spread[1] > spread[2] > 1e3 * spread[3]


def test_shim_reports_the_coefficients_it_took_out():
    grid = box(centre=(0.0, 0.0, 0.0))
    found = shim(FieldMap(values=place(grid)[..., 2] * 800.0 + 40, grid=grid), np.ones(grid.shape), 2)
    by_name = dict(zip(found.names, found.coefficients, strict=True))
    assert by_name.pop("1 0") == pytest.approx(800, rel=1e-10)  # Hz/m
    assert by_name.pop("0 0") == pytest.approx(40, rel=1e-10)
    assert max(abs(v) for v in by_name.values()) < 1e-6


def test_shim_refuses_orders_and_regions_that_cannot_be():
    field = FieldMap(values=np.zeros((3, 3, 3)), grid=box((3, 3, 3)))
    with pytest.raises(InputError, match="outside 0 to 8"):
        shim(field, np.ones((3, 3, 3)), 9)
    with pytest.raises(InputError, match="too few for 36 harmonics"):
        shim(field, np.ones((3, 3, 3)), 5)


@pytest.mark.parametrize(("parts", "limit"), [(1, 0.026), (2, 0.0085)])
def test_offset_of_a_ball_is_the_mean_of_a_dipole_over_each_voxel_surface_counted(tmp_path, parts, limit):
    """Against the closed form averaged over each voxel by 6^3 points, all voxels counted; that errs by 0.6 % itself."""
    path = tmp_path / "ball.toml"
    path.write_text(
        'description = "a ball"\n[shape.ball]\nkind = "ellipsoid"\ntissue = "matter"\nsemi_axes = "8 8 8 mm"\n'
        'centre = "0.3 -0.2 0.1 mm"\n[material.matter]\nt1 = "1 s"\nt2 = "1 s"\npd = "1"\nsusceptibility = "1 ppm"\n'
    )
    phantom = load_phantom(str(path), 3.0)
    found = offset_map(phantom, 1e-3, "water", parts=parts)
    x, y, z = (found.grid.coordinates(a) + found.grid.centre[a] - c * 1e-3 for a, c in enumerate((0.3, -0.2, 0.1)))
    steps = ((np.arange(6) + 0.5) / 6 - 0.5) * 1e-3
    total = np.zeros(found.grid.shape)
    for dz in steps:
        for dy in steps:
            across = (y + dy)[:, None] ** 2 + (z + dz)[:, None, None] ** 2
            for dx in steps:
                square = across + (x + dx) ** 2
                outside = 8e-3**3 / square**1.5 * (3 * (z + dz)[:, None, None] ** 2 / square - 1) / 3
                total += np.where(square > 8e-3**2, outside, 0.0)
    true = total / 6**3 * 1e-6 * 3.0 * nucleus("1H").gamma_bar
    assert relative_error(found.values, true, np.ones(true.shape, dtype=bool)) < limit

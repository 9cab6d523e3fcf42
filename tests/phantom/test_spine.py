"""Solids in space and the spine made of them: volumes, sums, anatomy, grades, fibres, refusals."""

import dataclasses
import time

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.core.grid import Grid, orientation_axes
from mrsim.core.toml import resource
from mrsim.phantom import load_phantom
from mrsim.phantom.fractions import Lattice
from mrsim.phantom.solid_fractions import Painted, Streaks, solid_contents
from mrsim.phantom.solids import Block, Cylinder, Ellipsoid, HalfSpace


@pytest.fixture(scope="module")
def ladder():
    return load_phantom("lumbar-spine", grade=(1, 2, 3, 4, 5))


def sagittal(ny, nx, step, slices=1, thickness=4e-3):
    return Grid(shape=(slices, ny, nx), spacing=(step, step, thickness), axes=orientation_axes("sagittal"))


def volumes(solids, n, size=40e-3):
    """Return the visible volume of each solid on n^3 cells, and the sum of fractions per cell."""
    steps = np.eye(3) * size / n
    lattice = Lattice(origin=np.full(3, -size / 2 * (1 - 1 / n)) + 1e-4, steps=steps, counts=(n, n, n))
    found = solid_contents([Painted(solid=solid) for solid in solids], lattice, (3, 3, 3))
    total = np.bincount(found.cell, found.fraction, minlength=n**3)
    return np.bincount(found.region, found.fraction, minlength=len(solids)) * (size / n) ** 3, total


CLOSED_FORM = {
    "ellipsoid": (
        Ellipsoid(centre=(0, 0, 0), semi_axes=(10e-3, 12e-3, 15e-3), turn=(0.3, 0.2, 0.1)),
        4 / 3 * np.pi * 10e-3 * 12e-3 * 15e-3,
    ),
    "block": (Block(centre=(0, 0, 0), size=(10e-3, 17e-3, 13e-3), turn=(0.3, -0.4, 0.2)), 10e-3 * 17e-3 * 13e-3),
    "cylinder": (Cylinder(centre=(0, 0, 0), radius=7e-3, length=20e-3, turn=(0.5, 0.1, 0)), np.pi * 49e-6 * 20e-3),
}


@pytest.mark.parametrize("name", CLOSED_FORM)
def test_solid_volume_is_that_of_the_closed_form(name):
    solid, truth = CLOSED_FORM[name]
    found, _ = volumes([solid], 40)
    assert found[0] == pytest.approx(truth, rel=1e-3)  # sub-cells of 1/3 mm, edges cut by planes


def test_solid_volume_converges_with_second_order():
    solid, truth = CLOSED_FORM["ellipsoid"]
    sizes = np.array([8, 16, 32, 64])
    error = [abs(volumes([solid], n)[0][0] - truth) for n in sizes]
    assert -np.polyfit(np.log(sizes), np.log(error), 1)[0] == pytest.approx(2.0, abs=0.1)


def test_solid_painted_over_halves_of_others_leaves_fractions_that_add_up_to_one():
    everything = Block(centre=(0, 0, 0), size=(1, 1, 1))
    half = HalfSpace(point=(0, 0, 0), normal=(1, 0, 0))
    solid, truth = CLOSED_FORM["ellipsoid"]
    found, total = volumes([everything, solid, half], 24)
    np.testing.assert_allclose(total, 1.0, atol=1e-12)
    assert found[1] == pytest.approx(truth / 2, rel=2e-3)  # a plane through the centre halves an ellipsoid


def test_streaks_hold_the_fraction_that_was_asked_for():
    rng = np.random.default_rng(3)
    waves = np.hstack([rng.normal(size=(14, 3)) * 900, rng.uniform(0, 6.28, (14, 1))])
    streaks = Streaks(fraction=0.2, into="fat", waves=waves)
    point = rng.uniform(-1, 1, (200_000, 3))
    # the logistic of a normal variable is known to 2 %, and 14 waves are nearly normal
    assert 1 - streaks.share(point).mean() == pytest.approx(0.2, abs=0.02)
    centre, offsets = point[:50], rng.uniform(-1e-3, 1e-3, (8, 3))
    direct = streaks.share((centre[:, None] + offsets).reshape(-1, 3)).reshape(50, 8)
    np.testing.assert_allclose(streaks.share_around(centre, offsets), direct, atol=1e-9)  # phases of 1e3 rad round


def test_spine_levels_never_rise_faster_than_the_point_moves(ladder):
    """What lets blocks of voxels be settled at once: a level above r proves that no boundary lies within r."""
    rng = np.random.default_rng(1)
    start = rng.uniform((-0.09, -0.12, -0.12), (0.09, 0.14, 0.12), (4000, 3))
    step = rng.normal(size=start.shape) * rng.choice([1e-4, 1e-3, 1e-2], (4000, 1))
    length = np.linalg.norm(step, axis=1)
    for region in ladder.regions:
        rise = np.abs(region.shape.level(start + step) - region.shape.level(start)) / length
        assert rise.max() <= 1 + 1e-9, (region.name, rise.max())


def test_spine_fractions_add_up_to_one_inside_the_trunk(ladder):
    total = sum(ladder.fractions(sagittal(40, 48, 4e-3)).values())
    assert total.max() <= 1 + 1e-12
    inside = total[0, 10:30, 20:28]  # around the bodies
    np.testing.assert_allclose(inside, 1.0, atol=1e-12)


@pytest.mark.parametrize(("disc", "grade"), [("L1/2", 1), ("L3/4", 3), ("L5/S1", 5)])
def test_spine_disc_is_as_high_in_its_middle_as_its_grade_says(ladder, disc, grade):
    """Counted along the disc's own axis, against the middle heights of the file times the factor of the grade."""
    healthy = {"L1/2": 8.8e-3, "L3/4": 11e-3, "L5/S1": 11.6e-3}[disc]
    factor = {1: 1.0, 3: 0.97, 5: 0.6}[grade]
    outer = next(region for region in ladder.regions if region.name == f"annulus_fibrosus_outer_{disc}")
    frame = ladder.lamellae[[*ladder.history["discs"]].index(disc)].frame
    along = np.array([frame.world(0.0, 0.0, u) for u in np.linspace(-10e-3, 10e-3, 4001)])
    height = np.count_nonzero(outer.shape.level(along) < 0) * 5e-6
    assert height == pytest.approx(healthy * factor, abs=1.1e-5)  # two samples
    assert ladder.history["discs"][disc]["height_middle"] == pytest.approx(healthy * factor, rel=1e-6)


def test_spine_stands_from_front_to_back_in_the_right_order(ladder):
    """Through L3/4 in the midline: disc, canal, arch or fat, skin."""
    frame = ladder.lamellae[3].frame
    grid = Grid(shape=(1, 1, 1200), spacing=(2e-4, 2e-4, 2e-4), centre=(0, frame.y, frame.z),
                axes=orientation_axes("sagittal"))  # fmt: skip
    parts = ladder.fractions(grid)
    label = np.argmax(np.stack([*parts.values()]), axis=0)[0, 0]
    names = np.array([*parts])[label[np.concatenate([[True], np.diff(label) != 0])]].tolist()
    order = [names.index(name) for name in ("ligament", "nucleus_pulposus_III", "csf")]
    assert order == sorted(order)
    behind = names[order[-1] :]
    assert behind.index("epidural_fat") < len(behind) - 1 - behind[::-1].index("subcutaneous_fat")


def test_spine_fibres_lie_in_the_lamellae_at_thirty_degrees(ladder):
    lamellae = ladder.lamellae[2]
    rng = np.random.default_rng(2)
    frame = lamellae.frame
    point = np.array([frame.world(x, a, 0.0) for x, a in rng.uniform(-15e-3, 15e-3, (400, 2))])
    point = point[lamellae.outline.level(point) < 0]
    fibre = lamellae.direction(point)
    np.testing.assert_allclose(np.linalg.norm(fibre, axis=1), 1.0, atol=1e-9)
    up = np.asarray(frame.direction(0.0, 1.0))
    np.testing.assert_allclose(np.abs(fibre @ up), 0.5, atol=1e-9)  # sin 30 deg
    number = lamellae.number(point)
    assert set(np.sign(fibre @ up)[number % 2 == 0]) == {1.0}
    assert set(np.sign(fibre @ up)[number % 2 == 1]) == {-1.0}


def test_spine_does_not_change_from_load_to_load(ladder):
    again = load_phantom("lumbar-spine", grade=(1, 2, 3, 4, 5))
    grid = sagittal(24, 24, 8e-3)
    for name, part in again.fractions(grid).items():
        np.testing.assert_array_equal(part, ladder.fractions(grid)[name])


def test_spine_grades_beyond_its_discs_are_refused():
    with pytest.raises(InputError, match="7 grades for 6 discs"):
        load_phantom("lumbar-spine", grade=(1,) * 7)
    with pytest.raises(InputError, match="not a spine"):
        load_phantom("lumbar-disc", grade=(1, 2))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('value = "12.5 mm"', 'value = "30 mm"', "does not fit into canal_depth"),
        ('conus = "L1"', 'conus = "C1"', "is none of T12"),
        ("muscle_fat = 0.08", "muscle_fat = 1.5", "not between 0 and 1"),
        ("[spine.height]", '[spine.finding.a]\nkind = "buldge"\ndisc = "L4/5"\n\n[spine.height]', "bulge"),
        ("[spine.height]", '[spine.finding.a]\nkind = "bulge"\ndisc = "L6/7"\n\n[spine.height]', "L4/5"),
    ],
)
def test_spine_file_that_cannot_be_is_refused(tmp_path, old, new, words):
    text = resource("lumbar-spine", "phantoms", "phantom").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "spine.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=words):
        load_phantom(str(path))


@pytest.mark.parametrize(
    "kind",
    ["bulge", "protrusion", "extrusion", "fissure", "high-intensity-zone", "modic", "schmorl", "residual-fragment"],
)
def test_spine_finding_changes_the_object_near_its_disc_alone(tmp_path, ladder, kind):
    text = resource("lumbar-spine", "phantoms", "phantom").read_text(encoding="utf-8")
    path = tmp_path / "spine.toml"
    path.write_text(f'{text}\n[spine.finding.it]\nkind = "{kind}"\ndisc = "L4/5"\n', encoding="utf-8")
    sick = load_phantom(str(path), grade=(1, 2, 3, 4, 5))
    grid = sagittal(96, 64, 2e-3)
    change = np.zeros(grid.shape)
    healthy, found = ladder.fractions(grid), sick.fractions(grid)
    for name in found:
        change += np.abs(found[name] - healthy.get(name, 0.0))
    frame = ladder.lamellae[4].frame
    rows = np.flatnonzero(change[0].max(axis=1) > 1e-3)
    heights = grid.coordinates(1)[rows]
    assert len(rows) > 0
    assert np.all(np.abs(heights - frame.z) < 30e-3)


@pytest.mark.parametrize("kind", ["high-intensity-zone", "fissure", "modic I", "modic II", "modic III"])
def test_spine_finding_leaves_what_it_does_not_cover(tmp_path, kind):
    """In a spine of one grade: tissues have one name each, and far from the disc nothing changes."""
    text = resource("lumbar-segment", "phantoms", "phantom").read_text(encoding="utf-8")
    kind, _, number = kind.partition(" ")
    entry = f'\n[spine.finding.it]\nkind = "{kind}"\ndisc = "L4/5"\n' + (f'type = "{number}"\n' if number else "")
    path = tmp_path / "segment.toml"
    path.write_text(text + entry, encoding="utf-8")
    healthy, sick = load_phantom("lumbar-segment", grade=3), load_phantom(str(path), grade=3)
    names = [tissue.name for tissue in sick.tissues]
    assert len(names) == len(set(names))
    grid = sagittal(56, 64, 1e-3)
    before, after = healthy.fractions(grid), sick.fractions(grid)
    change = np.sum([np.abs(part - before.get(name, 0.0)) for name, part in after.items()], axis=0)[0]
    apart = np.abs(grid.coordinates(1)) > 22e-3
    assert np.all(change[apart] < 1e-12)
    assert change.sum() > 3.0
    np.testing.assert_allclose(sum(after.values()), sum(before.values()), atol=1e-12)


def test_spine_of_a_million_voxels_builds_in_ten_seconds(ladder):
    """256 x 256 x 16 voxels with 27 sub-samples take 6 to 8 s of two cores at rest, where a quarter of them takes the
    time of 35 to 38 loops of powers; half as much again on a busy machine.
    """
    ladder.fractions(sagittal(8, 8, 1e-3))  # compile
    numbers, start = np.random.default_rng(0).random(200_000), time.process_time()
    for _ in range(40):
        (numbers**2.5 + 0.3) ** 0.4
    loop, start = time.process_time() - start, time.process_time()
    ladder.fractions(sagittal(256, 256, 1e-3, slices=4))
    assert time.process_time() - start < 55 * loop


def test_segment_of_two_bodies_is_excised():
    phantom = load_phantom("motion-segment", grade=4)
    assert phantom.grade == 4
    assert {"csf", "paraspinal_muscle"}.isdisjoint(tissue.name for tissue in phantom.tissues)
    assert dataclasses.asdict(phantom.tissues[0])["name"] == "ligament"


def test_calibration_balls_have_their_volume_and_their_chosen_values():
    phantom = load_phantom("mre-inclusion")
    grid = Grid(shape=(32, 64, 64), spacing=(2e-3, 2e-3, 4e-3), axes=orientation_axes("axial"))
    stiff = phantom.fractions(grid)["stiff"].sum() * grid.voxel_volume
    assert stiff == pytest.approx(4 / 3 * np.pi * 15e-3**3, rel=3e-3)  # sub-cells up to 1.3 mm, second order
    tissue = next(tissue for tissue in phantom.tissues if tissue.name == "stiff")
    assert tissue.property("shear_stiffness", 3.0).value == 12e3


def test_solid_of_a_file_that_cannot_be_is_refused(tmp_path):
    path = tmp_path / "ball.toml"
    head = 'description = "ball"\n[material.w]\nt1 = "1 s"\nt2 = "1 s"\npd = "1"\n[shape.b]\ntissue = "w"\n'
    for body, words in (
        ('kind = "ellipsoid"\nsemi_axes = "1 2 mm"', "give three"),
        ('kind = "block"\nsize = "1 2 -3 mm"', "is not positive"),
        ('kind = "cylinder"\nradius = "0 mm"\nlength = "1 mm"', "is not positive"),
    ):
        path.write_text(head + body + "\n", encoding="utf-8")
        with pytest.raises(InputError, match=words):
            load_phantom(str(path))


def test_folded_level_never_rises_faster_than_the_point_moves():
    brain = load_phantom("brain")
    rng = np.random.default_rng(5)
    for name in ("cortex", "white_matter"):
        solid = next(region.shape for region in brain.regions if region.name == name)
        point = rng.uniform(-0.09, 0.09, (40_000, 3))
        step = rng.normal(size=point.shape)
        step *= 1e-5 / np.linalg.norm(step, axis=1, keepdims=True)
        assert np.abs(solid.level(point + step) - solid.level(point)).max() <= 1e-5


def test_brain_has_a_cortex_about_as_thick_everywhere_and_more_fluid_in_folds_than_an_egg():
    """Grey and white matter fill the skull's ellipsoid but for the fluid; the cortex of folds is a third to a half."""
    brain = load_phantom("brain")
    grid = Grid(shape=(24, 30, 24), spacing=(6e-3, 6e-3, 6e-3))
    share = {name: float(part.sum()) for name, part in brain.fractions(grid).items()}
    whole = 4 / 3 * np.pi * 68e-3 * 86e-3 * 64e-3 / 6e-3**3
    assert sum(share.values()) == pytest.approx(whole, rel=0.03)  # the posterior fossa stands out a little
    assert 0.25 < share["brain_grey_matter"] / whole < 0.5
    assert 0.35 < share["brain_white_matter"] / whole < 0.6
    assert 0.08 < share["csf"] / whole < 0.25


def test_single_disc_has_no_bone_and_the_volume_of_its_slab():
    disc = load_phantom("single-disc", grade=2)
    kinds = {tissue.name for tissue in disc.tissues}
    assert kinds == {"cartilage_endplate", "annulus_fibrosus_outer", "annulus_fibrosus_inner", "nucleus_pulposus"}
    grid = Grid(shape=(24, 48, 64), spacing=(1e-3, 1e-3, 1e-3))
    filled = sum(part.sum() for part in disc.fractions(grid).values()) * grid.voxel_volume
    measured = disc.history["discs"]["L4/5"]
    depth, width = 36e-3, 52e-3
    assert 0.7 * depth * width * measured["height_middle"] < filled < 1.1 * depth * width * measured["height_anterior"]
    masks = disc.rois(grid)
    assert masks["nucleus_pulposus_L4/5"].any()
    assert not any(name.startswith(("marrow", "csf")) for name in masks)

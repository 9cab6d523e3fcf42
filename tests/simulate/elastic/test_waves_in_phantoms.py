"""Waves in phantoms: materials, drivers, and what moves while it is scanned."""

from __future__ import annotations

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.core.grid import Grid, orientation_axes
from mrsim.core.rheology import Springpot, Tabulated, Voigt, Zener
from mrsim.phantom.motion import places
from mrsim.phantom.phantom_file import load_phantom
from mrsim.phantom.stiffness import law_of, modulus_of
from mrsim.phantom.tissue import load_tissue
from mrsim.simulate.elastic import in_phantom, solve
from mrsim.simulate.elastic.in_phantom import body_of, vibrating, waves_in

GRID = Grid(shape=(4, 10, 14), spacing=(4e-3, 4e-3, 2.5e-3))
PLATES = {"+z": (0, 20e-6, 0), "-z": (0, 20e-6, 0)}


@pytest.fixture(scope="module")
def disc():
    return load_phantom("lumbar-disc", field=3.0, grade=1)


@pytest.fixture(scope="module")
def waves(disc):
    return waves_in(disc, GRID, (80.0,), PLATES)


def test_laws_pass_through_what_was_measured_and_go_on_as_they_should():
    tissue = load_tissue("nucleus_pulposus", grade=1)
    modulus, frequency = modulus_of(tissue, 3.0)
    # 12.5 kPa is rho c^2: |G*| = 12.5 (1 + cos 0.5) / 2, at 0.5 rad
    assert abs(modulus) == pytest.approx(12.5e3 * (1 + np.cos(0.5)) / 2, rel=1e-4)
    assert frequency == 80.0
    for law in ("springpot", "constant", "voigt"):
        assert law_of(tissue, 3.0, law).at(80.0) == pytest.approx(modulus, rel=1e-12)
    later = law_of(tissue, 3.0).at(1000.0)
    assert np.angle(later) == pytest.approx(np.angle(modulus), rel=1e-9)
    assert abs(later / modulus) == pytest.approx(12.5 ** (2 * np.angle(modulus) / np.pi), rel=1e-9)
    falls = load_tissue("nucleus_pulposus", grade=1, sets=("stiffness_falls",))
    assert abs(modulus_of(falls, 3.0)[0]) == pytest.approx(6.51e3, rel=1e-3)


def test_laws_are_those_of_springs_and_dashpots():
    assert Voigt(mu=2e3, eta=3.0).at(50.0) == pytest.approx(2e3 + 2j * np.pi * 50 * 3)
    assert Springpot(mu=2e3, alpha=0.0).at(77.0) == pytest.approx(2e3)
    assert Springpot(mu=2e3, alpha=1.0, eta=3.0).at(50.0) == pytest.approx(2j * np.pi * 50 * 3)
    solid = Zener(mu=2e3, mu_1=5e3, eta=3.0)
    assert solid.at(1e-6) == pytest.approx(2e3)
    assert solid.at(1e9) == pytest.approx(7e3, rel=1e-3)
    table = Tabulated(frequencies=(50.0, 200.0), moduli=(1e3, 4e3))
    assert table.at(100.0) == pytest.approx(2e3)
    with pytest.raises(InputError, match="50 to 200 Hz"):
        table.at(300.0)


def test_disc_moves_with_its_endplates_and_turns_power_into_heat(waves):
    facts = waves.history["solver"][0]
    assert facts["power_in"] == pytest.approx(facts["power_lost"], rel=1e-6)
    motion = np.abs(waves.displacement[0, 1])[waves.inside]
    assert 5e-6 < np.median(motion) < 60e-6
    assert np.nanmax(np.abs(waves.modulus)) == pytest.approx(90.4e3 * (1 + np.cos(0.18)) / 2, rel=0.3)


def test_spins_move_as_the_waves_do_in_the_world(disc, waves):
    moved = vibrating(disc, waves)
    z, y, x = np.argwhere(waves.inside)[20]
    here = np.array([[GRID.coordinates(0)[x], GRID.coordinates(1)[y], GRID.coordinates(2)[z]]])
    u = waves.displacement[0, :, z, y, x]
    for time in (0.0, 3e-3):
        now = places(moved.motion, here, time)
        np.testing.assert_allclose(now - here, [np.real(u * np.exp(2j * np.pi * 80 * time))], atol=1e-12)


def test_turned_grids_give_the_same_world(disc, waves):
    """A grid whose axes are x, z, -y: the motion, told along its axes, is the same in the world."""
    axes = orientation_axes("coronal")
    turned = Grid(shape=(10, 4, 14), spacing=(4e-3, 2.5e-3, 4e-3), axes=axes, centre=(0.0, 0.0, 0.0))
    other = waves_in(disc, turned, (80.0,), {"+y": (0, 0, -20e-6), "-y": (0, 0, -20e-6)})
    assert abs(axes[1, 2] + 1) < 1e-12
    fields = (waves.displacement[0, 1], other.displacement[0, 2])
    largest = [np.sort(np.abs(field).ravel())[-50:].mean() for field in fields]
    # voxels lie half a step elsewhere along the turned axis
    assert largest[0] == pytest.approx(largest[1], rel=0.05)


def test_unknown_tissues_and_sides_are_refused(disc):
    with pytest.raises(InputError, match="no tissue 'nucleus'"):
        body_of(disc, GRID, ("nucleus",))
    with pytest.raises(InputError, match="unknown side 'top'"):
        waves_in(disc, GRID, (80.0,), {"top": (0, 0, 0)})
    with pytest.raises(InputError, match="no lamellae"):
        body_of(disc, GRID, anisotropy=(1.0, 1.0))


def test_bodies_that_no_memory_holds_are_refused_before_they_are_assembled(disc, monkeypatch):
    monkeypatch.setattr(solve, "LARGEST", 5_000)
    with pytest.raises(InputError, match=r"unknowns in space would take about 0\.\d+ GiB, above the 5000"):
        waves_in(disc, GRID, (80.0,), PLATES)


def test_all_frequencies_are_checked_against_the_mesh_before_any_is_solved(disc, monkeypatch):
    monkeypatch.setattr(in_phantom, "move", lambda *given, **named: pytest.fail("solved"))
    with pytest.raises(InputError, match="at 900 Hz the shortest wavelength"):
        waves_in(disc, GRID, (80.0, 900.0), PLATES)

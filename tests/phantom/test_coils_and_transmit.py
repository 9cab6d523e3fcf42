"""Transmit field of the cylinder and receive arrays of loops, against closed forms and other integrals."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ellipe, ellipk, j1

from mrsim.core.errors import InputError
from mrsim.core.grid import Grid
from mrsim.phantom.loops import MU0, Loop
from mrsim.phantom.receive import ARRAYS, Body, LoopArray, noise_resistance, receive_coils, sensitivities
from mrsim.phantom.transmit import Dielectric, body_coil, cylinder_b1, torso_dielectric

LOOP = Loop(centre=(0.02, -0.03, 0.05), normal=(0.6, 0.0, 0.8), radius=0.04)


@pytest.mark.parametrize(("b0", "lossy", "lossless"), [(1.5, 0.418, 0.561), (3.0, 0.246, 0.296), (7.0, 0.123, 0.132)])
def test_dielectric_wavelengths_are_the_published_ones(b0, lossy, lossless):
    medium = torso_dielectric(b0)
    assert medium.wavelength == pytest.approx(lossy, abs=5.1e-4)  # three digits are given
    free = Dielectric(permittivity=medium.permittivity, conductivity=0.0, frequency=medium.frequency)
    assert free.wavelength == pytest.approx(lossless, abs=5.1e-4)


def test_body_coil_vanishes_at_0383_wavelengths_without_loss():
    free = Dielectric(permittivity=58.0, conductivity=0.0, frequency=298e6)
    radius = np.linspace(0.0, 0.5, 50001) * free.wavelength
    field = cylinder_b1(radius, free)
    first = radius[np.flatnonzero(np.diff(field) > 0)[0]] / free.wavelength
    assert first == pytest.approx(2.404825557695773 / (2 * math.pi), abs=2e-5)  # the step of the search
    assert field[0] == 1


def test_body_coil_map_is_one_at_its_reference_and_solves_the_wave_equation():
    """Bessel's equation by second differences on the map, for the power of a wave without loss."""
    free = Dielectric(permittivity=63.0, conductivity=0.0, frequency=127.7e6)
    grid = Grid(shape=(1, 41, 41), spacing=(1e-3, 1e-3, 1e-3), centre=(0.01, 0.02, 0.0))
    made = body_coil(grid, free, axis=(0.0, 0.035), reference=(0.01, 0.02))
    assert made.at(np.array([[0.01, 0.02, 0.3]]), "b1")[0] == pytest.approx(1, rel=1e-12)
    b1 = made.values[0]
    laplace = (b1[2:, 1:-1] + b1[:-2, 1:-1] + b1[1:-1, 2:] + b1[1:-1, :-2] - 4 * b1[1:-1, 1:-1]) / 1e-6
    np.testing.assert_allclose(laplace, -(free.wave_number.real**2) * b1[1:-1, 1:-1], rtol=1e-3)  # (k h)^2 / 12


def test_body_coil_refuses_fields_and_references_it_cannot_have():
    with pytest.raises(InputError, match=r"known from 1\.5 to 7 T"):
        torso_dielectric(9.4)
    free = Dielectric(permittivity=58.0, conductivity=0.0, frequency=298e6)
    null = 2.404825557695773 / free.wave_number.real
    with pytest.raises(InputError, match="no scanner could set its power"):
        body_coil(Grid(shape=(1, 3, 3), spacing=(1e-3,) * 3), free, axis=(0.0, 0.0), reference=(null, 0.0))


def test_loop_field_on_its_axis_is_the_closed_form():
    height = np.linspace(-0.5, 0.5, 101)
    normal = np.array(LOOP.normal)
    found = LOOP.field(np.array(LOOP.centre) + height[:, None] * normal)
    true = MU0 * LOOP.radius**2 / 2 / (LOOP.radius**2 + height**2) ** 1.5
    np.testing.assert_allclose(found @ normal, true, rtol=1e-10)
    assert np.abs(found - np.outer(found @ normal, normal)).max() < 1e-14 * true.max()


def test_loop_field_and_potential_are_biot_and_savarts_integrals():
    """4000 straight pieces; a periodic integrand converges faster than any power away from the wire."""
    place, step = LOOP.points(4000)
    near = np.array(LOOP.centre) + 1e-5 * np.array([[0.0, 1.0, 0.0], [0.0, 4.1, 0.0], [0.0, -3.9, 0.0]])
    world = np.concatenate([np.random.default_rng(5).normal(0.0, 0.08, (30, 3)), near])
    world = world[LOOP.distance(world) > 5e-3]
    apart = world[:, None] - place
    far = np.linalg.norm(apart, axis=-1, keepdims=True)
    field = MU0 / 4 / math.pi * np.sum(np.cross(step, apart) / far**3, axis=1)
    potential = MU0 / 4 / math.pi * np.sum(step / far, axis=1)
    scale = np.linalg.norm(field, axis=-1, keepdims=True)
    assert np.abs((LOOP.field(world) - field) / scale).max() < 2e-9  # the series near the axis
    assert np.abs(LOOP.potential(world) - potential).max() < 2e-9 * np.abs(potential).max()


def test_loop_inductance_of_coaxial_rings_is_maxwells():
    one = Loop(centre=(0.0, 0.0, 0.0), normal=(0.0, 0.0, 1.0), radius=0.05)
    other = Loop(centre=(0.0, 0.0, 0.03), normal=(0.0, 0.0, 1.0), radius=0.04)
    m = 4 * 0.05 * 0.04 / (0.09**2 + 0.03**2)
    maxwell = MU0 * math.sqrt(0.05 * 0.04 / m) * ((2 - m) * ellipk(m) - 2 * ellipe(m))
    assert one.mutual_inductance(other) == pytest.approx(maxwell, rel=1e-12)
    assert other.mutual_inductance(one) == pytest.approx(maxwell, rel=1e-12)


def test_noise_resistance_of_a_loop_over_a_half_space_is_its_bessel_integral():
    """The half space stands as a wide cylinder; its far parts hold less than 1 % of the loss."""
    radius, gap = 0.03, 0.03
    loop = Loop(centre=(0.0, 0.0, gap), normal=(0.0, 0.0, 1.0), radius=radius)
    wide = Body(centre=(0.0, 0.0, -0.15), semi_axes=(0.2, 0.2, 0.15), cylinder=True)
    array = LoopArray(loops=(loop,), body=wide, quality_ratio=1e12)
    bessel = quad(lambda q: j1(q) ** 2 * math.exp(-2 * q * gap / radius) / q**2, 0, 60, limit=200)[0]
    true = math.pi * (MU0 * radius / 2) ** 2 * radius * bessel
    assert noise_resistance(array, 6e-3)[0, 0] == pytest.approx(true, rel=0.03)  # cubes of 6 mm, 30 mm from the wire


@pytest.mark.parametrize(("name", "count"), [("spine-8", 8), ("head-32", 32), ("volume", 1)])
def test_receive_coils_combine_to_the_calibrated_snr_at_the_reference(name, count):
    grid = Grid(shape=(3, 5, 5), spacing=(10e-3, 10e-3, 10e-3))
    coils = receive_coils(name, grid)
    assert len(coils.maps) == count
    there = coils.sensitivity(np.zeros((1, 3)))[:, 0]
    noise = coils.noise_density(1.0)
    assert np.real(there.conj() @ np.linalg.solve(noise, there)) == pytest.approx(1, rel=1e-12)
    near = coils.sensitivity(np.array([[0.0, -0.02, 0.0]]))[:, 0]
    gain = np.real(near.conj() @ np.linalg.solve(noise, near))
    assert gain > 1.2 if name == "spine-8" else gain > 0.95  # posterior loops hear the back louder


def test_receive_coils_share_the_noise_of_the_body_by_their_distance():
    array = ARRAYS["spine-8"]()
    noise = noise_resistance(array)
    shared = noise / np.sqrt(np.outer(np.diag(noise), np.diag(noise)))
    assert np.all(shared == pytest.approx(shared.T))
    column = shared[0, ::2]  # along one column of loops
    assert np.all(np.diff(column) < 0)
    assert np.linalg.eigvalsh(noise).min() > 0


def test_sensitivity_of_a_turned_loop_turns_in_phase():
    """A loop turned by 90 degrees about B0 hears M+ a quarter of a cycle later: B_x - i B_y times exp(-i 90 deg)."""
    body = Body(centre=(0.0, 0.0, 0.0), semi_axes=(0.05, 0.05, 0.05), cylinder=False)
    along_x = Loop(centre=(0.1, 0.0, 0.0), normal=(1.0, 0.0, 0.0), radius=0.03)
    along_y = Loop(centre=(0.0, 0.1, 0.0), normal=(0.0, 1.0, 0.0), radius=0.03)
    x, y = sensitivities(LoopArray(loops=(along_x, along_y), body=body), np.zeros(3))
    assert y == pytest.approx(-1j * x, rel=1e-12)


def test_receive_refuses_unknown_arrays_and_loops_in_the_body():
    grid = Grid(shape=(1, 3, 3), spacing=(1e-2,) * 3)
    with pytest.raises(InputError, match=r"unknown array 'spine-9'; did you mean 'spine-8'"):
        receive_coils("spine-9", grid)
    body = Body(centre=(0.0, 0.0, 0.0), semi_axes=(0.05, 0.05, 0.05), cylinder=False)
    inside = Loop(centre=(0.0, 0.0, 0.0), normal=(1.0, 0.0, 0.0), radius=0.03)
    with pytest.raises(InputError, match="comes within"):
        noise_resistance(LoopArray(loops=(inside,), body=body))

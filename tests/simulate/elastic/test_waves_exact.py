"""Waves against exact solutions, at 12 nodes to the shortest wavelength and at 24."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import hankel2, jv, jvp
from skfem import MeshHex, MeshQuad, MeshTri, MeshTri2

from mrsim.core.errors import InputError
from mrsim.core.rheology import Tabulated
from mrsim.simulate.elastic import iterative
from mrsim.simulate.elastic.body import Body, Fibres
from mrsim.simulate.elastic.drive import Absorbing, Drive, Force
from mrsim.simulate.elastic.solve import move

FREQUENCY, DENSITY = 80.0, 1000.0
SOFT = 3000 * (1 + 0.3j)


def law(modulus):
    return Tabulated(frequencies=(FREQUENCY,), moduli=(complex(modulus),))


def wave_number(modulus, density=DENSITY):
    return 2 * np.pi * FREQUENCY * np.sqrt(density / np.complex128(modulus))


def length(modulus):
    return 2 * np.pi / abs(wave_number(modulus))


def everywhere(centre):
    return np.ones(len(centre), dtype=bool)


def error(found, exact):
    return np.linalg.norm(found - exact) / np.linalg.norm(exact)


def check(solved, exact_of):
    """Within 1 % at 12 nodes, and of second order or better: 24 nodes leave a quarter or less."""
    errors = [error(motion.displacement, exact_of(motion.space.places)) for motion in solved]
    assert errors[0] < 0.01
    assert errors[1] < errors[0] / 4
    for motion in solved:
        assert motion.power_in == pytest.approx(motion.power_lost + motion.power_out, rel=1e-6)


def made_of(mesh, moduli, shares):
    return Body(mesh=mesh, laws=tuple(map(law, moduli)), shares=shares, density=np.full(shares.shape[1], DENSITY))


def square(side, count):
    x = np.linspace(0, side, count + 1)
    return MeshQuad.init_tensor(x, x)


def rings(radii, around):
    """A disc of triangles whose nodes lie on rings."""
    angle = 2 * np.pi * np.arange(around) / around
    points = [np.zeros((1, 2))] + [r * np.stack([np.cos(angle), np.sin(angle)], axis=1) for r in radii]
    own, following = np.arange(around), (np.arange(around) + 1) % around
    fans = [np.stack([np.zeros(around, int), 1 + own, 1 + following])]
    for ring in range(len(radii) - 1):
        a, b = 1 + ring * around, 1 + (ring + 1) * around
        fans += [np.stack([a + own, b + own, b + following]), np.stack([a + own, b + following, a + following])]
    straight = MeshTri(np.concatenate(points).T.copy(), np.concatenate(fans, axis=1))
    curved = MeshTri2.from_mesh(straight)
    places = curved.doflocs.copy()
    r = np.linalg.norm(straight.p, axis=0)
    ends = r[straight.facets]
    middles = straight.p.shape[1] + np.arange(straight.facets.shape[1])
    round_ = np.isclose(ends[0], ends[1])
    places[:, middles[round_]] *= ends[0, round_] / np.linalg.norm(places[:, middles[round_]], axis=0)
    return MeshTri2(places, curved.t)


@pytest.mark.parametrize("scalar", [True, False])
def test_plane_wave_crosses_a_plane_at_an_angle(scalar):
    way = np.array([np.cos(0.5), np.sin(0.5)])
    shake = np.array([1.0]) if scalar else np.array([-way[1], way[0]])

    def exact(place):
        return np.exp(-1j * wave_number(SOFT) * (place @ way))[:, None] * shake

    bodies = [Body.uniform(square(2 * length(SOFT), count), law(SOFT), DENSITY) for count in (12, 24)]
    drive = (Drive(where=everywhere, amplitude=exact),)
    check([move(body, FREQUENCY, drive, scalar=scalar) for body in bodies], exact)


def test_slab_stands_between_a_driven_and_a_held_face():
    side, k = 2 * length(SOFT), wave_number(SOFT)
    drives = (
        Drive(where=lambda c: c[:, 0] < 1e-9, amplitude=(0.0, 1e-6)),
        Drive(where=lambda c: c[:, 0] > side - 1e-9, amplitude=(0.0, 0.0)),
        Drive(where=lambda c: (c[:, 1] < 1e-9) | (c[:, 1] > side - 1e-9), amplitude=(0.0, np.nan)),
    )
    solved = [move(Body.uniform(square(side, n), law(SOFT), DENSITY), FREQUENCY, drives) for n in (12, 24)]
    check(solved, lambda x: np.stack([0 * x[:, 0], 1e-6 * np.sin(k * (side - x[:, 0])) / np.sin(k * side)], axis=1))


def test_wave_leaves_through_an_absorbing_face():
    side, k = 2 * length(SOFT), wave_number(SOFT)
    drive = (Drive(where=lambda c: c[:, 0] < 1e-9, amplitude=(1e-6,)),)
    out = (Absorbing(where=lambda c: c[:, 0] > side - 1e-9),)
    solved = [
        move(Body.uniform(square(side, n), law(SOFT), DENSITY), FREQUENCY, drive, absorbing=out, scalar=True)
        for n in (12, 24)
    ]
    check(solved, lambda x: 1e-6 * np.exp(-1j * k * x[:, :1]))


def test_annulus_nucleus_annulus_is_the_layered_solution():
    """Three layers between a driven and a held face, by the transfer of displacement and stress."""
    moduli, part = np.array([30e3 * (1 + 0.18j), 5e3 * (1 + 0.5j), 30e3 * (1 + 0.18j)]), 3 * length(5e3)
    k = wave_number(moduli)
    inner = np.eye(2, dtype=complex)
    steps = [np.eye(2)]
    for q, g in zip(k, moduli, strict=True):
        inner = (
            np.array([[np.cos(q * part), np.sin(q * part) / (g * q)], [-g * q * np.sin(q * part), np.cos(q * part)]])
            @ inner
        )
        steps.append(inner)
    start = np.array([1e-6, -inner[0, 0] / inner[0, 1] * 1e-6])

    def exact(place):
        found = np.zeros((len(place), 1), dtype=complex)
        for layer, (q, g) in enumerate(zip(k, moduli, strict=True)):
            u, stress = steps[layer] @ start
            x = place[:, 0] - layer * part
            own = (x > -1e-12) & (x <= part + 1e-12)
            found[own, 0] = (u * np.cos(q * x) + stress * np.sin(q * x) / (g * q))[own]
        return found

    drives = (
        Drive(where=lambda c: c[:, 0] < 1e-9, amplitude=(1e-6,)),
        Drive(where=lambda c: c[:, 0] > 3 * part - 1e-9, amplitude=(0.0,)),
    )
    solved = []
    for count in (18, 36):
        mesh = MeshQuad.init_tensor(np.linspace(0, 3 * part, 3 * count + 1), np.linspace(0, part / 9, 3))
        layer = np.minimum(mesh.p[0, mesh.t].mean(axis=0) // part, 2).astype(int)
        body = Body(
            mesh=mesh, laws=tuple(map(law, moduli)), shares=np.eye(3)[:, layer], density=np.full(len(layer), DENSITY)
        )
        solved.append(move(body, FREQUENCY, drives, scalar=True))
    check(solved, exact)


def test_cylinder_turns_as_its_bessel_function():
    radius, k = 1.2 * length(SOFT), wave_number(SOFT)

    def exact(place):
        r = np.linalg.norm(place, axis=1)
        turn = jv(1, k * r) / jv(1, k * radius) / np.maximum(r, 1e-12)
        return 1e-6 * turn[:, None] * np.stack([-place[:, 1], place[:, 0]], axis=1)

    drive = (Drive(where=everywhere, amplitude=exact),)
    solved = []
    for count in (8, 16):
        mesh = rings(radius * np.arange(1, count + 1) / count, 6 * count)
        solved.append(move(Body.uniform(mesh, law(SOFT), DENSITY), FREQUENCY, drive, points=9))
    check(solved, exact)


def test_round_inclusion_scatters_as_the_hankel_series():
    inside, outside = 12e3 * (1 + 0.1j), SOFT
    a, rim = 0.5 * length(SOFT), length(SOFT)
    k, q = wave_number(outside), wave_number(inside)
    orders = np.arange(-14, 15)
    come = (-1j) ** orders
    scatter = -come * (
        (outside * k * jvp(orders, k * a) * jv(orders, q * a) - inside * q * jv(orders, k * a) * jvp(orders, q * a))
        / (outside * k * 0.5 * (hankel2(orders - 1, k * a) - hankel2(orders + 1, k * a)) * jv(orders, q * a)
           - inside * q * hankel2(orders, k * a) * jvp(orders, q * a))
    )  # fmt: skip
    within = (come * jv(orders, k * a) + scatter * hankel2(orders, k * a)) / jv(orders, q * a)

    def exact(place):
        r, angle = np.linalg.norm(place, axis=1)[:, None], np.arctan2(place[:, 1], place[:, 0])[:, None]
        r = np.maximum(r, 1e-12)
        turn = np.exp(1j * orders * angle)
        far = (np.exp(-1j * k * place[:, :1])) + np.sum(
            scatter * hankel2(orders, k * np.maximum(r, 0.9 * a)) * turn, axis=1, keepdims=True
        )
        return np.where(r < a * (1 + 1e-9), np.sum(within * jv(orders, q * r) * turn, axis=1, keepdims=True), far)

    solved = []
    for count in (8, 16):
        mesh = rings(rim * np.arange(1, count + 1) / count, 6 * count)
        stiff = (np.linalg.norm(mesh.p[:, mesh.t].mean(axis=1), axis=0) < a).astype(float)
        body = Body(
            mesh=mesh,
            laws=(law(outside), law(inside)),
            shares=np.stack([1 - stiff, stiff]),
            density=np.full(len(stiff), DENSITY),
        )
        solved.append(move(body, FREQUENCY, (Drive(where=everywhere, amplitude=exact),), scalar=True, points=9))
    check(solved, exact)


def point_force(place, force):
    """Return U of a force, N, at the origin of an incompressible solid (Stokes' solution).

    G_ij = (1 / 4 pi G*) [delta_ij g + d_i d_j (g - 1/r) / k^2], g = exp(-i k r) / r.
    """
    k = wave_number(SOFT)
    r = np.linalg.norm(place, axis=1)
    n = place / r[:, None]
    g = np.exp(-1j * k * r) / r
    first = (-1j * k * r * np.exp(-1j * k * r) - np.exp(-1j * k * r) + 1) / r**2
    second = (
        -(k**2) * np.exp(-1j * k * r) * r**2 + 2j * k * r * np.exp(-1j * k * r) + 2 * np.exp(-1j * k * r) - 2
    ) / r**3
    along = n @ force
    hess = (first / r)[:, None] * (force - n * along[:, None]) + second[:, None] * n * along[:, None]
    return (g[:, None] * force + hess / k**2) / (4 * np.pi * SOFT)


@pytest.mark.slow
def test_point_force_in_space_is_stokes_solution():
    force = np.array([0.3, 0.5, 1.0])
    side = 1.5 * length(SOFT)
    errors = []
    for count in (10, 14):  # even: a node lies at the force
        x = np.linspace(-side / 2, side / 2, count + 1)
        body = Body.uniform(MeshHex.init_tensor(x, x, x), law(SOFT), DENSITY)
        motion = move(
            body, FREQUENCY, (Drive(where=everywhere, amplitude=lambda p: point_force(p, force)),),
            forces=(Force(place=(0.0, 0.0, 0.0), vector=tuple(force)),),
        )  # fmt: skip
        place = motion.space.places
        away = np.linalg.norm(place, axis=1) > length(SOFT) / 2
        errors.append(error(motion.displacement[away], point_force(place[away], force)))
    assert errors[0] < 0.01
    assert errors[1] < errors[0] * (10 / 14) ** 2


@pytest.mark.parametrize(("angle", "fast"), [(0.3, False), (1.1, False), (0.3, True), (0.785, True), (1.4, True)])
def test_fibres_carry_slow_and_fast_waves_at_their_speeds(angle, fast):
    """Published speeds of plane waves in a nearly incompressible, transversely isotropic solid."""
    phi, zeta = 0.8, 1.5
    way, side = np.array([1.0, 0.0, 0.0]), 1.0 * length(SOFT)
    fibre = np.array([np.cos(angle), np.sin(angle), 0.0])
    shake = np.array([0.0, 1.0, 0.0]) if fast else np.array([0.0, 0.0, 1.0])
    factor = 1 + (phi * np.cos(2 * angle) ** 2 + zeta * np.sin(2 * angle) ** 2 if fast else phi * np.cos(angle) ** 2)
    k = wave_number(SOFT * factor)

    def exact(place):
        return np.exp(-1j * k * (place @ way))[:, None] * shake

    x, thin = np.linspace(0, side, 7), np.linspace(0, side / 3, 3)
    mesh = MeshHex.init_tensor(x, thin, thin)
    fibres = Fibres(direction=np.tile(fibre, (mesh.t.shape[1], 1)), phi=phi, zeta=zeta)
    body = Body.uniform(mesh, law(SOFT), DENSITY, fibres=fibres)
    motion = move(body, FREQUENCY, (Drive(where=everywhere, amplitude=exact),))
    assert error(motion.displacement, exact(motion.space.places)) < 0.01


@pytest.mark.parametrize("poisson", [0.45, 0.49, 0.499, 0.49999])
def test_nearly_incompressible_cylinders_do_not_lock(poisson):
    radius, k = length(SOFT), wave_number(SOFT)

    def exact(place):
        r = np.linalg.norm(place, axis=1)
        turn = jv(1, k * r) / jv(1, k * radius) / np.maximum(r, 1e-12)
        return 1e-6 * turn[:, None] * np.stack([-place[:, 1], place[:, 0]], axis=1)

    bulk = float(np.real(SOFT)) * 2 * (1 + poisson) / (3 * (1 - 2 * poisson))
    mesh = rings(radius * np.arange(1, 10) / 9, 54)
    motion = move(
        Body.uniform(mesh, law(SOFT), DENSITY, bulk=bulk), FREQUENCY, (Drive(where=everywhere, amplitude=exact),)
    )
    assert error(motion.displacement, exact(motion.space.places)) < 0.01


def test_iteration_and_factors_agree_in_space():
    side = 1.5 * length(SOFT)
    x = np.linspace(0, side, 10)
    mesh = MeshHex.init_tensor(x[:5], x[:6], x[:4])
    stiff = (np.linalg.norm(mesh.p[:, mesh.t].mean(axis=1).T - side / 4, axis=1) < side / 6).astype(float)
    body = Body(
        mesh=mesh,
        laws=(law(SOFT), law(7 * SOFT)),
        shares=np.stack([1 - stiff, stiff]),
        density=np.full(len(stiff), 1e3),
    )
    drives = (Drive(where=lambda c: c[:, 2] < 1e-9, amplitude=(1e-6, 0, 0.5e-6j)),)
    direct, iterated = (move(body, FREQUENCY, drives, method=method) for method in ("direct", "iterative"))
    assert error(iterated.displacement, direct.displacement) < 1e-6
    assert iterated.power_in == pytest.approx(iterated.power_lost, rel=1e-6)


@pytest.mark.parametrize("step", [False, True])
def test_iteration_solves_for_bodies_one_element_thick_between_two_drives(step):
    x = np.linspace(0, length(SOFT), 7)
    mesh = MeshHex.init_tensor(x[:4], x[:4], x[:3] if step else x[:2])
    middle = mesh.p[:, mesh.t].mean(axis=1)
    mesh = mesh.restrict(np.flatnonzero((middle[0] > x[1]) | (middle[2] < x[1])))  # a step: partly two thick
    top = mesh.p[:, mesh.facets].mean(axis=1)[2]
    under = mesh.p[:, mesh.t].mean(axis=1)[2]
    faces = mesh.boundary_facets()
    up, down = ((sign * (top[faces] - under[mesh.f2t[0, faces]]) > 1e-4) for sign in (1, -1))
    drives = (Drive(where=lambda c: up, amplitude=(0, 1e-6, 0)), Drive(where=lambda c: down, amplitude=(0, 1e-6, 0)))
    body = Body.uniform(mesh, law(SOFT))
    direct, iterated = (move(body, FREQUENCY, drives, method=method) for method in ("direct", "iterative"))
    assert error(iterated.displacement, direct.displacement) < 1e-6


@pytest.mark.parametrize(
    ("loss", "said"), [(0.0, "loss tangent is 0: waves that hardly lose"), (0.3, "refine the mesh")]
)
def test_an_iteration_that_does_not_end_says_what_helps(loss, said, monkeypatch):
    monkeypatch.setattr(iterative, "MOST", 0)
    x = np.linspace(0, 0.48 * length(SOFT), 4)
    body = Body.uniform(MeshHex.init_tensor(x, x, x), law(3000 * (1 + 1j * loss)))
    drives = (Drive(where=lambda c: c[:, 2] < 1e-9, amplitude=(1e-6, 0, 0)),)
    with pytest.raises(InputError, match=said):
        move(body, FREQUENCY, drives, method="iterative")


def test_forces_and_motions_change_places():
    """What a force at A along a does to B along b, the force at B along b does to A along a."""
    body = Body.uniform(square(length(SOFT), 8), law(SOFT), DENSITY)
    a, b, one, other = (0.005, 0.004), (0.012, 0.015), np.array([1.0, 0.5]), np.array([-0.3, 1.0])
    held = (Drive(where=lambda c: c[:, 0] < 1e-9, amplitude=(0.0, 0.0)),)

    def seen(force, at, place, along):
        motion = move(body, FREQUENCY, held, forces=(Force(place=at, vector=tuple(force)),))
        node = np.argmin(np.linalg.norm(motion.space.places - np.asarray(place), axis=1))
        return motion.displacement[node] @ along

    assert seen(one, a, b, other) == pytest.approx(seen(other, b, a, one), rel=1e-9)


def test_motion_between_nodes_is_that_of_the_wave():
    k, side = wave_number(SOFT), length(SOFT)
    body = Body.uniform(square(side, 12), law(SOFT), DENSITY)
    drive = (Drive(where=everywhere, amplitude=lambda p: np.exp(-1j * k * p[:, :1])),)
    motion = move(body, FREQUENCY, drive, scalar=True)
    place = np.random.default_rng(1).uniform(0, side, (200, 2))
    assert error(motion.at(place), np.exp(-1j * k * place[:, :1])) < 1e-3
    assert np.isnan(motion.at(np.array([[-side, 0.0]]))).all()


def test_wavelengths_too_short_for_the_mesh_are_refused():
    body = Body.uniform(square(2 * length(SOFT), 11), law(SOFT), DENSITY)
    drive = (Drive(where=everywhere, amplitude=(1e-6,)),)
    with pytest.raises(InputError, match=r"80 Hz the shortest wavelength is 22\.1 mm.*at most 3\.687 mm"):
        move(body, FREQUENCY, drive, scalar=True)


def test_drives_and_forces_outside_the_body_are_refused():
    body = Body.uniform(square(length(SOFT), 8), law(SOFT), DENSITY)
    with pytest.raises(InputError, match="endplate: touches no part of the body's surface; the body spans x 0 to 22"):
        move(body, FREQUENCY, (Drive(where=lambda c: c[:, 0] > 1.0, amplitude=(1e-6, 0), name="endplate"),))
    with pytest.raises(InputError, match="outside the body"):
        move(body, FREQUENCY, forces=(Force(place=(0.1, 0.0), vector=(1.0, 0.0)),))
    with pytest.raises(InputError, match="nothing shakes the body"):
        move(body, FREQUENCY)

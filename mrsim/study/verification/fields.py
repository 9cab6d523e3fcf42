"""Fields and gradients: susceptibility, coils, waves, b-values and nerve stimulation against closed forms."""

from __future__ import annotations

import math

import numpy as np

from ...core.nuclei import PROTON
from ...core.rheology import Tabulated
from ...phantom.susceptibility import dipole_field
from ...plan import nerves
from ...plan.safety import load_safety
from ...sequence.b_matrix import Course, b_course
from .check import Check


def sphere_in_a_field() -> float:
    """Return the relative rms error of a magnetised sphere's field, radius 8 in 128^3 voxels, off its surface."""
    size, radius, parts = 128, 8, 6
    axis = np.arange(size) - size // 2
    fine = (np.arange((2 * radius + 4) * parts) + 0.5) / parts - 0.5 - radius - 2
    z, y, x = np.meshgrid(fine, fine, fine, indexing="ij", sparse=True)
    small = (z * z + y * y + x * x < radius**2).astype(float)
    count = 2 * radius + 4
    chi = np.zeros((size,) * 3)
    inside = slice(size // 2 - radius - 2, size // 2 + radius + 2)
    chi[inside, inside, inside] = small.reshape((count, parts) * 3).mean(axis=(1, 3, 5))
    found = dipole_field(chi, (1e-3, 1e-3, 1e-3))
    zz, yy, xx = np.meshgrid(axis, axis, axis, indexing="ij", sparse=True)
    r = np.maximum(np.sqrt(xx * xx + yy * yy + zz * zz), 0.5)
    true = np.where(r < radius, 0.0, (radius / r) ** 3 * (3 * zz * zz / r**2 - 1) / 3)
    off = np.abs(r - radius) > 1
    return math.sqrt(np.mean((found - true)[off] ** 2) / np.mean(true[off] ** 2))


def loop_on_its_axis() -> float:
    """Return the largest relative error of a loop's field on its axis."""
    from ...phantom.loops import MU0, Loop

    loop = Loop(centre=(0.02, -0.03, 0.05), normal=(0.6, 0.0, 0.8), radius=0.04)
    height = np.linspace(-0.5, 0.5, 101)
    found = loop.field(np.array(loop.centre) + height[:, None] * np.array(loop.normal)) @ np.array(loop.normal)
    true = MU0 * loop.radius**2 / 2 / (loop.radius**2 + height**2) ** 1.5
    return float(np.abs(found / true - 1).max())


def null_of_the_body_coil() -> float:
    """Return the error, in wavelengths, of the radius where B1 of a lossless cylinder first vanishes."""
    from ...phantom.transmit import Dielectric, cylinder_b1

    free = Dielectric(permittivity=58.0, conductivity=0.0, frequency=298e6)
    radius = np.linspace(0.0, 0.5, 50001) * free.wavelength
    field = cylinder_b1(radius, free)
    first = radius[np.flatnonzero(np.diff(field) > 0)[0]] / free.wavelength
    return float(abs(first - 2.404825557695773 / (2 * math.pi)))


def plane_wave() -> float:
    """Return the relative error of a shear wave that crosses a damped square at an angle, 12 nodes to a wavelength."""
    from skfem import MeshQuad

    from ...simulate.elastic.body import Body
    from ...simulate.elastic.drive import Drive
    from ...simulate.elastic.solve import move

    frequency, density, modulus = 80.0, 1000.0, 3000 * (1 + 0.3j)
    k = 2 * np.pi * frequency * np.sqrt(density / np.complex128(modulus))
    way = np.array([math.cos(0.5), math.sin(0.5)])
    edge = np.linspace(0, 2 * 2 * np.pi / abs(k), 13)
    body = Body.uniform(
        MeshQuad.init_tensor(edge, edge), Tabulated(frequencies=(frequency,), moduli=(modulus,)), density
    )

    def exact(place: np.ndarray) -> np.ndarray:
        return np.asarray(np.exp(-1j * k * (place @ way))[:, None])

    drive = Drive(where=lambda centre: np.ones(len(centre), dtype=bool), amplitude=exact)
    motion = move(body, frequency, (drive,), scalar=True)
    true = exact(motion.space.places)
    return float(np.linalg.norm(motion.displacement - true) / np.linalg.norm(true))


def b_of_trapezoids() -> float:
    """Return the largest error, s/mm^2, of b of two pairs of trapezoids around a refocusing pulse."""
    errors = []
    for height, delta, separation, ramp, true in ((40, 20, 30, 0.5, 1068.6557), (80, 12, 20, 0.6, 1054.9884)):
        te = 60.0
        first = (te - separation - delta - ramp) / 2
        corners = np.array([0.0, ramp, delta, delta + ramp])
        lobes = [first + corners, first + separation + corners]
        times = np.unique(np.round(np.concatenate([[0.0, te / 2, te], *lobes]) * 1e6)).astype(np.int64)
        gradient = np.zeros((len(times), 3))
        for at in lobes:
            gradient[:, 0] += np.interp(times * 1e-6, at, [0.0, height, height, 0.0], left=0.0, right=0.0) * 1e-3
        course = Course(times=times, gradient=gradient, turns=((round(te / 2 * 1e6), "refocusing"),))
        errors.append(abs(b_course(course, PROTON.gamma_bar)[-1, 0, 0] * 1e-6 - true))
    return float(max(errors))


def stimulation() -> float:
    """Return the largest difference from pypulseq's SAFE filter, over its largest level, for 100 ms of swings."""
    from pypulseq.utils.safe_pns_prediction import safe_example_hw, safe_gwf_to_pns

    raster, count = 10e-6, 10_000
    t = np.arange(count) * raster
    turns = 2 * np.pi * np.array([700.0, 430.0, 910.0])
    gradient = 0.02 * np.sin(t[:, None] * turns) * np.sin(2 * np.pi * 25 * t)[:, None]
    facts = load_safety("example").nerves
    assert facts is not None
    ours, _ = nerves.stimulation(np.diff(gradient, axis=0) / raster, raster, facts)
    theirs, _ = safe_gwf_to_pns(gradient, np.full(count, np.nan), raster, safe_example_hw(), do_padding=False)
    return float(np.abs(ours * 100 - theirs).max() / np.abs(theirs).max())


CHECKS = (
    Check(name="sphere", part="Susceptibility", claim="a sphere is a dipole outside and shifts nothing inside",
          reference="closed form", tolerance=1e-2, why="its edge is made of voxels", error=sphere_in_a_field),
    Check(name="loop", part="Receive coils", claim="a loop's field on its axis is that of Biot and Savart",
          reference="closed form", tolerance=1e-10, why="round-off", error=loop_on_its_axis),
    Check(name="b1-null", part="Transmit field", claim="B1 of a cylinder without loss vanishes at 0.383 wavelengths",
          reference="first zero of J0", tolerance=2e-5, unit="wavelengths", why="the step of the search",
          error=null_of_the_body_coil),
    Check(name="plane-wave", part="Elastic waves", claim="a damped shear wave crosses a square at an angle",
          reference="closed form", tolerance=1e-2, why="12 nodes to a wavelength", error=plane_wave),
    Check(name="b-value", part="b-matrix", claim="trapezoids around a refocusing pulse have Stejskal and Tanner's b",
          reference="published numbers", tolerance=5e-5, unit="s/mm²", why="the last digit that is given",
          error=b_of_trapezoids),
    Check(name="stimulation", part="Nerve stimulation", claim="the SAFE filters are those of pypulseq",
          reference="pypulseq", tolerance=1e-9, why="the same filters, summed in another order", error=stimulation),
)  # fmt: skip

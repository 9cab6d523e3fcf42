"""Small motion on the road by class: its phase to first order, against spins that travel by themselves."""

from dataclasses import replace

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.phantom.motion import Affine, Trace, Vibration, Wave, varies_along_z
from mrsim.phantom.phantom_file import load_phantom
from mrsim.sequence.discretize import discretize
from mrsim.sequence.families.mre_epi import MreEpi
from mrsim.sequence.families.mre_gradient_echo import MreGradientEcho
from mrsim.sequence.families.spin_echo import SpinEcho
from mrsim.sequence.motion_encoding import encoding
from mrsim.sequence.scanner import Scanner
from mrsim.simulate import Bloch, simulate
from mrsim.simulate._kernels.plane import moving_pencils
from mrsim.simulate.object_cells import sampling_grid
from mrsim.simulate.small_motion import SmallMotion
from mrsim.simulate.steps import turn_series

SCANNER = Scanner.preset("3T")
COMMON = {"fov": (0.12, 0.08), "slice_thickness": 4e-3, "vibration": 60.0, "offsets": 2, "max_slew": 60.0}
GRE = MreGradientEcho(matrix=(12, 8), encoding="z", dummies=2, tr=100e-3, **COMMON)
EPI = MreEpi(matrix=(12, 8), encoding="x", dummies=1, tr=3.0, polarity_reversal=False, **COMMON)


def oblique(amplitude):
    """A damped wave that runs in all directions, polarised along all axes."""

    def field(place):
        phase = np.exp(-2j * np.pi / 0.03 * (place @ np.array([0.6, 0.64, 0.48])) - np.abs(place[:, 0]) / 0.1)
        return amplitude * phase[:, None] * np.array([0.7, -0.5j, 0.5])

    return field


def moved(field, frequency=60.0):
    return replace(load_phantom("ellipse", field=3.0), motion=(Vibration(field=field, frequency=frequency),))


def scanned(timeline, phantom, reuse, **options):
    engine = Bloch(**{"subsamples": 1, "sub_slices": 66, "slab": 2.0, "layers": 11, **options}, reuse=reuse)
    return simulate(timeline, phantom, engine, threads=1)


@pytest.mark.parametrize(("protocol", "error"), [(GRE, 1.5e-4), (EPI, 7e-4)])
def test_first_order_agrees_with_spins_that_travel_alone(protocol, error):
    """Errors per um of motion that turns phases by 0.1 rad per um: echoes of earlier excitations are what is left."""
    timeline = discretize(protocol.build(SCANNER))
    still = scanned(timeline, load_phantom("ellipse", field=3.0), True).imaging.data
    for size in (4.0, 16.0):
        fast, alone = (scanned(timeline, moved(oblique(size * 1e-6)), reuse) for reuse in (True, False))
        whole = np.linalg.norm(alone.imaging.data)
        assert fast.history["reuse"] == "through the slice"
        assert alone.history["reuse"] != fast.history["reuse"]
        assert np.linalg.norm(still - alone.imaging.data) > 0.02 * size * whole
        assert np.linalg.norm(fast.imaging.data - alone.imaging.data) < error * size * whole
        assert fast.history["motion_error"] < 3 * error * size


def test_an_even_number_of_layers_lies_around_the_middle_of_the_slice():
    """Both roads place the layers of an object at rest alike."""
    timeline = discretize(EPI.build(SCANNER))
    phantom = load_phantom("ellipse", field=3.0)
    fast, alone = (scanned(timeline, phantom, reuse, layers=10, sub_slices=70) for reuse in (True, False))
    assert fast.history["reuse"] == "through the slice"
    assert np.linalg.norm(fast.imaging.data - alone.imaging.data) < 1e-10 * np.linalg.norm(alone.imaging.data)


def test_phase_of_a_uniform_motion_is_the_encoding_efficiency():
    """exp(-i Re(xi . U)) multiplies every sample nearest to k = 0, xi from the built sequence's waveforms (B-20)."""
    timeline = discretize(GRE.build(SCANNER))
    axes, u = timeline.encoding.grid.axes, np.array([2e-6, 1e-6j, 5e-6 - 3e-6j])
    found, still = (
        scanned(timeline, phantom, True).imaging
        for phantom in (moved(lambda place: np.broadcast_to(axes @ u, place.shape)), load_phantom("ellipse", field=3.0))
    )
    centre = np.argmin(np.linalg.norm(found.k, axis=-1), axis=1)
    rows = np.arange(len(centre))
    ratio = found.data[rows, 0, centre] / still.data[rows, 0, centre]
    expected = np.exp(-1j * (encoding(timeline, 60.0) @ u).real)
    np.testing.assert_allclose(ratio, expected, atol=3e-4)  # what the read gradient adds from sample to sample


def test_moments_are_those_of_the_spectrum_of_the_effective_gradient():
    """xi = 2 pi (m_cos + i m_sin), to 1e-9, for a gradient and a spin echo."""
    for protocol in (GRE, EPI):
        timeline = discretize(protocol.build(SCANNER))
        moment = SmallMotion.of(timeline, (Wave(frequency=60.0), Wave(frequency=60.0, sine=True))).moment
        xi = 2 * np.pi * (moment[:, :3] + 1j * moment[:, 3:])
        expected = encoding(timeline, 60.0)
        assert np.abs(xi - expected).max() < 1e-9 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("protocol", "phantom", "reason"),
    [
        (GRE, moved(oblique(1e-3)), "of a voxel"),
        (replace(GRE, phase_increment=0.0), moved(oblique(1e-6)), "not spoiled"),
        (SpinEcho(matrix=(8, 4), fov=(0.12, 0.08)), moved(oblique(1e-3)), "of a voxel"),
    ],
)
def test_motion_that_is_not_small_carries_every_spin(protocol, phantom, reason):
    timeline = discretize(replace(protocol, matrix=(8, 2)).build(SCANNER))
    engine = Bloch(subsamples=1, sub_slices=2, slab=1.0, layers=1)
    assert reason in simulate(timeline, phantom, engine, threads=1).history["reuse"]


def test_a_displacement_that_stays_counts_by_its_largest_value():
    from mrsim.phantom.motion import Affine

    shift = Affine(course=Trace(times=(0.0, 1.0), values=(0.0, -1.0)), shift=(1e-3, 0.0, 0.0))
    phantom = replace(load_phantom("ellipse", field=3.0), motion=(shift,))
    timeline = discretize(replace(GRE, matrix=(8, 2)).build(SCANNER))
    found = simulate(timeline, phantom, Bloch(subsamples=1, sub_slices=2, slab=1.0, layers=1), threads=1)
    assert "1e+03 um" in found.history["reuse"]


def test_kernel_of_moving_pencils_equals_its_sums():
    rng = np.random.default_rng(1)
    layers, ny, nx, parts, readouts = 2, 5, 7, 4, 3
    density = rng.standard_normal((2, layers, ny, nx, 2)).view(complex)[..., 0]
    density[:, :, :, :2] = 0
    ends = np.tile(np.array([2, nx]), (layers, ny, 1))
    shifts, moment = rng.standard_normal((layers, ny, parts, nx)), rng.standard_normal((readouts, parts))
    wind, y, seen = rng.standard_normal(readouts), rng.standard_normal(ny), np.array([1, 3])
    turns = np.einsum("rk,lykx->rlyx", moment, shifts) + (wind[:, None] * y)[:, None, :, None]
    value = density * np.exp(-2j * np.pi * turns)[:, None]
    factors = [np.ones((layers, ny, nx)), shifts[:, :, 1], shifts[:, :, 3]]
    expected = np.concatenate([(value * factor).sum(axis=3) for factor in factors], axis=1)
    for kernel in (moving_pencils, moving_pencils.py_func):
        out = np.zeros((readouts, 6, layers, nx), complex)
        kernel(
            density.real.copy(), density.imag.copy(), shifts, ends, moment, wind, y, seen, turn_series(np.float64), out
        )
        np.testing.assert_allclose(out, expected, atol=1e-13)


@pytest.mark.parametrize("reuse", [True, False])
def test_each_slice_of_an_extruded_object_sees_its_own_motion(reuse):
    """One layer would do for the object at rest; it would judge all motion by that in the middle."""
    common = COMMON | {"offsets": 1}
    protocol = MreGradientEcho(
        matrix=(4, 2), slices=2, encoding="z", dummies=0, tr=200e-3, flip=0.5, polarity_reversal=False, **common
    )
    timeline = discretize(protocol.build(SCANNER))
    u, normal = 8e-6 * np.exp(0.7j), timeline.encoding.grid.axes[:, 2]

    def rising(place):
        return u * (place @ normal)[:, None] / 4e-3 * normal

    engine = Bloch(reuse=reuse, subsamples=1, accuracy=1e-2)
    objects = (moved(rising), load_phantom("ellipse", field=3.0))
    assert (
        sampling_grid(timeline, objects[1], engine).shape[0] == 1 < sampling_grid(timeline, objects[0], engine).shape[0]
    )
    found, still = (simulate(timeline, phantom, engine, threads=1).imaging for phantom in objects)
    centre = np.argmin(np.linalg.norm(found.k, axis=-1), axis=1)
    rows = np.arange(len(centre))
    ratio = found.data[rows, 0, centre] / still.data[rows, 0, centre]
    place = timeline.encoding.grid.coordinates(2)[found.labels["slice"]] / 4e-3
    expected = -(encoding(timeline, 60.0)[:, 2] * u * place).real
    assert np.abs(expected).max() > 0.5
    np.testing.assert_allclose(np.angle(ratio), expected, atol=0.03)  # the excited slice is 4 mm only about


@pytest.mark.parametrize(("protocol", "flip"), [(GRE, 0.1), (EPI, 0.05)])
def test_accuracy_coarser_than_what_a_moving_objects_excitations_turn_is_refused(protocol, flip):
    """An echo train still has refocusing pulses that count; nothing hears it either."""
    timeline = discretize(replace(protocol, flip=flip, slices=2, dummies=0).build(SCANNER))
    with pytest.raises(InputError, match="so coarse that no excitation counts") as told:
        simulate(timeline, moved(oblique(8e-6)), Bloch(subsamples=1, accuracy=1e-2), threads=1)
    assert told.value.key == "accuracy"


def test_motion_along_z_is_told_from_motion_that_is_the_same_everywhere_on_it():
    grid, half = GRE.build(SCANNER).encoding.grid, np.full(3, 0.02)
    into = Trace(times=(0.0, 1.0), values=(0.0, 1.0))
    stretch = np.outer(grid.axes[:, 0], grid.axes[:, 2])  # along x, the more the higher
    assert not varies_along_z((Affine(course=into, shift=(1e-3, 0.0, 2e-3)),), grid, half)
    assert not varies_along_z((Affine(course=into, matrix=tuple(map(tuple, stretch.T))),), grid, half)
    assert varies_along_z((Affine(course=into, matrix=tuple(map(tuple, stretch))),), grid, half)
    assert varies_along_z(moved(oblique(1e-6)).motion, grid, half)

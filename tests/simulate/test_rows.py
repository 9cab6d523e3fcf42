"""Pulses that select along the phase axis: row by row against spin by spin."""

import importlib
from dataclasses import replace

import numpy as np
import pytest
from objects import Script, hard_pulse, pool
from test_field_maps import MappedBox

from mrsim.recon import reconstruct
from mrsim.sequence.discretize import discretize
from mrsim.sequence.protocol import load_protocol
from mrsim.sequence.scanner import Scanner
from mrsim.simulate import Bloch, simulate
from mrsim.simulate.program import selected_along
from mrsim.simulate.pulse_response import pulse_response
from mrsim.simulate.rows import rows_of

SMALL = {
    "matrix": "12 8",
    "slices": "1",
    "averages": "1",
    "b": "0 100 s/mm^2",
    "directions": "x",
    "dummies": "0",
}


def inner_volume(**changes):
    """The scan of a small field of view whose refocusing pulses select a slab of 64 mm along the phase axis."""
    return discretize(load_protocol("sag-dwi-cerv", SMALL | changes).build(Scanner.preset("3T")))


def under(*gradients):
    """Pulses under constant gradients, T/m."""
    pulses = [replace(hard_pulse(1.0), gradient=np.array([gradient], float)) for gradient in gradients]
    script = Script()
    for pulse in pulses:
        script.rf(pulse)
    return script.read().timeline()


@pytest.fixture
def points(monkeypatch):
    """Cells are points at their middles, as they are to spins that travel alone: what crushers wind aliases in both."""
    by_class = importlib.import_module("mrsim.simulate.class_run")
    sums = by_class.PlaneSums
    monkeypatch.setattr(by_class, "PlaneSums", lambda plane, moment, base, _: sums(plane, moment, base))


@pytest.mark.parametrize(
    ("hertz", "flip"),
    [
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
        pytest.param((900.0, -400.0, 0.0), (3.0, 2.0, 0.0), marks=pytest.mark.slow),
    ],
)
def test_an_inner_volume_by_rows_equals_spin_by_spin(hertz, flip, points):
    # reaches beyond the slab; T2' and fat move the slab along with their offset
    box = MappedBox(
        size=(20e-3, 90e-3),
        pools=(pool(0.6, 0.05, t2_prime=0.05), pool(0.3, 0.06, 0.4, shift=-3.4e-6)),
        offset=11.0,
        b1=0.93,
        hertz=hertz,
        flip=flip,
    )
    engine = Bloch(slab=2.0, subsamples=4, sub_slices=60, accuracy=1e-3, rf_step=1e-4, t2_prime_accuracy=5e-2)
    rows, exact = (simulate(inner_volume(), box, replace(engine, reuse=reuse)) for reuse in (True, False))
    assert rows.history["reuse"] == "through the slice"
    assert rows.history["rows"] > 8
    # interpolation between rows, and between nodes of the maps, is held to half of `accuracy` each
    assert rows.history["row_error"] <= 5e-4
    change = np.abs(rows.imaging.data - exact.imaging.data).max() / np.abs(exact.imaging.data).max()
    assert change < 2e-3
    # what the slab leaves out is missing: all of it would fold into the field of view
    assert np.abs(exact.imaging.data).max() < 0.9 * 20e-3 * 90e-3 * 3e-3


def test_slices_of_an_inner_volume_are_sections_that_all_refocusing_pulses_act_on(points):
    box = MappedBox(size=(20e-3, 50e-3), pools=(pool(2.0, 0.05),))
    timeline = inner_volume(slices="3", b="0 1 s/mm^2", tr="600 ms")
    engine = Bloch(subsamples=1, accuracy=2e-3, rf_step=1e-4)
    rows = simulate(timeline, box, engine)
    exact = simulate(timeline, box, replace(engine, reuse=False, sub_slices=700))
    change = np.abs(rows.imaging.data - exact.imaging.data).max() / np.abs(exact.imaging.data).max()
    assert change < 5e-3


def test_the_image_of_an_inner_volume_falls_off_as_its_pulse_refocuses():
    # crossed crushers leave |beta|^2 of the transverse magnetisation; their moment is a whole turn from cell to cell
    timeline = inner_volume(matrix="8 32", fov="160 128 mm")
    box = MappedBox(size=(60e-3, 100e-3), pools=(pool(2.0, 5.0),))
    image = np.abs(reconstruct(simulate(timeline, box, Bloch(accuracy=1e-3))).data[0, 0, :, 4])
    grid = timeline.encoding.grid
    y = grid.coordinates(1)[8:25]  # within 32 mm
    (pulse,) = (pulse for pulse in timeline.pulses if pulse.use == "refocusing")
    along = pulse_response(pulse, timeline.gamma_bar, position=np.stack([0 * y, y, 0 * y], axis=1))[:, 2]
    # the readout's blur and the voxels' width leave 1 % of the middle
    np.testing.assert_allclose(image[8:25] / image[16], (1 - along) / 2, atol=0.012)


def test_rows_share_every_spin_and_reproduce_polynomials_of_the_fifth_degree():
    place = np.random.default_rng(3).uniform(-40e-3, 55e-3, 200)
    rows = rows_of(place, 7e-3)
    for degree in range(6):
        found = np.zeros(len(place))
        for row, mine, share in rows:
            found[mine] += share * (row / 30e-3) ** degree
        np.testing.assert_allclose(found, (place / 30e-3) ** degree, atol=1e-12)


def test_the_direction_in_which_pulses_select_in_the_plane():
    np.testing.assert_allclose(
        np.abs(selected_along(under((0, 0, 9e-3), (3e-3, 4e-3, 0), (-6e-3, -8e-3, 1e-3)))), [0.6, 0.8]
    )
    np.testing.assert_array_equal(selected_along(under((0, 0, 9e-3))), [0, 0])
    assert selected_along(under((3e-3, 0, 0), (0, 4e-3, 0))) is None

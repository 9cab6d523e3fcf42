"""The two slow references, an ODE solver and the affine matrix exponential, against each other and the kernels."""

import numpy as np
import pytest
from objects import GAMMA_BAR, Box, Script, pool
from reference import bloch_expm, bloch_ode

from mrsim.sequence.timeline import Pulse
from mrsim.simulate import Bloch, simulate
from mrsim.simulate.pulse_response import pulse_response

GAMMA = 2 * np.pi * GAMMA_BAR
T1, T2 = 0.02, 0.004
STEPS, DURATION = 10, 1e-3


def stepped_field():
    """Steps of B1 with a phase that runs, under a gradient that changes, at one place off resonance."""
    rng = np.random.default_rng(5)
    b1 = 8e-6 * rng.standard_normal(STEPS) * np.exp(1j * np.arange(STEPS))
    along = 2e-6 * rng.standard_normal(STEPS)
    return np.stack([b1.real, b1.imag, along], axis=1)


def test_reference_matrix_exponential_equals_the_ode_solver():
    field, each, start = stepped_field(), DURATION / STEPS, np.array([0.3, -0.2, 0.7])
    m = start
    for b in field:  # a solver that strides over an edge would miss it
        m = bloch_ode(lambda t, b=b: b, m, each, GAMMA, T1, T2)
    found = bloch_expm(field, np.full(STEPS, each), GAMMA, start, T1, T2)
    # the solver's own tolerance, ten times over
    np.testing.assert_allclose(found, m, atol=1e-10)
    assert np.abs(found - start).max() > 0.1


def test_reference_bounds_the_kernel_to_second_order():
    """The kernel splits relaxation from rotation; against the exponential its error falls with the step squared."""
    field, start = stepped_field(), np.array([0.0, 0.0, 1.0])
    truth = bloch_expm(field, np.full(STEPS, DURATION / STEPS), GAMMA, start, T1, T2)
    error = []
    divisions = np.array([1, 2, 4, 8])
    for split in divisions:
        n = STEPS * split
        pulse = Pulse(
            dt=np.full(n, DURATION / n),
            b1=np.repeat(field[:, 0] + 1j * field[:, 1], split),
            gradient=np.outer(np.repeat(field[:, 2], split), [0, 0, 1 / 2e-3]),
            flip=0.0,
            centre=DURATION / 2,
            use="excitation",
        )
        m = pulse_response(pulse, GAMMA_BAR, position=(0, 0, 2e-3), t1=T1, t2=T2)
        error.append(np.abs(m - truth).max())
    order = -np.polyfit(np.log(divisions), np.log(error), 1)[0]
    assert abs(order - 2) < 0.1
    assert error[-1] < error[0] / 50


@pytest.mark.parametrize("reuse", [True, False])
@pytest.mark.parametrize(("precision", "floor"), [("double", 1e-9), ("single", 3e-5)])
def test_error_of_the_rf_steps_is_stated_where_the_series_cut_them_already(reuse, precision, floor):
    """Steps that turn by several radians are cut anyway; their error must still be seen when they are halved."""
    t1, t2, b1, offset = 0.02, 1e-3, -1.2, 300.0
    jumps = np.exp(1j * np.pi / 2 * np.array([0, 1, 3, 2]))  # B1 turns by right angles
    each = np.array([1e-3, 2e-4, 1.5e-3, 3e-4])
    pulse = Pulse(dt=each, b1=3e-6 * jumps, gradient=np.zeros((4, 3)), flip=1.0, centre=1e-3, use="excitation")
    script = Script(dwell=1e-9).tr().rf(pulse, 0.7).read()
    box = Box(pools=(pool(t1, t2),), b1=b1, offset=offset)
    engine = Bloch(subsamples=1, sub_slices=1, slab=1.0, reuse=reuse, accuracy=1e-5, precision=precision)
    found = simulate(script.timeline(), box, engine, threads=1)
    played = b1 * pulse.b1 * np.exp(-0.7j)
    field = np.stack([played.real, played.imag, np.full(4, offset / GAMMA_BAR)], axis=1)
    x, y, _ = bloch_expm(field, each, GAMMA, (0, 0, 1), t1, t2)
    error = abs(found.imaging.data[0, 0, 0] / 4e-9 - (x + 1j * y))
    assert abs(x + 1j * y) > 0.1
    assert error < 1.1 * found.history["rf_step_error"] + floor
    assert found.history["rf_step_error"] < 1e-4

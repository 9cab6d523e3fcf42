"""Imperfections of the scanner as they show in simulated raw data."""

from dataclasses import replace

import numpy as np
import pytest
from objects import Box, pool

import mrsim as mr
from mrsim.sequence.families.spoiled_gradient_echo import SpoiledGradientEcho
from mrsim.sequence.imperfect import EddyCurrent, Imperfections
from mrsim.sequence.scanner import Scanner

SCANNER = Scanner.preset("3T")
PROTOCOL = SpoiledGradientEcho(matrix=(16, 4), fov=(0.016, 0.016), pixel_bandwidth=500.0, tr=0.02, flip=(0.5,))


def raw(engine=None, box=None, **imperfections):
    scanner = replace(SCANNER, imperfections=Imperfections(**imperfections))
    timeline = mr.discretize(PROTOCOL.build(scanner))
    return mr.simulate(timeline, box or Box(size=(4e-3, 4e-3), pools=(pool(),)), engine or mr.Bloch())


def test_rf_amplitude_is_a_transmit_field():
    low = raw(rf_amplitude=0.8).imaging.data
    field = raw(box=Box(size=(4e-3, 4e-3), pools=(pool(),), b1=0.8)).imaging.data
    np.testing.assert_allclose(low, field, atol=1e-9 * np.abs(field).max())


def test_readout_delay_is_a_phase_ramp_along_the_readout():
    """Samples come late by d on the read axis: image exp(-i 2 pi x d / (dwell fov)), the slice and lines unmoved."""
    engine = mr.Bloch(sub_slices=61)
    delay = 4e-6
    plain = mr.reconstruct(raw(engine)).data[0, 0]
    late = mr.reconstruct(raw(engine, gradient_delay=(0.0, delay, 0.0))).data[0, 0]  # sagittal: reads along -y
    dwell = 1 / (16 * 500.0)
    inside = slice(7, 10)
    ramp = np.angle(late[2, inside] / plain[2, inside])
    x = np.arange(16)[inside] - 8
    np.testing.assert_allclose(ramp - ramp[1], -2 * np.pi * x * (-delay / dwell) / 16, atol=2e-3)  # edges leak by 1e-3


def test_eddy_currents_bend_the_signal_as_spins_that_travel_alone_say():
    current = EddyCurrent(axis="y", amplitude=0.02, time_constant=1e-3)
    bent = raw(mr.Bloch(sub_slices=31), eddy_currents=(current,))
    alone = raw(mr.Bloch(sub_slices=31, reuse=False), eddy_currents=(current,)).imaging.data
    np.testing.assert_allclose(bent.imaging.data, alone, atol=1e-8 * np.abs(alone).max())  # rows and their round-off
    straight = raw(mr.Bloch(sub_slices=31, reuse=False)).imaging.data
    change = np.linalg.norm(bent.imaging.data - straight) / np.linalg.norm(straight)
    assert (
        0.01 < change < 0.5
    )  # a share of 2 % of the readout and its prephaser, over an object of a quarter of the field


@pytest.mark.parametrize("switch", [{"concomitant": True}, {"nonlinearity": (0.1, 0.1, 0.1)}])
def test_fields_that_are_not_linear_are_refused_by_pathways(switch):
    with pytest.raises(mr.core.errors.InputError, match="not linear"):
        raw(mr.Pathways(), **switch)


def test_concomitant_field_and_curvature_without_strength_change_nothing():
    """At the isocentre of a scanner of infinite field both vanish: the slow road gives what the fast one does."""
    box = Box(size=(4e-3, 4e-3), pools=(pool(),), offset=7.0)
    engine = mr.Bloch(sub_slices=41)
    plain = raw(mr.Bloch(sub_slices=41, reuse=False), box).imaging.data
    faint = raw(engine, box, nonlinearity=(1e-9, 1e-9, 1e-9)).imaging.data
    np.testing.assert_allclose(faint, plain, atol=1e-9 * np.abs(plain).max())
    # Gradients of up to 40 mT/m turn spins 10 mm from the isocentre of a 3 T field by 1e-4 of a turn in a millisecond.
    concomitant = raw(engine, box, concomitant=True).imaging.data
    change = np.linalg.norm(concomitant - plain) / np.linalg.norm(plain)
    assert 0 < change < 2e-3


def test_concomitant_phase_of_a_spin_far_from_the_isocentre_is_its_integral():
    place = (0.0, 0.0, 0.12)
    protocol = replace(PROTOCOL, centre=place, orientation="axial", matrix=(16, 2))
    scanner = replace(SCANNER, imperfections=Imperfections(concomitant=True))
    engine = mr.Bloch(sub_slices=41, t2_prime=False)
    spot = Box(size=(1e-4, 1e-4), pools=(pool(),))
    bent, plain = (
        mr.simulate(mr.discretize(protocol.build(machine)), spot, engine).imaging.data[1, 0, 8]
        for machine in (scanner, replace(SCANNER, imperfections=Imperfections(nonlinearity=(1e-12,) * 3)))
    )
    timeline = mr.discretize(protocol.build(SCANNER))
    # From the centre of the last excitation to the middle sample; in the world x and y are read and phase axes.
    read = timeline.readouts
    begin = timeline.start[np.flatnonzero(timeline.kind == 2)[1]] * 1e-9
    end = begin + 8.5 * read.dwell[1]
    t = np.linspace(end - read.t[1, 8], end, 200_001)
    gx, gy, _ = (np.interp(t, times * 1e-9, wave) for times, wave in timeline.knots)
    turns = timeline.gamma_bar * np.trapezoid(gx**2 + gy**2, t) * place[2] ** 2 / (2 * timeline.b0)
    assert abs(turns) > 1e-3
    # Across the slice of 4 mm z^2 varies by 7 %, evenly around the middle: second order, and cross terms with Gz.
    assert np.angle(bent / plain) == pytest.approx(-2 * np.pi * turns, rel=0.02)


def test_curved_gradients_move_the_image_by_their_displacement():
    """u_y = y (1 - a y^2): a readout along y at y = 8 cm sees the object a y^3 nearer to the isocentre."""
    a, y = 0.4, 0.08
    protocol = replace(PROTOCOL, fov=(0.032, 0.032), matrix=(32, 4), orientation="sagittal", centre=(0.0, y, 0.0))
    machines = (Imperfections(nonlinearity=(0.0, a, 0.0)), Imperfections(nonlinearity=(0.0, 1e-12, 0.0)))
    spot = Box(size=(2e-3, 2e-3), centre=(5e-3, 0.0), pools=(pool(),))  # 5 mm along the readout, which runs along -y
    engine = mr.Bloch(sub_slices=31)
    phase = []
    for machine in machines:
        timeline = mr.discretize(protocol.build(replace(SCANNER, imperfections=machine)))
        data = mr.simulate(timeline, spot, engine).imaging.data[2, 0]
        k = timeline.readouts.k[2, :, 0]
        phase.append(np.unwrap(np.angle(data))[[14, 18]] @ [-1, 1] / (k[18] - k[14]) / (-2 * np.pi))
    # The grid's centre keeps its place: what is left is the difference between y - 5 mm and y.
    felt = [p * (1 - a * p**2) for p in (y - 5e-3, y)]
    assert phase[0] == pytest.approx(felt[1] - felt[0], rel=2e-3)
    assert phase[1] == pytest.approx(5e-3, rel=2e-3)


def test_drift_turns_each_line_by_its_field_and_echo_time():
    drift = 200.0
    plain, drifted = raw().imaging.data[:, 0, 8], raw(b0_drift=drift).imaging.data[:, 0, 8]
    timeline = mr.discretize(PROTOCOL.build(SCANNER))
    te = timeline.readouts.t[:, 8]
    begin = timeline.start[timeline.kind == 2] * 1e-9
    middle = begin + 8.5 * timeline.readouts.dwell - te / 2
    # Spoiled, but lines before leave something: 16 Hz at 20 ms changes the steady state by a few per cent.
    np.testing.assert_allclose(np.angle(drifted[:1] / plain[:1]), -2 * np.pi * drift * (middle * te)[:1], atol=1e-3)
    np.testing.assert_allclose(np.abs(drifted[0]), np.abs(plain[0]), rtol=1e-4)

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


def test_eddy_currents_are_played_spin_by_spin():
    current = EddyCurrent(axis="y", amplitude=0.02, time_constant=1e-3)
    bent = raw(mr.Bloch(sub_slices=31), eddy_currents=(current,))
    assert bent.history["reuse"] != "through the slice"
    straight = raw(mr.Bloch(sub_slices=31, reuse=False)).imaging.data
    change = np.linalg.norm(bent.imaging.data - straight) / np.linalg.norm(straight)
    assert (
        0.01 < change < 0.5
    )  # a share of 2 % of the readout and its prephaser, over an object of a quarter of the field


@pytest.mark.parametrize("switch", [{"concomitant": True}, {"nonlinearity": (0.1, 0.1, 0.1)}])
def test_fields_that_are_not_linear_are_refused_by_pathways(switch):
    with pytest.raises(mr.core.errors.InputError, match="not linear"):
        raw(mr.Pathways(), **switch)

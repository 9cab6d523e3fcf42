"""MDME: delays by slice interleave, echoes per image, and the longitudinal magnetisation that the pulses leave."""

from __future__ import annotations

import re

import numpy as np
import pytest
from isochromats import through_pulse

from mrsim.core.errors import InfeasibleError, InputError
from mrsim.sequence.discretize import discretize
from mrsim.sequence.families.multi_dynamic_multi_echo import MultiDynamicMultiEcho
from mrsim.sequence.scanner import Scanner
from mrsim.sequence.timeline import RF


def recovered(td, tr, t1, theta, alpha):
    """Longitudinal magnetisation before the excitation in the steady state (the closed form of QRAPMASTER)."""
    top = 1 - (1 - np.cos(theta)) * np.exp(-td / t1) - np.cos(theta) * np.exp(-tr / t1)
    return top / (1 - np.cos(theta) * np.cos(alpha) * np.exp(-tr / t1))


def test_closed_form_has_the_published_vectors():
    td, theta, alpha = np.array([0.17, 0.67, 1.84, 3.84]), np.radians(120), np.pi / 2
    published = {
        0.5: [-0.067488, 0.607399, 0.962333, 0.999475],
        1.0: [-0.256339, 0.241595, 0.770932, 0.976917],
        4.3: [-0.244624, -0.086347, 0.219423, 0.583107],
    }
    for t1, expected in published.items():
        np.testing.assert_allclose(recovered(td, 4.0, t1, theta, alpha), expected, atol=5e-7)
    lower = recovered(td, 4.0, 1.0, 0.85 * theta, 0.85 * alpha)
    np.testing.assert_allclose(lower, [-0.015251, 0.385367, 0.811249, 0.976977], atol=5e-7)


@pytest.fixture(scope="module")
def small():
    protocol = MultiDynamicMultiEcho(
        matrix=(16, 1 + 1), slices=4, slice_gap=4e-3, shifts=(0, 1, 2, 3), echo_train=2, effective_echoes=(1, 2),
        tr=2.0, dummies=2, refocusing_duration=4e-3,
    )  # fmt: skip
    sequence = protocol.build(Scanner.preset("3T"))
    return protocol, sequence, discretize(sequence)


def pulses_of(timeline, slice_position):
    """(centre in s, use, row) of the pulses whose frequency selects a slice."""
    for row in np.flatnonzero(timeline.kind == RF):
        pulse = timeline.pulses[timeline.event[row]]
        turn = np.unwrap(np.angle(pulse.b1[np.abs(pulse.b1) > 0.3 * np.abs(pulse.b1).max()]))
        frequency = -np.diff(turn).mean() / (2 * np.pi * pulse.dt[0])
        if abs(frequency - timeline.gamma_bar * pulse.gradient[0, 2] * slice_position) < 1.0:
            yield timeline.start[row] * 1e-9 + pulse.centre, pulse.use, row


def test_delays_follow_the_interleave(small):
    protocol, sequence, timeline = small
    td = sequence.encoding.contrast["td"][::2]
    # k tr / slices, and what lies between the two pulses of one slot.
    np.testing.assert_allclose(np.diff(td), 2.0 / 4, atol=1e-12)
    assert 0 < td[0] < 0.05
    for index in range(protocol.slices):
        own = list(pulses_of(timeline, protocol.position(index)))
        saturated = np.array([t for t, use, _ in own if use == "saturation"])
        excited = np.array([t for t, use, _ in own if use == "excitation"])
        played = [t - saturated[saturated < t].max() for t in excited if np.any(saturated < t)]
        # Of every dynamic the last repetition; earlier ones still carry the dynamic before.
        per_dynamic = len(excited) // 4
        last = played[per_dynamic - 1 + len(played) - len(excited) :: per_dynamic]
        np.testing.assert_allclose(last, td, atol=1e-9)


@pytest.mark.parametrize(("t1", "b1"), [(0.5, 1.0), (1.0, 1.0), (1.0, 0.85)])
def test_simulated_magnetisation_follows_the_closed_form(small, t1, b1):
    protocol, sequence, timeline = small
    position = np.array([[0.0, 0.0, protocol.position(2)]])
    z, clock, before = np.ones(1), 0.0, []
    for centre, use, row in pulses_of(timeline, protocol.position(2)):
        start = timeline.start[row] * 1e-9
        z, clock = 1 + (z - 1) * np.exp(-(start - clock) / t1), start
        if use == "excitation":
            before.append(float(1 + (z[0] - 1) * np.exp(-(centre - start) / t1)))
        # What is transverse when a pulse begins has been crushed, or is never turned back.
        event = timeline.event[row]
        _, z = through_pulse(timeline, event, timeline.phase[row], position, np.zeros(1, complex), z, t1, 0.1, 0.0, b1)
        clock = start + float(np.sum(timeline.pulses[event].dt))
    per_dynamic = len(before) // 4
    found = np.array(before[per_dynamic - 1 :: per_dynamic])
    td = sequence.encoding.contrast["td"][::2]
    expected = recovered(td, 2.0, t1, b1 * protocol.saturation_flip, b1 * protocol.flip)
    # The closed form lets the magnetisation recover from the excitation on; here two refocusing pulses turn it over
    # within 26 ms, which costs 26 ms / T1 of cos(120 deg) exp(-TR / T1) = 0.07 at T1 1 s. The saturation's own 3 ms add
    # T1 recovery of 3 ms / T1 while it plays. Together at most 0.5 %. With 0.85 of B1 the refocusing pulses leave cos^2
    # 153 deg = 0.79 of what they turn over: 0.2 of cos(76 deg) cos(102 deg) exp(-TR / T1) = 0.13 % more.
    np.testing.assert_allclose(found, expected, atol=6e-3)
    assert np.ptp(found) > 0.5


def test_each_image_reads_its_centre_at_its_echo(scanner):
    protocol = MultiDynamicMultiEcho(matrix=(16, 20), slices=2, shifts=(0, 1), effective_echoes=(2, 9), tr=1.0)
    sequence = protocol.build(scanner)
    assert sequence.check() == ()
    table, contrast = discretize(sequence).readouts, sequence.encoding.contrast
    central = np.flatnonzero(table.labels["line"] == 10)
    centre = np.argmin(np.abs(table.k[central, :, 0]), axis=1)
    te = contrast["te"][table.labels["contrast"][central]]
    np.testing.assert_allclose(table.t[central, centre], te, atol=1e-12)
    for image in range(4):
        for index in range(2):
            own = (table.labels["contrast"] == image) & (table.labels["slice"] == index)
            assert sorted(table.labels["line"][own]) == list(range(20))


@pytest.mark.parametrize("field", ["1.5T", "3T", "7T"])
def test_defaults_play_on_every_preset(field):
    sequence = MultiDynamicMultiEcho(matrix=(160, 10)).build(Scanner.preset(field))  # fmt: skip
    assert sequence.check() == ()
    tr = np.diff(sequence.starts()[[i for i, block in enumerate(sequence.blocks) if block.starts_tr]])
    assert np.all(tr == 4_200_000_000)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shifts": (0, 12)}, "use numbers from 0 to 11"),
        ({"effective_echoes": (2, 4)}, "use 6 to 10"),
        ({"tr": 4.00001}, "cannot be shared evenly by 12 slots; use 4000.08 ms"),
        ({"tr": 0.504}, "shortest feasible"),
    ],
)
def test_impossible_protocols_name_value_and_remedy(change, message, scanner):
    with pytest.raises((InputError, InfeasibleError), match=re.escape(message)):
        MultiDynamicMultiEcho(**{"matrix": (16, 10)} | change).build(scanner)

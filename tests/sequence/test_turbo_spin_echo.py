"""Turbo spin echo: which echo reads which line, flip trains by field, crusher schemes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from walk import between_pulses

from mrsim.core.errors import InputError
from mrsim.sequence.discretize import discretize
from mrsim.sequence.families.multi_echo_spin_echo import MultiEchoSpinEcho
from mrsim.sequence.families.turbo_spin_echo import TurboSpinEcho
from mrsim.sequence.protocol import load_protocol
from mrsim.sequence.scanner import Scanner


@pytest.mark.parametrize("lines", [12, 13, 16])
@pytest.mark.parametrize(
    ("ordering", "effective"), [("linear", None), ("centric", 0), *(("shifted", e) for e in range(4))]
)
def test_every_line_is_read_once_and_the_centre_at_the_effective_echo(lines, ordering, effective):
    protocol = TurboSpinEcho(matrix=(16, lines), echo_train=4, ordering=ordering)
    effective = lines // 2 // protocol.shots if effective is None else effective
    table = protocol.line_table(effective)
    assert sorted(table[table >= 0].tolist()) == list(range(lines))
    assert np.argwhere(table == lines // 2)[0, 1] == effective


def test_bands_of_linear_orderings_are_contiguous_and_centric_ones_grow_outwards():
    linear = TurboSpinEcho(matrix=(16, 32), echo_train=8).line_table(4)
    assert np.all(np.diff(linear, axis=0) == 1)
    centric = TurboSpinEcho(matrix=(16, 32), echo_train=8, ordering="centric").line_table(0)
    far = np.abs(centric - 16)
    assert np.all(far[:, :-1].max(axis=0) <= far[:, 1:].min(axis=0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"te": 0.025}, "25 ms is no echo of the train; the nearest is 24 ms"),
        (
            {"te": 0.012, "ordering": "linear"},
            "is not echo 3, which reads the central line in linear ordering: use 36 ms",
        ),
        ({"refocusing_flips": (2.0,) * 5}, "has 5 values; use at most the 4 echoes"),
    ],
)
def test_impossible_trains_are_refused_with_a_neighbour(change, message, scanner):
    with pytest.raises(InputError, match=message):
        TurboSpinEcho(**({"matrix": (16, 16), "echo_train": 4, "echo_spacing": 0.012} | change)).build(scanner)


def test_flip_train_scales_one_pulse_under_one_gradient(scanner):
    protocol = TurboSpinEcho(matrix=(16, 8), echo_train=4, refocusing_flips=(2.8, 2.4))
    timeline = discretize(protocol.build(scanner))
    pulses = [p for p in timeline.pulses if p.use == "refocusing"]
    assert [p.flip for p in pulses] == [2.8, 2.4]
    assert np.array_equal(pulses[0].gradient, pulses[1].gradient)
    for pulse in pulses:
        turn = 2 * math.pi * timeline.gamma_bar * abs(np.sum(pulse.b1 * pulse.dt))
        assert turn == pytest.approx(pulse.flip, rel=1e-9)


def test_shipped_t2_weighted_protocol_lowers_its_flips_with_the_field():
    protocol = load_protocol("sag-t2w-tse", {"matrix": "400 32", "slices": "1"})
    flips = [
        protocol.build(Scanner.preset(name)).encoding.sheet["refocusing_flips"][0] for name in ("1.5T", "3T", "7T")
    ]
    np.testing.assert_allclose(np.degrees(flips), [180.0, 140.0, 120.0])


def test_alternating_crushers_change_sign_and_shrink(scanner):
    protocol = MultiEchoSpinEcho(
        matrix=(16, 2), echoes=4, tr=0.2, crusher_cycles=8.0, crusher_scheme="alternating", echo_spacing="minimum"
    )
    equal = MultiEchoSpinEcho(matrix=(16, 2), echoes=4, tr=0.2, crusher_cycles=8.0, echo_spacing="minimum")
    moments = between_pulses(discretize(protocol.build(scanner)))[:4, 2] * protocol.slice_thickness
    plain = between_pulses(discretize(equal.build(scanner)))[:4, 2] * protocol.slice_thickness
    # Between pulses j and j + 1 lie the crushers of both; the slice gradient's own share is that of equal crushers.
    crushers = 8.0 * np.array([1.0, -0.75, 0.5, -0.25])
    expected = plain - np.array([8.0, 16.0, 16.0, 16.0]) + [crushers[0], *(crushers[:-1] + crushers[1:])]
    np.testing.assert_allclose(moments, expected, rtol=1e-9)

"""Stacks of slices, rotated blocks, and the nominal k that follows the gradients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.core.grid import Grid
from mrsim.sequence.discretize import discretize
from mrsim.sequence.families import FAMILIES
from mrsim.sequence.families.cartesian import Cartesian
from mrsim.sequence.families.multi_echo_spin_echo import MultiEchoSpinEcho
from mrsim.sequence.families.slab3d import Slab3D
from mrsim.sequence.families.spin_echo import SpinEcho
from mrsim.sequence.families.spoiled_gradient_echo import SpoiledGradientEcho
from mrsim.sequence.families.turbo_spin_echo import TurboSpinEcho
from mrsim.sequence.preparations.inversion import Inversion
from mrsim.sequence.timeline import RF
from mrsim.simulate.pulse_response import pulse_response


def test_grid_gap_shrinks_the_voxel_and_not_the_distance():
    grid = Grid(shape=(3, 4, 4), spacing=(1e-3, 1e-3, 5e-3), gap=1e-3)
    assert grid.voxel_volume == pytest.approx(4e-9)
    np.testing.assert_allclose(grid.coordinates(2), [-5e-3, 0.0, 5e-3])
    assert grid.slice(2).centre[2] == pytest.approx(5e-3)


@pytest.mark.parametrize("pulse", ["sinc", "slr"])
def test_slice_off_the_origin_is_the_central_one_moved(pulse, scanner):
    """Excitation of slice 2 at z + shift equals that of slice 1 at z, phase included, after the rephaser."""
    protocol = SpoiledGradientEcho(matrix=(16, 2), slices=3, slice_gap=1e-3, flip=(1.0,), pulse=pulse, tr=0.1)
    timeline = discretize(protocol.build(scanner))
    z = np.linspace(-4e-3, 4e-3, 41)
    result = []
    for segment, position in zip(np.flatnonzero(timeline.kind == RF)[:3], (-5e-3, 5e-3, 0.0), strict=True):
        played = timeline.pulses[timeline.event[segment]]
        place = np.stack([0 * z, 0 * z, z + position], axis=-1)
        m = pulse_response(played, timeline.gamma_bar, position=place)
        plus = (m[:, 0] + 1j * m[:, 1]) * np.exp(-1j * timeline.phase[segment])
        rephase = timeline.moment[segment + 1, 2]
        result.append(plus * np.exp(-2j * np.pi * rephase * place[:, 2]))
    assert np.max(np.abs(result[2])) > 0.8
    # Of B1, holding the carrier over steps leaves 2e-4 at the edges of the band; phases would be of order 1.
    np.testing.assert_allclose(result[0], result[2], atol=3e-4)
    np.testing.assert_allclose(result[1], result[2], atol=3e-4)


def test_carrier_of_a_far_slice_keeps_its_flip_and_profile(scanner):
    """A slice 5 cm off the origin asks for 19 kHz: held over the pulse's own steps it would lose 6 % of its flip."""
    protocol = SpoiledGradientEcho(matrix=(16, 2), slices=3, slice_gap=46e-3, flip=(1.0,), tr=0.1)
    timeline = discretize(protocol.build(scanner))
    z = np.linspace(-4e-3, 4e-3, 41)
    profile = []
    for segment, position in zip(np.flatnonzero(timeline.kind == RF)[:3], (-50e-3, 50e-3, 0.0), strict=True):
        played = timeline.pulses[timeline.event[segment]]
        place = np.stack([0 * z, 0 * z, z + position], axis=-1)
        m = pulse_response(played, timeline.gamma_bar, position=place)
        profile.append(np.hypot(m[:, 0], m[:, 1]))
    np.testing.assert_allclose(profile[0], profile[2], atol=3e-4)
    np.testing.assert_allclose(profile[1], profile[2], atol=3e-4)


def test_slices_share_a_repetition_evenly_and_the_rest_concatenate(scanner):
    sequence = MultiEchoSpinEcho(matrix=(16, 2), slices=5, echoes=2, tr=0.15).build(scanner)
    content = MultiEchoSpinEcho(matrix=(16, 2), echoes=2, tr="minimum").build(scanner).definitions["tr"]
    fit = int(0.15 // content)
    assert sequence.definitions["concatenations"] == -(-5 // fit)
    labels = discretize(sequence).readouts.labels
    counts = np.bincount(labels["slice"], minlength=5)
    assert np.all(counts == 2 * 2)
    timeline = discretize(sequence)
    assert np.all(np.diff(timeline.start[timeline.tr_start]) == round(0.15e9))


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("ascending", [0, 1, 2, 3, 4]),
        ("descending", [4, 3, 2, 1, 0]),
        ("interleaved", [0, 2, 4, 1, 3]),
        ((1, 0, 4, 3, 2), [1, 0, 4, 3, 2]),
    ],
)
def test_slice_order_is_the_order_of_excitation(order, expected, scanner):
    protocol = SpinEcho(matrix=(16, 2), slices=5, slice_order=order, te=(0.02,), tr=1.0)
    labels = discretize(protocol.build(scanner)).readouts.labels
    assert labels["slice"][:5].tolist() == expected


def test_custom_order_must_name_every_slice():
    with pytest.raises(InputError, match="expected each number from 0 to 2 once"):
        SpinEcho(slices=3, slice_order=(0, 1, 1))


# Steady-state free precession also reads echoes of excitations before the last, whose k no integral from it gives.
# Radial spokes have no Cartesian k at all.
OWN_K = ("free-precession", "radial-gradient-echo")
FOLLOWED = [f for f in FAMILIES if issubclass(f, Cartesian) and f.name not in OWN_K]


@pytest.mark.parametrize("family", FOLLOWED, ids=lambda family: family.name)
def test_trajectory_of_nominal_gradients_is_the_cartesian_k(family, scanner):
    matrix = (16, 6, 4) if issubclass(family, Slab3D) else (16, 6)
    sequence = family(matrix=matrix, orientation="axial", tilt=0.3).build(scanner)
    if sequence.encoding.k_from != "labels":
        return
    by_label = discretize(sequence).readouts.k
    followed = discretize(replace(sequence, encoding=replace(sequence.encoding, k_from="trajectory"))).readouts.k
    # Sums of areas of up to 1e5 1/m over the scan: 1e-9 of that is round-off.
    np.testing.assert_allclose(followed, by_label, atol=1e-4)


def test_rotated_blocks_turn_k_and_moments(scanner):
    sequence = SpinEcho(matrix=(16, 2), te=(0.02,)).build(scanner)
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    blocks = tuple(replace(block, rotation=turn) for block in sequence.blocks)
    encoding = replace(sequence.encoding, k_from="trajectory")
    turned = discretize(replace(sequence, blocks=blocks, encoding=encoding))
    straight = discretize(replace(sequence, encoding=encoding))
    np.testing.assert_allclose(turned.readouts.k, straight.readouts.k @ turn.T, atol=1e-9)
    np.testing.assert_allclose(turned.moment, straight.moment @ turn.T, atol=1e-9)
    times, wave = turned.knots[1]
    read_times, read_wave = straight.knots[0]
    np.testing.assert_allclose(np.interp(read_times, times, wave), read_wave, atol=1e-15)
    assert replace(sequence, blocks=blocks).check() == ()


def test_windows_of_unequal_length_are_padded_with_their_last_value(scanner):
    sequence = SpinEcho(matrix=(16, 2), te=(0.02,)).build(scanner)
    blocks = list(sequence.blocks)
    at = next(i for i, block in enumerate(blocks) if block.adc is not None)
    short = replace(blocks[at].adc, samples=10, purpose="navigator")
    blocks[at] = replace(blocks[at], adc=short)
    table = discretize(replace(sequence, blocks=tuple(blocks))).readouts
    whole = discretize(sequence).readouts
    assert table.samples.tolist() == [10, 16]
    assert table.purpose == ("navigator", "imaging")
    assert np.all(table.moment[0, 9:] == table.moment[0, 9])
    np.testing.assert_allclose(table.k[0, :10], whole.k[0, :10], atol=1e-4)
    assert np.array_equal(table.k[1], whole.k[1])


def test_slices_work_while_others_wait_for_their_inversion_time(scanner):
    ti = 2.48
    inversion = Inversion(ti=(ti,), width=1.5)
    protocol = TurboSpinEcho(
        matrix=(16, 8), echo_train=4, slices=14, tr=9.0, preparation=(inversion,), slice_order="interleaved"
    )
    sequence = protocol.build(scanner)
    assert sequence.definitions["concatenations"] == 1  # three of them would fit one after the other
    timeline = discretize(sequence)
    pulses = np.flatnonzero(timeline.kind == RF)
    use = np.array([timeline.pulses[e].use for e in timeline.event[pulses]])
    centre = timeline.start[pulses] * 1e-9 + [timeline.pulses[e].centre for e in timeline.event[pulses]]
    inverted, excited = centre[use == "inversion"], centre[use == "excitation"]
    # The nth inversion belongs to the nth excitation: times and slices (by their offsets) agree.
    np.testing.assert_allclose(excited - inverted, ti, atol=1e-12)
    assert np.sum(inverted[:14] < excited[0]) > 3
    blocks = [b for b in sequence.blocks if b.rf is not None and b.rf.use in ("inversion", "excitation")]
    offsets = {kind: [b.rf.frequency for b in blocks if b.rf.use == kind] for kind in ("inversion", "excitation")}
    assert [np.sign(f) for f in offsets["inversion"]] == [np.sign(f) for f in offsets["excitation"]]
    assert np.all(np.diff(timeline.start[timeline.tr_start]) == 9_000_000_000)
    assert sequence.check() == ()

"""Elastography: encoding as the header tells, locked to the vibration, at the minimum echo time."""

from __future__ import annotations

import numpy as np
import pytest

from mrsim.core.errors import InfeasibleError, InputError
from mrsim.sequence.discretize import discretize
from mrsim.sequence.families.mre_epi import MreEpi
from mrsim.sequence.families.mre_gradient_echo import MreGradientEcho
from mrsim.sequence.gradients import Limits
from mrsim.sequence.motion_encoding import encoding, motion_gradient
from mrsim.sequence.scanner import Scanner


def central(sequence):
    """(timeline, rows) of the first reading of the central line of every image."""
    timeline = discretize(sequence)
    table = timeline.readouts
    imaging = (np.array(table.purpose) == "imaging") & (table.labels["line"] == sequence.encoding.grid.shape[1] // 2)
    images = range(len(sequence.encoding.contrast["te"]))
    return timeline, np.array([np.flatnonzero(imaging & (table.labels["contrast"] == i))[0] for i in images])


@pytest.mark.parametrize(("vibration", "encodes"), [(60.0, "axes"), (80.0, "hadamard"), (400.0, "z")])
@pytest.mark.parametrize("shape", ["sinusoid", "trapezoid", "flow-compensated"])
def test_header_tells_the_encoding_of_the_played_gradients(vibration, encodes, shape, scanner):
    protocol = MreEpi(
        matrix=(16, 12), vibration=vibration, encoding=encodes, shape=shape, amplitude=20e-3, tr="minimum"
    )
    sequence = protocol.build(scanner)
    assert sequence.check() == ()
    contrast = sequence.encoding.contrast
    timeline, rows = central(sequence)
    played = encoding(timeline, vibration)[rows]
    plus, minus = (contrast["motion_polarity"] == sign for sign in (1, -1))
    direction = np.stack([contrast[f"direction_{axis}"] for axis in "xyz"], axis=-1)[plus]
    told = (contrast["encoding"] * np.exp(1j * contrast["vibration_phase"]))[plus, None] * direction
    # Slice, crusher and read gradients encode too; reversing the motion gradient leaves theirs as it is. The wait that
    # shifts an image against the vibration lies on the 10 us raster, and so may differ by half a step between them.
    np.testing.assert_allclose((played[plus] - played[minus]) / 2, told, atol=1e-6 * np.abs(told).max())
    spread = np.sort(np.unwrap(np.angle(np.exp(1j * contrast["vibration_phase"][plus][:4]))) % (2 * np.pi))
    np.testing.assert_allclose(np.diff(spread), np.pi / 2, atol=2 * np.pi * vibration * 10e-6)


@pytest.mark.parametrize("family", [MreEpi, MreGradientEcho])
def test_sheet_tells_what_all_gradients_encode_in_every_slice(family, scanner):
    sequence = family(
        matrix=(16, 12), vibration=80.0, slices=3, slice_order="interleaved", offsets=3, encoding="axes", tr="minimum"
    ).build(scanner)
    timeline = discretize(sequence)
    table = timeline.readouts
    middle = (np.array(table.purpose) == "imaging") & (table.labels["line"] == 6)
    played = encoding(timeline, 80.0)
    told = sequence.encoding.sheet["motion_encoding"]
    assert told.shape == (18, 3, 3)
    for image, index in np.ndindex(told.shape[:2]):
        here = np.flatnonzero(middle & (table.labels["contrast"] == image) & (table.labels["slice"] == index))
        # Sums of some hundred pieces, each to round-off; the period of 12.5 ms lies on the raster.
        np.testing.assert_allclose(played[here[0]], told[image, index], atol=1e-9 * np.abs(told).max())
    motion = sequence.encoding.contrast["encoding"][:, None, None]
    own = (
        motion
        * (sequence.encoding.contrast["motion_polarity"] * np.exp(1j * sequence.encoding.contrast["vibration_phase"]))[
            :, None, None
        ]
    )
    direction = np.stack([sequence.encoding.contrast[f"direction_{axis}"] for axis in "xyz"], axis=-1)[:, None, :]
    rest = np.abs(told[:, :1] - own * direction).max() / motion.max()
    # The imaging gradients' share is what the columns leave out: it is there, and it is small.
    assert 0.01 < rest < 0.2


@pytest.mark.parametrize(("vibration", "shape"), [(60.0, "sinusoid"), (80.0, "trapezoid"), (200.0, "flow-compensated")])
def test_gradient_echo_is_locked_and_encodes_as_the_header_tells(vibration, shape, scanner):
    protocol = MreGradientEcho(
        matrix=(16, 4), vibration=vibration, shape=shape, amplitude=20e-3, encoding="hadamard", slices=2, dummies=1
    )
    sequence = protocol.build(scanner)
    assert sequence.check() == ()
    starts = sequence.starts()[[i for i, block in enumerate(sequence.blocks) if block.starts_tr]] * 1e-9
    phase = (starts * vibration * 4) % 1.0
    # Offsets are a quarter period apart, to half of the 10 us raster.
    np.testing.assert_allclose(np.minimum(phase, 1 - phase), 0.0, atol=4 * vibration * 5.1e-6)
    # Directions, polarities, offsets, and four lines with a dummy, for every group of slices that fits.
    assert len(starts) == 4 * 2 * 4 * 5 * sequence.definitions["concatenations"]
    contrast = sequence.encoding.contrast
    timeline, rows = central(sequence)
    played = encoding(timeline, vibration)[rows]
    plus, minus = (contrast["motion_polarity"] == sign for sign in (1, -1))
    direction = np.stack([contrast[f"direction_{axis}"] for axis in "xyz"], axis=-1)[plus]
    told = (contrast["encoding"] * np.exp(1j * contrast["vibration_phase"]))[plus, None] * direction
    np.testing.assert_allclose((played[plus] - played[minus]) / 2, told, atol=1e-6 * np.abs(told).max())


def test_gradient_echo_sinusoid_encodes_the_closed_form(scanner):
    found = MreGradientEcho(matrix=(16, 4), vibration=80.0, shape="sinusoid", encoding="z", cycles=2).build(scanner)
    closed = 2 * np.pi * scanner.gamma_bar * 30e-3 * 2 / (2 * 80.0)
    # B-20; half periods of 6.25 ms lie on the raster.
    assert found.encoding.contrast["encoding"][0] == pytest.approx(closed, rel=1e-6)


def test_two_gradients_encode_twice_what_one_does(scanner):
    protocol = MreEpi(matrix=(16, 12), vibration=80.0, shape="sinusoid", encoding="z", tr="minimum")
    found = protocol.build(scanner).encoding.contrast["encoding"][0]
    closed = 2 * 2 * np.pi * scanner.gamma_bar * 30e-3 / (2 * 80.0)
    # Half periods of 6.25 ms lie on the raster.
    assert found == pytest.approx(closed, rel=1e-6)


def test_repetitions_start_at_whole_periods(scanner):
    sequence = MreEpi(matrix=(16, 12), vibration=60.0, encoding="z", tr=0.31, dummies=1, averages=2).build(scanner)
    starts = sequence.starts()[[i for i, block in enumerate(sequence.blocks) if block.starts_tr]] * 1e-9
    assert sequence.definitions["tr"] == pytest.approx(0.35, abs=1e-12)
    # Within one image all repetitions see the same phase, whatever their number; images are a quarter period apart, to
    # half of the 10 us raster: 0.3 thousandths of a period.
    phase = (starts * 60.0 * 4) % 1.0
    np.testing.assert_allclose(np.minimum(phase, 1 - phase), 0.0, atol=4 * 60.0 * 5.1e-6)
    assert all(block.trigger is not None for block in sequence.blocks if block.starts_tr)


def test_fractional_encoding_shortens_the_echo_time(scanner):
    slow = MreEpi(matrix=(16, 12), vibration=60.0, encoding="z", tr="minimum").build(scanner)
    quick = MreEpi(matrix=(16, 12), vibration=60.0, gradient_frequency=180.0, encoding="z", tr="minimum").build(scanner)
    assert quick.definitions["te"] < slow.definitions["te"] - 5e-3
    assert 0 < quick.encoding.contrast["encoding"][0] < slow.encoding.contrast["encoding"][0]


@pytest.mark.parametrize("family", [MreEpi, MreGradientEcho])
@pytest.mark.parametrize("field", ["1.5T", "3T", "7T"])
def test_defaults_play_on_every_preset(field, family):
    sequence = family(matrix=(32, 32)).build(Scanner.preset(field))
    assert sequence.check() == ()
    timeline, rows = central(sequence)
    table = timeline.readouts
    for row in rows[:2]:
        k, t = table.k[row, : table.samples[row], 0], table.t[row, : table.samples[row]]
        echo = np.interp(0.0, k, t) if k[-1] > k[0] else np.interp(0.0, -k, t)
        assert abs(echo - sequence.definitions["te"]) < 1e-8


def test_echo_times_and_repetition_times_too_short_are_refused(scanner):
    least = MreEpi(matrix=(16, 12), encoding="z", tr="minimum").build(scanner).definitions["te"]
    with pytest.raises(InfeasibleError, match="half periods apart; raise te"):
        MreEpi(matrix=(16, 12), encoding="z", te=least - 20e-6).build(scanner)
    with pytest.raises(InfeasibleError, match="raise tr to"):
        MreEpi(matrix=(16, 12), encoding="z", tr=0.02).build(scanner)
    with pytest.raises(InfeasibleError, match="lower its amplitude"):
        motion_gradient(Limits(gradient=0.04, slew=70.0, raster=10_000), "trapezoid", 2000.0, 1, 0.03)


def test_thousands_of_dummies_before_every_image_are_refused_before_they_are_built():
    with pytest.raises(InputError, match="4,000 before each of 24 images, 96,000 repetitions without readout; at most"):
        MreGradientEcho(dummies=4000, encoding="axes", offsets=8, polarity_reversal=False).images_of()


def test_gradient_with_periods_below_the_raster_is_refused(scanner):
    with pytest.raises(InfeasibleError, match=r"half a period .* at 1e\+12 Hz is below the raster"):
        MreGradientEcho(gradient_frequency=1e12).build(scanner)

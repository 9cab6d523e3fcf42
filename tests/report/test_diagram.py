"""The sequence diagram shows what is played: counted and measured on the drawn artists."""

from dataclasses import fields

import numpy as np
import pytest

import mrsim as mr
from mrsim.report.diagram import fold_time, rf_phase, sequence_diagram
from mrsim.report.repetition import first_slice, gradient_energy, representative_image, sampled_repetitions, take
from mrsim.sequence.families import FAMILIES
from mrsim.sequence.scanner import load_scanner


def pulses_drawn(drawn):
    """Names of the outlined pulses in the RF row."""
    return [p.get_label() for p in drawn[0].patches if p.get_label() and not p.get_label().startswith("_")]


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_diagram_shows_every_pulse_of_the_repetition(mese):
    assert pulses_drawn(sequence_diagram(mese)) == ["excite", "refocus 1", "refocus 2", "refocus 3", "refocus 4"]


def test_diagram_shows_the_peak_of_each_pulse_in_microtesla(mese):
    part = take(mese, 2)
    peaks = [float(np.abs(pulse.signal).max()) * 1e6 for _, _, pulse in part.pulses()]
    outlines = [p for p in sequence_diagram(mese)[0].patches if not p.get_label().startswith("_") and p.get_label()]
    drawn = [float(np.nanmax(p.get_data().values)) for p in outlines]
    np.testing.assert_allclose(drawn, peaks, rtol=1e-12)  # the same numbers in another unit


def test_diagram_starts_at_the_first_repetition_with_a_readout(mese):
    assert sampled_repetitions(mese)[0] == 2  # after two dummies
    figure = sequence_diagram(mese).figure
    assert "repetition 3 of 8" in figure.axes[0].get_title(loc="left")
    assert [t for t in texts(figure.axes[5]) if t.startswith("echo")] == ["echo 1", "echo 2", "echo 3", "echo 4"]


def test_diagram_of_a_dummy_has_no_echo(mese):
    assert texts(sequence_diagram(mese, first_tr=0)[5]) == []


def test_diagram_states_te_spacing_and_tr(mese):
    assert {"TE 12 ms", "ΔTE 12 ms", "TR 500 ms"} <= set(texts(sequence_diagram(mese)[0]))


def test_diagram_marks_echoes_in_the_middle_of_the_nominal_echo_times(mese):
    """Dashed lines lie at the excitation's centre plus n TE, on the unfolded part of the axis."""
    part = take(mese, 2)
    lines = [line for line in sequence_diagram(mese)[5].lines if line.get_linestyle() == "--"]
    drawn = [float(line.get_xdata()[0]) for line in lines]
    wanted = part.centres("excitation")[0] / 1e6 + 12.0 * np.arange(1, 5)
    np.testing.assert_allclose(drawn, wanted, atol=1e-9)  # ms; times are whole nanoseconds


def test_diagram_gradient_has_the_area_that_is_played(mese):
    """The drawn read gradient, integrated over real time, is the sum of the blocks' areas (in mT/m ms)."""
    part = take(mese, 2)
    knots, amplitudes = part.gradient(0)
    drawn = np.trapezoid(amplitudes * 1e3, knots / 1e6)
    areas = [np.trapezoid(b.gx.amplitudes * 1e3, b.gx.times / 1e6) for b in part.blocks if b.gx is not None]
    assert drawn == pytest.approx(sum(areas), rel=1e-12)
    line = sequence_diagram(mese)[2].lines[0]
    np.testing.assert_allclose(line.get_ydata(), amplitudes * 1e3, rtol=1e-12)


def test_folded_time_keeps_active_parts_to_scale_and_shortens_silence(mese):
    part = take(mese, 2)
    time = fold_time(part)
    (fold,) = time.folds
    assert fold[1] == pytest.approx(500.0)
    assert float(time(fold[0]) - time(0.0)) == pytest.approx(fold[0])
    assert float(time(fold[1]) - time(fold[0])) < 0.1 * (fold[1] - fold[0])
    assert (np.diff(time.drawn) > 0).all()


def few_readouts(family):
    """A small protocol of a family: few lines, spokes or interleaves."""
    known = {entry.name: getattr(family(), entry.name) for entry in fields(family)}
    if "spokes" in known:
        return family(spokes=8)
    if "interleaves" in known:
        return family(matrix=32, interleaves=4)
    if "matrix" not in known:  # one voxel
        return family(samples=64)
    return family(matrix=(16, 8, 4)[: len(known["matrix"])])


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_diagram_of_every_family_names_all_its_pulses(family):
    sequence = few_readouts(family).build(load_scanner("3T"))
    part = first_slice(take(sequence, representative_image(sequence)[0]))
    names = [block.name for block in part.blocks if block.rf is not None]
    drawn = sequence_diagram(sequence)
    assert pulses_drawn(drawn) == names
    units = [axes.get_ylabel() for axes in drawn]
    assert all(unit in label for unit, label in zip(("µT", "deg", "mT/m", "mT/m", "mT/m", "ADC"), units, strict=True))


def test_rf_phase_undoes_the_convention():
    """B1 = b exp(-i (2 pi f t + phi)) with positive b has the phase phi, advanced by the frequency."""
    times = (np.arange(4) + 0.5) * 1e-6
    phase = rf_phase(np.ones(4, dtype=complex), np.deg2rad(30.0), 1e3, 1000)
    np.testing.assert_allclose(phase, 30.0 + 360.0 * 1e3 * times, atol=1e-9)
    np.testing.assert_allclose(rf_phase(-np.ones(2, dtype=complex), 0.0, 0.0, 1000), 180.0)


@pytest.fixture(scope="module")
def dwi():
    """Two slices, b of 0 and then of 800 s/mm^2 along z, behind repetitions that calibrate."""
    known = {"matrix": "32 32", "slices": "2"}
    return mr.load_protocol("sag-dwi", known).build(load_scanner("3T"))


def test_diagram_of_diffusion_shows_an_image_with_the_largest_lobes(dwi):
    """The energy of the drawn repetition exceeds that of the first readout by the lobes': 2 delta G^2 per slice."""
    index = representative_image(dwi)[0]
    names = [block.name for block in take(dwi, index).blocks]
    lobes = [b for b in take(dwi, index).blocks if b.name == "diffusion lobe"]
    peak = max(float(np.abs(g.amplitudes).max()) for b in lobes for g in b.gradients if g is not None)
    assert names.count("diffusion lobe") == 4
    assert peak == pytest.approx(dwi.definitions["lobe_amplitude"], rel=1e-9)
    plain = gradient_energy(take(dwi, sampled_repetitions(dwi)[0]))
    on = sum(b.duration * 1e-9 for b in lobes) * peak**2
    assert 0.8 * on < gradient_energy(take(dwi, index)) - plain <= on  # ramps take up to a fifth


def test_diagram_of_several_slices_shows_one(dwi):
    drawn = sequence_diagram(dwi)
    assert pulses_drawn(drawn) == ["excite", "refocus"]
    assert "one slice of TR" in drawn[0].get_title(loc="left")
    assert not [words for words in texts(drawn[0]) if words.startswith(("TR", "ΔTE"))]


def test_diagram_of_a_train_names_navigators_and_the_first_and_last_echo(dwi):
    part = first_slice(take(dwi, representative_image(dwi)[0]))
    lines = sum(block.adc.purpose == "imaging" for _, _, block in part.windows())
    assert lines > 8
    named = [words for words in texts(sequence_diagram(dwi)[5]) if words]
    assert named == ["navigator", "echo 1", f"echo {lines}"]


def test_representative_of_equal_images_is_the_first(mese):
    assert representative_image(mese)[0] == 2

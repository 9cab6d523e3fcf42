"""Moments, spectrum and the diagram that zooms."""

import json
import re

import numpy as np
import pytest

import mrsim as mr
from mrsim.report.b_matrix_view import b_matrix_figure, diffusion_weighting, direction
from mrsim.report.moments import moments, moments_figure, spectrum_figure
from mrsim.report.repetition import Repetition, take
from mrsim.report.sequence_views import sequence_views
from mrsim.report.viewer import sequence_viewer, viewer_page
from mrsim.sequence.b_matrix import b_of_contrasts
from mrsim.sequence.discretize import discretize
from mrsim.sequence.events import Gradient, RfPulse
from mrsim.sequence.sequence import Block

GAMMA_BAR = 42.577478518e6


@pytest.fixture(scope="module")
def mese():
    return mr.load_protocol("disc-t2-mese", {"matrix": "32 8"}).build(mr.Scanner.preset("3T"))


def stretch(*blocks):
    starts = np.concatenate([[0], np.cumsum([b.duration for b in blocks])[:-1]]).astype(np.int64)
    return Repetition(blocks=blocks, starts=starts, gamma_bar=GAMMA_BAR)


def pulse(use):
    return RfPulse(signal=np.ones(2, dtype=complex), dwell=1000, delay=0, centre=1000, use=use)


def lobe(amplitude):
    """A trapezoid of 0.2 ms ramps and 1 ms plateau: its area is 1.2 ms times the amplitude."""
    times = np.array([0, 200_000, 1_200_000, 1_400_000])
    return Gradient(times=times, amplitudes=amplitude * np.array([0.0, 1.0, 1.0, 0.0]))


def test_moments_of_a_bipolar_pair_are_the_closed_forms():
    """Lobes of area +-A whose centres lie d apart: M0 = 0, M1 = -A d, M2 = -A (c2^2 - c1^2) from the excitation."""
    first = Block(duration=1_002_000, rf=pulse("excitation"))
    part = stretch(first, Block(duration=1_400_000, gx=lobe(0.02)), Block(duration=1_400_000, gx=lobe(-0.02)))
    found = moments(part, np.array([part.duration]))[:, 0, 0]
    area, c1, c2 = GAMMA_BAR * 0.02 * 1.2e-3, 1.001e-3 + 0.7e-3, 1.001e-3 + 2.1e-3
    assert found[0] == pytest.approx(0.0, abs=1e-9 * area)
    assert found[1] == pytest.approx(area * (c1 - c2), rel=1e-12)
    assert found[2] == pytest.approx(area * (c1**2 - c2**2), rel=1e-12)


def test_refocusing_turns_the_sign_of_what_lies_before_it():
    blocks = (
        Block(duration=2_000, rf=pulse("excitation")),
        Block(duration=1_400_000, gz=lobe(0.01)),
        Block(duration=2_000, rf=pulse("refocusing")),
        Block(duration=1_400_000, gz=lobe(0.01)),
    )
    part = stretch(*blocks)
    found = moments(part, np.array([part.duration]))[:, 0, 2]
    area, apart = GAMMA_BAR * 0.01 * 1.2e-3, 1.402e-3
    assert found[0] == pytest.approx(0.0, abs=1e-9 * area)
    assert found[1] == pytest.approx(area * apart, rel=1e-12)  # the later lobe keeps its sign


def test_zeroth_moment_equals_the_path_through_k_space(mese):
    part = take(mese, 3)
    times = part.sample_times()
    assert moments(part, times, 1)[0] == pytest.approx(part.path(times), abs=1e-6)  # k reaches 500 1/m


def test_figures_of_a_sequence_name_what_they_show(mese):
    assert [axes.get_ylabel() for axes in moments_figure(mese)] == ["M0\nm⁻¹", "M1\ns/m", "M2\ns²/m"]
    axes = spectrum_figure(mese)[0]
    assert axes.get_xlabel() == "frequency / Hz"
    assert len(axes.lines) == 3 + 2  # three axes, two bands


def data_of(page):
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)[1])


def test_viewer_carries_the_waveforms_as_they_are_played(mese):
    data = data_of(sequence_viewer(mese))
    assert [row["name"] for row in data["rows"]] == ["Gx", "Gy", "Gz", "ADC"]
    assert data["duration"] == sum(block.duration for block in mese.blocks)
    pulses = [block.rf for block in mese.blocks if block.rf]
    assert len(data["rf"]["plays"]) == len(pulses)
    assert len(data["rf"]["shapes"]) == 2  # excitation and refocusing
    knots = np.array(data["rows"][0]["t"])
    area = np.trapezoid(np.abs(data["rows"][0]["v"]), knots)
    whole = sum(np.trapezoid(np.abs(b.gx.amplitudes) * 1e3, b.gx.times) for b in mese.blocks if b.gx)
    assert area == pytest.approx(whole, rel=1e-4)  # five digits


def test_viewer_shows_as_many_repetitions_as_fit_and_says_so(mese):
    page = sequence_viewer(mese, knots=400)
    shown = int(re.search(r"(\d+) of 10 repetitions", page)[1])
    assert 1 <= shown < 10
    assert "10 of 10" not in page


def test_viewer_page_refers_to_nothing_outside_itself(mese):
    page = re.sub(r'src="data:image/png;base64,[^"]+"', "picture", viewer_page(mese))
    assert not re.search(r"""(src|href)\s*=|https?:""", page)
    assert page.count("picture") >= 3  # k-space, moments, spectrum; this protocol weights too little for more


@pytest.fixture(scope="module")
def dwi():
    return mr.load_protocol("sag-dwi", {"matrix": "32 32", "slices": "1"}).build(mr.Scanner.preset("3T"))


def test_b_matrices_of_the_view_follow_from_the_gradients(dwi):
    """The header's matrices and those integrated over the whole scan agree; the lobes give b of 0 and 800 s/mm^2."""
    seen = diffusion_weighting(dwi)
    assert seen == pytest.approx(b_of_contrasts(discretize(dwi)), rel=1e-6, abs=1.0)  # s/m^2, of 8e8
    assert np.trace(seen, axis1=1, axis2=2) / 1e6 == pytest.approx([0, 800, 800, 800], abs=25)  # slice gradients
    assert [direction(matrix)[:5] for matrix in seen[1:]] == ["(1, 0", "(0, 1", "(0, 0"]


def test_b_matrix_figure_marks_the_nominal_b(dwi):
    top, bottom = b_matrix_figure(dwi, diffusion_weighting(dwi))
    (lines,) = top.collections
    assert [segment[0, 1] for segment in lines.get_segments()] == pytest.approx([0, 800, 800, 800])
    assert len(bottom.containers) == 6  # bxx to byz
    assert set(sequence_views(dwi)) == {"kspace", "moments", "spectrum", "b-matrix"}


def test_negligible_weighting_has_no_b_matrix_view(mese):
    assert diffusion_weighting(mese) is None  # spoilers and reads of 12.6 ms echoes: a few s/mm^2

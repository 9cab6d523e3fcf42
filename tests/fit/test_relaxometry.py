"""Relaxometry against independent programs and engines, and what a wrong model costs."""

import numpy as np
import pytest
from qmrpy.models.t1.vfa_t1 import T1VFA
from qmrpy.models.t2.decaes_t2 import epg_decay_curve

from mrsim.core.echo_trains import unbalanced_train
from mrsim.core.grid import Grid
from mrsim.core.images import Images
from mrsim.core.selective_train import SelectivePulse, SelectiveTrain
from mrsim.fit.fit import fit
from mrsim.fit.signal import signal
from mrsim.sequence.protocol import load_protocol
from mrsim.sequence.scanner import Scanner
from mrsim.study.request import RunRequest
from mrsim.study.snr import predicted_snr

FLIPS = np.radians([3.0, 8.0, 15.0, 25.0])


def _hard(flip, phase):
    return SelectivePulse(signal=np.array([flip / 1e-9 * np.exp(-1j * phase)]), dwell=1e-9, centre=5e-10, gradient=0.0)


def _hard_train(echoes, spacing, flip=np.pi, tr=1e3):
    return SelectiveTrain(
        excitation=_hard(np.pi / 2, np.pi / 2), refocusing=_hard(flip, 0.0), shares=np.ones(echoes), spacing=spacing,
        tr=tr, thickness=1.0,
    )  # fmt: skip


def _images(data, contrast, sigma, sheet=None, noisy=True):
    n, voxels = data.shape
    return Images(
        data=np.asarray(data, complex).reshape(n, 1, 1, voxels), grid=Grid(shape=(1, 1, voxels), spacing=(1e-3,) * 3),
        contrast={k: np.broadcast_to(np.asarray(v, float), (n,)) for k, v in contrast.items()},
        sigma=np.full((n, 1, 1, 1), sigma), noisy=noisy, encoding=sheet or {},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("b1", "echoes"),
    [(0.9, [0.87183, 0.81180, 0.71451, 0.66651]), (0.8, [0.77838, 0.78423, 0.65022, 0.63650]),
     (0.7, [0.64005, 0.72099, 0.57581, 0.55935])],
)  # fmt: skip
def test_echo_train_of_hard_pulses_gives_the_reference_values(b1, echoes):
    # physics.md B-3, five digits
    found = np.abs(_hard_train(16, 0.01).echoes([1.0], [0.1], [b1])[0])
    assert found[:4] == pytest.approx(echoes, abs=5.1e-6)


def test_echo_train_without_relaxation_gives_the_reference_values():
    # physics.md B-3: 120 degrees, and the plateau sin(a / 2)
    found = np.abs(_hard_train(40, 0.01, np.radians(120), tr=1e9).echoes([1e7], [1e7], [1.0])[0])
    assert found[:5] == pytest.approx([0.75, 0.9375, 0.84375, 0.855469, 0.884766], abs=5e-7)
    assert found[-6:].mean() == pytest.approx(np.sin(np.radians(60)), abs=2e-3)


@pytest.mark.parametrize(
    ("t1", "t2", "everything", "skip_first"), [(1.1, 0.0841, 88.4, 84.3), (0.95, 0.0512, 53.8, 51.3)]
)
def test_one_exponential_of_hard_pulses_at_low_b1_reads_the_printed_t2(t1, t2, everything, skip_first):
    # physics.md B-4, last column: ideal profiles, B1 0.85, 8 echoes of 12.6 ms; printed to 0.1 ms
    te = 0.0126 * np.arange(1, 9)
    data = np.abs(_hard_train(8, 0.0126).echoes([t1], [t2], [0.85])[0])
    images = _images(data[:, None], {"te": te}, 1e-4, noisy=False)
    for skip, printed in ((0, everything), (1, skip_first)):
        found = 1e3 * fit(images, "t2-mono", select=slice(skip, None)).values["t2"].item()
        assert found == pytest.approx(printed, abs=0.4)


def test_echo_train_equals_decaes():
    # DECAES excites with alpha/2 of a train of alpha: B1 scales both pulses here too
    for b1 in (1.0, 0.85, 0.6):
        ours = np.abs(_hard_train(32, 0.01).echoes([1.0], [0.06], [b1])[0])
        theirs = epg_decay_curve(etl=32, alpha_deg=180 * b1, te_ms=10.0, t2_ms=60.0, t1_ms=1000.0, beta_deg=180.0)
        assert ours == pytest.approx(np.abs(np.asarray(theirs)), rel=1e-6)


def test_straight_line_equals_qmrpys_and_the_curve_agrees():
    data = signal("spgr", {"m0": 0.8, "t1": 1.1}, {"flip": FLIPS, "tr": 0.015})
    noisy = data + np.random.default_rng(4).normal(0, 2e-4, 4)
    theirs = T1VFA(flip_angle_deg=np.degrees(FLIPS), tr_ms=15.0).fit_linear(noisy)
    images = _images(noisy[:, None], {"flip": FLIPS, "tr": 0.015}, 2e-4)
    line, curve = fit(images, "despot1"), fit(images, "spgr")
    se = curve.errors["t1"].item()
    # theirs has no weights: the same data, another estimator; within a few standard errors
    assert line.values["t1"].item() == pytest.approx(theirs["t1_ms"] / 1e3, abs=4 * se)
    assert line.values["t1"].item() == pytest.approx(curve.values["t1"].item(), abs=0.2 * se)
    assert line.errors["t1"].item() == pytest.approx(se, rel=0.1)


def test_true_spoiling_is_fitted_and_ideal_spoiling_is_biased():
    # 600 pulses of an engine's own phase graph; Ernst's curve is wrong by 1.5 % of T1 (the negative control)
    number = np.arange(900)
    phases = np.fmod(0.5 * np.radians(117) * number * (number + 1), 2 * np.pi)
    data = np.array([
        np.abs(unbalanced_train([0.9], [0.08], flips=np.full(900, f), tr=0.015, te=0.0, phases=phases, tolerance=0)
               .signal[0, -1]) for f in FLIPS
    ])  # fmt: skip
    images = _images(
        data[:, None], {"flip": FLIPS, "tr": 0.015}, 1e-4, {"phase_increment": np.radians(117)}, noisy=False
    )
    right, wrong = fit(images, "spgr-epg"), fit(images, "spgr")
    assert right.values["t1"].item() == pytest.approx(0.9, rel=1e-5)  # 900 pulses leave exp(-15)
    assert abs(wrong.values["t1"].item() / 0.9 - 1) > 0.01
    assert wrong.chi2.item() > 10 * max(right.chi2.item(), 1e-6)
    assert "use 'spgr-epg'" in wrong.history["warnings"][0]
    assert "warnings" not in right.history


def test_mono_exponential_fit_of_a_120_degree_train_is_long_and_says_so():
    # ecosystem.md: 19.5 % for T2 100, T1 1000 ms, 16 echoes of 10 ms; excitation 90 degrees
    te = 0.01 * np.arange(1, 17)
    data = np.abs(_hard_train(16, 0.01, np.radians(120)).echoes([1.0], [0.1], [1.0])[0])
    sheet = {"refocusing_flips": np.full(16, np.radians(120))}
    maps = fit(_images(data[:, None], {"te": te}, 0.005, sheet, noisy=False), "t2-mono")
    assert maps.values["t2"].item() == pytest.approx(0.1195, abs=2e-4)
    assert maps.chi2.item() > 5
    flips, misfit = maps.history["warnings"]
    assert "plays 120 deg" in flips
    assert "use 't2-epg'" in flips
    assert "median reduced chi-squared" in misfit
    ideal = _images(np.exp(-te / 0.1)[:, None], {"te": te}, 0.005, {"refocusing_flips": np.full(16, np.pi)})
    assert "warnings" not in fit(ideal, "t2-mono").history


@pytest.mark.parametrize(
    ("protocol", "b1"),
    [("disc-t2-mese", 0.85), ("disc-t2-mese", 1.0), pytest.param("disc-t2-mese-16", 0.85, marks=pytest.mark.slow)],
)
def test_epg_fit_of_bloch_simulated_echoes_with_real_pulses(protocol, b1):
    # T2 within 1 %, B1 within 0.02, from the sheet's nominal pulses alone, as the protocols are; T1 is given. TR is
    # 1.4 T1: what the crushers wound and the next excitation recalls counts
    found = predicted_snr(RunRequest(protocol=protocol, b1=b1), ("nucleus_pulposus",))
    data = np.array([[row.signal] for row in found.rows])
    header = load_protocol(protocol).build(Scanner.preset("3T")).encoding
    images = _images(data, header.contrast, 1e-4, dict(header.sheet), noisy=False)
    maps = fit(images, "t2-epg", t1=1.1)
    assert maps.values["t2"].item() == pytest.approx(0.084, rel=0.01)
    assert maps.values["b1"].item() == pytest.approx(b1, abs=0.02)
    assert fit(images, "t2-mono").values["t2"].item() > 1.2 * 0.084


def test_fits_that_know_no_slice_profile_say_so_of_selective_slices():
    data = signal("spgr", {"m0": 0.8, "t1": 1.1}, {"flip": FLIPS, "tr": 0.015})
    for sheet, expected in (
        ({"kind": "2d", "excitation_profile": "sinc, Hamming"}, True),
        ({"kind": "2d", "excitation_profile": "hard"}, False),
        ({"kind": "3d", "excitation_profile": "sinc, Hamming"}, False),
    ):
        history = fit(_images(data[:, None], {"flip": FLIPS, "tr": 0.015}, 1e-3, sheet), "spgr").history
        assert any("same through the slice" in text for text in history.get("warnings", ())) == expected

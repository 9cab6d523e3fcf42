"""The fits against qmrpy's, an independent program, on the same noisy data."""

import numpy as np
import pytest
from qmrpy.models.b1.afi import B1AFI
from qmrpy.models.b1.dam import B1DAM
from qmrpy.models.mt.mt import MTR
from qmrpy.models.t1.inversion_recovery import T1InversionRecovery
from qmrpy.models.t1rho.t1rho import T1Rho
from qmrpy.models.t2.mono_t2 import T2Mono
from qmrpy.models.t2star.r2star import T2StarMonoR2

from mrsim.core.grid import Grid
from mrsim.core.images import Images
from mrsim.fit.fit import fit
from mrsim.fit.signal import signal

TE = 0.0126 * np.arange(1, 9)
TSL = np.array([0.0, 0.01, 0.02, 0.04, 0.08])


def fitted(data, contrast, model, **options):
    n = len(data)
    images = Images(
        data=np.asarray(data, complex).reshape(n, 1, 1, 1), grid=Grid(shape=(1, 1, 1), spacing=(1e-3,) * 3),
        contrast={k: np.broadcast_to(np.asarray(v, float), (n,)) for k, v in contrast.items()},
        sigma=np.full((n, 1, 1, 1), 1e-3), noisy=False,
    )  # fmt: skip
    return {name: values.item() for name, values in fit(images, model, **options).values.items()}


@pytest.mark.parametrize(
    ("model", "column", "times", "theirs", "key", "value"),
    [
        ("t2-mono", "te", TE, T2Mono(te_ms=1e3 * TE), "t2", 0.084),
        ("t1rho", "tsl", TSL, T1Rho(tsl_ms=1e3 * TSL), "t1_rho", 0.07),
        ("t2star-mono", "te", TE, T2StarMonoR2(te_ms=1e3 * TE), "t2_star", 0.05),
    ],
)
def test_least_squares_of_decays_are_equal(model, column, times, theirs, key, value):
    rng = np.random.default_rng(1)
    for _ in range(5):
        data = np.exp(-times / value) + rng.normal(0, 0.005, len(times))
        other = next(v for k, v in theirs.fit(data).items() if k.replace("_", "").startswith(key.replace("_", "")))
        assert fitted(data, {column: times}, model)[key] == pytest.approx(other / 1e3, rel=1e-4)


def test_inversion_recovery_agrees_where_both_have_the_same_freedom():
    """Theirs fits a free efficiency on a grid of 1 ms, ours knows TR: equal without noise after full recovery."""
    ti = np.array([0.05, 0.2, 0.5, 1.0, 2.0, 4.0])
    data = np.abs(signal("inversion-recovery", {"m0": 0.8, "t1": 1.1}, {"ti": ti, "tr": 50.0, "te": 0.0}))
    found = fitted(data, {"ti": ti, "tr": 50.0, "te": 0.0}, "inversion-recovery-magnitude")
    assert found["t1"] == pytest.approx(1.1, rel=1e-6)
    assert T1InversionRecovery(ti_ms=1e3 * ti).fit(data)["t1_ms"] == pytest.approx(1e3 * found["t1"], rel=2e-3)


def test_transmit_fields_are_equal():
    flips, rng = np.radians([60.0, 120.0]), np.random.default_rng(2)
    double = 0.9 * np.sin(0.87 * flips) + rng.normal(0, 0.003, 2)
    ours = fitted(double, {"flip": flips, "tr": 8.0}, "b1-dam")["b1"]
    assert ours == pytest.approx(next(iter(B1DAM(alpha_deg=60.0).fit(double).values())), rel=1e-6)
    tr = np.array([0.02, 0.1])
    pair = signal("b1-afi", {"m0": 0.9, "b1": 0.9}, {"tr": tr, "flip": np.radians(55.0)}) + rng.normal(0, 1e-3, 2)
    ours = fitted(pair, {"tr": tr, "flip": np.radians(55.0)}, "b1-afi")["b1"]
    theirs = B1AFI(nom_fa_deg=55.0, tr1_ms=20.0, tr2_ms=100.0).fit(pair)
    assert ours == pytest.approx(next(v for k, v in theirs.items() if "b1" in k.lower()), rel=1e-6)


def test_magnetisation_transfer_ratio_is_equal():
    """Its MTsat is another quantity, 1 - S / S_Ernst, and not the saturation of one pulse."""
    data = np.array([0.8, 0.52])
    ours = fitted(data, {"mt": [0.0, 1.0]}, "mtr")["mtr"]
    assert ours in (pytest.approx(MTR().fit(data)["mtr"]), pytest.approx(MTR().fit(data[::-1])["mtr"]))

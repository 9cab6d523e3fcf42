"""Synthetic images: the printed values, the fitted models, null delays, and what is refused."""

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.core.grid import Grid
from mrsim.core.maps import Maps
from mrsim.fit.signal import signal
from mrsim.fit.synthetic import CONTRASTS, null_delay, synthesize, weighted


def maps(t1=1.0, t2=0.1, pd=1.0):
    arrays = {"t1": t1, "t2": t2, "pd": pd}
    values = {name: np.atleast_1d(np.asarray(v, float))[None, None] for name, v in arrays.items()}
    shape = np.broadcast_shapes(*(v.shape for v in values.values()))
    values = {name: np.broadcast_to(v, shape).copy() for name, v in values.items()}
    return Maps(
        grid=Grid(shape=shape, spacing=(1e-3,) * 3), values=values, errors=values,
        units={"t1": "s", "t2": "s", "pd": ""}, status=np.zeros(shape, np.int8),
    )  # fmt: skip


@pytest.mark.parametrize(("tr", "te", "printed"), [(0.5, 0.01, 0.350524), (2.0, 0.08, 0.383555), (4.0, 0.1, 0.360450)])
def test_spin_echo_gives_the_printed_values(tr, te, printed):
    """B-2."""
    assert synthesize(maps(), "t2w", tr=tr, te=te).data.item().real == pytest.approx(printed, abs=1e-6)


def test_spin_echo_and_inversion_recovery_are_the_equations_that_are_fitted():
    rng = np.random.default_rng(1)
    t1, t2, pd = rng.uniform(0.3, 4, 50), rng.uniform(0.02, 1, 50), rng.uniform(0.3, 1, 50)
    found = synthesize(maps(t1, t2, pd), "t1w", te=0.015, tr=0.6).data.ravel().real
    expected = signal("spin-echo", {"pd": pd, "t1": t1, "t2": t2}, {"te": [0.015], "tr": [0.6]})[0]
    np.testing.assert_allclose(found, np.abs(expected), rtol=1e-12)
    found = synthesize(maps(t1, t2, pd), "psir", te=0.02, tr=3.0, ti=0.4).data.ravel().real
    expected = signal("inversion-recovery", {"m0": pd * np.exp(-0.02 / t2), "t1": t1},
                      {"ti": [0.4], "tr": [3.0], "te": [0.02]})[0]  # fmt: skip
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)
    assert (found < 0).any()


def test_every_weighting_is_the_recursion_followed_over_many_repetitions():
    te, tr, ti, gap = 0.08, 7.0, 0.4, 2.5
    for t1 in (0.3, 1.1, 4.3):
        for inversions in (0, 1, 2):
            events = [(tr - te / 2 - (ti if inversions else 0) - (gap if inversions > 1 else 0), None)]
            events += [(gap, -1)] if inversions > 1 else []
            events += [(ti, -1)] if inversions else []
            m = 1.0
            for _ in range(60):
                before = m
                m = -(1 - np.exp(-te / 2 / t1))
                for time, turn in events:
                    m = 1 - (1 - (m if turn is None else -m)) * np.exp(-time / t1)
            delays = {"ti": ti if inversions else 0.0, "gap": gap if inversions > 1 else 0.0}
            found = weighted(np.array(t1), np.array(0.1), np.array(0.8), te=te, tr=tr, inversions=inversions, **delays)
            assert before == pytest.approx(m)
            assert found == pytest.approx(0.8 * m * np.exp(-te / 0.1), rel=1e-12)


def test_null_delay_is_the_printed_one_and_nulls():
    assert null_delay(4.3, 9.0) == pytest.approx(2.4805, abs=1e-4)
    assert null_delay(1.0, 60.0) == pytest.approx(np.log(2), rel=1e-9)
    assert abs(synthesize(maps(t1=4.3), "flair", te=0.12, tr=9.0).data.item()) < 1e-15


def test_voxels_without_a_value_are_zero_and_only_psir_is_negative():
    some = maps(np.array([np.nan, 0.8, 4.3]))
    for name in CONTRASTS:
        data = synthesize(some, name).data.ravel()
        assert data[0] == 0
        assert not data.imag.any()
        assert (data.real < 0).any() == (name == "psir")


@pytest.mark.parametrize(
    ("name", "times", "message"),
    [
        ("t2", {}, "did you mean 't2w'"),
        ("t1w", {"ti": 0.1}, "means nothing for T1-weighted"),
        ("flair", {"gap": 0.1}, "means nothing for FLAIR"),
        ("t2w", {"te": -1.0}, "must not be negative"),
        ("stir", {"tr": 0.2}, "delays and echo time take 0.27 s"),
    ],
)
def test_impossible_contrasts_are_refused(name, times, message):
    with pytest.raises(InputError, match=message):
        synthesize(maps(), name, **times)


def test_maps_that_lack_a_parameter_say_which():
    some = maps()
    del some.values["t1"]
    with pytest.raises(InputError, match="have no t1"):
        synthesize(some, "t2w")

"""Could this difference be noise: for tensors, perfusion and relaxation alike."""

from __future__ import annotations

import numpy as np
import pytest

import mrsim as mr
from mrsim.core.errors import InputError
from mrsim.core.tensors import SECOND, prolate
from mrsim.sequence.directions import repelled


def tensor(md, fa):
    d = prolate(md, fa, np.array([0.6, 0.0, 0.8]))
    return {"m0": 1.0} | {f"d_{'xyz'[i]}{'xyz'[j]}": d[i, j] for i, j in SECOND}


N = np.concatenate([np.zeros((1, 3)), repelled(6)])
DTI = {"b": np.array([0.0] + [600e6] * 6)} | {f"direction_{a}": N[:, i] for i, a in enumerate("xyz")}


def test_anisotropy_of_noise_is_put_down_to_noise_and_of_tissue_is_not():
    truth, snr = tensor(1.4e-9, 0.28), (50.0, 20.0)
    first, second = mr.noise_groups("dti-wls", truth, DTI, snr, "fa", regions=100, voxels=8, rng=1)
    null = mr.could_be_noise(first, second, "dti-wls", truth, DTI, snr, "fa", regions=200, voxels=8, rng=2)
    assert null.p < 1e-6
    assert null.explained
    assert "EXPLAINABLE BY NOISE" in null.words("FA")
    _, other = mr.noise_groups("dti-wls", tensor(1.4e-9, 0.5), DTI, (50.0, 50.0), "fa", regions=100, voxels=8, rng=3)
    real = mr.could_be_noise(first, other, "dti-wls", truth, DTI, (50.0, 50.0), "fa", regions=200, voxels=8, rng=4)
    assert not real.explained
    assert real.p_left < 1e-6
    # the mean of both groups of one truth and one noise differs by chance alone
    a, b = mr.noise_groups("dti-wls", truth, DTI, (50.0, 50.0), "fa", regions=400, voxels=8, rng=5)
    assert abs(a.mean() - b.mean()) < 4 * np.hypot(a.std(), b.std()) / 20


def test_a_floor_under_a_decay_is_found_out_too():
    """Mono-exponential T2 of long echo trains rises with the noise floor."""
    te, truth = {"te": np.linspace(0.01, 0.2, 16)}, {"m0": 1.0, "t2": 0.04}
    first, second = mr.noise_groups("t2-mono", truth, te, (100.0, 10.0), "t2", regions=60, voxels=10, rng=1)
    assert second.mean() > 1.05 * first.mean()
    verdict = mr.could_be_noise(first, second, "t2-mono", truth, te, (100.0, 10.0), "t2", voxels=10, rng=2)
    assert verdict.explained


@pytest.mark.parametrize(
    ("change", "problem"),
    [({"snr": (50.0,)}, "two positive"), ({"parameter": "fq"}, "no map"), ({"regions": 1}, "2 or more")],
)
def test_groups_that_cannot_be_made_are_refused(change, problem):
    asked = {"snr": (50.0, 20.0), "parameter": "fa", "regions": 3} | change
    with pytest.raises(InputError, match=problem):
        mr.noise_groups("dti-wls", tensor(1.4e-9, 0.3), DTI, asked.pop("snr"), asked.pop("parameter"), rng=1, **asked)

"""The disc of the elastography study: waves of finite elements, judged where the answer is known."""

import numpy as np
import pytest

from mrsim.study.experiment import Outcome
from mrsim.study.experiments.disc_waves import DiscWaves, measure, replicate


def test_nucleus_is_read_right_without_noise_and_the_annulus_is_flagged_with_it():
    one = {"nucleus": (12.5,), "annulus": (90.4,)}
    quiet = DiscWaves(snr=0.0, smoothing=0.0, window=0.0, **one)
    found = {m.metric: m.value for m in measure({"a": Outcome(settings=quiet, data=replicate(
        quiet, [np.random.default_rng(1)]))}) if m.region == "a nucleus first grade"}  # fmt: skip
    assert found["estimate over truth"] == pytest.approx(1.0, abs=0.01)
    noisy = DiscWaves(**one)
    data = replicate(noisy, [np.random.default_rng(1)])
    assert data["annulus flagged"][0, 0] > 0.95
    assert data["nucleus flagged"][0, 0] < 0.3

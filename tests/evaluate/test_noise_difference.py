"""Could this difference be noise? Closed cases of normal groups, and a tensor study in small."""

from dataclasses import replace

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.evaluate.noise_difference import noise_difference
from mrsim.study.experiment import Outcome
from mrsim.study.experiments.decay_groups import EXPERIMENT, DecayGroups
from mrsim.study.experiments.decay_groups import measure as judged
from mrsim.study.experiments.decay_groups import replicate as decays
from mrsim.study.experiments.tensor_groups import TensorGroups, measure, replicate

RNG = np.random.default_rng(8)


def group(mean, spread=1.0, n=400):
    return mean + spread * RNG.standard_normal(n)


@pytest.mark.parametrize(
    ("second", "noise", "p_small", "explained"),
    [(0, 0, False, False), (1, 0, True, False), (1, 1, True, True), (1, 0.7, True, True), (1, -0.7, True, False)],
)  # fmt: skip
def test_a_difference_is_put_down_to_noise_where_noise_makes_the_larger_part(second, noise, p_small, explained):
    verdict = noise_difference(group(0.0), group(second), group(5.0), group(5.0 + noise))
    assert (verdict.p < 0.05) == p_small or second == 0.0
    assert verdict.explained == explained
    assert ("EXPLAINABLE" in verdict.words("FA")) == explained


def test_groups_without_values_are_refused():
    with pytest.raises(InputError, match="two or more"):
        noise_difference([1.0], group(0.0), group(0.0), group(0.0))
    with pytest.raises(InputError, match="finite"):
        noise_difference([1.0, np.nan], group(0.0), group(0.0), group(0.0))


def test_anisotropy_by_noise_is_found_out_and_by_tissue_is_not():
    common = {"md": (1.5e-9, 1.3e-9), "md_spread": (0.0, 0.0), "discs": 40, "voxels": 4}
    null = TensorGroups(**common, fa=(0.28, 0.28), snr=(50.0, 20.0), directions=6, arrangement="spiral")
    true = TensorGroups(**common, fa=(0.28, 0.37), fa_spread=(0.05, 0.06), snr=(60.0, 60.0))
    streams = [np.random.default_rng(i) for i in range(4)]
    outcomes = {name: Outcome(settings=s, data=replicate(s, streams)) for name, s in (("null", null), ("true", true))}
    found = {(m.metric, m.region): m.value for m in measure(outcomes)}
    assert found["significant", "null fa"] == found["significant", "true fa"] == 1.0
    assert found["explained by noise", "null fa"] == 1.0
    assert found["explained by noise", "true fa"] == 0.0


@pytest.mark.parametrize(
    ("name", "settings", "true"),
    [
        ("k", {"kind": "kurtosis", "b": (0.0, 7e8, 1.4e9, 2e9), "k": (0.5, 0.5), "signal": (1.0, 0.25)}, (0.5, 0.8)),
        ("f clipped", {"kind": "perfusion", "b": (0.0, 2e7, 5e7, 2.5e8, 4e8, 8e8), "signal": (1.0, 0.4)}, (0.0, 0.08)),
    ],
)
def test_kurtosis_and_perfusion_of_darker_discs_are_found_out_and_true_ones_are_not(name, settings, true):
    null = DecayGroups(d=(1.4e-9, 1.4e-9), discs=40, voxels=60, **settings)
    key = "k" if name == "k" else "f"
    there = replace(null, signal=(1.0, 1.0), **{key: true})
    streams = [np.random.default_rng(i) for i in range(4)]
    outcomes = {a: Outcome(settings=s, data=decays(s, streams)) for a, s in (("null", null), ("true", there))}
    found = {(m.metric, m.region): m.value for m in judged(outcomes)}
    assert found["significant", f"null {name}"] == found["significant", f"true {name}"] == 1.0
    assert found["explained by noise", f"null {name}"] == 1.0
    assert found["explained by noise", f"true {name}"] == 0.0
    said = dict(EXPERIMENT.compare(outcomes))
    assert [explained for text, explained in said.items() if f": {name} differs" in text] == [True, False]
    assert EXPERIMENT.draw(outcomes, [])["differences"].startswith(b"\x89PNG")


def test_a_replicate_does_not_depend_on_its_neighbours():
    settings = DecayGroups(kind="perfusion", d=(1.5e-9, 1.5e-9), b=(0.0, 5e7, 2.5e8, 8e8), discs=3, voxels=2)
    both = decays(settings, [np.random.default_rng(i) for i in (1, 2)])
    alone = decays(settings, [np.random.default_rng(2)])
    np.testing.assert_array_equal(both["f"][1], alone["f"][0])

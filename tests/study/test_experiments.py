"""What holds for every experiment and every study that is shipped."""

import pickle

import numpy as np
import pytest

from mrsim.study.experiment import Outcome
from mrsim.study.experiments import EXPERIMENTS
from mrsim.study.run_study import by_experiment
from mrsim.study.study_file import load_study


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.name)
def test_every_experiment_can_be_sent_to_another_process(experiment):
    assert pickle.loads(pickle.dumps(experiment)).settings is experiment.settings


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vx1", "vx2", "vx3", "vx4", "vx10", "vx12"])
def test_few_replicates_of_a_shipped_study_can_be_measured_drawn_and_judged(name):
    """Whether the claims hold takes all replicates; here every one of them finds the number that it is about."""
    study, outcomes = load_study(name, "fast"), {}
    for arm in study.arms:
        streams = [np.random.default_rng([number, 1]) for number in range(min(3, arm.count))]
        outcomes[arm.name] = Outcome(settings=arm.settings, data=arm.experiment.replicate(arm.settings, streams))
    measures, figures = [], {}
    for kind, part in by_experiment(study, outcomes):
        found = kind.measure(part)
        measures += found
        figures |= kind.draw(part, found) if kind.draw else {}
    known = {(measure.metric, measure.region) for measure in measures}
    assert {(claim.metric, claim.region) for claim in study.claims} <= known
    assert bool(figures) == any(arm.experiment.draw is not None for arm in study.arms)
    assert all(figure.startswith(b"\x89PNG") for figure in figures.values())

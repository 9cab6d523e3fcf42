"""What holds for every experiment."""

import pickle

import pytest

from mrsim.study.experiments import EXPERIMENTS


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.name)
def test_every_experiment_can_be_sent_to_another_process(experiment):
    assert pickle.loads(pickle.dumps(experiment)).settings is experiment.settings

"""The experiments that studies repeat, one per file, and their registry."""

from __future__ import annotations

from ...core.errors import InputError, did_you_mean
from ..experiment import Experiment
from . import (
    decay_groups,
    disc_spectra,
    disc_waves,
    fast_imaging,
    field_comparison,
    fit_scatter,
    grade_ladder,
    protocol_run,
    relaxometry_pair,
    segmentation,
    tensor_groups,
    volume_shots,
)

EXPERIMENTS: tuple[Experiment, ...] = (
    fit_scatter.EXPERIMENT,
    fast_imaging.EXPERIMENT,
    grade_ladder.EXPERIMENT,
    relaxometry_pair.EXPERIMENT,
    segmentation.EXPERIMENT,
    decay_groups.EXPERIMENT,
    tensor_groups.EXPERIMENT,
    disc_waves.EXPERIMENT,
    protocol_run.EXPERIMENT,
    disc_spectra.EXPERIMENT,
    field_comparison.EXPERIMENT,
    volume_shots.EXPERIMENT,
)
"""Every experiment that a study file can name."""


def find_experiment(name: str) -> Experiment:
    """Return the experiment called `name`."""
    for experiment in EXPERIMENTS:
        if experiment.name == name:
            return experiment
    known = [experiment.name for experiment in EXPERIMENTS]
    raise InputError(f"unknown experiment '{name}'{did_you_mean(name, known)}", key="experiment")

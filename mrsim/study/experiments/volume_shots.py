"""How many slices must be excited at once for a volume within a time: the planner's answer, from a built protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ...plan.question import read_question
from ..ask import answers
from ..experiment import Arrays, Experiment, Measure, Outcome
from ..request import RunRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class VolumeShots:
    """A question and the protocol it is put to."""

    protocol: str = "brain-rsfmri"
    entries: dict[str, str] = field(default_factory=dict)
    questions: tuple[str, ...] = ("volume below 100 ms with 40 slices at MB 8",)


def replicate(settings: VolumeShots, streams: Sequence[np.random.Generator]) -> Arrays:
    """Return the answers; nothing is left to chance, so every stream has the same."""
    request = RunRequest(protocol=settings.protocol, overrides=settings.entries)
    found = answers(request, [read_question(text) for text in settings.questions])
    count = len(streams)
    names = ("shot", "volume", "least_bands")
    one = {name: np.array([verdict.numbers[name] for verdict in found]) for name in names}
    one["refused"] = np.array([float(verdict.answer == "no") for verdict in found])
    return {name: np.tile(values, (count, 1)) for name, values in one.items()}


def measure(outcomes: Mapping[str, Outcome]) -> list[Measure]:
    """Return time, refusal and least number of bands of every question, by its text."""
    found = []
    units = {"shot": "s", "volume": "s", "least_bands": "", "refused": ""}
    for outcome in outcomes.values():
        for place, text in enumerate(outcome.settings.questions):
            for name, unit in units.items():
                value = float(outcome.data[name][0, place])
                found.append(Measure(metric=name.replace("_", " "), region=text, value=value, unit=unit))
    return found


EXPERIMENT = Experiment(
    name="volume-shots",
    title="How many slices at once a volume takes within a time",
    settings=VolumeShots,
    replicate=replicate,
    measure=measure,
)

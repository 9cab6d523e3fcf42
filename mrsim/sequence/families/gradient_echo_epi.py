"""Gradient-echo EPI: an excitation and a train; the contrast of T2*, and of BOLD."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..events import NS
from ..preparations.series import prepared_series
from ..scanner import Scanner
from ..selection import excite
from ..sequence import Block, Sequence
from ..timing import TimeOrMinimum, solve, wait
from .cartesian import slice_gradient
from .echo_planar import EchoPlanar, Shot
from .echo_planar_train import all_shots, echo_planar_sequence, epi_train, series
from .interleave import interleave
from .protocol import pulse_name


@dataclass(frozen=True, kw_only=True, slots=True)
class GradientEchoEpi(EchoPlanar):
    """One train per excitation; the echo time is that of the centre of k-space."""

    name: ClassVar[str] = "gradient-echo-epi"

    te: TimeOrMinimum = 30e-3
    """Echo time, s."""
    tr: TimeOrMinimum = 2.0
    """Repetition time of a slice, s."""

    @prepared_series
    def build(self, scanner: Scanner) -> Sequence:
        """Return the sequence on this scanner."""
        train = epi_train(self, scanner)
        parts, limits = train.plan, train.plan.limits
        pulse = self.shaped(scanner, self.flip, self.excitation_duration)
        first = excite(scanner, limits, pulse, slice_gradient(self, parts, pulse))
        shots = all_shots(self)
        content = {"half the excitation": first.after, "the train up to its centre": max(map(train.lead, shots))}
        remedy = "lower partial_fourier, raise acceleration or shots, or lower the matrix"
        te, _ = solve("te", self.te, (content,), limits, remedy)
        rest = {
            "the echo time": te,
            "the start of the excitation": first.before,
            "the train behind its centre": max(map(train.tail, shots)),
            **parts.preparation_time(first.before),
        }
        turns = interleave(self, self.tr, rest, limits, "shorten te, or lower partial_fourier or the matrix")

        def play(image: int, shot: Shot, labels: dict[str, int] | None, position: float) -> list[Block]:
            pause = te - first.after - train.lead(shot)
            excited = Block(duration=first.duration, rf=first.at(position), gz=first.gradient, name="excite")
            return [*parts.prepare(position, first.before), excited, *wait(pause), *train.blocks(shot, labels)]

        polarities = self.polarities()
        blocks = series(self, turns, polarities, play)
        contrast = {"te": te / NS, "tr": turns.tr / NS, "flip": self.flip, "polarity": polarities}
        sheet = {"excitation_flip": self.flip, "excitation_profile": pulse_name(self)}
        facts = {"te": te / NS, "tr": turns.tr / NS, **turns.facts()}
        return echo_planar_sequence(self, train, blocks, contrast, sheet, facts)

"""Spin-echo EPI: one refocusing pulse; the centre of k-space is read at the spin echo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..events import NS
from ..preparations.series import prepared_series
from ..scanner import Scanner
from ..sequence import Block, Sequence
from ..timing import TimeOrMinimum, solve, wait
from .echo_planar import Shot
from .echo_planar_refocused import RefocusedEpi, refocused_epi_sheet, refocusing_parts
from .echo_planar_train import all_shots, echo_planar_sequence, epi_train, series
from .interleave import interleave


@dataclass(frozen=True, kw_only=True, slots=True)
class SpinEchoEpi(RefocusedEpi):
    """One refocused train per excitation."""

    name: ClassVar[str] = "spin-echo-epi"

    te: TimeOrMinimum = 60e-3
    """Echo time, s."""
    tr: TimeOrMinimum = 3.0
    """Repetition time of a slice, s."""

    @prepared_series
    def build(self, scanner: Scanner) -> Sequence:
        """Return the sequence on this scanner."""
        train = epi_train(self, scanner)
        limits, shots = train.plan.limits, all_shots(self)
        pulses = refocusing_parts(self, train.plan, scanner)
        first, second = pulses.excitation, pulses.refocusing
        longest_lead = max(map(train.lead, shots))
        halves = (
            {"half the excitation": first.after, "half the refocusing pulse and its crusher": second.before},
            {"half the refocusing pulse and its crusher": second.after, "the train up to its centre": longest_lead},
        )
        remedy = "lower partial_fourier, raise acceleration or shots, or lower the matrix"
        te, waits = solve("te", self.te, halves, limits, remedy)
        rest = {
            "the echo time": te,
            "the start of the excitation": first.before,
            "the train behind its centre": max(map(train.tail, shots)),
            **train.plan.preparation_time(first.before),
        }
        turns = interleave(self, self.tr, rest, limits, "shorten te, or lower partial_fourier or the matrix")

        def play(image: int, shot: Shot, labels: dict[str, int] | None, position: float) -> list[Block]:
            late = waits[1] + longest_lead - train.lead(shot)
            lead = [*train.plan.prepare(position, first.before), pulses.excite(position), *wait(waits[0])]
            return [*lead, pulses.refocus(position), *wait(late), *train.blocks(shot, labels)]

        polarities = self.polarities()
        blocks = series(self, turns, polarities, play)
        contrast = {"te": te / NS, "tr": turns.tr / NS, "flip": self.flip, "polarity": polarities}
        facts = {"te": te / NS, "tr": turns.tr / NS, **turns.facts()}
        return echo_planar_sequence(self, train, blocks, contrast, refocused_epi_sheet(self), facts)

"""Slices within a repetition: as many as fit take turns, evenly spread; the rest wait for another concatenation.

Each slice is excited once per repetition, so its tr is the repetition time whatever the number of slices. Where not
all fit, slice i goes to concatenation i modulo their number, so that neighbours are apart.

A preparation that ends with a long wait (an inversion) lets other slices work meanwhile: time is cut into slots, each
with the preparation of one slice and, behind it, the excitation of the slice that was prepared `ahead` slots before.
The wait is whole slots long, so that every slice has its time exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..gradients import Limits
from ..sequence import Block
from ..timing import MINIMUM, solve, starting, wait
from .slice2d import Slice2D


@dataclass(frozen=True, kw_only=True, slots=True)
class Nest:
    """Slots of equal length in which slices take turns while others wait for their inversion time."""

    slot: int
    """ns."""
    ahead: int
    """Slots from a slice's preparation to its excitation."""
    lead: int
    """Blocks of the preparation before its wait."""
    offset: int
    """From the start of a slot to the excitation's block, ns: the preparation, and by what the wait exceeds slots."""

    def duration(self, slices: int) -> int:
        """Return how long some slices take, ns."""
        return (slices + self.ahead) * self.slot

    def blocks(self, modules: Sequence[list[Block]]) -> list[Block]:
        """Return all slots; each module is a preparation, its wait, and what is prepared."""
        blocks: list[Block] = []
        clock = 0

        def play(at: int, part: Sequence[Block]) -> None:
            nonlocal clock
            blocks.extend([*wait(at - clock), *part])
            clock = at + sum(block.duration for block in part)

        for turn in range(len(modules) + self.ahead):
            begin = turn * self.slot
            if turn < len(modules):
                play(begin, modules[turn][: self.lead])
            if turn >= self.ahead:
                play(begin + self.offset, modules[turn - self.ahead][self.lead + 1 :])
        play((len(modules) + self.ahead) * self.slot, [])
        return blocks


@dataclass(frozen=True, kw_only=True, slots=True)
class Interleave:
    """Which slices share a repetition, and the waits between them."""

    tr: int
    """Repetition time, ns."""
    content: int
    """What one slice needs of it, ns."""
    groups: tuple[tuple[int, ...], ...]
    """Per concatenation the slices in the order of acquisition."""
    raster: int
    nest: Nest | None = None
    """How preparations work ahead; None where every slice waits for itself."""

    def repetition(self, modules: Sequence[list[Block]], short: int = 0) -> list[Block]:
        """Return one repetition.

        Parameters
        ----------
        modules : sequence of lists of Block
            What is played for each slice of the group, in order.
        short : int
            By how much each module is shorter than `content`, ns.
        """
        if self.nest is not None:
            return starting([*self.nest.blocks(modules), *wait(self.tr - self.nest.duration(len(modules)))])
        count = len(modules)
        slot = self.tr // count // self.raster * self.raster
        blocks: list[Block] = []
        for turn, module in enumerate(modules):
            room = slot if turn + 1 < count else self.tr - (count - 1) * slot
            blocks += [*module, *wait(room - self.content + short)]
        return starting(blocks)

    def facts(self) -> dict[str, float | str]:
        """Return what is worth showing where there are several slices."""
        slices = sum(len(group) for group in self.groups)
        return {"slices": float(slices), "concatenations": float(len(self.groups))} if slices > 1 else {}


def interleave(
    protocol: Slice2D,
    wanted: float | str,
    content: Mapping[str, int],
    limits: Limits,
    remedy: str,
    preparation: Sequence[Block] = (),
) -> Interleave:
    """Return how the slices share the repetition time.

    Parameters
    ----------
    protocol : Slice2D
    wanted : float or "minimum"
        The repetition time, s; the minimum holds all slices.
    content : mapping
        What one slice needs, name -> ns.
    limits : Limits
        The repetition time lies on its raster.
    remedy : str
        What the user may change if not even one slice fits.
    preparation : sequence of Block
        With what each slice's blocks begin; its wait at the end, if there is one, is lent to other slices.
    """
    tr, (rest,) = solve("tr", wanted, (content,), limits, remedy)
    need = tr - rest
    slot = limits.up(need)
    tr = slot * protocol.slices if wanted == MINIMUM else tr
    nest = _nest(preparation, need, limits)
    if wanted != MINIMUM and nest is not None and tr // nest.slot - nest.ahead > tr // slot < protocol.slices:
        together = min(protocol.slices, tr // nest.slot - nest.ahead)
    else:
        nest, together = None, min(protocol.slices, tr // slot)
    concatenations = -(-protocol.slices // together)
    order = protocol.order()
    return Interleave(
        tr=tr,
        content=need,
        groups=tuple(tuple(i for i in order if i % concatenations == c) for c in range(concatenations)),
        raster=limits.raster,
        nest=nest,
    )


def _nest(preparation: Sequence[Block], need: int, limits: Limits) -> Nest | None:
    """Return the slots that a preparation's wait gives room for: as many as the work of one slice fits into."""
    if not preparation or any(event is not None for event in (*preparation[-1].gradients, preparation[-1].rf)):
        return None
    pause = preparation[-1].duration
    active = sum(block.duration for block in preparation[:-1])
    for ahead in range(pause // (need - pause), 0, -1):
        slot = pause // ahead // limits.raster * limits.raster
        over = pause - ahead * slot
        if need - pause + over <= slot:
            return Nest(slot=slot, ahead=ahead, lead=len(preparation) - 1, offset=active + over)
    return None

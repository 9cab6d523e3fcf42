"""Slices within a repetition: as many as fit take turns, evenly spread; the rest wait for another concatenation.

Each slice is excited once per repetition, so its tr is the repetition time whatever the number of slices. Where not
all fit, slice i goes to concatenation i modulo their number, so that neighbours are apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..gradients import Limits
from ..sequence import Block
from ..timing import MINIMUM, solve, starting, wait
from .slice2d import Slice2D


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

    def repetition(self, modules: Sequence[list[Block]], short: int = 0) -> list[Block]:
        """Return one repetition.

        Parameters
        ----------
        modules : sequence of lists of Block
            What is played for each slice of the group, in order.
        short : int
            By how much each module is shorter than `content`, ns.
        """
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
    protocol: Slice2D, wanted: float | str, content: Mapping[str, int], limits: Limits, remedy: str
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
    """
    tr, (rest,) = solve("tr", wanted, (content,), limits, remedy)
    need = tr - rest
    slot = limits.up(need)
    tr = slot * protocol.slices if wanted == MINIMUM else tr
    together = min(protocol.slices, tr // slot)
    concatenations = -(-protocol.slices // together)
    order = protocol.order()
    return Interleave(
        tr=tr,
        content=need,
        groups=tuple(tuple(i for i in order if i % concatenations == c) for c in range(concatenations)),
        raster=limits.raster,
    )

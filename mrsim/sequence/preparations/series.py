"""One protocol, several images: the same scan under each setting of its preparations, one after the other.

A list of inversion times, lock times or offsets, or a pair of label and control, gives as many series; the contrast
table of each image gets the module's nominal facts. `prepared_series` wraps the `build` of a family.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from itertools import product
from typing import Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ..scanner import Scanner
from ..sequence import Block, Sequence
from .preparation import Preparation


class Prepared(Protocol):
    """A family with preparations."""

    @property
    def preparation(self) -> tuple[Preparation, ...]:
        """The modules in their order."""
        ...

    def with_preparation(self, modules: tuple[Preparation, ...]) -> Self:
        """Return the protocol with other modules."""
        ...


P = TypeVar("P", bound=Prepared)


def prepared_series(build: Callable[[P, Scanner], Sequence]) -> Callable[[P, Scanner], Sequence]:
    """Return a `build` that plays the family once for every setting of its preparations."""

    @wraps(build)
    def series(protocol: P, scanner: Scanner) -> Sequence:
        if not protocol.preparation:
            return build(protocol, scanner)
        settings = list(product(*(module.settings() for module in protocol.preparation)))
        return one_after_the_other(
            [_told(build(protocol.with_preparation(modules), scanner), modules) for modules in settings]
        )

    return series


def _told(sequence: Sequence, modules: tuple[Preparation, ...]) -> Sequence:
    """Return the sequence with the modules' facts in its contrast table."""
    header = sequence.encoding
    table = dict(header.contrast)
    images = max(len(values) for values in table.values())
    for module in modules:
        for key, value in module.facts().items():
            if key in table:
                raise InputError(f"'{module.name}' states {key}, which {sequence.name} states already; use one of them")
            table[key] = np.full(images, value)
    return replace(sequence, encoding=replace(header, contrast=table))


def one_after_the_other(sequences: list[Sequence]) -> Sequence:
    """Return sequences of one family as one; the images of each follow those of the one before."""
    first = sequences[0]
    if len(sequences) == 1:
        return first
    blocks: list[Block] = []
    counted = 0
    for sequence in sequences:
        blocks += [_counted(block, counted) for block in sequence.blocks]
        counted += max(len(values) for values in sequence.encoding.contrast.values())
    contrast: dict[str, NDArray[np.float64]] = {
        key: np.concatenate([sequence.encoding.contrast[key] for sequence in sequences])
        for key in first.encoding.contrast
    }
    total = sum(sequence.duration for sequence in sequences)
    return replace(
        first,
        blocks=tuple(blocks),
        encoding=replace(first.encoding, contrast=contrast),
        definitions={**first.definitions, "scan_time": total},
    )


def _counted(block: Block, images: int) -> Block:
    """Return the block with its image counted on from those before."""
    if block.adc is None or not images:
        return block
    return replace(block, labels={**block.labels, "contrast": block.labels.get("contrast", 0) + images})

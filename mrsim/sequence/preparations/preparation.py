"""What a preparation is: blocks that change the magnetisation before an excitation, and nothing that is read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, ConfigDict, InstanceOf, TypeAdapter, ValidationError

from ...core.errors import did_you_mean
from ..gradients import Limits
from ..scanner import Scanner
from ..sequence import Block


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """Where a preparation is played."""

    scanner: Scanner
    limits: Limits
    """Of the grid's axes."""
    thickness: float
    """Width of the excited slice or slab, m."""
    position: float
    """Of the slice along z from the grid's origin, m."""
    lead: int
    """From the end of the last preparation to the centre of the excitation, ns."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Preparation(ABC):
    """The root of all preparation modules: frozen dataclasses whose fields a protocol file sets."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: ClassVar[str] = ""
    """How protocol files call the module (`kind`)."""

    @abstractmethod
    def blocks(self, stage: Stage) -> tuple[Block, ...]:
        """Return what is played; equally long for every position."""

    def settings(self) -> tuple[Self, ...]:
        """Return one module per image series: those with a list of times or offsets have one per entry."""
        return (self,)

    def facts(self) -> dict[str, float]:
        """Return the nominal facts that the contrast table gets for the images of one setting, SI."""
        return {}

    def each(self, key: str) -> tuple[Self, ...]:
        """Return one module per entry of a list."""
        return tuple(replace(self, **{key: (value,)}) for value in getattr(self, key))


def prepared(preparation: tuple[Preparation, ...], stage: Stage) -> tuple[Block, ...]:
    """Return the blocks of all modules, played one after the other.

    The lead of each module holds the modules behind it.
    """
    blocks: tuple[Block, ...] = ()
    lead = stage.lead
    for module in reversed(preparation):
        at = Stage(
            scanner=stage.scanner,
            limits=stage.limits,
            thickness=stage.thickness,
            position=stage.position,
            lead=lead,
        )
        played = _played(module, at)
        lead += sum(block.duration for block in played)
        blocks = (*played, *blocks)
    return blocks


@lru_cache(maxsize=64)
def _played(module: Preparation, stage: Stage) -> tuple[Block, ...]:
    """Return a module's blocks; repetitions share them, so that pulses are designed (and cut into steps) once."""
    return module.blocks(stage)


def _read(value: Any) -> Any:
    """Turn the tables of a protocol file, one per module with its `kind`, into modules."""
    tables = [value] if isinstance(value, Mapping) else value
    if not isinstance(tables, list | tuple):
        raise ValueError("needs a table with 'kind', or several: [[sequence.preparation]]")
    return tuple(_module(entry) if isinstance(entry, Mapping) else entry for entry in tables)


def _module(table: Mapping[str, Any]) -> Preparation:
    from . import PREPARATIONS

    known = {module.name: module for module in PREPARATIONS}
    kind = str(table.get("kind", ""))
    if kind not in known:
        raise ValueError(f"unknown kind '{kind}'{did_you_mean(kind, list(known))}; known: {', '.join(known) or 'none'}")
    entries = {key: value for key, value in table.items() if key != "kind"}
    try:
        return TypeAdapter(known[kind]).validate_python(entries)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{kind} {place}: {first['msg'].removeprefix('Value error, ')}") from None


Preparations = Annotated[tuple[InstanceOf[Preparation], ...], BeforeValidator(_read)]
"""Modules in the order in which they are played; a protocol file writes ``[[sequence.preparation]]`` with `kind`."""

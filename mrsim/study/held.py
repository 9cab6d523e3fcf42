"""A value beside its name, which alone tells it from others: what a process keeps of a costly step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Held(Generic[T]):
    """The argument of a cached function whose own type cannot be hashed."""

    name: str
    value: T = field(compare=False)


def held(value: T) -> Held[T]:
    """Return a value named by what it prints."""
    return Held(repr(value), value)

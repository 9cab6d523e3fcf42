"""A Pulseq file as tables: rows by identifier, nothing expanded yet."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from .shapes import Shape
from .text import Row

RF, GX, GY, GZ, ADC, EXT = range(1, 7)
"""Columns of `PulseqFile.blocks`; column 0 is the duration in rasters (1.4 on) or the delay's identifier."""

EXTENSIONS = ("TRIGGERS", "LABELSET", "LABELINC", "DELAYS", "ROTATIONS", "RF_SHIMS")
"""Extensions that are understood."""


@dataclass(slots=True, eq=False)
class PulseqFile:
    """The tables of one file."""

    path: str
    version: tuple[int, int, int] = (0, 0, 0)
    definitions: dict[str, str] = field(default_factory=dict)
    """As written."""
    definition_lines: dict[str, int] = field(default_factory=dict)
    """Line of each definition."""
    headers: dict[str, int] = field(default_factory=dict)
    """Line of each section's header."""
    blocks: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 7), dtype=np.int64))
    """(block, 7): duration or delay, rf, gx, gy, gz, adc, ext; identifiers, 0 for none."""
    lines: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """(block,) line of each block."""
    tables: dict[str, dict[int, Row]] = field(default_factory=dict)
    """By section name: rows by identifier."""
    shims: dict[int, tuple[int, list[float]]] = field(default_factory=dict)
    """RF shims by identifier: line, and magnitude and phase per channel."""
    shapes: dict[int, Shape] = field(default_factory=dict)
    extensions: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 4), dtype=np.int64))
    """(entry, 4): identifier, type, reference, next; by ascending identifier."""
    extension_lines: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """(entry,) line of each entry."""
    extension_names: dict[int, str] = field(default_factory=dict)
    """Name of each extension's type identifier."""
    notes: list[str] = field(default_factory=list)
    """What a user should know: defaults assumed, a signature that does not match."""

    def rows(self, name: str) -> dict[int, Row]:
        """Return a table by its section's name, empty if the file has none."""
        return self.tables.get(name, {})

    def error(self, section: str, problem: str, line: int | None = None) -> InputError:
        """Return an error that names file, section and line; without a line that of the section's header."""
        line = self.headers.get(section) if line is None else line
        return InputError(problem, key=section if " " in section else f"[{section}]", file=self.path, line=line)

    def definition_error(self, key: str, problem: str) -> InputError:
        """Return an error about a definition, with its line."""
        return self.error("DEFINITIONS", problem, self.definition_lines.get(key))

    def quantity(self, key: str, default: float) -> float:
        """Return a positive number of the definitions, or the default with a note."""
        if key not in self.definitions:
            self.notes.append(f"no {key} in [DEFINITIONS]: {default:g} s is assumed")
            return default
        text = self.definitions[key]
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        if not 1e-9 * (1 - 1e-9) <= value <= 1.0:
            raise self.definition_error(key, f"{key} is '{text}'; expected a time of 1 ns to 1 s in seconds")
        return value


@contextmanager
def many_objects() -> Iterator[None]:
    """Hold the search for circular garbage, which would walk the many objects of a long scan again and again."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()

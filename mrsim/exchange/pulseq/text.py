"""The text of a Pulseq file as sections, rows and numbers, each with its line for messages."""

from __future__ import annotations

import codecs
import math
import re
import warnings
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ...core.bounded import check_file
from ...core.errors import InputError, StorageError

_HEADER = re.compile(r"^[ \t]*(?:\[([^\]\n]*)\]|extension[ \t]+(\S+)[ \t]+(\S+))[ \t\r]*$", re.MULTILINE)
Number = TypeVar("Number", np.int64, np.float64)
LARGEST = 10**15
"""Numbers in a file stay below this, so that times in nanoseconds fit 64 bits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """What stands between two headers."""

    file: str
    name: str
    """``RF``, ``BLOCKS``, ... or ``extension LABELSET``, ..."""
    number: int
    """Identifier of an extension's type; 0 for plain sections."""
    line: int
    """Of the header, counted from 1."""
    text: str
    """From the header's end of line to the next header."""

    def error(self, problem: str, line: int | None = None) -> InputError:
        """Return an error that names file, line and section."""
        name = self.name if self.number else f"[{self.name}]"
        return InputError(problem, key=name, file=self.file, line=self.line if line is None else line)


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One line of a table."""

    line: int
    values: dict[str, float]
    """Numbers by column."""
    words: dict[str, str]
    """Texts by column."""

    def __getitem__(self, column: str) -> float:
        """Return the number in a column; 0 where this version has no such column."""
        return self.values.get(column, 0.0)

    def whole(self, column: str) -> int:
        """Return a column that holds a whole number."""
        return int(self[column])

    def nanoseconds(self, column: str) -> int:
        """Return a column in microseconds as whole nanoseconds."""
        return round(self[column] * 1000.0)


def read_content(path: Path) -> bytes:
    """Return a file as UTF-8 without byte-order mark and carriage returns, or say why it is no Pulseq text file."""
    check_file(path, text=True)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from None
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError("begins with the byte-order mark (BOM) of UTF-16; save it as UTF-8", file=path)
    if b"\0" in content:
        raise InputError("is binary; Pulseq's text format is expected, write it with seq.write()", file=path)
    return content.removeprefix(codecs.BOM_UTF8).replace(b"\r\n", b"\n")


def sections(text: str, file: str) -> list[Section]:
    """Return the sections of a file in its order."""
    found = list(_HEADER.finditer(text))
    if not found:
        raise InputError("has no section such as [VERSION]: it is empty or no Pulseq file", file=file)
    breaks = [match.start() for match in re.finditer("\n", text)]
    ends = [match.start() for match in found[1:]] + [len(text)]
    result = []
    for match, end in zip(found, ends, strict=True):
        line = bisect_right(breaks, match.start(1 if match[1] is not None else 2)) + 1
        number = 0
        if match[1] is None:
            number = _extension_number(match[3], file, line)
        name = match[1].strip() if match[1] is not None else f"extension {match[2]}"
        result.append(Section(file=file, name=name, number=number, line=line, text=text[match.end() : end]))
    return result


def _extension_number(word: str, file: str, line: int) -> int:
    if not (word.isascii() and word.isdigit() and 0 < int(word[:12]) < 10**9):
        raise InputError(f"'{word}' is no identifier of an extension; expected a positive number", file=file, line=line)
    return int(word)


def plain_lines(section: Section) -> list[tuple[int, str]]:
    """Return (line number, text) of the section's lines that hold something besides a comment."""
    lines = section.text.split("\n")
    result = []
    for offset, line in enumerate(lines):
        kept = line.partition("#")[0].strip()
        if kept:
            result.append((section.line + offset, kept))
    return result


def number(section: Section, word: str, line: int, column: str) -> float:
    """Return a finite number from a word."""
    try:
        value = float(word)
    except ValueError:
        raise section.error(f"'{word[:40]}' is not a number ({column})", line) from None
    if not math.isfinite(value) or abs(value) >= LARGEST:
        raise section.error(f"{word[:40]} is out of range ({column})", line)
    return value


def table(section: Section, columns: tuple[str, ...]) -> dict[int, Row]:
    """Return the rows of a table by identifier.

    Columns that end in ``:s`` are words, in ``:i`` whole numbers; the first column is the identifier.
    """
    rows: dict[int, Row] = {}
    for line, text in plain_lines(section):
        words = text.split()
        if len(words) != len(columns):
            named = " ".join(column.partition(":")[0] for column in columns)
            raise section.error(f"has {len(words)} columns, expected {len(columns)}: {named}", line)
        row = _row(section, line, words, columns)
        identifier = row.whole("id")
        if identifier in rows:
            raise section.error(f"event {identifier} is defined twice, first in line {rows[identifier].line}", line)
        rows[identifier] = row
    return rows


def _row(section: Section, line: int, words: list[str], columns: tuple[str, ...]) -> Row:
    values: dict[str, float] = {}
    texts: dict[str, str] = {}
    for word, column in zip(words, columns, strict=True):
        name, _, kind = column.partition(":")
        if kind == "s":
            texts[name] = word
            continue
        value = number(section, word, line, name)
        if kind == "i" and value != int(value):
            raise section.error(f"{word} is no whole number ({name})", line)
        if name == "id" and value < 1:
            raise section.error(f"{word} is no identifier; they count from 1", line)
        values[name] = value
    return Row(line=line, values=values, words=texts)


def integer_table(section: Section, widths: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return a table of whole numbers (row, column) and the line of each row; all rows have one of `widths`."""
    lines = plain_lines(section)
    at = np.array([line for line, _ in lines], dtype=np.int64)
    if not lines:
        return np.zeros((0, widths[0]), dtype=np.int64), at
    counts = [len(text.split()) for _, text in lines]
    width = counts[0]
    if width not in widths or counts.count(width) != len(counts):
        bad = next(i for i, count in enumerate(counts) if count not in widths or count != width)
        raise section.error(f"has {counts[bad]} columns, expected {' or '.join(map(str, widths))}", lines[bad][0])
    values: NDArray[np.int64] = numbers("\n".join(text for _, text in lines), np.int64)
    if len(values) != width * len(lines) or np.any(np.abs(values) >= LARGEST):
        return _slow_integers(section, lines, width), at
    return values.reshape(-1, width), at


def _slow_integers(section: Section, lines: list[tuple[int, str]], width: int) -> NDArray[np.int64]:
    """Return the table word by word, or say which word is no whole number."""
    values = np.zeros((len(lines), width), dtype=np.int64)
    for i, (line, text) in enumerate(lines):
        for j, word in enumerate(text.split()):
            value = number(section, word, line, f"column {j + 1}")
            if value != int(value):
                raise section.error(f"{word} is no whole number (column {j + 1})", line)
            values[i, j] = int(value)
    return values


def numbers(text: str, dtype: type[Number]) -> NDArray[Number]:
    """Return the numbers of a text separated by white space; fewer than it has words if one is no number."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            found: NDArray[Number] = np.fromstring(text, dtype=dtype, sep=" ")
        except ValueError:
            return np.zeros(0, dtype=dtype)
        return found

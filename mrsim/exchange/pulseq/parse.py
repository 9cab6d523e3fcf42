"""From a file's sections to tables: the columns of every version, and every reference checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError, did_you_mean
from .references import check_references, check_signature
from .shapes import MOST_SAMPLES, Shape
from .tables import EXTENSIONS, PulseqFile
from .text import Section, integer_table, number, numbers, plain_lines, read_content, sections, table

NEWEST = (1, 5)
OLDEST = (1, 2)

_RF = {
    2: "id:i amplitude magnitude:i phase_shape:i delay frequency phase",
    4: "id:i amplitude magnitude:i phase_shape:i time:i delay frequency phase",
    5: "id:i amplitude magnitude:i phase_shape:i time:i centre delay frequency_ppm phase_ppm frequency phase use:s",
}
_GRADIENTS = {
    2: "id:i amplitude shape:i delay",
    4: "id:i amplitude shape:i time:i delay",
    5: "id:i amplitude first last shape:i time:i delay",
}
_ADC = {
    2: "id:i samples:i dwell delay frequency phase",
    5: "id:i samples:i dwell delay frequency_ppm phase_ppm frequency phase phase_shape:i",
}
_TABLES: dict[str, dict[int, str]] = {
    "RF": _RF,
    "GRADIENTS": _GRADIENTS,
    "TRAP": {2: "id:i amplitude rise flat fall delay"},
    "ADC": _ADC,
    "DELAYS": {2: "id:i delay"},
    "extension TRIGGERS": {2: "id:i kind:i channel:i delay duration"},
    "extension LABELSET": {2: "id:i value:i label:s"},
    "extension LABELINC": {2: "id:i value:i label:s"},
    "extension DELAYS": {2: "id:i number:i offset factor hint:s"},
    "extension ROTATIONS": {2: "id:i q0 qx qy qz"},
}
"""Columns of each table from a minor version on."""
_OTHER = ("VERSION", "DEFINITIONS", "BLOCKS", "EXTENSIONS", "SHAPES", "SIGNATURE", "extension RF_SHIMS")


def read_tables(path: Path | str) -> PulseqFile:
    """Return the tables of a Pulseq text file, versions 1.2 to 1.5."""
    content = read_content(Path(path))
    file = PulseqFile(path=str(path))
    for section in sections(content.decode("utf-8", errors="replace"), file.path):
        if section.name in file.headers:
            raise section.error(f"occurs twice, first in line {file.headers[section.name]}")
        file.headers[section.name] = section.line
        _read_section(file, section)
    if file.version == (0, 0, 0):
        raise InputError("has no [VERSION] section; it is no complete Pulseq file", file=file.path)
    if not len(file.blocks):
        raise InputError("has no [BLOCKS] section or no block in it: nothing to play", file=file.path)
    check_signature(file, content)
    check_references(file)
    return file


def _read_section(file: PulseqFile, section: Section) -> None:
    name = section.name
    known = (*_OTHER, *_TABLES)
    if name not in known and not name.startswith("extension "):
        raise section.error(f"unknown section{did_you_mean(name, known)}")
    if name in ("DEFINITIONS", "SIGNATURE"):
        _definitions(file, section)
    elif name == "VERSION":
        file.version = _version(section)
    elif file.version == (0, 0, 0):
        raise section.error("stands before [VERSION], which says how to read it")
    elif name == "BLOCKS":
        file.blocks, file.lines = _blocks(section, file.version)
    elif name == "EXTENSIONS":
        file.extensions, file.extension_lines = _extensions(section)
    elif name == "SHAPES":
        file.shapes = _shapes(section, file.version)
    else:
        _events(file, section)


def _events(file: PulseqFile, section: Section) -> None:
    """Read a table of events or of an extension."""
    name = section.name
    if name.startswith("extension "):
        kind = name.removeprefix("extension ")
        if file.extension_names.get(section.number, kind) != kind:
            raise section.error(f"type {section.number} is already {file.extension_names[section.number]}")
        file.extension_names[section.number] = kind
        if kind not in EXTENSIONS:
            file.notes.append(f"extension {kind} in line {section.line} is not understood and is left out")
            return
        if kind == "RF_SHIMS":
            file.shims |= _shims(section)
            return
    if name == "DELAYS" and file.version >= (1, 4, 0):
        raise section.error("has no place in versions from 1.4 on; blocks carry their duration")
    layouts = _TABLES[name]
    layout = layouts[max(minor for minor in layouts if minor <= max(file.version[1], 2))]
    file.tables[name] = table(section, tuple(layout.split()))


def _definitions(file: PulseqFile, section: Section) -> None:
    prefix = "" if section.name == "DEFINITIONS" else "SIGNATURE."
    for line, text in plain_lines(section):
        key, _, value = text.partition(" ")
        file.definitions[prefix + key] = value.strip()
        file.definition_lines[prefix + key] = line


def _version(section: Section) -> tuple[int, int, int]:
    found = {"major": -1, "minor": -1, "revision": 0}
    for line, text in plain_lines(section):
        key, _, value = text.partition(" ")
        digits = value.strip()[:1] if key == "revision" else value.strip()  # 0post1 is a revision, too
        if key not in found or not (digits.isascii() and digits.isdigit() and len(digits) < 6):
            raise section.error(f"'{text[:40]}' is not understood; expected major, minor and revision", line)
        found[key] = int(digits)
    version = (found["major"], found["minor"], found["revision"])
    if not OLDEST <= version[:2] <= NEWEST:
        asked = ".".join(map(str, version))
        raise section.error(f"is {asked}; versions {OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]} can be read")
    return version


def _blocks(section: Section, version: tuple[int, int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    values, lines = integer_table(section, (8,) if version >= (1, 4, 0) else (8, 7))
    if values.shape[1] == 7:
        values = np.concatenate([values, np.zeros((len(values), 1), dtype=np.int64)], axis=1)
    bad = np.flatnonzero((values < 0).any(axis=1))
    if len(bad):
        raise section.error("holds a negative number", int(lines[bad[0]]))
    order = np.flatnonzero(np.diff(values[:, 0]) <= 0)
    if len(order):
        raise section.error("block numbers must ascend: they say in which order blocks play", int(lines[order[0] + 1]))
    return np.ascontiguousarray(values[:, 1:]), lines


def _extensions(section: Section) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    values, lines = integer_table(section, (4,))
    order = np.argsort(values[:, 0], kind="stable")
    twice = np.flatnonzero(np.diff(values[order, 0]) == 0)
    if len(twice):
        row = order[twice[0] + 1]
        raise section.error(f"entry {values[row, 0]} is defined twice", int(lines[row]))
    if len(values) and values.min() < 0:
        raise section.error("holds a negative number", int(lines[np.argmin(values.min(axis=1))]))
    return values[order], lines[order]


def _shims(section: Section) -> dict[int, tuple[int, list[float]]]:
    result: dict[int, tuple[int, list[float]]] = {}
    for line, text in plain_lines(section):
        words = text.split()
        values = [number(section, word, line, f"column {i + 1}") for i, word in enumerate(words)]
        if len(values) < 4 or len(values) != 2 + 2 * values[1] or values[0] != int(values[0]):
            raise section.error("expected: id channels, then magnitude and phase per channel", line)
        result[int(values[0])] = (line, values[2:])
    return result


def _shapes(section: Section, version: tuple[int, int, int]) -> dict[int, Shape]:
    lines = plain_lines(section)
    heads = [i for i, (_, text) in enumerate(lines) if text[0] in "sS"]
    if not lines:
        return {}
    if not heads or heads[0] != 0:
        raise section.error(f"expected 'shape_id', found '{lines[0][1][:40]}'", lines[0][0])
    shapes: dict[int, Shape] = {}
    for first, last in zip(heads, [*heads[1:], len(lines)], strict=True):
        identifier, shape = _shape(section, lines[first:last], version)
        if identifier in shapes:
            raise section.error(f"shape {identifier} is defined twice", lines[first][0])
        shapes[identifier] = shape
    return shapes


def _shape(section: Section, lines: list[tuple[int, str]], version: tuple[int, int, int]) -> tuple[int, Shape]:
    at = lines[0][0]
    head = lines[0][1].split()
    count = lines[1][1].split() if len(lines) > 1 else []
    if len(head) != 2 or head[0] != "shape_id" or len(count) != 2 or count[0].lower() != "num_samples":
        raise section.error("expected 'shape_id N', then 'num_samples M', then numbers", at)
    identifier = number(section, head[1], at, "shape_id")
    samples = number(section, count[1], lines[1][0], "num_samples")
    if identifier != int(identifier) or identifier < 1:
        raise section.error(f"shape {head[1]} is no identifier; they count from 1", at)
    if samples != int(samples) or not 1 <= samples <= MOST_SAMPLES:
        raise section.error(f"num_samples {count[1]} is not a whole number of 1 to {MOST_SAMPLES:,}", lines[1][0])
    stored = numbers("\n".join(text for _, text in lines[2:]), np.float64)
    if len(stored) != len(lines) - 2 or not np.all(np.isfinite(stored)):
        for line, word in lines[2:]:
            number(section, word, line, f"shape {int(identifier)}")
        raise section.error(f"shape {int(identifier)} has a line with several numbers", at)
    if len(stored) > 1.5 * samples or not len(stored):
        raise section.error(f"shape {int(identifier)} stores {len(stored)} numbers for {int(samples)} samples", at)
    plain = version >= (1, 4, 0) and len(stored) == samples
    return int(identifier), Shape(line=at, samples=int(samples), stored=stored.astype(np.float64), plain=plain)

"""Extension lists resolved per block: labels as running counters, rotations, shims, triggers, soft delays."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .tables import EXT, PulseqFile

NAMES = {"LIN": "line", "PAR": "partition", "SLC": "slice", "ECO": "contrast", "REP": "repetition", "SET": "set",
         "AVG": "average", "SEG": "segment", "PHS": "phase", "REV": "reverse", "NAV": "navigator",
         "REF": "reference", "IMA": "imaging", "NOISE": "noise", "SMS": "band", "ACQ": "acquisition",
         "TRID": "trid", "ONCE": "once", "PMC": "motion_corrected", "NOROT": "no_rotation", "NOPOS": "no_position",
         "NOSCL": "no_scaling"}  # fmt: skip
"""What Pulseq's labels are called here; other labels keep their name in lower case."""
MARKS = ("TRID", "ONCE", "PMC", "NOROT", "NOPOS", "NOSCL")
"""Labels that speak to the interpreter and say nothing about a readout."""


@dataclass(slots=True, eq=False)
class BlockExtensions:
    """What the extensions say, by block."""

    labels: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    """By Pulseq's name: (block,) value after the block's own changes."""
    set_in: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    """By Pulseq's name: the blocks that change the label."""
    other: dict[str, dict[int, list[int]]] = field(default_factory=dict)
    """By extension: the references of each block that has one, in the order of the list."""


def block_extensions(file: PulseqFile) -> BlockExtensions:
    """Follow the extension list of every block; a list that runs in a circle is an error."""
    block, kind, reference = _followed(file)
    result = BlockExtensions()
    names = file.extension_names
    for number in np.unique(kind).tolist():
        name = names[number]
        mine = kind == number
        if name in ("LABELSET", "LABELINC"):
            continue
        table: dict[int, list[int]] = {}
        for at, ref in zip(block[mine].tolist(), reference[mine].tolist(), strict=True):
            table.setdefault(at, []).append(ref)
        result.other[name] = table
    changes = {name: _changes(file, name, block, kind, reference) for name in ("LABELSET", "LABELINC")}
    for label in sorted({*changes["LABELSET"], *changes["LABELINC"]}):
        sets, incs = (changes[name].get(label, (_NONE, _NONE)) for name in ("LABELSET", "LABELINC"))
        result.labels[label] = _running(len(file.blocks), sets, incs)
        result.set_in[label] = np.union1d(sets[0], incs[0])
    return result


_NONE = np.zeros(0, dtype=np.int64)


def _followed(file: PulseqFile) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return block, type and reference of every entry of every block's list, all blocks one step at a time."""
    identifiers, types, references, following = file.extensions.T
    at = np.flatnonzero(file.blocks[:, EXT])
    entry = file.blocks[at, EXT]
    found: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]] = []
    steps = 0
    while len(at):
        row = np.searchsorted(identifiers, entry)
        line = int(file.extension_lines[row[0]])
        found.append((at, types[row], references[row]))
        entry = following[row]
        at, entry = at[entry > 0], entry[entry > 0]
        steps += 1
        if steps > min(len(identifiers), 1000):
            problem = f"the list of block {at[0] + 1 if len(at) else 0} is endless or longer than 1000 entries"
            raise file.error("EXTENSIONS", problem, line)
    if not found:
        return _NONE, _NONE, _NONE
    return (
        np.concatenate([f[0] for f in found]),
        np.concatenate([f[1] for f in found]),
        np.concatenate([f[2] for f in found]),
    )


def _changes(
    file: PulseqFile, name: str, block: NDArray[np.int64], kind: NDArray[np.int64], reference: NDArray[np.int64]
) -> dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return per label the blocks that change it and by how much, in block order."""
    rows = file.rows(f"extension {name}")
    numbers = [number for number, what in file.extension_names.items() if what == name]
    mine = np.isin(kind, np.array(numbers, dtype=np.int64))
    blocks, refs = block[mine], reference[mine]
    known = np.array(sorted(rows), dtype=np.int64)
    values = np.array([rows[i].whole("value") for i in known.tolist()], dtype=np.int64)
    words = [rows[i].words["label"] for i in known.tolist()]
    where = np.searchsorted(known, refs)
    result = {}
    for label in sorted(set(words)):
        of_label = np.array([word == label for word in words])
        chosen = of_label[where] if len(where) else np.zeros(0, dtype=bool)
        order = np.argsort(blocks[chosen], kind="stable")
        result[label] = (blocks[chosen][order], values[where[chosen]][order])
    return result


def _running(
    blocks: int, sets: tuple[NDArray[np.int64], NDArray[np.int64]], incs: tuple[NDArray[np.int64], NDArray[np.int64]]
) -> NDArray[np.int64]:
    """Return the (block,) value of a counter; a block's SET comes before its INC, and both before its ADC."""
    gain = np.zeros(blocks, dtype=np.int64)
    np.add.at(gain, incs[0], incs[1])
    total = np.cumsum(gain)
    if not len(sets[0]):
        return total
    last = np.searchsorted(sets[0], np.arange(blocks), side="right") - 1
    at = sets[0][np.maximum(last, 0)]
    since_set = sets[1][np.maximum(last, 0)] + total - (total[at] - gain[at])
    return np.where(last >= 0, since_set, total)

"""A `Sequence` as a Pulseq text file, version 1.4.1, 1.5.0 or 1.5.1.

Blocks are written one to one, equal events once. Gradients become trapezoids, shapes at raster centres or shapes with
their own times; pulses are written on the RF raster. Gradients are those of the grid's axes, so that the scanner turns
them as its console says; where the grid lies is written into the definitions and read back from there. Up to 1.5.0 a
block's rotation is worked into its gradients; 1.5.1 has an extension for it. Version 1.4.1 has no place for the use
and the centre of a pulse, for the edges of sampled gradients and for soft delays.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...sequence.events import Adc, Gradient, RfPulse, SoftDelay, Trigger
from ...sequence.played import turned
from ...sequence.scanner import Scanner, to_ns
from ...sequence.sequence import Block, Sequence
from .extensions import NAMES
from .shapes import QUANTUM, compressed
from .waveforms import extrapolates, quaternion, sampled, trapezoid

VERSIONS = ("1.4.1", "1.5.0", "1.5.1")
LABELS = {name: label for label, name in NAMES.items()}
"""Pulseq's names of our labels."""
SPARE = ("SEG", "PHS", "ACQ", "SET", "REP", "SMS")
"""Counters that labels without a name in Pulseq may take; the definitions say which is which."""
PURPOSES = {"noise": "noise", "navigator": "navigator", "calibration": "reference"}
"""The label that says what a window is for, by its purpose; imaging windows and all others have none."""
LETTERS = {"excitation": "e", "refocusing": "r", "inversion": "i", "saturation": "s", "preparation": "p",
           "storage": "p", "recall": "p"}  # fmt: skip


def pulseq_text(sequence: Sequence, version: str = "1.5.0") -> str:
    """Return the text of a Pulseq file.

    Parameters
    ----------
    sequence : Sequence
    version : str
        One of `VERSIONS`.
    """
    if version not in VERSIONS:
        raise InputError(f"'{version}' cannot be written; choose {', '.join(VERSIONS)}", key="version")
    writer = _Writer(sequence.scanner, version)
    names = label_names(sequence)
    rows = [writer.block(block) for block in _with_changes(sequence, names)]
    parts = [
        "# Pulseq sequence file\n# Created by mrsim\n",
        _section(
            "VERSION",
            [f"{word} {n}" for word, n in zip(("major", "minor", "revision"), version.split("."), strict=True)],
        ),
        _section("DEFINITIONS", _definitions(sequence, names)),
        _section("BLOCKS", [f"{i} {row}" for i, row in enumerate(rows, 1)], "# NUM DUR RF GX GY GZ ADC EXT"),
        *writer.sections(),
    ]
    text = "\n".join(parts)
    digest = hashlib.md5(text.encode("utf-8"), usedforsecurity=False).hexdigest()
    return (
        f"{text}\n[SIGNATURE]\n# md5 of all that stands above, without the last end of line\nType md5\nHash {digest}\n"
    )


def _section(name: str, lines: list[str], comment: str = "") -> str:
    head = f"{comment}\n" if comment else ""
    return f"{head}[{name}]\n" + "".join(f"{line}\n" for line in lines)


def _definitions(sequence: Sequence, names: dict[str, str]) -> list[str]:
    scanner, grid = sequence.scanner, sequence.encoding.grid
    nz, ny, nx = grid.shape
    dx, dy, dz = grid.spacing
    known = {
        "AdcRasterTime": f"{scanner.adc_raster:.9g}",
        "BlockDurationRaster": f"{scanner.block_raster:.9g}",
        "FOV": f"{nx * dx:.9g} {ny * dy:.9g} {(nz - 1) * dz + grid.thickness:.9g}",
        "GradientRasterTime": f"{scanner.gradient_raster:.9g}",
        "GridAxes": " ".join(f"{value:.15g}" for value in grid.axes.ravel()),
        "GridEncoding": f"{sequence.encoding.k_from} {sequence.encoding.kind}",
        "GridMatrix": f"{nx} {ny} {nz}",
        "GridCentre": " ".join(f"{value:.12g}" for value in grid.centre),
        **{f"Label{label}": name for name, label in names.items() if LABELS.get(name) != label},
        "Name": sequence.name,
        "RadiofrequencyRasterTime": f"{scanner.rf_raster:.9g}",
        "SliceThickness": f"{grid.thickness:.9g}",
        "TotalDuration": f"{sequence.duration:.9g}",
    }
    return [f"{key} {value}" for key, value in known.items()]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Played:
    """A block with what its extensions have to say."""

    block: Block
    changes: tuple[tuple[str, int], ...]
    """Labels set by the block, Pulseq's names."""


def label_names(sequence: Sequence) -> dict[str, str]:
    """Return Pulseq's name of every label that is ever set; names unknown to Pulseq take a counter that is free."""
    names = {name for block in sequence.blocks for name, value in block.labels.items() if value}
    names |= {PURPOSES[b.adc.purpose] for b in sequence.blocks if b.adc is not None and b.adc.purpose in PURPOSES}
    known = {name: LABELS[name] for name in sorted(names) if name in LABELS}
    free = [label for label in SPARE if label not in known.values()]
    others = sorted(names - {*known})
    if len(others) > len(free):
        problem = f"{len(others)} labels have no name in Pulseq ({', '.join(others)}); {len(free)} counters are free"
        raise InputError(problem, key="labels")
    return known | dict(zip(others, free, strict=False))


def _with_changes(sequence: Sequence, names: dict[str, str]) -> list[_Played]:
    """Return the blocks with the labels that change at each readout, and TRID at each repetition."""
    state = dict.fromkeys(names, 0)
    result = []
    for block in sequence.blocks:
        changes = [("TRID", 1)] if block.starts_tr else []
        if block.adc is not None:
            mark = PURPOSES.get(block.adc.purpose)
            for name in state:
                value = 1 if name == mark else block.labels.get(name, 0)
                if value != state[name]:
                    changes.append((names[name], value))
                    state[name] = value
        result.append(_Played(block=block, changes=tuple(changes)))
    return result


@dataclass(slots=True, eq=False)
class _Table:
    """Rows in the order in which they were first wanted; equal rows once."""

    rows: dict[str, int] = field(default_factory=dict)

    def add(self, row: str) -> int:
        """Return the identifier of a row."""
        return self.rows.setdefault(row, len(self.rows) + 1)

    def lines(self) -> list[str]:
        """Return the rows with their identifiers."""
        return [f"{identifier} {row}" for row, identifier in self.rows.items()]


class _Writer:
    """Tables that grow while blocks are written."""

    def __init__(self, scanner: Scanner, version: str) -> None:
        self.scanner, self.version = scanner, version
        self.minor = int(version.split(".")[1])
        self.gradient_raster, self.rf_raster = to_ns(scanner.gradient_raster), to_ns(scanner.rf_raster)
        self.block_raster = to_ns(scanner.block_raster)
        names = ("rf", "adc", "extensions", "TRIGGERS", "LABELSET", "DELAYS", "ROTATIONS")
        self.tables = {name: _Table() for name in names}
        self.gradients: dict[str, int] = {}
        self.trapezoids: dict[str, int] = {}
        self.shapes: dict[bytes, int] = {}
        self.texts: list[str] = []
        self.known: dict[tuple[object, ...], int] = {}
        self.kept: list[object] = []

    def block(self, played: _Played) -> str:
        """Return a block's row: duration and identifiers."""
        block = played.block
        if block.duration % self.block_raster:
            problem = f"block '{block.name}' of {block.duration / 1e3:g} us is not on the block raster"
            raise InputError(f"{problem} of {self.block_raster / 1e3:g} us; see Sequence.check()")
        keeps = block.rotation is not None and self.version == "1.5.1"
        waves = block.gradients if keeps else turned(block)
        cells = [block.duration // self.block_raster, self._pulse(block.rf)]
        cells += [self._gradient(wave) for wave in waves]
        cells += [self._window(block.adc), self._extensions(played, keeps)]
        return " ".join(map(str, cells))

    def shape(self, samples: NDArray[np.float64]) -> int:
        """Return the identifier of a shape, written compressed where that is shorter."""
        stored = compressed(samples)
        text = "".join(f"{value:.9g}\n" for value in stored.tolist())
        key = f"{len(samples)}\n{text}".encode()
        if key not in self.shapes:
            self.shapes[key] = len(self.shapes) + 1
            self.texts.append(f"shape_id {len(self.shapes)}\nnum_samples {len(samples)}\n{text}")
        return self.shapes[key]

    def _pulse(self, pulse: RfPulse | None) -> int:
        if pulse is None:
            return 0
        if pulse.dwell % self.rf_raster:
            problem = f"a pulse's dwell of {pulse.dwell} ns is not on the RF raster of {self.rf_raster} ns"
            raise InputError(f"{problem}; see Sequence.check()")
        key = ("signal", id(pulse.signal), pulse.dwell)
        if key not in self.known:
            self.kept.append(pulse.signal)
            signal = np.repeat(np.conj(pulse.signal), pulse.dwell // self.rf_raster)
            magnitude = np.abs(signal)
            largest = float(magnitude.max()) or 1.0
            played = magnitude > 0.5 * QUANTUM * largest
            turns = np.where(
                played, np.rint(np.angle(signal) / (2 * np.pi) / QUANTUM) % round(1 / QUANTUM) * QUANTUM, 0.0
            )
            self.known[key] = len(self.kept)
            self.known[("shapes", len(self.kept))] = self.shape(np.where(played, magnitude / largest, 0.0))
            self.known[("turns", len(self.kept))] = self.shape(turns)
        at = self.known[key]
        amplitude = float(np.abs(pulse.signal).max()) * abs(self.scanner.gamma_bar)
        shapes = f"{amplitude:.9g} {self.known['shapes', at]} {self.known['turns', at]} 0"
        offsets = f"{pulse.frequency:.9g} {pulse.phase + 0.0:.9g}"
        delay = f"{pulse.delay / 1e3:.10g}"
        if self.minor < 5:
            return self.tables["rf"].add(f"{shapes} {delay} {offsets}")
        letter = LETTERS.get(pulse.use, "u")
        return self.tables["rf"].add(f"{shapes} {pulse.centre / 1e3:.10g} {delay} 0 0 {offsets} {letter}")

    def _window(self, adc: Adc | None) -> int:
        if adc is None:
            return 0
        start, offsets = f"{adc.samples} {adc.dwell} {adc.delay / 1e3:.10g}", f"{adc.frequency:.9g} {adc.phase:.9g}"
        return self.tables["adc"].add(f"{start} {offsets}" if self.minor < 5 else f"{start} 0 0 {offsets} 0")

    def _gradient(self, gradient: Gradient | None) -> int:
        if gradient is None or not np.any(gradient.amplitudes):
            return 0
        key = ("gradient", id(gradient))
        if key not in self.known:
            self.kept.append(gradient)
            table, row = self._gradient_row(gradient)
            self.known[key] = table.setdefault(row, len(self.gradients) + len(self.trapezoids) + 1)
        return self.known[key]

    def _gradient_row(self, gradient: Gradient) -> tuple[dict[str, int], str]:
        times, values = gradient.times, gradient.amplitudes * self.scanner.gamma_bar
        lobe = trapezoid(times, values)
        if lobe is not None:
            amplitude, *lengths = lobe
            return self.trapezoids, f"{amplitude:.9g} " + " ".join(f"{length / 1e3:.10g}" for length in lengths)
        begin = int(times[0])
        rasters = (times - begin) / self.gradient_raster
        regular = sampled(rasters, values) if self.minor >= 5 or extrapolates(values) else None
        inner, timing = (values, self.shape(rasters)) if regular is None else (values[1:-1], regular)
        largest = float(np.abs(inner).max())
        largest *= float(np.sign(inner[np.flatnonzero(inner)[0]]))
        ends = f"{values[0]:.9g} {values[-1]:.9g} " if self.minor >= 5 else ""
        return self.gradients, f"{largest:.9g} {ends}{self.shape(inner / largest)} {timing} {begin / 1e3:.10g}"

    def _extensions(self, played: _Played, rotates: bool) -> int:
        """Return the first entry of the block's list; equal tails are shared."""
        block = played.block
        entries = [("LABELSET", self.tables["LABELSET"].add(f"{value} {label}")) for label, value in played.changes]
        if block.trigger is not None:
            entries.append(("TRIGGERS", self.tables["TRIGGERS"].add(_trigger(block.trigger))))
        if block.soft_delay is not None and self.minor >= 5:
            entries.append(("DELAYS", self.tables["DELAYS"].add(_soft_delay(block.soft_delay))))
        if block.rotation is not None and rotates:
            words = " ".join(f"{value:.12g}" for value in np.round(quaternion(block.rotation), 12) + 0.0)
            entries.append(("ROTATIONS", self.tables["ROTATIONS"].add(words)))
        following = 0
        for name, reference in reversed(entries):
            following = self.tables["extensions"].add(f"{_TYPES[name]} {reference} {following}")
        return following

    def sections(self) -> list[str]:
        """Return the text of all tables."""
        rows = {name: table.lines() for name, table in self.tables.items()}
        wanted = [
            ("RF", rows["rf"], _RF_COMMENT if self.minor >= 5 else _RF_COMMENT_4),
            ("GRADIENTS", [f"{i} {row}" for row, i in self.gradients.items()],
             "# id amplitude(Hz/m) first last shape time delay(us)" if self.minor >= 5
             else "# id amplitude(Hz/m) shape time delay(us)"),
            ("TRAP", [f"{i} {row}" for row, i in self.trapezoids.items()],
             "# id amplitude(Hz/m) rise flat fall delay (us)"),
            ("ADC", rows["adc"], "# id samples dwell(ns) delay(us) frequencyPPM phasePPM frequency phase phase_id"
             if self.minor >= 5 else "# id samples dwell(ns) delay(us) frequency phase"),
            ("EXTENSIONS", rows["extensions"], "# id type ref next"),
        ]  # fmt: skip
        parts = [_section(name, lines, comment) for name, lines, comment in wanted if lines]
        for name, number in _TYPES.items():
            if rows[name]:
                parts.append(f"extension {name} {number}\n" + "".join(f"{line}\n" for line in rows[name]))
        if self.texts:
            parts.append("[SHAPES]\n\n" + "\n".join(self.texts))
        return parts


_TYPES = {"LABELSET": 1, "TRIGGERS": 2, "DELAYS": 3, "ROTATIONS": 4}
_RF_COMMENT = "# id amplitude(Hz) mag_id phase_id time_id centre delay(us) frequencyPPM phasePPM frequency phase use"
_RF_COMMENT_4 = "# id amplitude(Hz) mag_id phase_id time_id delay(us) frequency phase"


def _trigger(trigger: Trigger) -> str:
    kind = {"output": 1, "input": 2}[trigger.kind]
    return f"{kind} {trigger.channel} {trigger.delay / 1e3:.10g} {trigger.duration / 1e3:.10g}"


def _soft_delay(delay: SoftDelay) -> str:
    return f"{delay.number} {delay.offset / 1e3:.10g} {delay.factor:.9g} {delay.hint}"

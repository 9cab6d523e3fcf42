"""From a Pulseq file's tables to a `Sequence`: blocks that share their events, and the encoding that they play."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...sequence.events import Adc, Gradient, RfPulse, SoftDelay, Trigger
from ...sequence.scanner import Scanner, to_ns
from ...sequence.sequence import Block, Sequence
from .encoding import recognised
from .events import USES, Events, rotation_matrix
from .extensions import MARKS, NAMES, BlockExtensions, block_extensions
from .parse import read_tables
from .placement import Placement
from .references import check_duration
from .tables import ADC, EXT, GX, GZ, RF, PulseqFile, many_objects

RASTERS = {"gradient_raster": ("GradientRasterTime", 10e-6), "rf_raster": ("RadiofrequencyRasterTime", 1e-6),
           "adc_raster": ("AdcRasterTime", 100e-9), "block_raster": ("BlockDurationRaster", 10e-6)}  # fmt: skip
"""The scanner's rasters: their definitions in a file, and what is assumed without, s."""
MOST_SAMPLES = 1 << 24
"""Samples of one ADC window."""
LONGEST = 10**9 * 86_400 * 7
"""Longest scan, ns: a week."""


def read_pulseq(path: Path | str, scanner: Scanner, placement: Placement | None = None) -> Sequence:
    """Return the sequence of a Pulseq text file, versions 1.2 to 1.5.

    Parameters
    ----------
    path : path
        The file.
    scanner : Scanner
        Field, nucleus and limits; its rasters are replaced by the file's.
    placement : Placement, optional
        Where the field of view lies in the world; axial at the origin by default.

    Returns
    -------
    Sequence
        ``definitions`` carry the file's own and ``notes``: what was assumed, one sentence each.
    """
    with many_objects():
        file = read_tables(path)
        reader = _Reader(file, scanner)
        blocks = reader.blocks()
        return recognised(file, reader.scanner, blocks, reader.labels, placement or Placement())


@dataclass(slots=True, eq=False)
class _Reader:
    """The file, what its extensions say, and the events made so far."""

    file: PulseqFile
    scanner: Scanner
    raster: int = 0
    """Block raster, ns."""
    extensions: BlockExtensions = field(init=False)
    events: Events = field(init=False)
    labels: dict[str, NDArray[np.int64]] = field(init=False)
    """By our name: (block,)."""

    def __post_init__(self) -> None:
        """Take the rasters from the file and follow the extension lists."""
        file = self.file
        if file.version >= (1, 4, 0) and "BlockDurationRaster" not in file.definitions:
            raise file.error("DEFINITIONS", "BlockDurationRaster is missing; without it no block has a duration")
        rasters: dict[str, Any] = {name: file.quantity(key, default) for name, (key, default) in RASTERS.items()}
        try:
            self.scanner = replace(self.scanner, **rasters)
        except InputError as error:
            key = RASTERS[error.key][0] if error.key in RASTERS else ""
            raise file.definition_error(key, f"{error.key}: {error.problem}") from None
        self.raster = to_ns(self.scanner.block_raster)
        self.extensions = block_extensions(file)
        self.events = Events(file, self.scanner, to_ns(self.scanner.rf_raster), to_ns(self.scanner.gradient_raster))
        names = {
            label: file.definitions.get(f"Label{label}", NAMES.get(label, label.lower()))
            for label in self.extensions.labels
            if label not in MARKS
        }
        self.labels = {names[label]: self.extensions.labels[label] for label in names}

    def blocks(self) -> list[Block]:
        """Return the blocks, without labels."""
        duration = self._durations()
        check_duration(file=self.file, played=float(np.sum(duration)) * 1e-9, raster=self.raster * 1e-9)
        uses = self._uses()
        pulses, windows = self._pulses(uses), self._windows()
        gradients = self._gradients(duration)
        begins = self._begins()
        other = self.extensions.other
        turns, triggers, delays = (other.get(name, {}) for name in ("ROTATIONS", "TRIGGERS", "DELAYS"))
        rotations = {refs[0]: rotation_matrix(self.file, refs[0]) for refs in turns.values()}
        result = []
        for i, length in enumerate(duration.tolist()):
            gx, gy, gz = gradients[0][i], gradients[1][i], gradients[2][i]
            result.append(
                Block(
                    duration=length, rf=pulses[i], gx=gx, gy=gy, gz=gz, adc=windows[i], starts_tr=begins[i],
                    rotation=rotations[turns[i][0]] if i in turns else None,
                    trigger=self._trigger(triggers[i][0]) if i in triggers else None,
                    soft_delay=self._soft_delay(delays[i][0]) if i in delays else None,
                )
            )  # fmt: skip
        return result

    def _begins(self) -> list[bool]:
        """Return whether each block starts a repetition: where TRID is set, else every excitation."""
        begins = np.zeros(len(self.file.blocks), dtype=bool)
        marked = self.extensions.set_in.get("TRID")
        if marked is not None and len(marked):
            begins[marked] = True
        else:
            begins[self._excitations] = True
        flags: list[bool] = begins.tolist()
        return flags

    _excitations: list[int] = field(default_factory=list)

    def _uses(self) -> dict[int, str]:
        """Return what each block's pulse is for; where the file does not say, by flip angle and what follows.

        Up to 90 degrees a pulse excites. A larger one inverts if the next thing besides gradients is a pulse of at
        most 90 degrees, saturates if it is also tuned 3 to 4 ppm below water, and refocuses otherwise.
        """
        file = self.file
        rows = file.rows("RF")
        at = np.flatnonzero(file.blocks[:, RF])
        looked = np.flatnonzero((file.blocks[:, RF] > 0) | (file.blocks[:, ADC] > 0))
        flips = {i: self.events.pulse(i).flip for i in np.unique(file.blocks[at, RF]).tolist()}
        unsaid = {i for i in flips if rows[i].words.get("use", "u") not in USES}
        following = dict(zip(looked[:-1].tolist(), looked[1:].tolist(), strict=True))
        uses = {}
        for block in at.tolist():
            identifier = int(file.blocks[block, RF])
            if identifier not in unsaid:
                uses[block] = USES[rows[identifier].words["use"]]
                continue
            after = int(file.blocks[following[block], RF]) if block in following else 0
            uses[block] = self._guess(identifier, flips, after)
        if unsaid:
            counts = {use: sum(1 for b in uses if uses[b] == use) for use in dict.fromkeys(uses.values())}
            said = ", ".join(f"{count} {use}" for use, count in counts.items())
            file.notes.append(f"the file does not say what its pulses are for; by their flip angles: {said}")
        self._excitations = [block for block, use in uses.items() if use == "excitation"]
        return uses

    def _guess(self, identifier: int, flips: dict[int, float], after: int) -> str:
        limit = np.radians(90.01)
        if flips[identifier] < limit:
            return "excitation"
        if after and flips[after] < limit:
            larmor = abs(self.scanner.gamma_bar) * self.scanner.b0
            shift = self.events.offsets(self.file.rows("RF")[identifier])[0] / larmor * 1e6
            return "saturation" if -4.0 < shift < -3.0 else "inversion"
        return "refocusing"

    def _pulses(self, uses: dict[int, str]) -> list[RfPulse | None]:
        known: dict[tuple[int, str, complex], RfPulse] = {}
        result: list[RfPulse | None] = [None] * len(self.file.blocks)
        shims = self.extensions.other.get("RF_SHIMS", {})
        identifiers = self.file.blocks[:, RF].tolist()
        for block, use in uses.items():
            weight = self._weight(shims[block][0], block) if block in shims else 1.0
            key = (identifiers[block], use, weight)
            if key not in known:
                known[key] = self.events.pulse(identifiers[block], use, weight)
            result[block] = known[key]
        return result

    def _weight(self, shim: int, block: int) -> complex:
        line, values = self.file.shims[shim]
        if len(values) != 2:
            problem = (
                f"block {block + 1} shims {len(values) // 2} transmit channels; mrsim transmits with one, so the "
                "field of that shim is not known: remove the extension or write one channel"
            )
            raise self.file.error("extension RF_SHIMS", problem, line)
        return complex(values[0] * np.exp(1j * values[1]))

    def _windows(self) -> list[Adc | None]:
        """Return the ADC window of each block; labels say what it is for."""
        column = self.file.blocks[:, ADC]
        zero = np.zeros(len(column), dtype=np.int64)
        noise, navigator, reference, imaging = (
            self.labels.get(name, zero) != 0 for name in ("noise", "navigator", "reference", "imaging")
        )
        purposes = np.where(noise, 1, np.where(navigator, 2, np.where(reference & ~imaging, 3, 0)))
        words = ("imaging", "noise", "navigator", "calibration")
        known: dict[tuple[int, int], Adc] = {}
        result: list[Adc | None] = [None] * len(column)
        identifiers, kinds = column.tolist(), purposes.tolist()
        for block in np.flatnonzero(column).tolist():
            key = (identifiers[block], kinds[block])
            if key not in known:
                known[key] = replace(self._adc(identifiers[block]), purpose=words[kinds[block]])
            result[block] = known[key]
        return result

    def _adc(self, identifier: int) -> Adc:
        row = self.file.rows("ADC")[identifier]
        samples, dwell, delay = row.whole("samples"), round(row["dwell"]), row.nanoseconds("delay")
        if not 1 <= samples <= MOST_SAMPLES or dwell < 1 or delay < 0:
            problem = f"event {identifier}: {samples} samples of {row['dwell']:g} ns after {row['delay']:g} us"
            raise self.file.error("ADC", f"{problem}; expected 1 to {MOST_SAMPLES:,}, at least 1 ns, no delay below 0",
                                  row.line)  # fmt: skip
        frequency, phase = self.events.offsets(row)
        if row.whole("phase_shape"):
            extra = self.events.modulation(identifier, row, samples)
            frequency, phase = frequency + extra[0] / (dwell * 1e-9), phase + extra[1]
        return Adc(samples=samples, dwell=dwell, delay=delay, frequency=frequency, phase=phase)

    def _trigger(self, identifier: int) -> Trigger:
        row = self.file.rows("extension TRIGGERS")[identifier]
        kinds = {1: "output", 2: "input"}
        if row.whole("kind") not in kinds:
            problem = f"trigger {identifier} is of kind {row.whole('kind')}; expected 1 (output) or 2 (input)"
            raise self.file.error("extension TRIGGERS", problem, row.line)
        return Trigger(
            kind=kinds[row.whole("kind")], channel=row.whole("channel"), delay=row.nanoseconds("delay"),
            duration=row.nanoseconds("duration"),
        )  # fmt: skip

    def _soft_delay(self, identifier: int) -> SoftDelay:
        row = self.file.rows("extension DELAYS")[identifier]
        if row["factor"] == 0:
            problem = f"soft delay {identifier} has the factor 0; the block's length would not follow the input"
            raise self.file.error("extension DELAYS", problem, row.line)
        return SoftDelay(
            number=row.whole("number"), hint=row.words["hint"], offset=row.nanoseconds("offset"), factor=row["factor"]
        )

    def _gradients(self, duration: NDArray[np.int64]) -> tuple[list[Gradient | None], ...]:
        """Return per axis the gradient of each block."""
        result: list[list[Gradient | None]] = []
        continues = self.file.version < (1, 5, 0)
        for axis in range(GX, GZ + 1):
            column = self.file.blocks[:, axis]
            played: list[Gradient | None] = [None] * len(column)
            before, last = 0.0, -2
            for block in np.flatnonzero(column).tolist():
                identifier = int(column[block])
                start = before if continues and last == block - 1 else 0.0
                played[block] = self.events.gradient(identifier, start)
                if continues:
                    before, last = self.events.last_value(identifier, start, int(duration[block])), block
            result.append(played)
        return tuple(result)

    def _durations(self) -> NDArray[np.int64]:
        """Return the (block,) lengths, ns: written from version 1.4 on, else those of the longest event."""
        file = self.file
        ends = np.zeros(len(file.blocks), dtype=np.int64)
        for column in range(RF, EXT):
            identifiers, where = np.unique(file.blocks[:, column], return_inverse=True)
            lengths = np.array([self._end(column, i) if i else 0 for i in identifiers.tolist()], dtype=np.int64)
            ends = np.maximum(ends, lengths[where])
        if file.version >= (1, 4, 0):
            if np.any(file.blocks[:, 0] > LONGEST // self.raster):
                at = int(np.argmax(file.blocks[:, 0]))
                raise file.error("BLOCKS", f"block {at + 1} lasts longer than a week", int(file.lines[at]))
            written = file.blocks[:, 0] * self.raster
            if np.any(ends > written + 1):
                at = int(np.argmax(ends - written))
                problem = f"block {at + 1} lasts {written[at] / 1e3:g} us, but its events end at {ends[at] / 1e3:g} us"
                raise file.error("BLOCKS", problem, int(file.lines[at]))
        else:
            rows = file.rows("DELAYS")
            waits = {i: row.nanoseconds("delay") for i, row in rows.items()} | {0: 0}
            written = np.maximum(ends, np.array([waits[i] for i in file.blocks[:, 0].tolist()], dtype=np.int64))
        if float(np.sum(written, dtype=np.float64)) > LONGEST:
            raise file.error(
                "BLOCKS", f"the scan lasts {np.sum(written, dtype=np.float64) / 1e9:.3g} s; more than a week"
            )
        if np.any(written < 0):
            at = int(np.argmin(written))
            raise file.error("BLOCKS", f"block {at + 1} has a negative duration", int(file.lines[at]))
        return np.asarray(written, dtype=np.int64)

    def _end(self, column: int, identifier: int) -> int:
        """Return when an event ends, ns from the start of its block."""
        if column == RF:
            pulse = self.events.pulse(identifier)
            return pulse.delay + pulse.duration
        if column == ADC:
            adc = self._adc(identifier)
            return adc.delay + adc.duration
        return int(self.events.gradient(identifier, 0.0).times[-1])

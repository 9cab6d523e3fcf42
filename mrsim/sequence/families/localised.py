"""What spectroscopy families share: water suppression, outer-volume bands, the readout of an echo, the water reference.

A repetition is

    outer-volume bands, water suppression, preparation, localisation, readout, spoiler.

Localising pulses select along one grid axis each, their carrier at `shift` from water: a metabolite there is selected
where the voxel is drawn, and one at another shift df is displaced by -voxel df / bandwidth.

The first sample is taken at the echo. The water reference plays suppression and editing without their pulses.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from ...core.acquisition import Encoding
from ...core.errors import InputError
from ...core.units import Angle, ChemicalShift, Length, Time
from .. import rf
from ..events import NS, Adc, Gradient, RfPulse
from ..gradients import Limits, logical_limits, trapezoid
from ..preparations.preparation import Stage, prepared
from ..scanner import Scanner, to_ns
from ..selection import Selection, crushed, excite, slice_amplitude
from ..sequence import Block, Sequence
from ..timing import TimeOrMinimum, solve, starting, wait
from ..water_suppression import chess_flips, wet_flips
from .protocol import at_least, flip_angle, positive
from .single_voxel import SingleVoxel

EDIT = "edit"
"""Name of the blocks of editing pulses."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Localised(SingleVoxel):
    """Fields of all spectroscopy families."""

    pulse: Literal["sinc", "slr", "hard"] = "slr"
    """Shape of all pulses; a sinc of 180 degrees refocuses two thirds of its nominal width alone."""
    flip: Angle = math.pi / 2
    """Excitation flip angle, rad."""
    tr: TimeOrMinimum = 2.0
    """Repetition time, s."""
    shift: ChemicalShift = -2.6e-6
    """Carrier of the localising pulses relative to water, fraction."""
    suppression: Literal["none", "chess", "wet"] = "wet"
    """Water suppression: for one T1 (chess), or over a range of T1 and B1 (wet)."""
    suppression_pulses: int = 4
    """Number of suppression pulses."""
    suppression_band: ChemicalShift = 0.6e-6
    """Bandwidth of a suppression pulse, fraction of the Larmor frequency."""
    suppression_t1: Time = 1.2
    """T1 of the water that chess nulls, s."""
    outer_band: Length = 0.0
    """Thickness of the saturated slabs on both sides of the voxel along each axis, m; 0 plays none."""
    outer_gap: Length = 2e-3
    """Distance from the voxel to the slabs, m."""
    water_averages: int = 0
    """Repetitions without water suppression after the others (purpose ``water_reference``), behind dummies of their
    own: suppression has left less water at the edges of the slices."""
    crusher_cycles: float = 8.0
    """Cycles across the voxel from a crusher."""
    spoiler_cycles: float = 20.0
    """Cycles across the voxel from the spoilers of suppression and outer volume, and behind the readout."""

    def __post_init__(self) -> None:
        """Refuse what no scanner could play."""
        SingleVoxel.__post_init__(self)
        flip_angle("flip", self.flip)
        positive("suppression_band", self.suppression_band)
        positive("suppression_t1", self.suppression_t1)
        at_least("suppression_pulses", self.suppression_pulses, 1)
        for key in ("outer_band", "outer_gap", "water_averages", "crusher_cycles", "spoiler_cycles"):
            at_least(key, getattr(self, key), 0)

    def images(self) -> int:
        """Return the number of spectra of a series: two with editing."""
        return 1

    @abstractmethod
    def build(self, scanner: Scanner) -> Sequence:
        """Return the sequence on this scanner."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class VoxelParts:
    """What a build needs of a scanner."""

    protocol: Localised
    scanner: Scanner
    limits: Limits
    crossings: tuple[float, float, float]
    """Per axis 1 / (gamma_bar voxel), T s/m."""
    larmor: float
    """Hz."""

    def tuned(self, pulse: RfPulse) -> RfPulse:
        """Return the pulse with its carrier at the protocol's shift, its phase counted at its centre."""
        frequency = self.protocol.shift * self.larmor
        turn = 2 * math.pi * frequency * pulse.centre / NS
        return replace(pulse, frequency=frequency, phase=math.fmod(pulse.phase - turn, 2 * math.pi) + 0.0)

    def excitation(self, axis: int) -> Selection:
        """Return the excitation of the voxel's slice along one axis."""
        protocol = self.protocol
        pulse = protocol.shaped(self.scanner, protocol.flip, protocol.excitation_duration)
        part = excite(self.scanner, self.limits, pulse, self._amplitude(pulse, axis))
        return replace(part, pulse=self.tuned(part.pulse))

    def crushed(self, pulse: RfPulse, axis: int, share: float, least_side: int = 0) -> Selection:
        """Return a pulse along one axis between two crushers of `share` of the protocol's cycles."""
        area = share * self.protocol.crusher_cycles * self.crossings[axis]
        part = crushed(self.scanner, self.limits, pulse, self._amplitude(pulse, axis), area, least_side)
        return replace(part, pulse=self.tuned(part.pulse))

    def _amplitude(self, pulse: RfPulse, axis: int) -> float:
        if self.protocol.pulse == "hard":
            return 0.0
        return slice_amplitude(self.scanner, pulse, self.protocol.voxel[axis], self.limits)

    def spoiler(self, axis: int, cycles: float) -> tuple[Block, ...]:
        """Return a spoiler along one axis; none for no cycles."""
        if not cycles:
            return ()
        lobe = trapezoid(self.limits, cycles * self.crossings[axis])
        return (along(axis, int(lobe.times[-1]), lobe, None, "spoil"),)


def along(axis: int, duration: int, gradient: Gradient | None, pulse: RfPulse | None, name: str) -> Block:
    """Return a block whose gradient plays on one grid axis, 0 = x."""
    gx, gy, gz = (gradient if axis == i else None for i in range(3))
    return Block(duration=duration, rf=pulse, gx=gx, gy=gy, gz=gz, name=name)


def selecting(axis: int, part: Selection, name: str, use: str | None = None) -> Block:
    """Return the block of a selection along one grid axis."""
    pulse = part.pulse if use is None else replace(part.pulse, use=use)
    return along(axis, part.duration, part.gradient, pulse, name)


def voxel_parts(protocol: Localised, scanner: Scanner) -> VoxelParts:
    """Return the parts that do not depend on the family."""
    grid = protocol.grid()
    x, y, z = (1.0 / (abs(scanner.gamma_bar) * length) for length in protocol.voxel)
    return VoxelParts(
        protocol=protocol,
        scanner=scanner,
        limits=logical_limits(scanner, grid.axes, protocol.max_slew),
        crossings=(x, y, z),
        larmor=abs(scanner.gamma_bar) * scanner.b0,
    )


def outer_volume(parts: VoxelParts) -> list[Block]:
    """Return the saturation of the slabs around the voxel, placed for what resonates at the protocol's shift."""
    protocol, scanner = parts.protocol, parts.scanner
    if not protocol.outer_band:
        return []
    pulse = rf.sinc(scanner, math.pi / 2, 7e-3, 12.0, use="saturation")  # steep edges, wide band
    part = excite(scanner, parts.limits, pulse, slice_amplitude(scanner, pulse, protocol.outer_band, parts.limits))
    moved = protocol.shift * parts.larmor / part.per_metre
    blocks: list[Block] = []
    for axis in range(3):
        distance = (protocol.voxel[axis] + protocol.outer_band) / 2 + protocol.outer_gap
        for side in (-1, 1):
            pulse = part.at(side * distance + moved)
            blocks.append(along(axis, part.duration, part.gradient, pulse, "saturate outer volume"))
            blocks += parts.spoiler((axis + 1) % 3, protocol.spoiler_cycles * (1 + axis / 4))
    return blocks


def water_suppression(parts: VoxelParts, lead: int) -> list[Block]:
    """Return the suppression pulses and their spoilers; `lead` ns from their end to the excitation's centre."""
    protocol, scanner = parts.protocol, parts.scanner
    if protocol.suppression == "none":
        return []
    step = 2 * scanner.timing_raster
    length = math.ceil(2.0 / (protocol.suppression_band * parts.larmor) * NS / step) * step
    spoilers = [parts.spoiler(i % 3, protocol.spoiler_cycles * (1 + i / 5)) for i in range(protocol.suppression_pulses)]
    shape = rf.sinc(scanner, 1.0, length / NS, 2.0, window="hann", use="saturation")
    part = excite(scanner, parts.limits, shape, 0.0)
    behind = [part.after + sum(block.duration for block in spoiler) for spoiler in spoilers]
    delays = tuple(
        (late + early) / NS for late, early in zip(behind, [part.before] * (len(behind) - 1) + [lead], strict=True)
    )
    flips = chess_flips(delays, protocol.suppression_t1) if protocol.suppression == "chess" else wet_flips(delays)
    blocks: list[Block] = []
    for flip, spoiler in zip(flips, spoilers, strict=True):
        pulse = replace(part.pulse, signal=shape.signal * flip, flip=flip)
        blocks += [Block(duration=part.duration, rf=pulse, name="suppress water"), *spoiler]
    return blocks


def echo_readout(parts: VoxelParts, ahead: int) -> tuple[Adc, int]:
    """Return the window whose first sample lies `ahead` ns after its block's start, and the block's length, ns."""
    protocol, scanner = parts.protocol, parts.scanner
    raster = math.lcm(2 * to_ns(scanner.rf_raster), to_ns(scanner.adc_raster))
    dwell = max(1, round(NS / protocol.spectral_width / raster)) * raster
    if abs(NS / dwell / protocol.spectral_width - 1) > 0.02:
        raise InputError(
            f"is {protocol.spectral_width:g} Hz, but samples are taken every {raster / 1e3:g} us or a multiple; use "
            f"{NS / dwell:.6g} Hz",
            key="spectral_width",
        )
    adc = Adc(samples=protocol.samples, dwell=dwell, delay=ahead - dwell // 2)
    return adc, parts.limits.up(adc.delay + adc.duration + to_ns(scanner.adc_dead_time))


def readout_room(parts: VoxelParts) -> int:
    """Return the least time from the start of a readout's block to its first sample, ns."""
    adc, _ = echo_readout(parts, 0)
    return parts.limits.up(to_ns(parts.scanner.adc_dead_time) + adc.dwell // 2)


Localise = Callable[[int], list[Block]]
"""Number of the spectrum in its series -> blocks from the excitation to the wait before the readout."""


def spectroscopy(
    parts: VoxelParts,
    before: int,
    localise: Localise,
    contrast: dict[str, Any],
    facts: dict[str, float | str],
    sheet: dict[str, Any],
) -> Sequence:
    """Return the scan.

    Parameters
    ----------
    parts : VoxelParts
    before : int
        From the start of the localisation to the excitation's centre, ns.
    localise : callable
        Returns the blocks of one spectrum; they end `readout_room` before the echo.
    contrast, facts, sheet : dict
        As in `finished` of imaging families.
    """
    protocol, limits = parts.protocol, parts.limits
    adc, length = echo_readout(parts, readout_room(parts))
    stage = Stage(scanner=parts.scanner, limits=limits, thickness=protocol.voxel[2], position=0.0, lead=before)
    prepare = list(prepared(protocol.preparation, stage))
    outer, suppress = outer_volume(parts), water_suppression(parts, sum(block.duration for block in prepare) + before)
    passive, spoil = [replace(block, rf=None) for block in suppress], parts.spoiler(2, protocol.spoiler_cycles)

    def repetition(image: int, average: int, purpose: str) -> list[Block]:
        window = replace(adc, purpose=purpose) if average >= 0 else None
        labels = {"average": average, "contrast": image, "repetition": 0} if average >= 0 else {}
        read = Block(duration=length, adc=window, labels=labels, name="read")
        if purpose != "water_reference":
            return [*outer, *suppress, *prepare, *localise(image), read, *spoil]
        played = [replace(block, rf=None) if block.name == EDIT else block for block in localise(image)]
        return [*outer, *passive, *prepare, *played, read, *spoil]

    content = sum(block.duration for block in repetition(0, -1, "imaging"))
    tr, (rest,) = solve("tr", protocol.tr, ({"one repetition": content},), limits, "take fewer samples")
    blocks: list[Block] = []
    # negative averages are dummies
    for purpose, count in (("imaging", protocol.averages), ("water_reference", protocol.water_averages)):
        for average in range(-protocol.dummies if count else 0, count):
            for image in range(protocol.images() if average >= 0 else 1):
                blocks += starting([*repetition(image, average, purpose), *wait(rest)])
    return _headed(parts, blocks, adc, {**contrast, "tr": tr / NS}, {**facts, "tr": tr / NS}, sheet)


def _headed(
    parts: VoxelParts,
    blocks: list[Block],
    adc: Adc,
    contrast: dict[str, Any],
    facts: dict[str, float | str],
    sheet: dict[str, Any],
) -> Sequence:
    protocol, images = parts.protocol, parts.protocol.images()
    header = Encoding(
        grid=protocol.grid(),
        frequency=parts.larmor,
        dwell=adc.dwell / NS,
        contrast={k: np.broadcast_to(np.asarray(v, dtype=np.float64), (images,)).copy() for k, v in contrast.items()},
        kind="spectrum",
        k_from="trajectory",
        sheet={
            "family": protocol.name,
            "dummies": protocol.dummies,
            "averages": protocol.averages,
            "carrier": protocol.shift,
            "suppression": protocol.suppression,
            **sheet,
        },
    )
    known = {**facts, "scan_time": sum(block.duration for block in blocks) / NS, "spectral_width": NS / adc.dwell}
    return Sequence(name=protocol.name, scanner=parts.scanner, blocks=tuple(blocks), encoding=header, definitions=known)

"""Off-resonance saturation trains: CEST (offsets in ppm) and magnetisation transfer (offsets in Hz).

A train is n equal pulses with pauses, so that the pulses fill `duty_cycle` of it, then a spoiler. What counts is the
root mean square of B1 over the train; it is what the protocol states, and the pulses' peak follows from their shape.
One image per offset.
A magnetisation-transfer train may be left out for one more image, the reference of MTR and MTsat.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

import numpy as np

from ...core.errors import InfeasibleError, InputError
from ...core.units import ChemicalShifts, FieldStrength, Fraction, Quantity, Time
from ..events import NS, RfPulse
from ..rf.samples import offset_dwell, pulse_length
from ..scanner import Scanner, to_ns
from ..sequence import Block
from .preparation import Preparation, Stage
from .spoiled import played, spoil

Frequencies = Annotated[tuple[float, ...], Quantity("frequency")]
GAUSS_EDGE = 0.01
"""Amplitude of a Gaussian pulse at its ends over its peak."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SaturationTrain(Preparation):
    """Fields of all saturation trains."""

    b1_rms: FieldStrength = 1.5e-6
    """Root mean square of B1 over the train, pauses included, T."""
    pulses: int = 20
    """Number of pulses."""
    pulse_duration: Time = 50e-3
    """Length of one pulse, s."""
    duty_cycle: Fraction = 0.5
    """Part of the train filled by pulses."""
    shape: Literal["gauss", "hann", "hard"] = "gauss"
    """Shape of the pulses."""
    spoiler_cycles: float = 12.0
    """Cycles across the slice after the train."""

    def __post_init__(self) -> None:
        """Refuse empty trains."""
        if self.pulses < 1:
            raise InputError(f"is {self.pulses}; it must be at least 1", key="pulses")
        if not 0 < self.duty_cycle <= 1:
            raise InputError(f"is {self.duty_cycle:g}; it must lie above 0 and up to 1", key="duty_cycle")
        if not self.b1_rms > 0:
            raise InputError(f"is {self.b1_rms * 1e6:g} uT; it must be positive", key="b1_rms")

    @abstractmethod
    def frequency(self, scanner: Scanner) -> float:
        """Return the offset of the pulses, Hz."""

    def train(self) -> dict[str, float]:
        """Return the nominal strength, T, length, s, and duty cycle."""
        length = self.pulse_duration * (self.pulses - 1) / self.duty_cycle + self.pulse_duration
        return {"b1_saturation": self.b1_rms, "saturation_time": length, "saturation_duty": self.duty_cycle}

    def blocks(self, stage: Stage) -> tuple[Block, ...]:
        """Return the train and its spoiler."""
        raster = stage.limits
        block = played(stage, self._pulse(stage.scanner), "saturate")
        period = raster.up(to_ns(self.pulse_duration / self.duty_cycle))
        if self.pulses > 1 and period < block.duration:
            most = self.pulse_duration * NS / block.duration
            raise InfeasibleError(
                f"duty_cycle {self.duty_cycle:g} leaves no room for the transmitter's dead times between pulses of "
                f"{self.pulse_duration * 1e3:g} ms; use at most {most:.4g}, or one long pulse"
            )
        inner = (replace(block, duration=period),) * (self.pulses - 1)
        return (*inner, block, *spoil(stage, self.spoiler_cycles, "spoil saturation"))

    def _pulse(self, scanner: Scanner) -> RfPulse:
        """Return one pulse, its phase continuing the offset's from its own start."""
        length = pulse_length(scanner, self.pulse_duration)
        offset = self.frequency(scanner)
        n = length // offset_dwell(scanner, length, offset)
        x = 2 * (np.arange(n) + 0.5) / n - 1
        shapes = {
            "gauss": np.exp(math.log(GAUSS_EDGE) * x**2),
            "hann": 0.5 + 0.5 * np.cos(np.pi * x),
            "hard": np.ones(n),
        }
        shape = shapes[self.shape]
        on = self.duty_cycle * self.pulses / (self.pulses - 1 + self.duty_cycle)
        peak = self.b1_rms / math.sqrt(float(np.mean(shape**2)) * on)
        if peak > scanner.max_b1:
            most = self.b1_rms * scanner.max_b1 / peak
            raise InfeasibleError(
                f"b1_rms {self.b1_rms * 1e6:g} uT needs a peak of {peak * 1e6:.3g} uT, above the "
                f"{scanner.max_b1 * 1e6:g} uT of scanner {scanner.name}; use at most {most * 1e6:.3g} uT"
            )
        return RfPulse(
            signal=(peak * shape).astype(np.complex128), dwell=length // n, delay=0, use="preparation",
            centre=length // 2, frequency=offset,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class ChemicalExchangeSaturation(SaturationTrain):
    """A train at offsets in ppm; one image per offset."""

    name: ClassVar[str] = "cest"

    offset: ChemicalShifts
    """Offsets from water, fraction."""

    def settings(self) -> tuple[ChemicalExchangeSaturation, ...]:
        """Return one module per offset."""
        return self.each("offset")

    def facts(self) -> dict[str, float]:
        """Return the nominal offset, fraction, and the train's facts."""
        return {"offset": self.offset[0], **self.train()}

    def frequency(self, scanner: Scanner) -> float:
        """Return the offset of the pulses, Hz."""
        return self.offset[0] * abs(scanner.gamma_bar) * scanner.b0


@dataclass(frozen=True, kw_only=True, slots=True)
class MagnetisationTransfer(SaturationTrain):
    """A train at offsets in Hz; one image per offset."""

    name: ClassVar[str] = "magnetisation-transfer"

    b1_rms: FieldStrength = 3e-6
    """Root mean square of B1 over the train, pauses included, T."""
    pulses: int = 1
    """Number of pulses."""
    pulse_duration: Time = 10e-3
    """Length of one pulse, s."""
    offset: Frequencies
    """Offsets from water, Hz."""
    reference: bool = False
    """Whether the same is also scanned without pulses, after all offsets: all times and spoilers stay."""
    played: bool = True
    """False plays the train's times and spoiler without its pulses."""

    def settings(self) -> tuple[MagnetisationTransfer, ...]:
        """Return one module per offset, and that without pulses where there is a reference."""
        saturated = tuple(replace(one, reference=False) for one in self.each("offset"))
        return (*saturated, replace(saturated[0], played=False)) if self.reference else saturated

    def facts(self) -> dict[str, float]:
        """Return the nominal offset, Hz, whether there is saturation (1) or not (0), and the train's facts."""
        facts = {"offset_frequency": self.offset[0], "mt": float(self.played), **self.train()}
        return facts if self.played else facts | {"b1_saturation": 0.0}

    def blocks(self, stage: Stage) -> tuple[Block, ...]:
        """Return the train and its spoiler."""
        blocks = SaturationTrain.blocks(self, stage)
        return blocks if self.played else tuple(replace(block, rf=None) for block in blocks)

    def frequency(self, scanner: Scanner) -> float:
        """Return the offset of the pulses, Hz."""
        return self.offset[0]

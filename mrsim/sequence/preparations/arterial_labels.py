"""Arterial labels: pulsed (FAIR) and pseudo-continuous, each a pair of images, label and control.

FAIR inverts everything for the label and the slice's slab alone for the control; the difference is the blood that
flows in (Kim 1995, doi:10.1002/mrm.1910340303). pCASL plays a train of short pulses under a gradient with a small
mean: blood that crosses the plane where both keep step is inverted as it flows (Dai 2008, doi:10.1002/mrm.21790). The
control turns every second pulse by 180 degrees and, unbalanced, plays a mean gradient of zero. Per pulse the phase
grows by 2 pi gamma_bar G_mean z dt, so that the plane lies at z.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ...core.errors import InfeasibleError, InputError
from ...core.units import Angle, Frequency, GradientStrength, Length, Time, Times
from .. import rf
from ..events import NS, Gradient, RfPulse
from ..gradients import bridge, joined, shifted
from ..rf.samples import offset_dwell, pulse_length, scaled_pulse
from ..scanner import to_ns
from ..sequence import Block
from ..timing import text
from .preparation import Preparation, Stage
from .spoiled import delayed, selective, spoil

LABEL, CONTROL = 1, 0


@dataclass(frozen=True, kw_only=True, slots=True)
class PulsedLabel(Preparation):
    """FAIR: label and control images per inflow time."""

    name: ClassVar[str] = "pasl"

    ti: Times
    """Inflow times, s: from the centre of the inversion to the centre of the excitation."""
    label: tuple[int, ...] = (LABEL, CONTROL)
    """What is played: 1 inverts everything, 0 the slab alone."""
    duration: Time = 12.8e-3
    """Length of the adiabatic inversion, s."""
    bandwidth: Frequency = 900.0
    """Inverted band, Hz."""
    width: float = 3.0
    """Slab of the control over the slice thickness."""
    spoiler_cycles: float = 8.0
    """Cycles across the slice after the pulse."""

    def settings(self) -> tuple[PulsedLabel, ...]:
        """Return one module per inflow time, label and control."""
        return tuple(one for module in self.each("ti") for one in module.each("label"))

    def facts(self) -> dict[str, float]:
        """Return the nominal inflow time, s, and 1 for a label, 0 for a control."""
        return {"ti": self.ti[0], "label": float(self.label[0])}

    def blocks(self, stage: Stage) -> tuple[Block, ...]:
        """Return the inversion, its spoiler and the wait; both kinds equally long."""
        pulse = rf.hyperbolic_secant(stage.scanner, self.duration, self.bandwidth)
        slab = selective(stage, pulse, self.width * stage.thickness, "invert slab")
        wide = replace(slab, gz=None, rf=replace(pulse, delay=slab.rf.delay if slab.rf else 0), name="invert all")
        first = wide if self.label[0] == LABEL else slab
        return delayed(stage, (first, *spoil(stage, self.spoiler_cycles, "spoil label")), "ti", self.ti[0])


@dataclass(frozen=True, kw_only=True, slots=True)
class PseudoContinuousLabel(Preparation):
    """pCASL: label and control images per post-labelling delay."""

    name: ClassVar[str] = "pcasl"

    duration: Time = 1.8
    """Length of the label, s."""
    delay: Times = (1.8,)
    """Post-labelling delays, s: from the end of the train to the centre of the excitation."""
    label: tuple[int, ...] = (LABEL, CONTROL)
    """What is played: 1 label, 0 control."""
    distance: Length = -80e-3
    """Position of the labelling plane along z from the grid's origin, m."""
    flip: Angle = 22.0 * math.pi / 180.0
    """Flip angle of each pulse, rad."""
    pulse_duration: Time = 0.5e-3
    """Length of each Hann pulse, s."""
    spacing: Time = 1.2e-3
    """Time between pulses, s."""
    mean_gradient: GradientStrength = 0.5e-3
    """Mean gradient of the label, T/m."""
    peak_gradient: GradientStrength = 5e-3
    """Gradient under the pulses, T/m."""
    balanced: bool = True
    """Whether the control plays the label's gradients; otherwise their mean is zero."""

    def __post_init__(self) -> None:
        """Refuse a label without length."""
        if not self.duration > 0 or not self.delay or min(self.delay) < 0:
            raise InputError("must be positive, and delays zero or more", key="duration, delay")

    def settings(self) -> tuple[PseudoContinuousLabel, ...]:
        """Return one module per delay, label and control."""
        return tuple(one for module in self.each("delay") for one in module.each("label"))

    def facts(self) -> dict[str, float]:
        """Return the nominal duration and delay, s, and 1 for a label, 0 for a control."""
        return {"label": float(self.label[0]), "label_duration": self.duration, "delay": self.delay[0]}

    def blocks(self, stage: Stage) -> tuple[Block, ...]:
        """Return the train and the wait."""
        spacing = to_ns(self.spacing) // stage.limits.raster * stage.limits.raster
        count = round(to_ns(self.duration) / spacing)
        is_label = self.label[0] == LABEL
        mean = self.mean_gradient if is_label or self.balanced else 0.0
        pulse, gradient = self._unit(stage, spacing, mean)
        # Spins on the plane turn by this from pulse to pulse; the control turns on by half a cycle.
        turn = 2 * math.pi * stage.scanner.gamma_bar * mean * self.distance * spacing / NS
        turn += 0.0 if is_label else math.pi
        train = tuple(
            Block(
                duration=spacing,
                rf=replace(pulse, phase=math.fmod(index * turn, 2 * math.pi)),
                gz=gradient,
                name="label" if is_label else "control",
            )
            for index in range(count)
        )
        pause = to_ns(self.delay[0]) - stage.lead
        if pause < 0 or pause % stage.limits.raster:
            raise InfeasibleError(
                f"delay {text(to_ns(self.delay[0]))} must be at least {text(stage.lead)}, what lies between the label "
                f"and the excitation, on a raster of {stage.limits.raster / 1e3:g} us; raise it or use "
                f"{text(stage.lead + max(0, pause) // stage.limits.raster * stage.limits.raster)}"
            )
        return (*train, Block(duration=pause, name="wait delay")) if pause else train

    def _unit(self, stage: Stage, spacing: int, mean: float) -> tuple[RfPulse, Gradient]:
        """Return one pulse and the gradient around it, whose mean over the spacing is `mean` T/m."""
        scanner, limits = stage.scanner, stage.limits
        length = pulse_length(scanner, self.pulse_duration)
        peak = self.peak_gradient
        offset = scanner.gamma_bar * peak * self.distance
        n = length // offset_dwell(scanner, length, offset)
        x = 2 * (np.arange(n) + 0.5) / n - 1
        shape = (0.5 + 0.5 * np.cos(np.pi * x)).astype(np.complex128)
        # A Hann pulse of length T passes half of its middle at 1 / T on either side.
        pulse = scaled_pulse(scanner, shape, length, self.flip, 2.0 / (length / NS), "preparation", 0.0)
        delay = limits.up(max(limits.ramp(peak), to_ns(scanner.rf_dead_time)))
        begin = delay - limits.ramp(peak)
        front = (delay - begin) / 2 + length
        rest = spacing - delay - length
        if rest < 2 * limits.raster:
            least = delay + length + 2 * limits.raster
            raise InfeasibleError(
                f"spacing {text(spacing)} holds no gradient lobe after the pulse; make it at least {text(least)}"
            )
        tail = bridge(limits, peak, 0.0, mean * spacing / NS - peak * front / NS, rest)
        plateau = Gradient(
            times=np.array([begin, delay, delay + length], dtype=np.int64), amplitudes=np.array([0.0, peak, peak])
        )
        gradient = joined(plateau, shifted(tail, delay + length))
        if gradient is None:
            raise InputError("is 0 mT/m; it must be positive", key="peak_gradient")
        return replace(pulse, delay=delay, frequency=offset), gradient

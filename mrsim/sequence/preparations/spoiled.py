"""What preparations share: a pulse block, the spoiler behind it, and the wait that sets a delay to the excitation."""

from __future__ import annotations

from dataclasses import replace

from ...core.errors import InfeasibleError
from ..events import RfPulse
from ..gradients import trapezoid
from ..scanner import to_ns
from ..selection import crushed
from ..sequence import Block
from ..timing import text
from .preparation import Stage


def played(stage: Stage, pulse: RfPulse, name: str) -> Block:
    """Return a block with a non-selective pulse; its delay and its end hold the transmitter's dead times."""
    raster = stage.limits
    delay = raster.up(to_ns(stage.scanner.rf_dead_time))
    duration = raster.up(delay + pulse.duration + to_ns(stage.scanner.rf_ringdown))
    return Block(duration=duration, rf=replace(pulse, delay=delay), name=name)


def selective(stage: Stage, pulse: RfPulse, width: float, name: str) -> Block:
    """Return a block with a pulse that acts on `width` m around the stage's slice."""
    amplitude = pulse.bandwidth / (abs(stage.scanner.gamma_bar) * width)
    if amplitude > stage.limits.gradient:
        least = pulse.bandwidth / (abs(stage.scanner.gamma_bar) * stage.limits.gradient)
        raise InfeasibleError(
            f"{name}: {width * 1e3:g} mm with a pulse of {pulse.bandwidth:.4g} Hz needs {amplitude * 1e3:.4g} mT/m, "
            f"above the {stage.limits.gradient * 1e3:.4g} mT/m of one axis; make it at least {least * 1e3:.3g} mm wide"
        )
    part = crushed(stage.scanner, stage.limits, pulse, amplitude, 0.0)
    return Block(duration=part.duration, rf=part.at(stage.position), gz=part.gradient, name=name)


def spoil(stage: Stage, cycles: float, name: str) -> tuple[Block, ...]:
    """Return a spoiler of `cycles` across the slice thickness, along the slice; no block for zero."""
    if not cycles:
        return ()
    lobe = trapezoid(stage.limits, cycles / (abs(stage.scanner.gamma_bar) * stage.thickness))
    return (Block(duration=int(lobe.times[-1]), gz=lobe, name=name),)


def delayed(stage: Stage, blocks: tuple[Block, ...], key: str, wanted: float) -> tuple[Block, ...]:
    """Return blocks and a wait, so that the excitation's centre follows the first pulse's centre after `wanted` s.

    Parameters
    ----------
    stage : Stage
    blocks : tuple of Block
        The first one holds the pulse.
    key : str
        The protocol's name of the time.
    wanted : float
        s.
    """
    pulse = blocks[0].rf
    origin = pulse.delay + pulse.centre if pulse is not None else 0
    total = to_ns(wanted)
    held = sum(block.duration for block in blocks) - origin + stage.lead
    rest = total - held
    if rest < 0 or rest % stage.limits.raster:
        shortest = stage.limits.up(held)
        below = held + max(0, rest) // stage.limits.raster * stage.limits.raster
        hint = f"raise it to at least {text(shortest)}" if rest < 0 else f"use {text(below)}"
        raise InfeasibleError(
            f"{key} {text(total)} does not fit: from the pulse's centre to the excitation's there are {text(held)} "
            f"without any wait, on a raster of {stage.limits.raster / 1e3:g} us; {hint}"
        )
    return (*blocks, Block(duration=rest, name=f"wait {key}")) if rest else blocks


def rf_energy(blocks: tuple[Block, ...]) -> float:
    """Return the integral of |B1|^2 dt over all pulses, T^2 s."""
    return sum(block.rf.energy for block in blocks if block.rf is not None)

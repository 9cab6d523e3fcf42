"""Ten small scans as others write them, with pypulseq's own functions, and one with its text for what it cannot write.

Each returns pypulseq's sequence; the fields of view are centred and the matrices small, so that they simulate fast.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .oracle import pypulseq

N = 16
FOV = 0.16
THICK = 5e-3
REST = 12.0
"""From one excitation (or train) to the next, s: twelve times the T1 of the ellipse, which starts afresh."""


def limits() -> Any:
    pp = pypulseq()
    return pp.Opts(
        max_grad=40, grad_unit="mT/m", max_slew=120, slew_unit="T/m/s", rf_dead_time=100e-6, rf_ringdown_time=30e-6,
        adc_dead_time=20e-6, B0=3.0, gamma=42.577478518e6,
    )  # fmt: skip


def started() -> tuple[Any, Any, Any]:
    pp = pypulseq()
    system = limits()
    sequence = pp.Sequence(system)
    sequence.set_definition("FOV", [FOV, FOV, THICK])
    return pp, system, sequence


def hard(pp: Any, system: Any, flip: float, use: str = "excitation", **more: Any) -> Any:
    return pp.make_block_pulse(math.radians(flip), duration=0.2e-3, delay=100e-6, system=system, use=use, **more)


def readout(pp: Any, system: Any, n: int = N) -> tuple[Any, Any, Any]:
    """A read lobe with its window, and the lobe that goes before."""
    gx = pp.make_trapezoid("x", flat_area=n / FOV, flat_time=n * 40e-6, system=system)
    adc = pp.make_adc(n, dwell=40e-6, delay=gx.rise_time, system=system)
    return gx, adc, pp.make_trapezoid("x", area=-gx.area / 2, duration=1e-3, system=system)


def phase(pp: Any, system: Any, line: int, sign: int = 1, axis: str = "y") -> Any:
    return pp.make_trapezoid(axis, area=sign * (line - N // 2) / FOV, duration=1e-3, system=system)


def gradient_echo() -> Any:
    """Spoiled gradient echo with a selective sinc and RF spoiling."""
    pp, system, sequence = started()
    rf, gz, gzr = pp.make_sinc_pulse(
        math.radians(20), duration=2e-3, slice_thickness=THICK, apodization=0.5, time_bw_product=4, system=system,
        return_gz=True, delay=100e-6, use="excitation",
    )  # fmt: skip
    gx, adc, before = readout(pp, system)
    spoil = pp.make_trapezoid("z", area=4 / THICK, system=system)
    for line in range(N):
        rf.phase_offset = adc.phase_offset = math.radians(117 * line * (line + 1) / 2) % (2 * math.pi)
        sequence.add_block(rf, gz)
        sequence.add_block(before, phase(pp, system, line), gzr)
        sequence.add_block(gx, adc, pp.make_label("LIN", "SET", line))
        sequence.add_block(phase(pp, system, line, -1), spoil, pp.make_delay(REST))
    return sequence


def echo_planar(navigators: int = 0) -> Any:
    """Single-shot gradient-echo EPI with labels and, perhaps, navigator lines; both directions of readout."""
    pp, system, sequence = started()
    gx, adc, before = readout(pp, system)
    blip = pp.make_trapezoid("y", area=1 / FOV, system=system)
    back = pp.scale_grad(gx, -1)
    sequence.add_block(hard(pp, system, 90))
    sequence.add_block(before)
    if navigators:
        sequence.add_block(pp.make_label("NAV", "SET", 1), pp.make_label("LIN", "SET", 0))
    for i in range(navigators):
        sequence.add_block(gx if i % 2 == 0 else back, adc, pp.make_label("REV", "SET", i % 2))
    sequence.add_block(phase(pp, system, 0), pp.make_label("NAV", "SET", 0))
    for line in range(N):
        sequence.add_block(
            gx if line % 2 == 0 else back, adc, pp.make_label("LIN", "SET", line), pp.make_label("REV", "SET", line % 2)
        )
        sequence.add_block(blip)
    return sequence


def turbo_spin_echo(factor: int = 4) -> Any:
    """CPMG train of hard pulses, four echoes a shot, interleaved."""
    pp, system, sequence = started()
    gx, adc, _ = readout(pp, system)
    half = pp.make_trapezoid("x", area=gx.area / 2, duration=1e-3, system=system)
    excite = hard(pp, system, 90, phase_offset=math.pi / 2)
    refocus = hard(pp, system, 180, use="refocusing")
    spacing = 6e-3
    middle = 100e-6 + 0.1e-3
    after_excitation = pp.calc_duration(excite) - middle
    side = (spacing - pp.calc_duration(refocus) - pp.calc_duration(gx) - 2e-3) / 2
    side = round(side / 1e-5) * 1e-5
    wait = spacing / 2 - after_excitation - 1e-3 - middle
    tail = pp.calc_duration(refocus) - middle
    for shot in range(N // factor):
        sequence.add_block(excite)
        sequence.add_block(half)
        sequence.add_block(pp.make_delay(round(wait / 1e-5) * 1e-5))
        for echo in range(factor):
            line = echo * (N // factor) + shot
            rest = spacing / 2 - tail - pp.calc_duration(gx) / 2 - 1e-3
            again = spacing / 2 - middle - pp.calc_duration(gx) / 2 - 1e-3
            sequence.add_block(refocus)
            sequence.add_block(phase(pp, system, line))
            sequence.add_block(pp.make_delay(round(rest / 1e-5) * 1e-5))
            sequence.add_block(gx, adc)
            sequence.add_block(phase(pp, system, line, -1))
            sequence.add_block(pp.make_delay(round(again / 1e-5) * 1e-5))
        sequence.add_block(pp.make_delay(REST))
    return sequence


def ultrashort(spokes: int = 48) -> Any:
    """Radial half-spokes from the centre out, sampled on the ramp; each spoke made with pypulseq's rotate."""
    pp, system, sequence = started()
    gx = pp.make_trapezoid("x", flat_area=0.5 * N / FOV, flat_time=N * 20e-6, system=system)
    adc = pp.make_adc(2 * N, dwell=10e-6, delay=20e-6, system=system)
    for spoke in range(spokes):
        rf = hard(pp, system, 10)
        sequence.add_block(rf)
        sequence.add_block(*pp.rotate(gx, adc, angle=2 * math.pi * spoke / spokes, axis="z"))
        rewind = pp.make_trapezoid("x", area=-gx.area, duration=1e-3, system=system)
        sequence.add_block(*pp.rotate(rewind, angle=2 * math.pi * spoke / spokes, axis="z"))
        sequence.add_block(pp.make_delay(REST))
    return sequence


def spiral_wave(pp: Any, system: Any, arms: int) -> tuple[np.ndarray, float]:
    """One arm of an Archimedean spiral, k in 1/m on the gradient raster, slow enough for the limits."""
    n = 700
    s = np.sqrt(np.linspace(0, 1, n)) ** 1.1
    turns = N / 2 / arms
    k = N / 2 / FOV * s * np.exp(2j * np.pi * turns * s)
    ease = np.clip(np.arange(n) / 60, 0, 1) ** 2
    index = np.cumsum(ease) / np.sum(ease) * (n - 1)
    real, imaginary = np.interp(index, np.arange(n), k.real), np.interp(index, np.arange(n), k.imag)
    return real + 1j * imaginary, 10e-6


def spiral(arms: int = 4) -> Any:
    """Interleaved spiral out as arbitrary gradients."""
    pp, system, sequence = started()
    path, raster = spiral_wave(pp, system, arms)
    system.max_slew *= 1e3
    for arm in range(arms):
        g = np.diff(path * np.exp(2j * np.pi * arm / arms)) / raster
        gx, gy = (
            pp.make_arbitrary_grad(axis, wave, first=0, last=0, system=system)
            for axis, wave in (("x", g.real), ("y", g.imag))
        )
        adc = pp.make_adc(len(g) // 2, dwell=20e-6, delay=20e-6, system=system)
        sequence.add_block(hard(pp, system, 90))
        sequence.add_block(gx, gy, adc, pp.make_delay((len(g) + 10) * raster))
        sequence.add_block(pp.make_delay(REST))
    return sequence


def magnetisation_prepared(partitions: int = 4) -> Any:
    """MPRAGE: inversion, wait, a train of small flips along the partitions; three-dimensional."""
    pp, system, sequence = started()
    sequence.set_definition("FOV", [FOV, FOV, 0.04])
    gx, adc, before = readout(pp, system)
    invert = hard(pp, system, 180, use="inversion")
    for line in range(N):
        sequence.add_block(invert)
        sequence.add_block(pp.make_delay(0.4))
        for partition in range(partitions):
            steps = (partition - partitions // 2) / 0.04
            go = pp.make_trapezoid("z", area=steps, duration=1e-3, system=system)
            home = pp.make_trapezoid("z", area=200 - steps, duration=1e-3, system=system)  # rewinds and spoils
            sequence.add_block(hard(pp, system, 5))
            sequence.add_block(before, phase(pp, system, line), go)
            sequence.add_block(gx, adc, pp.make_label("LIN", "SET", line), pp.make_label("PAR", "SET", partition))
            sequence.add_block(phase(pp, system, line, -1), home)
        sequence.add_block(pp.make_delay(REST))
    return sequence


def diffusion() -> Any:
    """Spin-echo EPI at b = 0 and with diffusion lobes along x."""
    pp, system, sequence = started()
    gx, adc, before = readout(pp, system)
    back = pp.scale_grad(gx, -1)
    blip = pp.make_trapezoid("y", area=1 / FOV, system=system)
    lobe = pp.make_trapezoid("x", amplitude=1.2e6, duration=12e-3, system=system)
    for repetition, weighted in enumerate((False, True)):
        sequence.add_block(hard(pp, system, 90, phase_offset=math.pi / 2))
        sequence.add_block(lobe if weighted else pp.make_delay(12e-3), pp.make_label("REP", "SET", repetition))
        sequence.add_block(pp.make_delay(10e-3))
        sequence.add_block(hard(pp, system, 180, use="refocusing"))
        sequence.add_block(lobe if weighted else pp.make_delay(12e-3))
        sequence.add_block(before, phase(pp, system, 0))
        for line in range(N):
            sequence.add_block(gx if line % 2 == 0 else back, adc, pp.make_label("LIN", "SET", line))
            sequence.add_block(blip)
        sequence.add_block(pp.make_delay(REST))
    return sequence


def arbitrary_pulse() -> Any:
    """Gradient echo whose excitation is a complex arbitrary shape with its own offset: a frequency-shifted Gaussian."""
    pp, system, sequence = started()
    gx, adc, before = readout(pp, system)
    t = np.arange(400) * 1e-6
    shape = np.exp(-(((t - 200e-6) / 80e-6) ** 2)) * np.exp(2j * np.pi * 500.0 * t)
    rf = pp.make_arbitrary_rf(
        shape, math.radians(30), freq_offset=-500.0, phase_offset=0.7, delay=100e-6, system=system, use="excitation"
    )
    adc.phase_offset = 0.7
    for line in range(N):
        sequence.add_block(rf)
        sequence.add_block(before, phase(pp, system, line))
        sequence.add_block(gx, adc)
        sequence.add_block(phase(pp, system, line, -1), pp.make_delay(REST))
    return sequence


def soft_delays() -> Any:
    """Spin echo whose echo time is a delay set at the console."""
    pp, system, sequence = started()
    gx, adc, _ = readout(pp, system)
    half = pp.make_trapezoid("x", area=gx.area / 2, duration=1e-3, system=system)
    excite = hard(pp, system, 90, phase_offset=math.pi / 2)
    refocus = hard(pp, system, 180, use="refocusing")
    for line in range(N):
        sequence.add_block(excite)
        sequence.add_block(half, phase(pp, system, line, -1))
        sequence.add_block(pp.make_soft_delay(hint="TE", numID=0, offset=0.0, factor=2.0, default_duration=5e-3))
        sequence.add_block(refocus)
        early = 1e-3 + 5e-3 + 130e-6 - 230e-6 + 230e-6 - pp.calc_duration(gx) / 2 - 130e-6
        sequence.add_block(pp.make_delay(round(early / 1e-5) * 1e-5))
        sequence.add_block(gx, adc)
        sequence.add_block(pp.make_delay(REST))
    return sequence


def radial() -> Any:
    """Full radial spokes along x, all the same: the rotations are added to the text."""
    pp, system, sequence = started()
    gx, adc, before = readout(pp, system)
    for _ in range(2 * N):
        sequence.add_block(hard(pp, system, 10))
        sequence.add_block(before)
        sequence.add_block(gx, adc)
        sequence.add_block(before)
        sequence.add_block(pp.make_delay(REST))
    return sequence


def with_rotations(text: str, spokes: int = 2 * N) -> str:
    """Return a radial file's text with one rotation about z per spoke, as Pulseq 1.5.1 writes them."""
    head, _, rest = text.partition("[BLOCKS]\n")
    table, _, rest = rest.partition("\n\n")
    rows = [row.split() for row in table.splitlines()]
    for index, row in enumerate(rows):
        row[7] = str(index // 5 + 1)
    entries = "".join(f"{i + 1} 1 {i + 1} 0\n" for i in range(spokes))
    half = [math.pi * i / spokes / 2 for i in range(spokes)]
    turns = "".join(f"{i + 1} {math.cos(a):.9g} 0 0 {math.sin(a):.9g}\n" for i, a in enumerate(half))
    body = "\n".join(" ".join(row) for row in rows)
    extra = f"[EXTENSIONS]\n{entries}\nextension ROTATIONS 1\n{turns}\n"
    return f"{head}[BLOCKS]\n{body}\n\n{extra}{rest.partition('[SIGNATURE]')[0]}"

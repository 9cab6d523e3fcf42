"""Slices of a gradient echo excited together, each shifted against the others by the phase of its band.

Group g of n holds slices g, g + n, g + 2 n, ... Band b of line l is excited with the phase 2 pi b shift (l - ny // 2),
which moves its image by b shift fields of view (CAIPIRINHA, Breuer 2005, doi:10.1002/mrm.20401). Before the images
every slice is read alone, lines around the middle of k-space (group ``calibration``).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ...core.errors import InputError
from ..events import NS, RfPulse
from ..rf import multiband
from ..sequence import Block, Sequence
from .cartesian import finished
from .interleave import Interleave, interleave
from .protocol import pulse_name
from .recalled import Echoes

if TYPE_CHECKING:
    from .spoiled_gradient_echo import SpoiledGradientEcho

FEWEST = 8
"""Lines from which bands can be learnt apart."""


def check_bands(protocol: SpoiledGradientEcho) -> None:
    """Refuse bands that no slices fill or that nothing tells apart."""
    count, slices = protocol.bands, protocol.slices
    if count < 1 or slices % count or slices < 2:
        problem = f"is {count}; {slices} slices come in groups of as many: use a number that divides {slices}"
        raise InputError(problem, key="bands")
    if protocol.pulse == "hard" or protocol.preparation:
        raise InputError(f"is {count}; hard pulses and preparations know no bands: use 1", key="bands")
    if protocol.acceleration > 1:
        problem = f"is {protocol.acceleration}; {count} bands are told apart on all lines: use 1"
        raise InputError(problem, key="acceleration")
    if protocol.partial_fourier < 1:
        raise InputError(f"is {protocol.partial_fourier:g}; {count} bands need all lines: use 1", key="partial_fourier")
    if protocol.calibration_lines < FEWEST:
        problem = f"is {protocol.calibration_lines}; {count} bands are learnt apart from {FEWEST}: raise it"
        raise InputError(problem, key="calibration_lines")


def together(
    protocol: SpoiledGradientEcho, played: list[Echoes], times: tuple[int, int], content: dict[str, int]
) -> Sequence:  # fmt: skip
    """Return the sequence of slices excited together.

    Parameters
    ----------
    protocol : SpoiledGradientEcho
    played : list of Echoes
        One for each flip angle.
    times : (int, int)
        Echo time, and the wait between excitation and readout, ns.
    content : dict
        What a slice needs of the repetition time, name -> ns.
    """
    limits, (te, pause) = played[0].plan.limits, times
    order = "interleaved" if isinstance(protocol.slice_order, tuple) else protocol.slice_order
    groups = replace(protocol, slices=protocol.slices // protocol.bands, bands=1, slice_order=order)
    turns = interleave(groups, protocol.tr, content, limits, "shorten te")
    alone = interleave(protocol, turns.tr / NS, content, limits, "shorten te")
    blocks = _calibration(protocol, played[0], pause, alone)
    excitation = 0
    for image, parts in enumerate(played):
        pulses: dict[tuple[int, float], RfPulse] = {}
        for group, average, line in groups.repetitions(turns.groups):
            labels = {"contrast": image, "average": average, "repetition": 0}
            phase = protocol.spoil_phase(excitation)
            module = [
                parts.blocks(line, ({**labels, "slice": g},), (pause, 0), phase,
                             pulse=_pulse(protocol, parts, g, line, pulses))
                for g in group
            ]  # fmt: skip
            blocks += turns.repetition(module)
            excitation += 1
    contrast = {"te": te / NS, "tr": turns.tr / NS, "flip": protocol.flip}
    sheet = {"excitation_profile": pulse_name(protocol), "phase_increment": protocol.phase_increment}
    sheet |= {"bands": protocol.bands, "band_shift": protocol.band_shift}
    facts = {"te": te / NS, "tr": turns.tr / NS, "bands": float(protocol.bands), **turns.facts()}
    return finished(protocol, played[0].plan, blocks, contrast, sheet, facts)


def _calibration(protocol: SpoiledGradientEcho, parts: Echoes, pause: int, turns: Interleave) -> list[Block]:
    """Return the lines around the middle of every slice alone, after its dummies."""
    first = protocol.matrix[1] // 2 - protocol.calibration_lines // 2
    lines = [-1] * protocol.dummies + list(range(first, first + protocol.calibration_lines))
    blocks: list[Block] = []
    for group in turns.groups:
        for excitation, line in enumerate(lines):
            phase = protocol.spoil_phase(excitation)
            module = [
                parts.blocks(line, ({"contrast": 0, "slice": i},), (pause, 0), phase, protocol.position(i),
                             purpose="calibration")
                for i in group
            ]  # fmt: skip
            blocks += turns.repetition(module)
    return blocks


def _pulse(
    protocol: SpoiledGradientEcho, parts: Echoes, group: int, line: int, known: dict[tuple[int, float], RfPulse]
) -> RfPulse:
    """Return the pulse of a group of slices for a line; the same one wherever its phases are the same."""
    step = (line - protocol.matrix[1] // 2) if line >= 0 else 0
    turn = math.fmod(protocol.band_shift * step, 1.0) % 1.0
    key = (group, round(turn, 9))
    if key not in known:
        places = [protocol.position(i) for i in range(group, protocol.slices, protocol.slices // protocol.bands)]
        offsets = parts.excitation.per_metre * np.array(places)
        tags = np.asarray(2 * math.pi * turn * np.arange(protocol.bands), dtype=np.float64)
        known[key] = multiband(parts.plan.scanner, parts.excitation.pulse, offsets, tags=tags, scheduled=False)
    return known[key]

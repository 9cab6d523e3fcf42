"""Single voxels by pathways: against spins that travel one by one, and against closed forms of lines."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import mrsim as mr
from mrsim.core.nuclei import WATER_PPM
from mrsim.phantom.metabolite import Lines, Metabolite
from mrsim.sequence.families.press import Press
from mrsim.sequence.families.semi_laser import SemiLaser
from mrsim.sequence.families.steam import Steam
from mrsim.sequence.timeline import Timeline
from mrsim.simulate.bloch import task_of
from mrsim.simulate.by_voxel import _Voxel, by_voxel
from mrsim.simulate.classes import TissueClass
from mrsim.simulate.direct import direct_signal
from mrsim.simulate.line import follow
from mrsim.simulate.pulse_maps import Relaxation
from mrsim.simulate.voxel_content import Content
from mrsim.simulate.voxel_course import Course, Stretch
from mrsim.simulate.voxel_doubts import doubts
from mrsim.simulate.voxel_pathways import Boxes, Pathways, elements_of
from mrsim.simulate.voxel_program import FREE, voxel_program
from mrsim.simulate.voxel_terms import Term

SCANNER = mr.Scanner.preset("3T")
VOXEL: dict[str, Any] = {
    "voxel": (8e-3, 8e-3, 8e-3), "samples": 4, "spectral_width": 2500.0, "dummies": 0, "water_averages": 0,
    "suppression": "none", "shift": -1e-6, "tr": 0.6, "crusher_cycles": 5.0, "spoiler_cycles": 5.0,
}  # fmt: skip
CASES = {
    "press": Press(**VOXEL),
    "press-twice": Press(**{**VOXEL, "averages": 2}),
    "steam": Steam(**VOXEL),
    "semi-laser": SemiLaser(**{**VOXEL, "adiabatic": "hyperbolic-secant", "adiabatic_bandwidth": 1800.0}),
    "wet": Press(**{**VOXEL, "suppression": "wet"}),
    "mega": Press(**{**VOXEL, "editing": (1e-6,), "te": 68e-3}),
}
M0 = 8e-3**3


def dense(timeline: Timeline, side: int, offset: float = 0.0) -> Any:
    """Return the signal of a cube of 10 mm from `side` spins along each axis."""
    place = (np.arange(side) + 0.5) / side * 10e-3 - 5e-3
    position = np.array(list(itertools.product(place, place, place)))
    members = np.arange(len(position))
    kind = TissueClass(
        name="water", tissue="sample", pd=1.0, r1=1.0, r2=1 / 0.08, offset=offset, b1=1.0, members=members
    )  # fmt: skip
    volume = np.full(len(position), (10e-3 / side) ** 3)
    return direct_signal(timeline, [kind], position, volume, dtype=np.float64, threads=2)


@pytest.mark.parametrize("name", ["press", "steam", "semi-laser", "mega"])
def test_pathways_add_up_to_the_spin(name: str) -> None:
    """At any point the sum over all pathways is the spin that travels there by itself."""
    timeline = mr.discretize(CASES[name].build(SCANNER))
    program = voxel_program(timeline)
    assert not isinstance(program, str)
    edges = np.linspace(-5e-3, 5e-3, 6)
    boxes = Boxes.of((edges, edges, edges), np.full(3, 8e-3), np.zeros(3))
    spin = Relaxation(r1=1.0, r2=1 / 0.08, offset=20.0, b1=0.9)
    pathways = Pathways(boxes=boxes, spin=spin, least=0.0)
    (seen,) = pathways.play(program.stretches[0], elements_of(timeline, program, program.stretches[0], boxes, spin))
    picked = np.random.default_rng(1).integers(0, [len(p) for p in boxes.points], (12, 3))
    position = np.array([[boxes.points[axis][n] for axis, n in enumerate(place)] for place in picked])
    travelled = [_alone(timeline, place) for place in position]
    added = [sum(_at(term, place) for term in seen) for place in picked]
    assert np.abs(np.array(added) - travelled).max() < 1e-7
    assert np.abs(travelled).max() > 0.1


def test_alternating_repetitions_settle() -> None:
    """Two kinds of repetition in turn: late ones are seen once, and as if all had been played."""
    timeline = mr.discretize(replace(CASES["press"], averages=2, te=30e-3).build(SCANNER))
    program = voxel_program(timeline)
    assert not isinstance(program, str)
    edges = np.linspace(-5e-3, 5e-3, 6)
    boxes = Boxes.of((edges, edges, edges), np.full(3, 8e-3), np.full(3, 1e3))
    spin = Relaxation(r1=2.0, r2=1 / 0.08, offset=0.0, b1=1.0)
    whole = program.stretches[program.repetitions[0][0]]
    stretches = []
    for duration in (0.3, 0.6):
        stretch = (*whole[:-1], (FREE, duration, *whole[-1][2:]))
        pathways = Pathways(boxes=boxes, spin=spin, least=1e-6)
        seen = pathways.play(stretch, elements_of(timeline, program, stretch, boxes, spin))
        stretches.append(Stretch(along=pathways.along, seen=seen, left_out=0.0, duration=duration))

    def signals(steady: float) -> NDArray[np.complex128]:
        course = Course(
            boxes=boxes, content=Content.of(np.full((1, 5, 5, 5), 8e-9, complex)), stretches=stretches, rate=2.0,
            voxel=(8e-3, 8e-3, 8e-3), turns=32.0, least=1e-8, small=1e-5,
        )  # fmt: skip
        return np.array(course.signals(((0,), (1,)) * 10, steady))[:, 0, 0]

    every, settled = signals(0.0), signals(1e-3)
    assert len(set(settled[-8:].tolist())) == 2
    assert np.abs(every - settled).max() < 1e-3 * 1e-6  # of all that is heard, 1e-6 m^3
    assert abs(every[-1] - every[-2]) > 0.05 * abs(every[-1])


def _at(term: Term, place: Any) -> complex:
    return term.value * complex(np.prod([1.0 if f is None else f[n] for f, n in zip(term.factors, place, strict=True)]))


def _alone(timeline: Timeline, place: Any) -> complex:
    """Return the magnetisation of one spin at the start of the first window."""
    kind = TissueClass(
        name="water", tissue="sample", pd=1.0, r1=1.0, r2=1 / 0.08, offset=20.0, b1=0.9, members=np.zeros(1, np.int64)
    )  # fmt: skip
    first = direct_signal(timeline, [kind], place[None], np.ones(1), dtype=np.float64, threads=1)[0, 0]
    return complex(first * np.exp((1 / 0.08 + 2j * np.pi * 20.0) * timeline.readouts.dwell[0] / 2))


@pytest.mark.parametrize(
    ("name", "offset"),
    [
        ("press-twice", 0.0),
        ("steam", 0.0),
        # what is not suppressed
        pytest.param("wet", -150.0, marks=pytest.mark.slow),
    ],
)
def test_voxel_agrees_with_spins(name: str, offset: float) -> None:
    """Spins converge on pathways: their error falls with the square of their distance, so Richardson's rule applies."""
    timeline = mr.discretize(CASES[name].build(SCANNER))
    phantom = replace(mr.load_phantom("single-voxel", field=3.0), offset=offset)
    found = by_voxel(task_of(timeline, phantom, mr.Bloch(t2_prime=False), 2, None, None))
    assert not isinstance(found, str)
    coarse, fine = dense(timeline, 31, offset), dense(timeline, 47, offset)
    exact = fine + (fine - coarse) * 31**2 / (47**2 - 31**2)
    assert np.abs(found[0][:, 0] - exact).max() / M0 < np.abs(fine - coarse).max() / 2 / M0 + 1e-3
    assert np.abs(exact).max() / M0 > 0.1
    assert found[1]["reuse"] == "through the voxel"


@pytest.mark.parametrize("tau", [-4e-3, 0.0, 6e-3])
def test_line_of_an_echo_decays_from_where_it_is_refocused(tau: float) -> None:
    """What a pulse leaves dephased by exp(-i 2 pi u tau) is seen with exp(-|t + tau| / T2')."""
    t2_prime, dwell, samples = 0.02, 0.5e-3, 128
    line = follow(lambda u: np.exp(-2j * np.pi * u * np.full((1, 1), tau)), 1 / (2 * np.pi * t2_prime), 1e-4, 1.0)
    signal = line.signal(dwell / 2, dwell, samples)[0, 0]
    time = dwell * (np.arange(samples) + 0.5)
    assert np.abs(signal - np.exp(-np.abs(time + tau) / t2_prime)).max() < line.error + 1e-3


def test_line_of_a_plain_response_is_exact() -> None:
    """A response that does not depend on the offset decays with T2'."""
    line = follow(lambda u: np.full((2, 1), 0.7 + 0.1j), 3.0, 1e-4, 1.0)
    time = 1e-3 * (np.arange(64) + 0.5)
    expected = (0.7 + 0.1j) * np.exp(-2 * np.pi * 3.0 * time)
    assert np.abs(line.signal(0.5e-3, 1e-3, 64) - expected).max() < 1e-12
    assert line.error < 1e-12


def test_fields_that_vary_keep_a_voxel_from_pathways() -> None:
    """Options that only spins have, and what varies, are told."""
    timeline = mr.discretize(CASES["press"].build(SCANNER))
    phantom = mr.load_phantom("single-voxel", field=3.0)
    assert by_voxel(task_of(timeline, phantom, mr.Bloch(layers=3), 1, None, None)) == "layers is given"


@pytest.mark.parametrize(("name", "words"), [
    ("semi-laser", "sweeps in frequency"), ("wet", "water suppression leaves"),
])  # fmt: skip
def test_what_is_not_settled_is_told(name: str, words: str) -> None:
    timeline = mr.discretize(CASES[name].build(SCANNER))
    told = " ".join(doubts(timeline, 0.0, 1e-3, 32))
    assert words in told
    assert ("sweeps in frequency" in told) == (name == "semi-laser")
    assert ("water suppression leaves" in told) == (name == "wet")


@pytest.mark.slow
def test_a_stimulated_echo_is_not_mixed_with_what_the_last_pulse_excites_around_the_voxel() -> None:
    """The slab of the last pulse holds a hundred times the voxel's water; coupled spins hold the echo alone."""
    protocol = Steam(**VOXEL | {"voxel": (16e-3, 5e-3, 15e-3), "outer_band": 25e-3, "outer_gap": 4e-3,
                                 "crusher_cycles": 8.0, "spoiler_cycles": 20.0})  # fmt: skip
    timeline = mr.discretize(protocol.build(SCANNER))
    raw = mr.simulate(timeline, mr.load_phantom("mrs-sphere", field=3.0), mr.Bloch())
    line = Metabolite(name="water", kind="water", lines=(Lines(shifts=(WATER_PPM * 1e-6,), protons=(1.0,)),))
    echo = mr.basis((line,), timeline, mr.SpinSystem(pulses="shaped"), cached=False).fids[0, 0]
    left = np.exp(-protocol.te / 0.3 - protocol.mixing_time / 1.2)
    volume = float(np.prod(protocol.voxel))
    assert abs(raw.imaging.data[0, 0, 0] / volume) == pytest.approx(abs(echo) * left, rel=0.02)


@pytest.mark.slow
def test_water_that_has_not_recovered_is_seen_as_single_spins_see_it() -> None:
    """A sphere of T1 1.2 s at a TR of 2 s and of 12 s: single spins say 0.823, full saturation of the voxel 0.811."""
    seen = []
    phantom = mr.load_phantom("mrs-sphere", field=3.0)
    for tr, dummies in ((2.0, 5), (12.0, 0)):
        protocol = Press(**{
            **VOXEL, "voxel": (15e-3, 15e-3, 15e-3), "tr": tr, "dummies": dummies, "crusher_cycles": 8.0,
            "spoiler_cycles": 20.0,
        })  # fmt: skip
        timeline = mr.discretize(protocol.build(SCANNER))
        program = voxel_program(timeline)
        assert not isinstance(program, str)
        voxel = _Voxel(task_of(timeline, phantom, mr.Bloch(), 1, None, None), timeline, program)
        ((index, kind),) = next(iter(voxel.classes.values()))[:1]
        seen.append(voxel.respond(kind, voxel.held(index, kind), 0.0)[0][-1, 0])
    assert abs(seen[0] / seen[1]) == pytest.approx(0.82, abs=0.012)

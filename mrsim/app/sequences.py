"""What the page can play: sequences with their protocol, what each slider sets, and which images one setting makes.

One slider value may stand for a series: of a spin echo the echo times are fixed multiples of TE. The same multiples
make the page's images and the protocol's entries, so that both are the same scan.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

OWN = Path(__file__).parent / "protocols"
"""Protocols that serve the page alone."""
DWELL_STEP = 2e-6
"""Dwells of the shipped scanners are multiples of this, s."""
FOV = (160.0, 128.0)
"""Read x phase, mm, of every sequence."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Slider:
    """One control."""

    name: str
    label: str
    unit: str
    low: float
    high: float
    step: float
    logarithmic: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class LabSequence:
    """One sequence of the page."""

    name: str
    title: str
    protocol: str
    """Name or path."""
    signal: str
    """How the page computes it: train, inversion or spoiled."""
    start: dict[str, float]
    """First values of the sliders; those that it has not do nothing here."""
    limits: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    """Slider -> lowest, highest, step, where they differ from the common ones."""
    multiples: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """te, flip or ti -> what each image has, over the slider."""
    model: str | None = None
    """What is fitted."""
    parameter: str | None = None
    """The parameter whose bias and bound are shown."""
    dummies: int = 0
    series: int = 1
    """Images that are measured one after the other, each in a scan of its own."""
    entries: dict[str, str] = field(default_factory=dict)
    """Slider -> entry of the protocol, where it is not of the same name."""

    @property
    def images(self) -> int:
        """Images of one setting."""
        return max((len(values) for values in self.multiples.values()), default=1)

    @property
    def path(self) -> str:
        """Name of a shipped protocol, or the path of one that serves the page."""
        own = OWN / f"{self.protocol}.toml"
        return str(own) if own.exists() else self.protocol


SLIDERS = (
    Slider(name="field", label="Field", unit="T", low=0.05, high=11.7, step=0.01, logarithmic=True),
    Slider(name="tr", label="TR", unit="ms", low=200, high=8000, step=50, logarithmic=True),
    Slider(name="te", label="TE", unit="ms", low=10, high=150, step=1),
    Slider(name="flip", label="Flip angle", unit="°", low=5, high=90, step=1),
    Slider(name="ti", label="TI", unit="ms", low=100, high=1500, step=10),
    Slider(name="bandwidth", label="Bandwidth per pixel", unit="Hz", low=100, high=1000, step=5, logarithmic=True),
    Slider(name="voxel", label="Pixel", unit="mm", low=0.5, high=4, step=0.1),
    Slider(name="thickness", label="Slice thickness", unit="mm", low=2, high=8, step=0.5),
    Slider(name="averages", label="Averages", unit="", low=1, high=16, step=1),
    Slider(name="acceleration", label="Acceleration", unit="", low=1, high=4, step=1),
    Slider(name="grade", label="Pfirrmann grade", unit="", low=1, high=5, step=1),
)
ECHOES = tuple(float(n) for n in range(1, 9))
COMMON = {"field": 3.0, "voxel": 1.0, "thickness": 4.0, "averages": 1.0, "grade": 3.0}

SEQUENCES = (
    LabSequence(
        name="mese", title="Multi-echo spin echo (T2)", protocol="disc-t2-mese", signal="train",
        start={**COMMON, "tr": 1500, "te": 12.6, "flip": 180, "bandwidth": 195},
        limits={"te": (10, 30, 0.2), "tr": (500, 6000, 50), "flip": (100, 180, 1)}, multiples={"te": ECHOES},
        model="t2-mono", parameter="t2", dummies=2, entries={"te": "echo_spacing", "flip": "refocusing_flip"},
    ),
    LabSequence(
        name="se", title="Spin echo", protocol="disc-se", signal="train",
        start={**COMMON, "tr": 2000, "te": 60, "flip": 90, "bandwidth": 195},
        limits={"te": (48, 144, 2.4), "flip": (30, 90, 1)}, multiples={"te": (0.25, 0.5, 1.0, 5 / 3)},
        model="t2-mono", parameter="t2", dummies=2, series=4,
    ),
    LabSequence(
        name="ir", title="Inversion recovery (T1)", protocol="disc-ir-se", signal="inversion",
        start={**COMMON, "tr": 4000, "te": 15, "ti": 700, "flip": 90, "bandwidth": 195},
        limits={"te": (12, 60, 1), "tr": (1500, 8000, 50), "flip": (30, 90, 1)},
        multiples={"ti": (0.1, 0.4, 1.0, 2.0, 4.0)},
        model="inversion-recovery", parameter="t1", dummies=1, series=5,
    ),
    LabSequence(
        name="spgr", title="Spoiled gradient echo (T1)", protocol="disc-spgr", signal="spoiled",
        start={**COMMON, "tr": 20, "te": 4, "flip": 15, "bandwidth": 310},
        limits={"te": (3, 12, 0.1), "tr": (8, 300, 1), "flip": (5, 50, 1)}, multiples={"flip": (0.2, 0.5, 1.0, 1.6)},
        model="spgr", parameter="t1", dummies=200, series=4,
    ),
    LabSequence(
        name="megre", title="Multi-echo gradient echo (T2*)", protocol="disc-t2star-megre", signal="spoiled",
        start={**COMMON, "tr": 700, "te": 4, "flip": 50, "bandwidth": 445},
        limits={"te": (3, 12, 0.1), "tr": (100, 2000, 10), "flip": (5, 90, 1)}, multiples={"te": ECHOES},
        model="t2star-mono", parameter="t2_star", dummies=4,
    ),
    LabSequence(
        name="epi", title="Spin-echo EPI", protocol="disc-se-epi", signal="train",
        start={**COMMON, "tr": 3000, "te": 90, "flip": 90, "bandwidth": 2000, "voxel": 2.0, "acceleration": 1},
        limits={"te": (30, 150, 1), "tr": (1000, 8000, 100), "flip": (30, 90, 1), "bandwidth": (1000, 4000, 20),
                "voxel": (1.5, 4, 0.1)},
        dummies=2,
    ),
)  # fmt: skip


def find_sequence(name: str) -> LabSequence:
    """Return the sequence of that name."""
    from ..core.errors import InputError, did_you_mean

    for found in SEQUENCES:
        if found.name == name:
            return found
    raise InputError(f"no sequence '{name}'{did_you_mean(name, [s.name for s in SEQUENCES])}", key="sequence")


def matrix(voxel: float) -> tuple[int, int]:
    """Return the even matrix nearest to a pixel size, mm: the page and the scan take the pixels that result."""
    nx, ny = (2 * math.floor(length / (2 * voxel) + 0.5) for length in FOV)
    return nx, ny


def played_bandwidth(bandwidth: float, points: int) -> float:
    """Return the bandwidth per pixel, Hz, whose dwell lies on the scanners' raster: what page and scan both take."""
    steps = max(1, math.floor(1 / (points * bandwidth * DWELL_STEP) + 0.5))
    return 1 / (points * steps * DWELL_STEP)

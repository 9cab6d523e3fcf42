"""One protocol at several field strengths: what grows, what shrinks, what stops the scanner; and other nuclei.

Everything is foretold, nothing is scanned: SNR and precision by the planner, distortion from the played k-space,
absorbed power and nerve stimulation from the built sequence, exchange contrast from the Bloch-McConnell equations, the
transmit field from the wave in a cylinder. Random protocols are put before the planner, which must name the constraint
that arithmetic on their numbers names; arithmetic with a wrong law of the field must not agree.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ...core.nuclei import NUCLEI, PROTON
from ...phantom.transmit import cylinder_b1, torso_dielectric
from ...plan.answer import Verdict
from ...plan.distortion import distortions
from ...plan.exchange_contrast import hydroxyl_asymmetry
from ...plan.polarisation import enhancement, gas_over_water, receptivity
from ...plan.question import read_question
from ...plan.safety import load_safety
from ...sequence.discretize import discretize
from ...sequence.protocol import load_protocol
from ...sequence.scanner import Scanner
from ..ask import answers
from ..experiment import Arrays, Experiment, Measure, Outcome
from ..plan import forecast
from ..request import RunRequest

GAG = {1.5: (1.0, 0.1), 3.0: (1.2, 0.1), 7.0: (1.6, 0.06)}
"""T1 and T2 of the exchanging water, s."""
FRACTION = 300e-3 / 110
"""Hydroxyl protons over those of water."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldComparison:
    """Which protocols, at which fields."""

    fields: tuple[float, ...] = (1.5, 3.0, 7.0)
    """T."""
    image: str = "disc-se"
    """Of SNR, power and nerves."""
    tissue: str = "nucleus_pulposus"
    train: str = "brain-rsfmri"
    """Echo-planar protocol of the distortion."""
    entries: dict[str, str] = field(default_factory=dict)
    """Its entries."""
    protocols: int = 20
    """Random ones for the planner."""


def replicate(settings: FieldComparison, streams: Sequence[np.random.Generator]) -> Arrays:
    """Return, for every stream, how many random protocols the planner judges as arithmetic does."""
    rows = [judged(settings.protocols, stream, settings.fields) for stream in streams]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawn:
    """A random protocol: non-selective pulses of one flip angle, one line after each."""

    field: float
    """T."""
    flip: float
    """deg."""
    duration: float
    """Of the pulse, s."""
    tr: float
    """s."""

    def request(self) -> RunRequest:
        """Return it as a request."""
        entries = {
            "flip": f"{self.flip:g} deg", "te": "minimum", "tr": f"{1e3 * self.tr:g} ms", "pulse": "hard",
            "excitation_duration": f"{1e6 * self.duration:g} us", "matrix": "32 32", "fov": "160 160 mm",
            "slice_thickness": "40 mm", "pixel_bandwidth": "500 Hz", "dummies": "0", "max_slew": "40 T/m/s",
            "spoiler_cycles": "2",
        }  # fmt: skip
        return RunRequest(protocol="b1-dam", field=self.field, overrides=entries)


def drawn(count: int, stream: np.random.Generator, fields: Sequence[float]) -> Iterator[Drawn]:
    """Yield random protocols."""
    for _ in range(count):
        yield Drawn(
            field=float(stream.choice(fields)), flip=float(stream.integers(60, 171)),
            duration=20e-6 * int(stream.integers(15, 81)), tr=round(float(stream.uniform(10e-3, 25e-3)), 5),
        )  # fmt: skip


def by_hand(one: Drawn, power: float = 2.0) -> str:
    """Return the constraint that stops a protocol, by arithmetic; empty where none does.

    B1 = flip / (2 pi gamma_bar duration) against the scanner, for what cannot be played absorbs nothing; then whichever
    is exceeded more of c (B0 / 3 T)^2 B1^2 duration / TR against 4 W/kg in the body and 3.2 W/kg in the head. `power`
    is that of the field.
    """
    scanner = Scanner.preset(f"{one.field:g}T")
    facts = load_safety(scanner.safety).absorption
    b1 = math.radians(one.flip) / (2 * math.pi * PROTON.gamma_bar * one.duration)
    square = b1**2 * one.duration / one.tr * (one.field / 3.0) ** power
    if b1 > scanner.max_b1:
        return "RF amplitude"
    uses = {
        "SAR whole body, 6 min": facts.whole_body * square / 4.0,
        "SAR head, 6 min": facts.head * square / 3.2,
    }
    worst = max(uses, key=lambda name: uses[name])
    return worst if uses[worst] > 1 else ""


def planned(one: Drawn) -> str:
    """Return the constraint that the planner names; empty where the protocol runs."""
    found: Verdict = answers(one.request(), (read_question("runs"),))[0]
    if found.answer == "yes":
        return ""
    return "RF amplitude" if "uT, above the" in found.cause else found.cause


def judged(count: int, stream: np.random.Generator, fields: Sequence[float]) -> dict[str, float]:
    """Return how many verdicts equal the arithmetic, and that of a linear law, and how many protocols run."""
    agree = linear = run = 0
    for one in drawn(count, stream, fields):
        said, expected = planned(one), by_hand(one)
        agree += said == expected
        linear += said == by_hand(one, power=1.0)
        run += not expected
    return {"agree": float(agree), "linear": float(linear), "run": float(run)}


def measure(outcomes: Mapping[str, Outcome]) -> list[Measure]:
    """Return the table of the fields."""
    found: list[Measure] = []
    for outcome in outcomes.values():
        settings: FieldComparison = outcome.settings
        data = outcome.data
        found += [
            Measure(metric="verdicts like the arithmetic", region="planner", value=float(data["agree"].mean())),
            Measure(metric="verdicts like a linear law", region="planner", value=float(data["linear"].mean())),
            Measure(metric="protocols that run", region="planner", value=float(data["run"].mean())),
        ]
        found += [entry for b0 in settings.fields for entry in _at_field(settings, b0)]
        found += _ratios(found, settings.fields)
    return [*found, *_nuclei()]


def _at_field(settings: FieldComparison, b0: float) -> Iterator[Measure]:
    """Yield what is foretold at one field."""
    region = f"{b0:g} T"

    def number(metric: str, value: float, unit: str = "") -> Measure:
        return Measure(metric=metric, region=region, value=value, unit=unit)

    plan = forecast(RunRequest(protocol=settings.image, field=b0), (), (settings.tissue,))
    row = plan.snr[0].rows[0]
    yield number("SNR per root second", plan.snr[0].per_root_second(row))
    margins = {margin.limit_name: margin for margin in plan.page.limits.margins} if plan.page else {}
    yield number("whole-body SAR", margins["SAR whole body, 6 min"].value)
    yield number("nerve stimulation", margins["nerve stimulation, SAFE"].use)
    scanner = Scanner.preset(f"{b0:g}T")
    train = discretize(load_protocol(settings.train, settings.entries).build(scanner))
    across = next(one for one in distortions(train) if one.axis == "phase")
    yield number("voxels per ppm", across.pixels)
    yield number("gagCEST", hydroxyl_asymmetry(*GAG[b0], FRACTION, b0))
    lossless = replace(torso_dielectric(b0), conductivity=0.0)
    radius = np.linspace(0.0, 0.5, 50_001)
    b1 = cylinder_b1(radius, lossless)
    yield number("B1 null", float(radius[1 + int(np.argmax((b1[1:-1] < b1[:-2]) & (b1[1:-1] <= b1[2:])))]), "m")
    yield number("wavelength", lossless.wavelength, "m")


def _ratios(found: Sequence[Measure], fields: Sequence[float]) -> list[Measure]:
    """Return SAR and SNR over those at 3 T, and the null over the wavelength."""
    value = {(entry.metric, entry.region): entry.value for entry in found}
    rows = []
    for b0 in fields:
        region = f"{b0:g} T"
        rows += [
            Measure(metric="SAR over 3 T", region=region,
                    value=value["whole-body SAR", region] / value["whole-body SAR", "3 T"]),
            Measure(metric="SNR over 3 T", region=region,
                    value=value["SNR per root second", region] / value["SNR per root second", "3 T"]),
            Measure(metric="B1 null over wavelength", region=region,
                    value=value["B1 null", region] / value["wavelength", region]),
        ]  # fmt: skip
    return rows


def _nuclei() -> Iterator[Measure]:
    for name, one in NUCLEI.items():
        if name == "1H":
            continue
        yield Measure(metric="receptivity", region=name, value=receptivity(one))
        yield Measure(metric="MHz at 3 T", region=name, value=abs(one.gamma_bar) * 3e-6)
    for name in ("129Xe", "13C"):
        yield Measure(metric="enhancement", region=name, value=enhancement(NUCLEI[name], 0.3, 3.0))
    yield Measure(metric="gas over water", region="129Xe", value=gas_over_water(NUCLEI["129Xe"], 0.3, 3.0))


EXPERIMENT = Experiment(
    name="field-comparison",
    title="One protocol at several field strengths, the planner's verdicts on random protocols, and other nuclei",
    settings=FieldComparison,
    replicate=replicate,
    measure=measure,
)

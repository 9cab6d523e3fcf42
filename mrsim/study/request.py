"""What a run is asked to do, and what it gives back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..core.acquisition import Acquisition
from ..core.errors import InputError, check_kind, did_you_mean
from ..core.evaluation import Budget, Evaluation
from ..core.images import Images
from ..core.maps import Maps
from ..core.shown import Rows, Shown
from ..core.wave import Waves
from ..phantom.phantom import Phantom
from ..sequence.sequence import Sequence

if TYPE_CHECKING:
    from .spectra import Quantified

Progress = Callable[[str, int, int], None]
"""Called with (what is going on, done, in all)."""

CAUSES = (
    "noise", "slice-profile", "t2-prime", "chemical-shift", "partial-volume", "imperfections", "b1", "off-resonance",
    "diffusion",
)  # fmt: skip
"""Causes of error that a run can leave out: `partial-volume` restricts the regions to voxels whose in-plane
neighbours are pure too; `slice-profile` plays nominal flips in a nominal slice; `imperfections` a perfect scanner;
`b1` and `off-resonance` make the fields uniform; `diffusion` lets nothing diffuse."""
EFFECTS = ("mt",)
"""Effects that a run leaves out unless asked: `mt`, magnetisation transfer with the tissues' bound protons."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRequest:
    """A run as a user asks for it; None means what the protocol's [run] table says."""

    protocol: str
    """Name or path."""
    scanner: str | None = None
    """Preset name or path."""
    phantom: str | None = None
    """Name or path."""
    field: float | None = None
    """T; picks the preset of that field."""
    grade: int | tuple[int, ...] | None = None
    """Pfirrmann grade, 1 to 5; of a spine several, the lowest disc last."""
    materials: tuple[str, ...] = ()
    """Material sets of the tissues, where the literature disagrees."""
    extrapolate: bool = False
    """Allow a field strength beyond those at which tissues are known; the result says of what."""
    b1: float | None = None
    """Transmit field relative to the nominal one; None: the phantom's."""
    offset: float | None = None
    """Off-resonance of the object, Hz; None: the phantom's."""
    surroundings: str | None = None
    """Switches the phantom's susceptibility on, within ``"water"``, ``"air"`` or ``"torso"``."""
    shim: int | None = None
    """Highest degree of the shim's harmonics."""
    transmit: str | None = None
    """Transmit field: ``"uniform"``, ``"body"``, or the path of a map."""
    receive: str | None = None
    """Receive coils, e.g. ``"spine-16"``."""
    snr_exponent: str | float | None = None
    """How SNR grows with the field: a law's name or an exponent; None: the scanner's."""
    recon: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """How images are reconstructed, as text: {"method": "grappa", "partial": "homodyne"}; see `reconstruction`."""
    vibration: str | None = None
    """Path of a file of waves (`mrsim shake`) that move the phantom while it is scanned."""
    drives: tuple[str, ...] = ()
    """What shakes the phantom at the vibration of an elastography protocol, ``"SIDE=MOTION"`` as for `mrsim shake`."""
    offset_map: str | None = None
    """Path of a map of off-resonance, Hz, before the shim."""
    model: str | None = None
    """Signal model to fit."""
    given: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Options of the fit as text: a number with its unit, a file with a map, or a protocol that measures it."""
    likelihood: str = "gaussian"
    """Of the noise in the fit: ``"gaussian"``, or ``"rician"`` for magnitudes."""
    noise_floor: str = "keep"
    """``"keep"``, or ``"subtract"`` to take the noise's power off magnitudes before the fit."""
    overrides: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Protocol entries, as text with units: {"te": "10 ms"}."""
    seed: int = 1
    """Seed of the noise."""
    physiology: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """How pulse and breathing make the signal fluctuate, as text with units: {"field": "2 Hz"}; see `Physiology`."""
    without: tuple[str, ...] = ()
    """Causes of error to leave out; see `CAUSES`."""
    including: tuple[str, ...] = ()
    """Effects to take in; see `EFFECTS`."""
    budget: bool = False
    """Split the error by cause: the run is repeated with causes switched off."""
    threads: int | None = None
    engine: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Which engine, by its name under "name" ("bloch", also where none stands, or "pathways"), and its options."""

    def __post_init__(self) -> None:
        """Refuse what no seed, number of threads or text is."""
        seed: Any = self.seed  # what a caller gives, whatever is declared
        if not isinstance(seed, int | np.integer) or seed < 0:
            raise InputError(f"is {seed!r}; it takes a whole number from 0", key="seed")
        if self.threads is not None and not self.threads >= 1:
            raise InputError(f"is {self.threads}; it takes a whole number from 1", key="threads")
        check_kind(self.protocol, str, "protocol", "a name, or the path of a file")
        for where in ("scanner", "phantom", "model"):
            check_kind(getattr(self, where), (str, type(None)), where, "a name, or the path of a file")
        for where in ("field", "b1", "offset"):
            check_kind(getattr(self, where), (Real, type(None)), where)
        for where in ("overrides", "given", "recon", "physiology", "engine"):
            check_kind(getattr(self, where), Mapping, where)
        for where in ("overrides", "given", "recon", "physiology"):
            for key, value in getattr(self, where).items():
                if not isinstance(value, str):
                    raise InputError(f"is {value!r}; it takes a text with its unit, e.g. '10 ms'", key=f"{where} {key}")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RunResult(Shown):
    """Everything that a run made."""

    request: RunRequest
    """With every None filled in."""
    description: str
    """Of the protocol, one line."""
    protocol_file: Path
    sequence: Sequence
    phantom: Phantom
    raw: Acquisition
    images: Images
    maps: Maps | None
    """None for a protocol without a model to fit."""
    truth: Maps
    rois: dict[str, NDArray[np.bool_]]
    evaluation: Evaluation | None
    warnings: tuple[str, ...]
    timings: dict[str, float]
    """Seconds per step."""
    provenance: dict[str, Any]
    """Versions, seeds, the protocol's and phantom's text."""
    budget: Budget | None = None
    """Where one was asked for."""
    waves: Waves | None = None
    """What an inversion saw; None for other fits."""
    quantified: Quantified | None = None
    """The fit of spectra with its basis; None for images."""

    def _facts(self) -> dict[str, str]:
        asked = {"phantom": self.phantom.name, "model": str(self.request.model or ""), "seed": str(self.request.seed)}
        found = {} if self.evaluation is None else dict(self.evaluation._facts())
        warned = {"warnings": str(len(self.warnings) or "")}
        return {"": f"{self.request.protocol} at {self.request.field:g} T"} | asked | found | warned

    def _table(self) -> Rows:
        return () if self.evaluation is None else self.evaluation._table()


def check_effects(request: RunRequest) -> None:
    """Raise an `InputError` unless every cause left out and every effect taken in is known."""
    for key, asked, known in (("--without", request.without, CAUSES), ("--with", request.including, EFFECTS)):
        unknown = [name for name in asked if name not in known]
        if unknown:
            what = "cause" if key == "--without" else "effect"
            raise InputError(f"unknown {what} '{unknown[0]}'{did_you_mean(unknown[0], list(known))}", key=key)

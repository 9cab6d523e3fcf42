"""The [run] table of a protocol file."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..sequence.imperfect import Imperfections


@dataclass(frozen=True, kw_only=True, slots=True)
class RunTable:
    """The [run] table of a protocol file: what to do with the sequence unless the user says otherwise."""

    scanner: str = "3T"
    phantom: str = "lumbar-disc"
    grade: int | None = None
    fit: str | None = None
    given: dict[str, str] = field(default_factory=dict)
    """Options of the fit, e.g. ``b1 = "brain-b1"``: a number, a file with a map, or a protocol that measures it."""
    basis: str | None = None
    """Metabolites that a spectrum holds where tissues state their concentrations: a basis set, or names with commas."""
    including: tuple[str, ...] = ()
    """Effects without which the protocol measures nothing, e.g. ``mt``; see `request.EFFECTS`."""
    drive: tuple[str, ...] = ()
    """What shakes its phantom at the vibration that it encodes: ``"SIDE=MOTION"``, e.g. ``"+z=0 8 0 um"``."""
    materials: tuple[str, ...] = ()
    """Material sets of its phantom's tissues."""
    engine: str | None = None
    """Name of the engine that is quickest for the protocol; None: bloch."""
    extrapolate: bool = False
    """Allow a field strength beyond those at which tissues are known."""
    receive: str | None = None
    """Receive coils; a protocol that leaves out lines needs several."""
    recon: dict[str, str] = field(default_factory=dict)
    """How images are reconstructed, e.g. ``method = "grappa"``; see `reconstruction`."""
    imperfections: Imperfections | None = None
    """Of the scanner, instead of those in its own file."""

"""Studies as TOML files: which experiment, in which arms, how often, and what is claimed of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..core.errors import InputError, check_kind
from ..core.toml import line_of, read_toml, resource, structure
from ..core.version import __version__
from .claims import Claim, check_claims
from .experiment import Experiment
from .experiments import find_experiment
from .sweep import Sweep, drawn_points, grid_points, put

FOLDER = "protocols/studies"
"""Where shipped studies lie."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Replicates:
    """How often an arm is repeated, by mode, and how many replicates make a chunk."""

    full: int
    fast: int
    chunk: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class ArmTable:
    """An arm of a study as its file writes it."""

    name: str
    experiment: str = ""
    """Another than the study's: then the study's settings are not its own."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Instead of the study's."""
    grid: dict[str, list[Any]] = field(default_factory=dict)
    """Settings with several values: every combination becomes an arm of its own."""
    sweep: Sweep | None = None
    """Points between bounds, each an arm of its own, of every combination of the grid."""
    replicates: Replicates | None = None
    stream: str = ""
    """Arms of one stream draw the same random numbers, replicate by replicate; by default each has its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyFile:
    """A study file."""

    description: str
    question: str
    """What a reader learns, a sentence or more."""
    experiment: str
    replicates: Replicates
    seed: int = 1
    settings: dict[str, Any] = field(default_factory=dict)
    fast: dict[str, Any] = field(default_factory=dict)
    """Settings of the fast mode."""
    arm: tuple[ArmTable, ...] = ()
    claim: tuple[Claim, ...] = ()
    notes: tuple[str, ...] = ()
    """Limits that were set anew after the first run, and why; what the study does not show."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Arm:
    """One set of conditions, ready to be repeated."""

    name: str
    experiment: Experiment
    settings: Any
    count: int
    """Replicates."""
    chunk: int
    """Replicates of a chunk."""
    stream: str
    fingerprint: str
    """Changes with everything that the replicates depend on."""
    chosen: dict[str, Any]
    """Settings that a grid or a sweep gave it."""

    def chunks(self) -> list[tuple[int, int]]:
        """Return (first, end) of the replicates of each chunk."""
        return [(first, min(first + self.chunk, self.count)) for first in range(0, self.count, self.chunk)]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Study:
    """A study in one mode."""

    name: str
    mode: str
    file: Path
    content: StudyFile
    arms: tuple[Arm, ...]
    claims: tuple[Claim, ...]


MODES = ("full", "fast")
"""How many replicates: those for the paper, or few."""


def load_study(name: str, mode: str = "full") -> Study:
    """Return a study by its shipped name or the beginning of it, e.g. ``"vx1"``, or by the path of its file."""
    check_kind(name, str, "study", "mr.load_study('vx1')")
    if mode not in MODES:
        raise InputError(f"is '{mode}'; it is one of {', '.join(MODES)}", key="mode")
    path = resource(_full_name(name), FOLDER, "study")
    content = structure(read_toml(path), StudyFile, path)
    claims = tuple(claim for claim in content.claim if mode in claim.modes)
    check_claims(content.claim)
    if content.seed < 0:
        raise InputError(
            f"is {content.seed}; it must be 0 or more", key="seed", file=path, line=line_of(path, ("seed",))
        )
    arms = tuple(
        _arm(content, table, name, chosen, mode, path)
        for table in (content.arm or (ArmTable(name="all"),))
        for name, chosen in _points(table, content.seed)
    )
    names = [arm.name for arm in arms]
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice is not None:
        raise InputError(f"two arms are called '{twice}'", key="arm", file=path)
    return Study(name=path.stem, mode=mode, file=path, content=content, arms=arms, claims=claims)


def _full_name(name: str) -> str:
    """Return the shipped study that the name begins, where there is exactly one."""
    from ..core.toml import available

    shipped = available(FOLDER)
    begun = [known for known in shipped if known.startswith(f"{name}-")]
    return begun[0] if name not in shipped and len(begun) == 1 else name


def _points(table: ArmTable, seed: int) -> list[tuple[str, dict[str, Any]]]:
    """Return the arms that a table stands for: name and settings of every combination of its grid and sweep."""
    grid = grid_points(table.grid)
    sweep = [("", {})] if table.sweep is None else drawn_points(table.sweep, seed, table.name)
    return [
        (" ".join(filter(None, (table.name, here, there))), {**fixed, **drawn})
        for here, fixed in grid for there, drawn in sweep
    ]  # fmt: skip


def _arm(
    content: StudyFile, table: ArmTable, name: str, chosen: Mapping[str, Any], mode: str, path: Path
) -> Arm:  # fmt: skip
    experiment = find_experiment(table.experiment or content.experiment)
    shared = {**content.settings, **(content.fast if mode == "fast" else {})} if not table.experiment else {}
    given = put({**shared, **table.settings}, chosen)
    replicates = table.replicates or content.replicates
    count = replicates.fast if mode == "fast" else replicates.full
    if count < 1 or replicates.chunk < 1:
        raise InputError("needs at least one replicate, in chunks of at least one", key="replicates", file=path,
                         line=line_of(path, ("replicates",)))  # fmt: skip
    settings = structure(given, experiment.settings, path, ("settings",))
    stream = table.stream or name
    facts = (experiment.name, asdict(settings), content.seed, stream, replicates.chunk, __version__)
    said = json.dumps(facts, sort_keys=True, default=str)
    return Arm(
        name=name, experiment=experiment, settings=settings, count=count, chunk=replicates.chunk, stream=stream,
        fingerprint=hashlib.sha256(said.encode()).hexdigest(), chosen=dict(chosen),
    )  # fmt: skip

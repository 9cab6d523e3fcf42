"""A finished run once more, from nothing but its result file, and what differs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ..core.errors import StorageError
from ..core.storage import load
from ..core.toml import shipped_from
from .environment import differences
from .request import Progress, RunRequest, RunResult
from .run import run

TOLERANCE = 1e-6
"""Largest difference between classes of machine, of the largest magnitude of each array: other instructions round
otherwise."""
FITTED = {"maps": 1e-5, "evaluation": 1e-5}
"""The same of what fits and inversions find: they stop at their own tolerance, and divide by what nearly vanishes."""
STATED = 1e-4
"""The same of what is stated as an error, which is itself small beside what it is an error of."""
ERRORS = re.compile(r"(.*\.)?(errors|history)\..*")
WORK = re.compile(r"(.*\.)?history\.mean_rounds")
"""What a fit took; it says nothing of what was found."""
PLACES = re.compile(
    r"(protocols|protocols/scanners|phantoms|phantoms/tissues|phantoms/metabolites|phantoms/basis-sets)/[^/\\\0]+\.toml"
)
"""Where the files of a result may stand; a file cannot write elsewhere."""
COMPARED = ("raw", "images", "maps", "waves", "truth", "rois", "evaluation", "budget", "basis")
"""Objects of a result file whose numbers are compared; what a run took and where it ran may differ."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """How far a repeated object is from the stored one."""

    name: str
    identical: bool
    largest: float
    """Largest difference over the largest magnitude; infinite where something else than numbers differs."""
    where: str
    """Of the largest difference; empty where all is identical."""
    holds: bool
    """Whether nothing is apart by more than the tolerance."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Reproduction:
    """A run, repeated, beside the stored one."""

    result: RunResult
    objects: tuple[Difference, ...]
    environment: tuple[tuple[str, str, str], ...]
    """(what, stored, now) of what differs in machine, versions and lock."""

    @property
    def identical(self) -> bool:
        """Whether every bit is the same."""
        return all(one.identical for one in self.objects)

    @property
    def holds(self) -> bool:
        """Whether all is identical, or within the tolerance on another environment."""
        return self.identical or (bool(self.environment) and all(one.holds for one in self.objects))


def stored_request(file: Path) -> RunRequest:
    """Return the request of the run whose result is stored in `file`."""
    return _stored(file)[0]


def _stored(file: Path) -> tuple[RunRequest, dict[str, str]]:
    try:
        stored: dict[str, Any] = load(file, "provenance")
    except StorageError:
        stored = {}
    if "request" not in stored or "files" not in stored:
        raise StorageError(_unrepeatable(file, load(file)))
    wanted = dict(stored["request"])
    for name in ("without", "materials", "including"):
        wanted[name] = tuple(wanted.get(name, ()))
    strange = [label for label in stored["files"] if not PLACES.fullmatch(label)]
    if strange:
        raise StorageError(
            f"{file}: holds a file for the place {strange[0]!r}, which is none of a run's; do not trust it"
        )
    known = {field.name for field in fields(RunRequest)}
    if set(wanted) - known:
        raise StorageError(f"{file}: asks for {sorted(set(wanted) - known)[0]!r}, which this version does not know")
    return RunRequest(**wanted), stored["files"]


def _unrepeatable(file: Path, held: Mapping[str, Any]) -> str:
    """Return why a file is not repeated, and what makes it again."""
    if isinstance(study := held.get("study"), Mapping):
        return f"{file}: is a study's; 'mrsim study {study.get('name', 'NAME')} --fresh --out DIR' makes it again"
    return (
        f"{file}: holds {', '.join(held) or 'nothing'} and does not say how it was made; "
        "give the result.h5 of 'mrsim run', or repeat the command that wrote this file"
    )


def repeated(file: Path, progress: Progress | None = None) -> RunResult:
    """Repeat the run whose result is stored in `file`, with the protocol, scanner, phantom and tissues stored there.

    The same versions of mrsim and of its libraries on the same class of machine give the same bits.
    """
    with as_stored(file) as request:
        return run(request, progress)


@contextmanager
def as_stored(file: Path) -> Iterator[RunRequest]:
    """Give the request of a stored run; within the block its files are those stored."""
    request, files = _stored(file)
    with TemporaryDirectory(prefix="mrsim-reproduce-") as folder:
        for label, text in files.items():
            path = Path(folder, label)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        with shipped_from(Path(folder)):
            yield request


def reproduce(file: Path, progress: Progress | None = None) -> Reproduction:
    """Repeat a stored run and compare every number with the stored one.

    Parameters
    ----------
    file : path
        The result.h5 of a run.
    progress : callable, optional
        Called with (step, done, in all).
    """
    from .save import contents

    result = repeated(file, progress)
    before, now = load(file), contents(result)
    objects = tuple(
        compared(name, before.get(name), now.get(name)) for name in COMPARED if name in before or name in now
    )
    stored: Mapping[str, Any] = before["provenance"]
    return Reproduction(
        result=result, objects=objects,
        environment=differences(_environment(stored), _environment(result.provenance)),
    )  # fmt: skip


def _environment(provenance: Mapping[str, Any]) -> dict[str, str]:
    names = ("mrsim", "numpy", "scipy", "numba")
    return {name: str(provenance.get(name)) for name in names} | dict(provenance.get("environment", {}))


def compared(name: str, stored: object, now: object) -> Difference:
    """Return how far two objects of one name are apart."""
    apart = list(_apart(stored, now, ""))
    if not apart:
        return Difference(name=name, identical=True, largest=0.0, where="", holds=True)
    judged = [one for one in apart if not WORK.fullmatch(one[1])]
    largest, where = max(judged or apart, key=lambda one: one[0] / _allowed(name, one[1]))
    holds = not judged or largest <= _allowed(name, where)
    return Difference(name=name, identical=False, largest=largest, where=where, holds=holds)


def _allowed(name: str, where: str) -> float:
    """Return how far numbers of one place of an object may be apart."""
    return STATED if ERRORS.fullmatch(where) else FITTED.get(name, TOLERANCE)


def _apart(one: Any, other: Any, where: str) -> Iterator[tuple[float, str]]:
    """Yield (difference, where) of everything that is not the same bits."""
    if is_dataclass(one) and type(one) is type(other):
        for field in fields(one):
            yield from _apart(getattr(one, field.name), getattr(other, field.name), f"{where}.{field.name}")
    elif isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in dict.fromkeys([*one, *other]):
            yield from _apart(one.get(key), other.get(key), f"{where}.{key}")
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from _apart(left, right, f"{where}[{index}]")
    else:
        left, right = np.asarray(one), np.asarray(other)
        same = left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()
        if not same and left.dtype.kind == right.dtype.kind == "O" and repr(one) == repr(other):
            same = True
        if not same:
            yield _largest(left, right), where.lstrip(".")


def _largest(left: np.ndarray[Any, Any], right: np.ndarray[Any, Any]) -> float:
    """Return the largest difference over the largest magnitude; 0 for the same numbers in other bits."""
    if left.shape != right.shape or left.dtype.kind not in "biufc" or right.dtype.kind not in "biufc":
        return 0.0 if np.array_equal(left, right) else np.inf
    finite = np.isfinite(left)
    if np.any(finite != np.isfinite(right)):
        return np.inf
    apart = np.abs(left[finite].astype(complex) - right[finite].astype(complex))
    size = np.abs(left[finite]).max(initial=0.0)
    return float(apart.max(initial=0.0) / size) if size > 0 else float(apart.max(initial=0.0))

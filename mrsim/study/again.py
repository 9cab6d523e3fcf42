"""A finished run once more, from nothing but its result file."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..core.errors import StorageError
from ..core.storage import load
from ..core.toml import shipped_from
from .request import Progress, RunRequest, RunResult
from .run import run


def stored_request(file: Path) -> RunRequest:
    """Return the request of the run whose result is stored in `file`."""
    return _stored(file)[0]


def _stored(file: Path) -> tuple[RunRequest, dict[str, str]]:
    stored: dict[str, Any] = load(file, "provenance")
    if "request" not in stored or "files" not in stored:
        raise StorageError(f"{file} does not say how it was made: it is not the result of a run")
    wanted = dict(stored["request"])
    wanted["without"] = tuple(wanted["without"])
    wanted["materials"] = tuple(wanted.get("materials", ()))
    wanted["including"] = tuple(wanted.get("including", ()))
    return RunRequest(**wanted), stored["files"]


def again(file: Path, progress: Progress | None = None) -> RunResult:
    """Repeat the run whose result is stored in `file`, with the protocol, scanner, phantom and tissues stored there.

    The same versions of mrsim and of its libraries on the same class of machine give the same bits.
    """
    request, files = _stored(file)
    with TemporaryDirectory(prefix="mrsim-again-") as folder:
        for label, text in files.items():
            path = Path(folder, label)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        with shipped_from(Path(folder)):
            return run(request, progress)

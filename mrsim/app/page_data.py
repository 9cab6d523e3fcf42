"""All that the page knows, as one table: made once for each state of the programs and data it comes from, then kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..core.cache import cache_folder
from ..core.replacing import replacing
from ..core.toml import available
from ..core.version import __version__
from ..sequence.scanner import load_scanner
from .anatomy import anatomy
from .pulse_tables import PLACES, REACH, SCANNER, absorption, pulse_tables
from .sequences import DWELL_STEP, FOV, SEQUENCES, SLIDERS, LabSequence
from .settings import scanners
from .tensor_table import tensor_table
from .timing_tables import timing_tables
from .tissue_tables import tissue_tables
from .train_tables import train_tables

Progress = Callable[[str, int, int], None]
SOURCES = ("app", "core", "phantom", "sequence", "fit")
"""Packages whose change makes the table anew."""


def page_data(progress: Progress | None = None) -> str:
    """Return the table as JSON, from the cache where nothing has changed since it was made."""
    path = cache_folder() / "lab" / f"{_state()}.json"
    if path.exists():
        return path.read_text(encoding="utf-8")
    text = json.dumps(made_data(progress), separators=(",", ":"), allow_nan=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")
    return text


def made_data(progress: Progress | None = None) -> dict[str, Any]:
    """Return the table."""
    scanner = load_scanner(SCANNER)
    return {
        "version": __version__, "fov": FOV, "dwellStep": DWELL_STEP,
        "sliders": [asdict(slider) for slider in SLIDERS],
        "sequences": {found.name: _sequence(found, progress) for found in SEQUENCES},
        "places": PLACES, "reach": REACH, "absorption": absorption(), "reference": scanner.snr_reference,
        "presets": sorted(scanners().values()), **tissue_tables(), "anatomy": anatomy(), "tensor": tensor_table(),
    }  # fmt: skip


def _sequence(found: LabSequence, progress: Progress | None) -> dict[str, Any]:
    table: dict[str, Any] = {
        "title": found.title, "protocol": Path(found.path).stem, "signal": found.signal, "start": found.start,
        "limits": found.limits, "multiples": found.multiples, "model": found.model, "parameter": found.parameter,
        "dummies": found.dummies, "series": found.series, "images": found.images, "entries": found.entries,
        "pulses": pulse_tables(found), "timing": timing_tables(found),
    }  # fmt: skip
    if found.signal == "train":
        tell = (lambda done, total: progress(found.name, done, total)) if progress else None
        table["train"] = train_tables(found, tell)
    return table


def _state() -> str:
    """Return a digest of the programs and data that the table comes from."""
    digest = hashlib.sha256(__version__.encode())
    package = Path(__file__).resolve().parents[1]
    files = [path for name in SOURCES for path in sorted((package / name).rglob("*.py"))]
    files += [path for folder in ("phantoms", "phantoms/tissues", "protocols", "protocols/scanners")
              for _, path in sorted(available(folder).items())]  # fmt: skip
    files += sorted((package / "app" / "protocols").glob("*.toml"))
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:24]

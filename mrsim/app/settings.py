"""One setting of the page, checked, and the run that it stands for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..core.toml import read_toml, resource
from ..sequence.scanner import FOLDER, Scanner, body_scanners, load_scanner
from ..study.request import RunRequest
from .sequences import SLIDERS, LabSequence, find_sequence, matrix, played_bandwidth

UNITS = {"tr": "ms", "te": "ms", "ti": "ms", "flip": "deg", "bandwidth": "Hz", "thickness": "mm"}
ENTRIES = {"bandwidth": "pixel_bandwidth", "thickness": "slice_thickness"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """One position of all sliders."""

    sequence: LabSequence
    values: Mapping[str, float]
    """Slider -> value in the page's units; those that the sequence has."""

    @property
    def field(self) -> float:
        """Main field, T."""
        return self.values["field"]

    @property
    def grade(self) -> int:
        """Pfirrmann grade."""
        return int(self.values["grade"])

    def entries(self) -> dict[str, str]:
        """Return the protocol's entries as text with units, e.g. {"te": "15 30 60 100 ms"}."""
        nx, ny = matrix(self.values["voxel"])
        found = {"matrix": f"{nx} {ny}", "averages": f"{self.values['averages']:.0f}"}
        for name in (*UNITS, "acceleration"):
            if name not in self.values:
                continue
            entry = self.sequence.entries.get(name) or ENTRIES.get(name, name)
            train = name == "te" and self.sequence.series == 1  # the family itself makes the later echoes
            many = (1.0,) if train else self.sequence.multiples.get(name, (1.0,))
            value = self.values[name]
            if name == "bandwidth" and self.sequence.name != "epi":
                value = played_bandwidth(value, nx)
            numbers = " ".join(f"{value * k:.12g}" for k in many)
            found[entry] = f"{numbers} {UNITS.get(name, '')}".strip()
        if self.sequence.name == "megre":
            found["echo_spacing"] = found["te"]
        return found

    def request(self, folder: Path | None = None, **more: Any) -> RunRequest:
        """Return the run; a field without a preset needs a folder in which its scanner can be written."""
        field, presets = self.field, scanners()
        extrapolated = not any(math.isclose(field, b0) for b0 in presets.values())
        scanner = next((name for name, b0 in presets.items() if math.isclose(field, b0)), None)
        if scanner is None:
            if folder is None:
                raise InputError(f"{field:g} T has no scanner preset, and there is no folder to write one", key="field")
            scanner = str(write_scanner(field, folder))
        return RunRequest(
            protocol=self.sequence.path, model=self.sequence.model, scanner=scanner, grade=self.grade,
            overrides=self.entries(),
            extrapolate=extrapolated, **more,
        )  # fmt: skip


def checked(table: Mapping[str, Any]) -> Setting:
    """Return the setting of a table as the page sends it; anything unknown or out of range is an `InputError`."""
    rest = dict(table)
    sequence = find_sequence(str(rest.pop("sequence", "")))
    values: dict[str, float] = {}
    for slider in SLIDERS:
        if slider.name not in sequence.start:
            if slider.name in rest:
                rest.pop(slider.name)
            continue
        low, high, _ = sequence.limits.get(slider.name, (slider.low, slider.high, slider.step))
        value = rest.pop(slider.name, sequence.start[slider.name])
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise InputError(f"is {value!r}; {sequence.title} takes {low:g} to {high:g} {slider.unit}", key=slider.name)
        if slider.name in ("averages", "acceleration", "grade") and value != int(value):
            raise InputError(f"is {value!r}; it must be a whole number", key=slider.name)
        values[slider.name] = float(value)
    if rest:
        raise InputError(f"unknown key; known: sequence, {', '.join(s.name for s in SLIDERS)}", key=next(iter(rest)))
    return Setting(sequence=sequence, values=values)


def scanners() -> dict[str, float]:
    """Return the shipped scanners that stand for their field strength: name -> field, T."""
    return {name: scanner.b0 for name, scanner in body_scanners().items()}


def nearest_preset(field: float) -> str:
    """Return the shipped scanner whose field is nearest, as a ratio."""
    return min(scanners().items(), key=lambda entry: abs(math.log(entry[1] / field)))[0]


def scanner_at(field: float) -> Scanner:
    """Return the nearest preset with another main field: what the page assumes between the presets."""
    return replace(load_scanner(nearest_preset(field)), b0=field)


def write_scanner(field: float, folder: Path) -> Path:
    """Write the nearest preset with another main field and return its path."""
    table = read_toml(resource(nearest_preset(field), FOLDER, "scanner"))
    table |= {"b0": f"{field:.9g} T", "description": f"nearest preset, with its main field at {field:g} T"}
    path = folder / f"{field:g}T.toml"
    lines = [f"{key} = {_toml(value)}" for key, value in table.items() if not isinstance(value, dict)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _toml(value: Any) -> str:
    import json

    return json.dumps(value)

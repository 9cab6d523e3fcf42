"""From a protocol's name to its sequence, for the commands that do not simulate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..sequence.scanner import Scanner
    from ..sequence.sequence import Sequence

DEFAULT_SCANNER = "3T"
"""Where neither the user nor the protocol names one."""


def built_sequence(
    protocol: str, field: float | None, scanner: str | None, overrides: Mapping[str, str]
) -> tuple[str, Sequence]:
    """Return a protocol's description and its sequence, not yet checked.

    Parameters
    ----------
    protocol : str
        Name or path.
    field : float, optional
        T; picks the preset of that field.
    scanner : str, optional
        Preset or path.
    overrides : mapping of str to str
        Protocol entries to change, with units.
    """
    from ..core.toml import resource
    from ..sequence.protocol import FOLDER, read_protocol_file

    path = resource(protocol, FOLDER, "protocol")
    description, family, run = read_protocol_file(path, dict(overrides))
    return description, family.build(chosen_scanner(field, scanner, str(run.get("scanner", DEFAULT_SCANNER))))


def chosen_scanner(field: float | None, name: str | None, default: str) -> Scanner:
    """Return the named scanner, the preset of a field strength, or the default; a contradiction is an error."""
    from ..core.errors import InputError
    from ..core.toml import available
    from ..sequence.scanner import FOLDER, load_scanner

    if name is not None or field is None:
        scanner = load_scanner(name or default)
        if field is not None and abs(scanner.b0 - field) > 1e-6:
            problem = f"{field:g} T was asked for, but scanner '{name}' has {scanner.b0:g} T; give one of them"
            raise InputError(problem, key="--field")
        return scanner
    presets = [load_scanner(preset) for preset in available(FOLDER)]
    for scanner in presets:
        if abs(scanner.b0 - field) < 1e-6:
            return scanner
    known = ", ".join(f"{scanner.b0:g} T" for scanner in presets)
    problem = f"no scanner preset has {field:g} T; presets: {known}; or name a scanner file with --scanner"
    raise InputError(problem, key="--field")

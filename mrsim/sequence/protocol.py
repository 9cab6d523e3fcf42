"""Protocol files: TOML tables into family instances.

A file has `description`, `family`, a table `[sequence]` with the family's fields, and optionally a table `[run]`
with what a run needs besides the sequence (scanner, phantom, fit), which is handed on unread, and tables
`[[question]]` that a plan answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..core.errors import InputError, check_kind, did_you_mean
from ..core.toml import line_of, parsed, read_toml, resource, structure
from .families import FAMILIES
from .families.protocol import Protocol
from .scanner import Scanner
from .sequence import Sequence

FOLDER = "protocols"
"""Where shipped protocols lie."""
_TOP = ("description", "family", "sequence", "run", "question")


def load_protocol(name: str, overrides: Mapping[str, str] | None = None) -> Protocol:
    """Return a protocol from a shipped name or the path of a TOML file.

    Parameters
    ----------
    name : str
        Shipped name, e.g. ``"disc-t2-mese"``, or path.
    overrides : mapping, optional
        Entries of `[sequence]` to replace, as text: ``{"te": "10 ms", "matrix": "128 128"}``.
    """
    return read_protocol_file(resource(name, FOLDER, "protocol"), overrides)[1]


def build(protocol: Protocol, scanner: Scanner) -> Sequence:
    """Return a protocol's sequence on a scanner, its timing solved within the limits; not yet checked."""
    check_kind(protocol, Protocol, "protocol", "mr.load_protocol('disc-t2-mese')")
    check_kind(scanner, Scanner, "scanner", "mr.Scanner.preset('3T')")
    return protocol.build(scanner)


def family_protocol(name: str, overrides: Mapping[str, str] | None = None) -> Protocol:
    """Return a family by its name, e.g. ``"press"``, with its own defaults and overrides as texts."""
    known = {family.name: family for family in FAMILIES}
    if name not in known:
        raise InputError(f"unknown family '{name}'{did_you_mean(name, list(known))}", key="family")
    return _overridden({}, overrides or {}, known[name], Path(name))


def read_protocol_file(path: Path, overrides: Mapping[str, str] | None = None) -> tuple[str, Protocol, dict[str, Any]]:
    """Return description, protocol and the `[run]` table of a protocol file."""
    table = read_toml(path)
    for key in table:
        if key not in _TOP:
            raise InputError(f"unknown key{did_you_mean(key, _TOP)}", key=key, file=path, line=line_of(path, (key,)))
    family = _family(table, path)
    entries = _table(table, "sequence", path)
    protocol = _structured(entries, family, path)
    if overrides:
        protocol = _overridden(entries, overrides, family, path)
    return str(table.get("description", "")), protocol, _table(table, "run", path)


def _family(table: Mapping[str, Any], path: Path) -> type[Protocol]:
    known = {family.name: family for family in FAMILIES}
    if "family" not in table:
        raise InputError(f"is missing; known: {', '.join(known)}", key="family", file=path)
    name = str(table["family"])
    if name not in known:
        problem = f"unknown family '{name}'{did_you_mean(name, list(known))}"
        raise InputError(problem, key="family", file=path, line=line_of(path, ("family",)))
    return known[name]


def _table(table: Mapping[str, Any], key: str, path: Path) -> dict[str, Any]:
    entries = table.get(key, {})
    if not isinstance(entries, dict):
        raise InputError(f"is not a table; write [{key}]", key=key, file=path, line=line_of(path, (key,)))
    return dict(entries)


def _structured(entries: Mapping[str, Any], family: type[Protocol], path: Path) -> Protocol:
    try:
        return structure(entries, family, path, prefix=("sequence",))
    except InputError as error:
        if error.file is not None:
            raise
        key = f"sequence.{error.key}"
        line = line_of(path, ("sequence", str(error.key)))
        raise InputError(error.problem, key=key, file=path, line=line) from None


def _overridden(
    entries: Mapping[str, Any], overrides: Mapping[str, str], family: type[Protocol], path: Path
) -> Protocol:
    """Return the protocol with overrides; errors name the command line's key and not the file."""
    known = [entry.name for entry in fields(family)]
    check_kind(overrides, Mapping, "overrides", "{'te': '10 ms'}")
    for key, text in overrides.items():
        check_kind(text, str, f"--set {key}", "a text with its unit, e.g. '10 ms'")
        if key not in known:
            raise InputError(f"unknown key of family {family.name}{did_you_mean(key, known)}", key=f"--set {key}")
    changed = {**entries, **{key: _value(text) for key, text in overrides.items()}}
    try:
        return _structured(changed, family, path)
    except InputError as error:
        key = str(error.key).removeprefix("sequence.")
        raise InputError(error.problem, key=f"--set {key}") from None


def _value(text: str) -> Any:
    """Return a command line's text as TOML would read it; ``"128 128"`` is a list, ``"10 ms"`` stays a text."""
    words = text.replace(",", " ").split()
    read = [_word(word) for word in words]
    if words and all(isinstance(value, int | float) for value in read):
        return read[0] if len(read) == 1 else read
    try:
        return parsed(f"value = {text}")["value"]
    except ValueError:
        return text


def _word(word: str) -> Any:
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word

"""An optimum on disk: the protocol file, which any command takes, its sequence, and the front's figure."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from ...core.errors import InputError
from ...core.replacing import made_folder, replacing
from ...core.toml import resource
from ...exchange.pulseq import pulseq_text
from ...sequence.protocol import FOLDER, read_protocol_file
from ..run import prepare
from .optimise import Optimum

ENTRY = re.compile(r"\s*([A-Za-z0-9_\-]+)\s*=")
HEADER = re.compile(r"\s*\[+\s*([^\]]+?)\s*\]+")


def protocol_text(path: Path, entries: Mapping[str, str], run: Mapping[str, str], description: str) -> str:
    """Return a protocol file with changed entries; comments on the others stay.

    Parameters
    ----------
    path : path
        The file that is changed.
    entries : mapping of str to str
        Of `[sequence]`, as the command line writes them.
    run : mapping of str to str
        Of `[run]`.
    description : str
        Instead of the file's own.
    """
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#:schema")]
    lines = _with_table(lines, "", {"description": json.dumps(description, ensure_ascii=False)})
    lines = _with_table(lines, "sequence", {key: _literal(text) for key, text in entries.items()})
    lines = _with_table(lines, "run", {key: _literal(text) for key, text in run.items()})
    return "\n".join(lines) + "\n"


def _with_table(lines: list[str], table: str, entries: Mapping[str, str]) -> list[str]:
    """Return the lines with entries of one table replaced, or added at its end."""
    if not entries:
        return lines
    section, left, pending = "", dict(entries), ""
    found: list[str] = []
    end = 0 if table == "" else None
    for line in lines:
        if pending:  # a value of several lines goes with its first
            pending += "\n" + line
            pending = "" if _closed(pending) else pending
            continue
        header, entry = HEADER.match(line), ENTRY.match(line)
        if header:
            section = header[1].strip()
        if section == table and entry and entry[1] in left:
            pending = "" if _closed(line) else line
            while found and found[-1].lstrip().startswith("#"):
                found.pop()  # it gave the reason of the value that goes
            found.append(f"{entry[1]} = {left.pop(entry[1])}")
        else:
            found.append(line)
        if section == table and (entry or header):
            end = len(found)
    added = [f"{key} = {value}" for key, value in left.items()]
    if end is None:
        return [*found, "", f"[{table}]", *added]
    return [*found[:end], *added, *found[end:]]


def _closed(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _literal(text: str) -> str:
    """Return a value as TOML writes it: numbers, lists and truths as they are, all else in quotes."""
    words = text.split()
    for tried in (text, f"[{', '.join(words)}]" if len(words) > 1 else text):
        if tried[:1] not in ('"', "'") and _closed(f"value = {tried}") and not _is_date(tried):
            return tried
    return json.dumps(text, ensure_ascii=False)


def _is_date(text: str) -> bool:
    return not isinstance(tomllib.loads(f"value = {text}")["value"], int | float | list | dict)


def save_optimum(found: Optimum, folder: Path, name: str) -> tuple[Path, ...]:
    """Write the best protocol as TOML and `.seq`, what is said of it as JSON, and the front as a figure.

    Parameters
    ----------
    found : Optimum
    folder : path
    name : str
        Of the files.
    """
    from ...report.optimum import front_figure
    from ...report.style import png

    made_folder(folder)
    source = resource(found.request.protocol, FOLDER, "protocol")
    wanted = found.asked.wanted
    tissues = ", ".join(name.replace("_", " ") for name in list(found.best.spread)[:5])
    description = f"{source.stem} with the settings best for {' and '.join(wanted.weights)} of {tissues}"
    request = found.request
    run = {"fit": wanted.model if found.targets else None, "scanner": request.scanner, "phantom": request.phantom}
    run |= {"grade": str(request.grade) if isinstance(request.grade, int) else None}
    text = protocol_text(source, request.overrides, {k: v for k, v in run.items() if v}, description)
    target = folder / f"{name}.toml"
    _write(target, text)
    sequence = prepare(request).sequence
    again = read_protocol_file(target)[1].build(sequence.scanner)
    if again.duration != sequence.duration:
        raise InputError(f"{target} does not build what was optimised; report it", key="protocol")
    _write(folder / f"{name}.seq", pulseq_text(sequence))
    written = [target, folder / f"{name}.seq"]
    if len(found.front) > 1:
        picture = folder / f"{name}-front.png"
        with replacing(picture) as temporary:
            temporary.write_bytes(png(front_figure(found)))
        written.append(picture)
    return tuple(written)


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")

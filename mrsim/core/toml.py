"""TOML files into frozen dataclasses, with errors that name file, line, key, value and remedy.

`resource` finds a protocol, phantom, tissue or scanner by name (shipped with the package) or by path.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from .bounded import check_file
from .errors import InputError, check_kind, did_you_mean

T = TypeVar("T")

EXPECTED = {
    "tuple_type": "needs several values, e.g. [128, 128] in a file or 128,128 on the command line",
    "too_short": "has too few values",
    "too_long": "has too many values",
    "int_type": "needs a whole number",
    "int_from_float": "needs a whole number",
    "int_parsing": "needs a whole number",
    "float_parsing": "needs a number",
    "float_type": "needs a number",
    "string_type": "needs a text in quotes",
    "bool_parsing": "needs true or false",
    "bool_type": "needs true or false",
}
"""What to say instead of pydantic's words, by its type of error."""

MOST_BITS = 63
"""Of an integer beside its sign: what TOML itself promises."""
MOST_PARTS = 100
"""Of a dotted key: the parser's time grows as their square."""
_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+"""
_PARTS = re.compile(_PART)
_DOTTED = re.compile(rf"(?<![\w-])(?:{_PART}){{3,}}+")

_root: ContextVar[Path | None] = ContextVar("root", default=None)


@contextmanager
def shipped_from(folder: Path) -> Iterator[None]:
    """Take shipped protocols, scanners, phantoms and tissues from `folder` instead, inside the with block.

    So are others that were given by their paths, where `folder` holds one of the same name.
    """
    token = _root.set(folder)
    try:
        yield
    finally:
        _root.reset(token)


def data_root() -> Path:
    """Return the folder that holds `protocols` and `phantoms`: the package's data, or the checkout."""
    chosen = _root.get()
    if chosen is not None:
        return chosen
    package = Path(__file__).resolve().parents[1]
    return package / "data" if (package / "data").is_dir() else package.parent


def available(folder: str) -> dict[str, Path]:
    """Return name -> path of every TOML file shipped in `folder`, e.g. ``"protocols/scanners"``."""
    return {p.stem: p for p in sorted((data_root() / folder).glob("*.toml"))}


def resource(name: str, folder: str, what: str) -> Path:
    """Find a TOML file by shipped name or by path.

    Parameters
    ----------
    name : str
        A name from `available(folder)`, or the path of a ``.toml`` file.
    folder : str
        Where shipped files of this kind lie.
    what : str
        The word for messages, e.g. ``"protocol"``.
    """
    check_kind(name, (str, Path), what, "a name, or the path of a .toml file")
    name = str(name)
    shipped, path = available(folder), Path(name)
    if name in shipped:
        return shipped[name]
    if _root.get() is not None and path.suffix == ".toml" and path.stem in shipped:
        return shipped[path.stem]  # a file that lay elsewhere when its text was stored
    if path.suffix == ".toml" or path.parent != Path("."):
        if path.is_file():
            return path
        raise InputError(f"no such {what} file: {name}")
    raise InputError(f"unknown {what} '{name}'{did_you_mean(name, list(shipped))}")


def read_toml(path: Path) -> dict[str, Any]:
    """Return the table of a TOML file; broken syntax is an `InputError` with its line."""
    check_file(path, text=True)
    try:
        return parsed(path.read_text(encoding="utf-8-sig"))  # some editors begin a text with a byte-order mark
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from None
    except UnicodeDecodeError:
        raise InputError("is not UTF-8 text", file=path) from None
    except ValueError as error:
        found = re.search(r"line (\d+)", str(error))
        raise InputError(f"is not valid TOML: {error}", file=path, line=int(found[1]) if found else None) from None


def parsed(text: str) -> dict[str, Any]:
    """Return the table of a TOML text; `ValueError` where it is none, or more than TOML promises or anybody writes."""
    for dotted in _DOTTED.finditer(text):
        if len(_PARTS.findall(dotted[0])) >= MOST_PARTS:
            line = text.count("\n", 0, dotted.start()) + 1
            raise ValueError(f"a key of more than {MOST_PARTS} parts (at line {line})")
    try:
        table = tomllib.loads(text)
    except RecursionError:
        raise ValueError("values are nested too deeply") from None
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:  # Python's own limit of digits
        raise ValueError("an integer is beyond 64 bits") from None
    waiting: list[Any] = [table]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict | list):
            waiting.extend(value.values() if isinstance(value, dict) else value)
        elif isinstance(value, int) and value.bit_length() > MOST_BITS:
            raise ValueError("an integer is beyond 64 bits")
    return table


def structure(table: Mapping[str, Any], kind: type[T], file: Path, prefix: tuple[str, ...] = ()) -> T:
    """Build the dataclass `kind` from a TOML table.

    Parameters
    ----------
    table : mapping
        The TOML table.
    kind : type
        A dataclass whose fields carry `Quantity` annotations; unknown keys are refused.
    file : path
        The file that the table came from, for messages.
    prefix : tuple of str
        Keys above the table in that file, for messages.
    """
    known = [entry.name for entry in fields(kind)] if is_dataclass(kind) else list(table)
    for key in table:
        if key not in known:
            keys = (*prefix, key)
            raise InputError(
                f"unknown key{did_you_mean(key, known)}", key=".".join(keys), file=file, line=line_of(file, keys)
            )
    try:
        made = cast(T, _adapter(cast(Any, kind)).validate_python(dict(table)))
    except ValidationError as error:
        problems = [_explain(e, kind, file, prefix) for e in error.errors()]
        first = problems[0]
        if len(problems) > 1:
            rest = "\n".join(f"  {p}" for p in problems[1:])
            first = InputError(f"{first.problem}\n{rest}", key=first.key, file=first.file, line=first.line)
        raise first from None
    for key, value in table.items():
        if isinstance(value, bool) and type(getattr(made, key, value)) in (int, float):
            keys = (*prefix, key)
            said = f"needs a number (got {str(value).lower()})"
            raise InputError(said, key=".".join(keys), file=file, line=line_of(file, keys))
    return made


@cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    """Return the validator of a class, which takes longer to make than to use."""
    return TypeAdapter(kind)


def _explain(error: Any, kind: type, file: Path, prefix: tuple[str, ...]) -> InputError:
    keys = tuple(str(part) for part in (*prefix, *error["loc"]))
    key, value = ".".join(keys), error["input"]
    line = line_of(file, keys)
    if error["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        known = list(getattr(kind, "__dataclass_fields__", {})) if len(error["loc"]) == 1 else []
        hint = did_you_mean(keys[-1], known) if known else ""
        return InputError(f"unknown key{hint}", key=key, file=file, line=line)
    if error["type"] in ("missing", "missing_argument"):
        return InputError("is missing", key=key, file=file, line=line_of(file, prefix))
    text = EXPECTED.get(error["type"], error["msg"].removeprefix("Value error, "))
    shown = "" if error["type"] == "value_error" else f" (got {value!r})"
    return InputError(f"{text}{shown}", key=key, file=file, line=line)


def line_of(file: Path, keys: tuple[str, ...]) -> int | None:
    """Return the line, counted from 1, on which the dotted key stands in `file`, as far as it can be told."""
    if not keys:
        return None
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    section: tuple[str, ...] = ()
    best: tuple[int, int] | None = None
    for number, text in enumerate(lines, 1):
        header = re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", text)
        entry = re.match(r"\s*([A-Za-z0-9_\-\".]+)\s*=", text)
        if header:
            section = tuple(part.strip('" ') for part in header[1].split("."))
            path = section
        elif entry:
            path = (*section, *(part.strip('"') for part in entry[1].split(".")))
        else:
            continue
        if path == keys[: len(path)] and (best is None or len(path) > best[0]):
            best = (len(path), number)
    return best[1] if best else None

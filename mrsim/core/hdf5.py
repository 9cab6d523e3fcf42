"""Values as HDF5 nodes and back, without loss.

Every node says in its attribute ``type`` what it was: a noun (``Images``, ``Maps``, ...), ``dict``,
``list``, ``tuple``, ``str``, ``int``, ``float``, ``complex``, ``bool``, ``none``, ``array`` or ``scalar``
(a numpy scalar). Nouns, dictionaries and mixed sequences are groups; the rest are datasets. A sequence
whose items are all of one plain kind is one dataset and names that kind in the attribute ``item``.
The page `docs/reference/file-format.md` describes the schema for readers in other languages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .acquisition import Acquisition, Encoding, Readouts
from .basis import Basis
from .coils import Coils
from .evaluation import Budget, BudgetRow, Evaluation, EvaluationRow
from .field_map import FieldMap
from .grid import Grid
from .images import Images
from .maps import Maps
from .metabolites import Recovery
from .spectra import Spectra
from .spin_state import SpinState
from .wave import Waves

if TYPE_CHECKING:
    import h5py

NOUNS: dict[str, type[Any]] = {
    noun.__name__: noun
    for noun in (
        Acquisition,
        Basis,
        Budget,
        BudgetRow,
        Coils,
        Encoding,
        Evaluation,
        EvaluationRow,
        FieldMap,
        Grid,
        Images,
        Maps,
        Readouts,
        Recovery,
        Spectra,
        SpinState,
        Waves,
    )
}
"""The dataclasses that a file may hold."""

UNITS: dict[str, dict[str, str]] = {
    "Acquisition": {"noise_density": "m^6 s"},
    "Basis": {"fids": "1", "dwell": "s", "frequency": "Hz", "widths": "Hz", "reference_ppm": "ppm", "te": "s"},
    "Encoding": {"frequency": "Hz", "dwell": "s"},
    "Recovery": {"t1": "s"},
    "Grid": {"spacing": "m", "centre": "m", "axes": "1"},
    "Images": {"data": "1", "sigma": "1"},
    "Spectra": {"data": "m^3", "dwell": "s", "frequency": "Hz", "sigma": "m^3", "reference_ppm": "ppm", "water": "m^3"},
    "Readouts": {"data": "m^3", "k": "1/m", "t": "s", "dwell": "s", "start": "s"},
    "Waves": {"frequencies": "Hz", "displacement": "m", "density": "kg/m^3", "sigma": "m", "modulus": "Pa"},
}
"""SI unit of each field of a noun; ``"1"`` is a pure number."""

CONTRAST_UNITS = {
    "te": "s",
    "tr": "s",
    "ti": "s",
    "tm": "s",
    "unrecovered": "s",
    "flip": "rad",
    "b": "s/m^2",
    "offset": "Hz",
}
"""SI unit of the columns of a contrast table."""

PLAIN: dict[str, tuple[type[Any], Any]] = {
    "bool": (bool, np.bool_),
    "int": (int, np.int64),
    "float": (float, np.float64),
    "complex": (complex, np.complex128),
}
"""Plain kinds of number: the Python type and how it lies in the file."""

ARRAY_KINDS = "biufcSU"
"""Kinds of numpy dtype that can be stored."""


def write_node(parent: h5py.Group, name: str, value: Any, where: str, unit: str | None = None) -> None:
    """Write `value` as the child `name` of `parent`.

    Parameters
    ----------
    parent : h5py group
        Where the node goes.
    name : str
        The child's name, as the caller knows it.
    value : object
        A noun, or a nest of dict, list, tuple, str, numbers, None and numpy arrays.
    where : str
        Dotted path of the value, for messages.
    unit : str, optional
        SI unit, written as the attribute ``units``.
    """
    key = escape(name)
    if is_dataclass(value) and type(value).__name__ in NOUNS:
        _write_noun(parent, key, value, where)
    elif isinstance(value, Mapping):
        _write_dict(parent, key, value, where, {})
    elif type(value) in (list, tuple):
        _write_sequence(parent, key, value, where, unit)
    else:
        data, attributes = _leaf(value, where)
        _dataset(parent, key, data, attributes, unit)


def read_node(node: h5py.Group | h5py.Dataset) -> Any:
    """Return the value that `write_node` wrote; an unknown node type is a `ValueError`."""
    kind = str(node.attrs["type"])
    if kind in NOUNS:
        return NOUNS[kind](**{unescape(name): read_node(child) for name, child in node.items()})
    if kind == "dict":
        return {unescape(name): read_node(child) for name, child in node.items()}
    if kind in ("list", "tuple"):
        items = _read_items(node)
        return items if kind == "list" else tuple(items)
    if kind in _READERS:
        return _READERS[kind](node)
    raise ValueError(f"node {node.name} has the unknown type '{kind}'")


def escape(name: str) -> str:
    """Turn any text into an HDF5 link name: per cent signs, slashes, NUL and names made of dots are escaped."""
    if name.strip(".") == "":
        return "%" + name.replace(".", "%2E")
    return name.replace("%", "%25").replace("/", "%2F").replace("\0", "%00")


def unescape(name: str) -> str:
    """Undo `escape`."""
    if name.replace("%2E", "") == "%":
        return "." * name.count("%2E")
    return name.replace("%00", "\0").replace("%2F", "/").replace("%25", "%")


def _write_noun(parent: h5py.Group, key: str, noun: Any, where: str) -> None:
    kind = type(noun).__name__
    group = _group(parent, key, kind)
    units = UNITS.get(kind, {})
    for field in fields(noun):
        value, path = getattr(noun, field.name), f"{where}.{field.name}"
        columns = _column_units(noun, field.name)
        if columns:
            _write_dict(group, field.name, value, path, columns)
        else:
            write_node(group, field.name, value, path, units.get(field.name))


def _column_units(noun: Any, field: str) -> dict[str, str]:
    """Return the units of the entries of a noun's table, where it has one."""
    if field == "contrast" and isinstance(noun, (Encoding, Images, Spectra)):
        return CONTRAST_UNITS
    if field in ("values", "errors") and isinstance(noun, Maps):
        return {name: unit or "1" for name, unit in noun.units.items()}
    return {}


def _write_dict(parent: h5py.Group, key: str, value: Mapping[Any, Any], where: str, units: dict[str, str]) -> None:
    group = _group(parent, key, "dict")
    for name, item in value.items():
        if type(name) is not str:
            raise TypeError(f"{where} has the key {name!r}; only text keys can be stored")
        write_node(group, name, item, f"{where}.{name}", units.get(name))


def _write_sequence(parent: h5py.Group, key: str, value: Any, where: str, unit: str | None) -> None:
    kind = type(value).__name__
    item = _common_kind(value)
    if item is not None:
        data = list(value) if item == "str" else np.array(value, dtype=PLAIN[item][1])
        _dataset(parent, key, data, {"type": kind, "item": item}, unit)
        return
    group = _group(parent, key, kind)
    for index, entry in enumerate(value):
        write_node(group, str(index), entry, f"{where}[{index}]", unit)


def _common_kind(values: Any) -> str | None:
    """Return the plain kind that all values share and one dataset can hold, or None."""
    kinds = {type(v) for v in values}
    if kinds == {str}:
        return "str" if all(_is_hdf5_text(v) for v in values) else None
    for name, (kind, _) in PLAIN.items():
        if kinds == {kind}:
            return name if kind is not int or all(_fits_int64(v) for v in values) else None
    return None


def _leaf(value: Any, where: str) -> tuple[Any, dict[str, str]]:
    """Return the data and attributes of a value that is one dataset."""
    if value is None:
        return None, {"type": "none"}
    if isinstance(value, (np.ndarray, np.generic)):
        return _array_leaf(value, where)
    if type(value) is str:
        text = value if _is_hdf5_text(value) else np.frombuffer(value.encode("utf-8", "surrogatepass"), np.uint8)
        return text, {"type": "str"}
    if type(value) is int and not _fits_int64(value):
        return str(value), {"type": "int"}
    for name, (kind, dtype) in PLAIN.items():
        if type(value) is kind:
            return dtype(value), {"type": name}
    raise TypeError(f"{where} is a {type(value).__name__}, which cannot be stored")


def _array_leaf(value: Any, where: str) -> tuple[Any, dict[str, str]]:
    attributes = {"type": "array" if isinstance(value, np.ndarray) else "scalar"}
    if value.dtype.kind not in ARRAY_KINDS:
        raise TypeError(f"{where} is an array of {value.dtype}, which cannot be stored")
    if value.dtype.kind == "U":  # HDF5 has no fixed-length UTF-32
        attributes["dtype"] = value.dtype.str
        return np.asarray(value, dtype=object), attributes
    return value, attributes


def _group(parent: h5py.Group, key: str, kind: str) -> h5py.Group:
    group = parent.create_group(key, track_order=True)
    group.attrs["type"] = kind
    return group


def _dataset(parent: h5py.Group, key: str, data: Any, attributes: dict[str, str], unit: str | None) -> None:
    import h5py

    is_text = isinstance(data, str) or attributes.get("item") == "str" or "dtype" in attributes
    dtype = h5py.string_dtype() if is_text else None
    node = parent.create_dataset(key, data=h5py.Empty(np.int8) if data is None else data, dtype=dtype)
    node.attrs.update(attributes)
    if unit is not None:
        node.attrs["units"] = unit


def _read_items(node: Any) -> list[Any]:
    if "item" not in node.attrs:
        return [read_node(node[str(index)]) for index in range(len(node))]
    item = str(node.attrs["item"])
    return list(node.asstr()[...]) if item == "str" else list(node[...].tolist())


def _read_text(node: Any) -> str:
    if node.dtype == np.uint8:
        return bytes(node[...]).decode("utf-8", "surrogatepass")
    return str(node.asstr()[()])


def _read_int(node: Any) -> int:
    return int(node.asstr()[()]) if node.dtype.kind == "O" else int(node[()])


def _read_array(node: Any) -> Any:
    if "dtype" in node.attrs:
        return np.asarray(node.asstr()[...]).astype(str(node.attrs["dtype"]))
    return np.asarray(node[...])


_READERS: dict[str, Callable[[Any], Any]] = {
    "none": lambda node: None,
    "str": _read_text,
    "int": _read_int,
    "bool": lambda node: bool(node[()]),
    "float": lambda node: float(node[()]),
    "complex": lambda node: complex(node[()]),
    "array": _read_array,
    "scalar": lambda node: _read_array(node)[()],
}
"""How each kind of dataset is read."""


def _fits_int64(value: int) -> bool:
    return -(2**63) <= value < 2**63


def _is_hdf5_text(value: str) -> bool:
    """Whether HDF5 can hold the text as it is: valid UTF-8 without NUL."""
    return "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)

"""JSON Schemas (draft 7) of the files that users write, made from the classes that read them.

Editors complete and check keys with them: files begin with ``#:schema`` and the path of theirs.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from ..core.errors import InputError, did_you_mean
from ..phantom.phantom_file import PhantomFile
from ..phantom.shape_entries import SHAPES
from ..phantom.solid_entries import SOLIDS
from ..plan.question import ENTRIES
from ..sequence.families import FAMILIES
from ..sequence.preparations import PREPARATIONS
from .run_table import RunTable
from .study_file import StudyFile

KINDS = ("protocol", "phantom", "study")
"""What there are schemas for."""
SHIPPED = {"protocol": "protocols/schemas/protocol.json", "phantom": "phantoms/schemas/phantom.json",
           "study": "protocols/schemas/study.json"}  # fmt: skip
"""Where they lie."""
Schema = dict[str, Any]


class _Described(GenerateJsonSchema):
    """Adds the attributes' docstrings, and leaves out defaults that are not written as a file writes them."""

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> Schema:
        made = super().dataclass_schema(schema)
        said = attribute_docstrings(schema["cls"])
        for name, entry in made.get("properties", {}).items():
            entry.pop("title", None)
            if not _written(entry.get("default"), entry):
                entry.pop("default", None)
            if name in said:
                entry["description"] = said[name]
        return made


def schema_of(kind: str) -> Schema:
    """Return the JSON Schema of a kind of file: ``"protocol"``, ``"phantom"`` or ``"study"``."""
    if kind not in KINDS:
        raise InputError(f"no schema of '{kind}'{did_you_mean(kind, KINDS)}")
    return {"protocol": _protocol, "phantom": _phantom, "study": _study}[kind]()


def _protocol() -> Schema:
    chosen = []
    for family in FAMILIES:
        entries = _of(family)
        if "preparation" in entries["properties"]:
            entries["properties"]["preparation"] = {"$ref": "#/definitions/preparation"}
        chosen.append(
            {"if": {"properties": {"family": {"const": family.name}}}, "then": {"properties": {"sequence": entries}}}
        )
    return {
        "title": "Protocol of mrsim", "type": "object", "additionalProperties": False,
        "required": ["family"],
        "properties": {
            "description": {"type": "string"},
            "family": {"enum": [family.name for family in FAMILIES], "description": "What kind of sequence it is."},
            "sequence": {"type": "object", "description": "The family's settings."},
            "run": _of(RunTable),
            "question": {
                "type": "array", "items": _question(), "description": "What a plan answers: yes, no or not decidable.",
            },
        },
        "allOf": chosen,
        "definitions": {"preparation": _preparations()},
    }  # fmt: skip


def _question() -> Schema:
    entries = {name: {"type": ["number", "string"], "description": said} for name, said in ENTRIES.items()}
    asked = {"type": "string", "description": "The question: a sentence, as for mrsim plan --ask."}
    return {
        "type": "object", "additionalProperties": False, "required": ["ask"], "properties": {"ask": asked, **entries},
    }  # fmt: skip


def _preparations() -> Schema:
    modules = []
    for module in PREPARATIONS:
        entries = _of(module)
        entries["properties"] = {"kind": {"const": module.name}, **entries["properties"]}
        entries["required"] = ["kind", *entries.get("required", [])]
        modules.append(entries)
    return {
        "description": "Modules played before every excitation, in their order.",
        "anyOf": [{"type": "array", "items": {"anyOf": modules}}, {"anyOf": modules}],
    }


def _phantom() -> Schema:
    made = _of(PhantomFile)
    shapes = [_of(entry) for entry in (SHAPES | SOLIDS).values()]
    for name, shape in zip(SHAPES | SOLIDS, shapes, strict=True):
        shape["properties"]["kind"] = {"const": name}
    kinds = {"properties": {"kind": {"enum": [*SHAPES, *SOLIDS]}}, "required": ["kind"]}
    chosen = [
        {"if": {"properties": {"kind": {"const": name}}}, "then": shape}
        for name, shape in zip(SHAPES | SOLIDS, shapes, strict=True)
    ]
    made["properties"]["shape"]["additionalProperties"] = {"type": "object", **kinds, "allOf": chosen}
    return {**made, "title": "Phantom of mrsim"}


def _study() -> Schema:
    return {**_of(StudyFile), "title": "Study of mrsim"}


def _of(kind: type) -> Schema:
    """Return the schema of a class, with the classes that it holds written out where they stand."""
    made = TypeAdapter(kind).json_schema(schema_generator=_Described)
    named = made.pop("$defs", {})
    whole: Schema = _written_out(made, named)
    if inspect.getdoc(kind):
        whole["description"] = str(inspect.getdoc(kind)).partition("\n\n")[0]
    whole["additionalProperties"] = False
    return whole


def _written_out(node: Any, named: Schema) -> Any:
    if isinstance(node, list):
        return [_written_out(entry, named) for entry in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        rest = {key: value for key, value in node.items() if key != "$ref"}
        return {**_written_out(named[node["$ref"].rpartition("/")[2]], named), **_written_out(rest, named)}
    return {key: _written_out(value, named) for key, value in node.items() if key != "discriminator"}


def _written(default: Any, entry: Schema) -> bool:
    """Return whether a default stands as a file would write it: quantities are texts there and numbers here."""
    kinds = entry.get("type", [])
    texts_only = "string" in kinds and not isinstance(default, str)
    return default is not None and default not in ([], {}) and "anyOf" not in entry and not texts_only


def attribute_docstrings(kind: type) -> dict[str, str]:
    """Return what stands under each attribute of a class and of those that it is made from."""
    said: dict[str, str] = {}
    for base in reversed(kind.__mro__[:-1]):
        try:
            body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        except (OSError, TypeError):
            continue
        if not isinstance(body, ast.ClassDef):
            continue
        for entry, after in zip(body.body, body.body[1:], strict=False):
            if isinstance(entry, ast.AnnAssign) and isinstance(entry.target, ast.Name):
                text = (
                    after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
                )
                if isinstance(text, str) and text:
                    said[entry.target.id] = " ".join(text.split())
    return said

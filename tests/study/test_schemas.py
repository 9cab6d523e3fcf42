"""JSON Schemas of the files that users write: shipped, up to date, and of one mind with the classes that read them."""

import json
import tomllib

import jsonschema
import pytest

from mrsim.core.errors import InputError
from mrsim.core.toml import data_root
from mrsim.sequence.protocol import load_protocol
from mrsim.study.schemas import KINDS, SHIPPED, schema_of

FOLDERS = {"protocol": "protocols", "phantom": "phantoms", "study": "protocols/studies"}
FILES = [(kind, path) for kind, folder in FOLDERS.items() for path in sorted((data_root() / folder).glob("*.toml"))]


@pytest.fixture(scope="module")
def validators():
    return {kind: jsonschema.Draft7Validator(schema_of(kind)) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_shipped_schema_is_up_to_date(kind):
    shipped = (data_root() / SHIPPED[kind]).read_text(encoding="utf-8")
    assert json.loads(shipped) == schema_of(kind), f"run: mrsim schema {kind} --json > {SHIPPED[kind]}"


@pytest.mark.parametrize(("kind", "path"), FILES, ids=[f"{kind}-{path.stem}" for kind, path in FILES])
def test_shipped_file_names_its_schema_and_fits_it(kind, path, validators):
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("#:schema ")
    assert (path.parent / first.removeprefix("#:schema ")).resolve() == (data_root() / SHIPPED[kind]).resolve()
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    assert [error.message for error in validators[kind].iter_errors(table)] == []


WRONG = {
    "an unknown key": {"echo_time": "10 ms"}, "a bare number": {"te": 10}, "another dimension": {"te": "10 mm"},
    "an unknown choice": {"pulse": "gauss"}, "an unknown preparation": {"preparation": [{"kind": "inverse"}]},
}  # fmt: skip


@pytest.mark.parametrize("entries", WRONG.values(), ids=WRONG)
def test_schema_and_reader_refuse_alike(entries, validators, tmp_path):
    table = {"family": "spin-echo", "sequence": entries}
    assert not validators["protocol"].is_valid(table)
    from json import dumps

    lines = [f"{key} = {dumps(value)}" for key, value in entries.items() if key != "preparation"]
    if "preparation" in entries:
        lines += ["[[sequence.preparation]]", 'kind = "inverse"']
    path = tmp_path / "wrong.toml"
    path.write_text("\n".join(['family = "spin-echo"', "[sequence]", *lines]))
    with pytest.raises(InputError):
        load_protocol(str(path))


def test_schema_knows_what_keys_mean():
    (spin_echo,) = (
        choice["then"]["properties"]["sequence"]["properties"]
        for choice in schema_of("protocol")["allOf"]
        if choice["if"]["properties"]["family"]["const"] == "spin-echo"
    )
    assert spin_echo["te"]["description"] == "Echo times, s."
    assert spin_echo["pulse"]["enum"] == ["sinc", "slr", "hard"]


def test_unknown_schema_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'protocol'"):
        schema_of("protocols")

"""What a file or a name from outside cannot do: run code, unpack without bound, write or read elsewhere."""

import ast
import gzip
import os
import pkgutil
import struct
from pathlib import Path

import h5py
import numpy as np
import pytest

from mrsim.core import bounded
from mrsim.core.errors import UserError
from mrsim.core.grid import Grid
from mrsim.core.storage import load, save
from mrsim.exchange.nifti import read_volume, write_volume
from mrsim.exchange.spin_files import read_jemris, read_koma

PACKAGE = Path(__file__).resolve().parents[2] / "mrsim"
CODE = {"eval", "exec", "compile", "__import__", "sympify", "parse_expr", "lambdify", "literal_eval"}
"""Functions that turn text into code."""
MODULES = {"pickle", "dill", "cloudpickle", "marshal", "shelve", "yaml", "joblib"}
"""Modules that make objects of bytes."""
REASONS = {
    ("cli/stopping.py", "exec"): "of an empty text: it makes Python forget an interrupt",
    ("fit/design.py", "lambdify"): "of the equations that mrsim itself holds; a user gives numbers, no equations",
    ("fit/tabulated.py", "pickle"): "dumps alone: the bytes are hashed into a cache's key and never read",
}
"""Where one of them stands nevertheless, and why it may."""


def suspects(tree):
    """Yield what turns text or bytes into code in a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names if name.name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").split(".")[0] in MODULES:
            yield (node.module or "").split(".")[0]
        elif isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Name) and function.id in CODE:
                yield function.id
            if isinstance(function, ast.Attribute) and function.attr in CODE - {"compile"}:
                yield function.attr
            if isinstance(function, ast.Attribute) and (function.attr, ast.unparse(function.value)) in (
                ("system", "os"), ("popen", "os"), ("loads", "pickle"), ("load", "pickle"),
            ):  # fmt: skip
                yield ast.unparse(function)
            for given in node.keywords:
                if given.arg == "shell" or (given.arg == "allow_pickle" and ast.unparse(given.value) != "False"):
                    yield given.arg


def test_no_module_turns_text_into_code():
    found = {
        (str(path.relative_to(PACKAGE)), what)
        for path in PACKAGE.rglob("*.py")
        for what in suspects(ast.parse(path.read_text("utf-8")))
    }
    assert found == set(REASONS)


@pytest.mark.parametrize(
    "text", ["eval(x)", "import pickle", "from yaml import load", "run(x, shell=True)", "os.system(x)", "sp.sympify(x)"]
)
def test_what_turns_text_into_code_is_found(text):
    assert list(suspects(ast.parse(text)))


def zeros(path, shape, place="sample/data", **options):
    with h5py.File(path, "w") as file:
        file.attrs.update({"format": "mrsim", "schema": 1, "Ns": 3})
        node = file.create_dataset(place, shape=shape, dtype="f8", **options)
        node.attrs["type"] = "array"


@pytest.mark.parametrize("read", [load, read_jemris, read_koma])
@pytest.mark.parametrize("options", [{}, {"chunks": (1 << 20,), "compression": "gzip"}])
def test_hdf5_that_unpacks_to_gigabytes_is_refused(tmp_path, read, options):
    path = tmp_path / "bomb.h5"
    zeros(path, (10**9,), "contrast" if read is load else "sample/data", **options)
    assert path.stat().st_size < 20_000
    with pytest.raises(UserError, match=r"unpacks to 8 GB from [0-9,]+ bytes"):
        read(path)


def test_hdf5_that_leads_elsewhere_or_in_circles_is_refused(tmp_path, monkeypatch):
    save(tmp_path / "other.h5", secret="x")
    (tmp_path / "raw").write_bytes(bytes(80))
    for number, spoil in enumerate(
        (
            lambda file: file.__setitem__("a", h5py.ExternalLink(str(tmp_path / "other.h5"), "secret")),
            lambda file: file.__setitem__("a", h5py.SoftLink("/b")),
            lambda file: file.create_dataset("a", (10,), "f8", external=[(str(tmp_path / "raw"), 0, 80)]),
        )
    ):
        path = tmp_path / f"{number}.h5"
        zeros(path, (3,))
        with h5py.File(path, "a") as file:
            spoil(file)
        with pytest.raises(UserError, match="not followed"):
            load(path)
    with h5py.File(path, "w") as file:
        file.attrs.update({"format": "mrsim", "schema": 1})
        file.create_group("a").attrs["type"] = "dict"
        file["a/a"] = file["a"]
    monkeypatch.setattr(bounded, "MOST_NODES", 100)
    with pytest.raises(UserError, match="goes in circles"):
        load(path)


def test_nifti_that_unpacks_to_gigabytes_is_refused(tmp_path):
    small = tmp_path / "a.nii"
    grid = Grid(shape=(2, 2, 2), spacing=(1e-3, 1e-3, 1e-3))
    write_volume(small, np.zeros((2, 2, 2)), grid)
    head = bytearray(small.read_bytes())
    struct.pack_into("<3h", head, 42, 2000, 2000, 2000)
    for name, content in (("bomb.nii.gz", gzip.compress(bytes(head))), ("bomb.nii", bytes(head))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match="unpacks to 64 GB"):
            read_volume(tmp_path / name)
    head = bytearray(small.read_bytes())
    struct.pack_into("<f", head, 108, 2e9)
    (tmp_path / "late.nii").write_bytes(bytes(head))
    with pytest.raises(UserError, match="before its data"):
        read_volume(tmp_path / "late.nii")
    assert read_volume(small)[0].shape == (2, 2, 2)


def test_names_from_files_stay_in_the_folder(tmp_path):
    from dataclasses import replace

    from mrsim.exchange.basis_files import read_fsl, write_fsl
    from tests.exchange.test_basis_files import basis

    made = basis()
    named = replace(made, names=("../../escaped", *made.names[1:]))
    write_fsl(named, tmp_path / "in")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert "../../escaped" in read_fsl(tmp_path / "in").names


@pytest.mark.parametrize("read", [
    "mrsim.core.storage.load", "mrsim.exchange.nifti.read_volume", "mrsim.exchange.bids_series.holds_images",
    "mrsim.exchange.pulseq.text.read_content", "mrsim.exchange.basis_files.foreign.text_of",
    "mrsim.exchange.gradient_tables._numbers", "mrsim.sequence.directions.read_bvecs",
    "mrsim.sequence.imperfect.impulse_response.read_response", "mrsim.core.toml.read_toml",
    "mrsim.exchange.spin_files.read_jemris",
])  # fmt: skip
def test_pipes_and_devices_are_refused_and_not_waited_for(tmp_path, read):
    pipe = tmp_path / "pipe.nii"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero")):
        with pytest.raises(UserError, match="is a pipe or a device"):
            pkgutil.resolve_name(read)(path)


def test_a_text_that_is_larger_than_any_is_not_read_whole(tmp_path):
    path = tmp_path / "long.seq"
    with path.open("wb") as file:
        file.truncate(bounded.FREE + 1)
    with pytest.raises(UserError, match=r"has 1.07 GB; a text of at most"):
        bounded.check_file(path, text=True)
    bounded.check_file(path)

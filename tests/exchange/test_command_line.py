"""The commands on sequence files and MRD files."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest

from mrsim.cli import perform
from mrsim.core.storage import load
from mrsim.exchange.mrd import read_mrd
from mrsim.exchange.pulseq import read_tables

from . import scans


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("commands")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scans.spiral().write(str(place / "spiral.seq"))
    return place


def answered(capsys, *arguments: str) -> dict:
    code = perform([*arguments, "--json"])
    assert code in (0, 2)
    return json.loads(capsys.readouterr().out)


def test_protocol_is_exported_read_back_and_shown(folder, capsys):
    out = folder / "se.seq"
    small = ["--field", "1.5", "--set", "matrix=16 16"]
    answer = answered(capsys, "export", "disc-t2-mese", "--to", "seq", "--out", str(out), *small)
    assert len(read_tables(out).blocks) == answer["blocks"]
    shown = answered(capsys, "show", str(out), "--field", "1.5")
    assert shown["matrix"] == [16, 16, 1]
    assert answered(capsys, "check", str(out), "--field", "1.5")["violations"] == []
    assert "version 1.5.0" in answered(capsys, "info", str(out))["objects"][0]["content"]


def test_file_of_another_program_is_simulated_reconstructed_and_exported(folder, capsys):
    out, mrd = folder / "out.h5", folder / "out.mrd"
    place = ["--set", "orientation=sagittal", "--set", "centre=0 0 5 mm"]
    source = str(folder / "spiral.seq")
    answer = answered(
        capsys, "simulate", source, "--phantom", "ellipse", "--field", "3", "--noise-free", *place, "--out", str(out)
    )
    assert answer["readouts"] == 4
    contents = load(out)
    assert contents["images"].data.shape == (1, 1, scans.N, scans.N)
    assert contents["images"].grid.centre == (0.0, 0.0, 0.005)
    assert answered(capsys, "export", str(out), "--to", "mrd", "--out", str(mrd))["readouts"] == 4
    assert read_mrd(mrd).encoding.k_from == "trajectory"
    assert "4 readouts" in answered(capsys, "info", str(mrd))["objects"][0]["content"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["simulate", "spiral.seq", "--set", "te=10 ms", "--out", "x.h5"], "--set te: unknown key of a sequence file"),
        (["simulate", "spiral.seq", "--set", "centre=5", "--out", "x.h5"], "--set centre"),
        (["simulate", "absent.seq", "--out", "x.h5"], "cannot read absent.seq"),
        (["export", "disc-t2-mese", "--to", "mrd", "--out", "x.mrd"], "disc-t2-mese"),
        (["export", "disc-t2-mese", "--to", "seq", "--out", "nowhere/x.seq"], "does not exist"),
    ],
)
def test_wrong_request_is_one_message(folder, capsys, monkeypatch, arguments, said):
    monkeypatch.chdir(folder)
    assert perform(arguments) == 2
    assert said in capsys.readouterr().err

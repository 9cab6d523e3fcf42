"""Bases of LCModel, FSL-MRS and jMRUI: there and back, where a line stands for the other program, damaged files."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from mrsim.core.basis import Basis
from mrsim.core.errors import InputError
from mrsim.exchange.basis_files import (
    read_fsl,
    read_jmrui,
    read_lcmodel,
    write_fsl,
    write_jmrui,
    write_lcmodel,
    write_raw,
)


def basis(points=256):
    t = np.arange(points) * 4e-4
    line = [np.exp(-2j * np.pi * 1e-6 * (ppm - 4.65) * 127.7e6 * t - 20 * t) for ppm in (1.31, 2.04)]
    return Basis(
        names=("Lac", "MM20"), fids=np.array(line), dwell=4e-4, frequency=127.7e6,
        kinds=("metabolite", "macromolecule"), protons=np.array([4.0, 3.0]),
        widths=np.zeros((2, 2)), sequence="press", te=0.035,
    )  # fmt: skip


FORMATS = {
    "lcmodel": (write_lcmodel, read_lcmodel, "a.basis", 2e-5),
    "fsl": (write_fsl, read_fsl, "a", 1e-12),
    "jmrui": (write_jmrui, read_jmrui, "a.txt", 1e-8),
}


@pytest.mark.parametrize("name", FORMATS)
def test_basis_file_returns_the_signals(name, tmp_path):
    write, read, file, error = FORMATS[name]
    write(basis(), tmp_path / file)
    back = read(tmp_path / file)
    assert back.names == basis().names
    assert back.kinds == basis().kinds
    assert abs(back.dwell / 4e-4 - 1) < 1e-6
    assert abs(back.frequency / 127.7e6 - 1) < 1e-6
    assert np.max(np.abs(back.fids - basis().fids)) < error


def test_fsl_folder_is_replaced_whole_and_nothing_else_is_lost(tmp_path):
    """Of an older basis with more metabolites none is left; a folder with anything else in it is not touched."""
    made = basis(16)
    write_fsl(made, tmp_path / "a")
    write_fsl(replace(made, names=("NAA", "MM20")), tmp_path / "a")
    assert read_fsl(tmp_path / "a").names == ("MM20", "NAA")
    for name, text in (("notes.txt", "mine"), ("mine.json", '{"note": 1}'), ("broken.json", "{")):
        other = tmp_path / "a" / name
        other.write_text(text)
        with pytest.raises(InputError, match="holds more than a basis and is not replaced"):
            write_fsl(made, tmp_path / "a")
        assert other.read_text() == text
        assert (tmp_path / "a" / "NAA.json").exists()
        other.unlink()


def test_lcmodel_finds_a_line_where_it_stands(tmp_path):
    """ppm = 4.65 - f / HZPPPM over the values as they lie in the file."""
    write_lcmodel(basis(), tmp_path / "a.basis")
    values = (tmp_path / "a.basis").read_text().split("$END")[4].split("$NMUSED")[0].split()
    spectrum = np.array(values, float)[::2] + 1j * np.array(values, float)[1::2]
    ppm = 4.65 - np.fft.fftfreq(256, 4e-4) / 127.7
    assert abs(ppm[np.argmax(np.abs(spectrum))] - 1.31) < 0.08


def test_lcmodel_reads_values_with_commas_and_keys_without_blanks(tmp_path):
    write_lcmodel(basis(), tmp_path / "a.basis")
    text = (tmp_path / "a.basis").read_text().replace("BADELT = 4.000000000E-04", "badelt=-4.0d-04")
    (tmp_path / "b.basis").write_text(text.replace(" $SEQPAR", "$seqpar"))
    assert abs(read_lcmodel(tmp_path / "b.basis").dwell - 4e-4) < 1e-12


def test_raw_holds_the_signal_in_time(tmp_path):
    write_raw(basis(), "Lac", tmp_path / "Lac.raw")
    values = np.array((tmp_path / "Lac.raw").read_text().split("$END")[2].split(), float)
    assert np.max(np.abs(values[::2] + 1j * values[1::2] - basis().fid("Lac"))) < 2e-6


def test_jmrui_holds_conjugates(tmp_path):
    write_jmrui(basis(), tmp_path / "a.txt")
    second = (tmp_path / "a.txt").read_text().split("in file\n")[1].splitlines()[1].split()
    assert abs(float(second[1]) + basis().fids[0, 1].imag) < 1e-8


def damaged(name, tmp_path):
    write, read, file, _ = FORMATS[name]
    write(basis(), tmp_path / file)
    path = tmp_path / file / "Lac.json" if name == "fsl" else tmp_path / file
    return read, tmp_path / file, path, path.read_text()


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("damage", ["cut", "empty", "letters"])
def test_basis_file_that_is_damaged_is_refused_by_its_name(name, damage, tmp_path):
    read, target, path, text = damaged(name, tmp_path)
    half = len(text) // 2
    path.write_text({"cut": text[:half], "empty": "", "letters": text[:half] + " xyz " + text[half:]}[damage])
    with pytest.raises(InputError, match=r"a(\.basis|\.txt|/Lac\.json)?:"):
        read(target)


def test_an_echo_time_that_is_no_number_is_refused(tmp_path):
    read, target, path, text = damaged("lcmodel", tmp_path)
    assert "ECHOT" in text
    path.write_text(re.sub(r"ECHOT *= *[-+.0-9Ee]+", "ECHOT = 1.2.3", text))
    with pytest.raises(InputError, match="ECHOT"):
        read(target)


def test_fsl_files_of_another_dwell_are_refused(tmp_path):
    _, target, path, text = damaged("fsl", tmp_path)
    content = json.loads(text)
    content["basis"]["basis_dwell"] = 5e-4
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="differ"):
        read_fsl(target)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"frequency": 63.9e6}, "MHz"),
        ({"dwell": 5e-4}, "dwell"),
        ({"points": 512}, "points"),
        ({"nucleus": "31P"}, "31P"),
    ],
)
def test_basis_of_other_conditions_than_the_data_is_refused(change, words):
    facts = {"frequency": 127.7e6, "dwell": 4e-4, "points": 256} | change
    with pytest.raises(InputError, match=words):
        basis().check_fits(**facts)
    basis().check_fits(frequency=127.75e6, dwell=4e-4, points=200)

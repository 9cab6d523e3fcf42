"""The installed package: built as a wheel, unpacked, used from a folder that knows nothing of the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

USE = """
import mrsim as mr
from mrsim.core.toml import available
scanner = mr.Scanner.preset("3T")
mr.load_phantom("lumbar-disc", field=scanner.b0)
mr.load_protocol("disc-t2-mese").build(scanner)
print(mr.__file__, len(available("protocols")), len(available("phantoms/tissues")))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


def test_wheel_carries_every_protocol_and_phantom(wheel):
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if name.startswith("mrsim/data/")}
    wanted = {p.relative_to(ROOT).as_posix() for top in ("protocols", "phantoms") for p in (ROOT / top).rglob("*.*")}
    assert inside == {f"mrsim/data/{name}" for name in wanted}


def test_wheel_finds_its_data_from_any_folder(wheel, tmp_path):
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    done = subprocess.run(
        [sys.executable, "-P", "-c", USE], cwd=elsewhere, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(site)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    origin, protocols, tissues = done.stdout.split()
    assert Path(origin).is_relative_to(site)
    assert int(protocols) == len(list((ROOT / "protocols").glob("*.toml")))
    assert int(tissues) == len(list((ROOT / "phantoms" / "tissues").glob("*.toml")))


def test_wheel_names_the_command(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (entry,) = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        assert "mrsim = mrsim.cli:main" in archive.read(entry).decode()

"""BIDS data sets: names, sidecars, numbers, and where they refuse."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.core.grid import Grid
from mrsim.core.images import Images
from mrsim.core.maps import Maps
from mrsim.exchange.bids import DIFFUSION, write_bids
from mrsim.exchange.nifti import read_volume

from .bids_rules import violations

GRID = Grid(shape=(2, 3, 4), spacing=(1e-3, 1e-3, 5e-3), gap=1e-3)


def _images(family, **contrast):
    n = len(next(iter(contrast.values())))
    data = np.exp(1j * np.arange(n * 24).reshape(n, *GRID.shape) / 50)
    return Images(
        data=data, grid=GRID, contrast={k: np.asarray(v, float) for k, v in contrast.items()}, sigma=np.ones(1),
        encoding={"family": family},
    )  # fmt: skip


def _maps():
    t1 = np.linspace(0.5, 2, 24).reshape(GRID.shape)
    values = {"t1": t1, "off_resonance": 10 * t1}
    return Maps(
        grid=GRID, values=values, errors={"t1": 0.01 * t1}, units={"t1": "s", "off_resonance": "Hz"}, model="spgr",
        status=np.zeros(GRID.shape, np.int8),
    )  # fmt: skip


def test_bids_names_and_sidecars_of_a_multi_echo_series(tmp_path):
    made = write_bids(tmp_path / "set", _images("multi-echo-spin-echo", te=[0.01, 0.02], tr=[1.5, 1.5]))
    names = [str(path.relative_to(tmp_path / "set")) for path in made]
    assert names == [f"sub-01/anat/sub-01_echo-{n}_MESE.nii.gz" for n in (1, 2)]
    side = json.loads((tmp_path / "set/sub-01/anat/sub-01_echo-2_MESE.json").read_text())
    assert side["EchoTime"] == pytest.approx(0.02)
    assert side["SliceThickness"] == pytest.approx(4.0)  # mm: without the gap
    assert json.loads((tmp_path / "set/dataset_description.json").read_text())["DatasetType"] == "raw"


def test_bids_maps_are_derivatives_with_their_sources(tmp_path):
    write_bids(
        tmp_path / "set", _images("spoiled-gradient-echo-3d", flip=np.radians([2, 10]), tr=[0.01, 0.01]), _maps()
    )
    place = tmp_path / "set/derivatives/mrsim/sub-01/anat"
    for name in ("T1map", "R1map", "desc-t1StandardError_map", "desc-offResonance_map"):
        assert (place / f"sub-01_{name}.nii.gz").exists()
    side = json.loads((place / "sub-01_T1map.json").read_text())
    assert side["Units"] == "s"
    assert side["Sources"][0] == "bids::sub-01/anat/sub-01_flip-1_VFA.nii.gz"
    assert side["SkullStripped"] is False
    assert side["FlipAngle"] == pytest.approx([2, 10])
    assert "spgr" in side["EstimationAlgorithm"]
    values, grid = read_volume(place / "sub-01_T1map.nii.gz")
    assert values == pytest.approx(_maps().values["t1"])
    assert grid.spacing == pytest.approx(GRID.spacing)


@pytest.mark.parametrize(
    ("family", "contrast", "names"),
    [
        ("spoiled-gradient-echo", {"flip": np.radians([45, 90]), "tr": [8.0, 8.0]}, ["flip-1_TB1DAM", "flip-2_TB1DAM"]),
        ("actual-flip", {"flip": np.radians([60, 60]), "tr": [0.03, 0.15]}, ["acq-tr1_TB1AFI", "acq-tr2_TB1AFI"]),
    ],
)
def test_bids_transmit_fields_are_field_maps(tmp_path, family, contrast, names):
    values = {"b1": np.ones(GRID.shape)}
    maps = replace(_maps(), values=values, errors={}, units={"b1": ""}, model="b1")
    made = write_bids(tmp_path / "set", _images(family, **contrast), maps)
    found = [str(path.relative_to(tmp_path / "set")) for path in made]
    assert found[:2] == [f"sub-01/fmap/sub-01_{name}.nii.gz" for name in names]
    assert found[2] == "derivatives/mrsim/sub-01/fmap/sub-01_TB1map.nii.gz"


def test_bids_two_angles_of_a_short_repetition_time_measure_t1(tmp_path):
    images = _images("spoiled-gradient-echo-3d", flip=np.radians([5, 10]), tr=[0.01, 0.01])
    assert write_bids(tmp_path / "set", images)[0].name == "sub-01_flip-1_VFA.nii.gz"


def test_bids_series_without_a_name_are_described(tmp_path):
    made = write_bids(tmp_path / "set", _images("look-locker", ti=[0.1, 0.2]))
    assert made[0].name == "sub-01_echo-1_desc-lookLocker_images.nii.gz"
    assert "derivatives" in made[0].parts


def test_bids_writes_into_no_folder_that_holds_something(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="not an empty folder"):
        write_bids(tmp_path, _images("look-locker", ti=[0.1, 0.2]))


TR = {"tr": [0.02, 0.02]}
SCANS = {
    "multi-echo-spin-echo": {"te": [0.01, 0.02], "tr": [1.5, 1.5]},
    "multi-echo-gradient-echo": {"te": [0.002, 0.005], **TR},
    "inversion-recovery-spin-echo": {"ti": [0.1, 0.9], "tr": [4.0, 4.0], "te": [0.01, 0.01]},
    "spoiled-gradient-echo-3d": {"flip": [0.05, 0.3], **TR},
    "mp-rage": {"ti": [0.7, 2.5], "flip": [0.07, 0.09], "tr": [5.0, 5.0]},
    "double-angle": {"flip": [1.0, 2.0], "tr": [6.0, 6.0]},
    "actual-flip-angle": {"flip": [1.0, 1.0], "tr": [0.03, 0.15]},
    "spoiled-gradient-echo": {"mt": [0.0, 1.0], "flip": [0.2, 0.2], **TR},
    "multi-dynamic-multi-echo": {"td": [0.2, 0.9], "te": [0.02, 0.02], "tr": [4.0, 4.0]},
    "look-locker": {"ti": [0.1, 0.2]},
}


@pytest.mark.parametrize("family", SCANS)
def test_bids_data_sets_keep_the_rules_of_the_specification(tmp_path, family):
    images = _images(family, **SCANS[family])
    sheet = {"family": family, "echo_spacing": 0.007, "train_length": 100}
    write_bids(tmp_path / "set", replace(images, encoding=sheet), _maps(), facts={"MagneticFieldStrength": 3.0})
    assert violations(tmp_path / "set") == []


@pytest.mark.slow
@pytest.mark.parametrize("family", [*SCANS, "diffusion"])
def test_bids_validator_finds_no_error(tmp_path, family):
    """The validator of the BIDS community, which brings the specification along and needs no network."""
    if family == "diffusion":
        columns = {"te": [0.08] * 3, "tr": [4.0] * 3, "b": [0.0, 5e8, 1e9]}
        turned = {"direction_x": [0.0, 1.0, 0.0], "direction_y": [0.0, 0.0, 0.6], "direction_z": [0.0, 0.0, 0.8]}
        images = replace(_images(family, **columns, **turned), encoding={"family": DIFFUSION})
    else:
        sheet = {"family": family, "echo_spacing": 0.007, "train_length": 100}
        images = replace(_images(family, **SCANS[family]), encoding=sheet)
    write_bids(tmp_path / "set", images, _maps(), facts={"MagneticFieldStrength": 3.0})
    program = Path(sys.executable).with_name("bids-validator-deno")
    for folder in (tmp_path / "set", tmp_path / "set" / "derivatives" / "mrsim"):
        done = subprocess.run([program, "--json", folder], capture_output=True, text=True, timeout=60, check=False)
        issues = json.loads(done.stdout)["issues"]["issues"]
        wrong = [(one["code"], one.get("subCode"), one.get("location")) for one in issues if one["severity"] == "error"]
        assert wrong == []


def test_bids_names_magnetisation_transfer_by_its_state_and_no_vfa_where_flips_are_equal(tmp_path):
    saturated = {"mt": [0.0, 0.0, 1.0], "flip": [0.1, 0.3, 0.1], "tr": [0.02] * 3}
    made = write_bids(tmp_path / "mts", _images("spoiled-gradient-echo-3d", **saturated))
    assert [path.name for path in made] == [
        f"sub-01_{head}_MTS.nii.gz" for head in ("flip-1_mt-off", "flip-2_mt-off", "flip-1_mt-on")
    ]
    assert violations(tmp_path / "mts") == []
    locked = {"tsl": [0.0, 0.02], "flip": [1.5, 1.5]}
    made = write_bids(tmp_path / "locked", _images("spoiled-gradient-echo", **locked))
    assert made[0].name == "sub-01_echo-1_desc-spoiledGradientEcho_images.nii.gz"


def test_bids_rules_see_what_is_wrong(tmp_path):
    """The negative control of the rules themselves."""
    made = write_bids(tmp_path / "set", _images("multi-echo-spin-echo", **SCANS["multi-echo-spin-echo"]), _maps())
    for old, new in (("sub-01_echo-1", "echo-1_sub-01"), ("MESE", "MESEX")):
        bad = made[0].with_name(made[0].name.replace(old, new))
        made[0].rename(bad)
        assert violations(tmp_path / "set")
        bad.rename(made[0])
    side = made[0].with_name(made[0].name.replace(".nii.gz", ".json"))
    side.write_text("{}")
    assert any("EchoTime" in text for text in violations(tmp_path / "set"))

"""Numbers that no scanner, pulse or computation reaches are refused by their limits, and at once."""

import numpy as np
import pytest

import mrsim as mr
from mrsim.core.errors import InputError
from mrsim.core.grid import Grid
from mrsim.core.images import Images
from mrsim.core.maps import Maps


@pytest.mark.parametrize(
    ("key", "value", "limit"),
    [
        ("refocusing_width", "1e300", "between 0.001 and 1000"),
        ("refocusing_width", "1e-300", "between 0.001 and 1000"),
        ("time_bandwidth", "1e-300", "between 0.1 and 1000"),
        ("time_bandwidth", "1e300", "between 0.1 and 1000"),
        ("fov", "1000000 1000000 m", "at most 10 m"),
        ("slice_thickness", "1e9 m", "at most 10 m"),
    ],
)
def test_size_beyond_any_scan_is_refused_by_its_limit(key, value, limit):
    with pytest.raises(InputError, match=limit):
        mr.load_protocol("disc-t2-mese", {key: value}).build(mr.Scanner.preset("3T"))


@pytest.mark.parametrize("engine", [mr.Bloch, mr.Pathways])
@pytest.mark.parametrize("value", [1e300, 1e-300, 2.0])
def test_accuracy_that_means_nothing_is_refused(engine, value):
    with pytest.raises(InputError, match="between 1e-13 and 1 of M0"):
        engine(accuracy=value)


def test_maps_and_truth_the_wrong_way_round_are_told():
    grid = Grid(shape=(1, 2, 2), spacing=(1e-3, 1e-3, 1e-3))
    ones = mr.load_phantom("lumbar-disc", field=3.0).truth(grid)
    fitted = Maps(
        values={"t2": ones.values["t2"]}, errors={"t2": ones.errors["t2"]}, units={"t2": "s"}, status=ones.status,
        grid=grid, model="t2-mono",
    )  # fmt: skip
    with pytest.raises(InputError, match=r"maps hold .*; the truth holds t2\).*the wrong way round"):
        mr.evaluate(ones, fitted)


def test_what_is_no_request_or_no_model_is_named():
    with pytest.raises(InputError, match="is a str; give RunRequest"):
        mr.run("disc-se")
    with pytest.raises(InputError, match="images: is a NoneType; expected Images"):
        mr.fit(None, "t2-mono")
    grid = Grid(shape=(1, 1, 1), spacing=(1e-3, 1e-3, 1e-3))
    images = Images(data=np.ones((1, 1, 1, 1)), grid=grid, contrast={}, sigma=np.ones(1))
    with pytest.raises(InputError, match="is a NoneType; it must be a model"):
        mr.fit(images, None)

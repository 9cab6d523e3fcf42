"""What goes into a file comes out again, bit for bit."""

import dataclasses
import string

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from mrsim.core.acquisition import Acquisition, Encoding, Readouts
from mrsim.core.basis import Basis
from mrsim.core.coils import Coils
from mrsim.core.evaluation import Budget, BudgetRow, Evaluation, EvaluationRow
from mrsim.core.field_map import FieldMap
from mrsim.core.grid import Grid, orientation_axes
from mrsim.core.hdf5 import NOUNS, UNITS, escape, unescape
from mrsim.core.images import Images
from mrsim.core.maps import Maps
from mrsim.core.metabolites import Recovery
from mrsim.core.spectra import Spectra
from mrsim.core.spin_state import SpinState
from mrsim.core.storage import load, save
from mrsim.core.wave import Waves


def assert_identical(one, other):
    """Equal in type, dtype, shape, order and every bit, NaN payloads and signed zeros included."""
    assert type(one) is type(other)
    if dataclasses.is_dataclass(one):
        for field in dataclasses.fields(one):
            assert_identical(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            assert_identical(one[key], other[key])
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_identical(a, b)
    elif isinstance(one, (np.ndarray, np.generic)):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        assert one.tobytes() == other.tobytes()
    elif isinstance(one, (float, complex)):
        assert np.complex128(one).tobytes() == np.complex128(other).tobytes()
    else:
        assert one == other


def grid():
    return Grid(
        shape=(1, 3, 4), spacing=(1e-3, 1.1e-3, 4e-3), centre=(0.0, -0.0, 1e-2), axes=orientation_axes("sagittal", 0.1)
    )


def encoding():
    return Encoding(
        grid=grid(),
        frequency=127.7e6,
        dwell=5e-6,
        contrast={"te": np.array([0.01, 0.02]), "flip": np.array([1.0, np.nan])},
        sheet={"train": np.arange(3.0), "pulse": "slr", "nested": {"n": 3, "on": True, "none": None}},
    )


def acquisition():
    draw = np.random.default_rng(1).normal
    readouts = Readouts(
        data=draw(size=(2, 1, 4)) + 1j * draw(size=(2, 1, 4)),
        k=draw(size=(2, 4, 3)),
        t=draw(size=(2, 4)),
        labels={"line": np.array([0, 1])},
    )
    empty = Readouts(data=np.empty((0, 1, 4), complex), k=np.empty((0, 4, 3)), t=np.empty((0, 4)), labels={})
    return Acquisition(
        groups={"imaging": readouts, "noise": empty},
        encoding=encoding(),
        noise_density=np.eye(1, dtype=complex) * 1e-20,
        noisy=True,
        history={"seed": 7, "entropy": 2**120 + 1, "engine": "bloch", "ünï": "α ≤ β"},
    )


def images():
    data = np.array([[[[1 + 1j, np.nan, -0.0]]]])
    return Images(
        data=data,
        grid=dataclasses.replace(grid(), shape=data.shape[1:]),
        contrast={"te": np.array([0.01])},
        sigma=np.array(0.02),
    )


def maps():
    value = np.array([[[0.1, np.nan]]])
    return Maps(
        grid=grid(),
        values={"t2": value, "pd": value},
        errors={"t2": 0 * value, "pd": value},
        units={"t2": "s", "pd": ""},
        status=np.array([[[0, 7]]], np.int8),
        model="t2-exp",
    )


def evaluation():
    row = EvaluationRow(
        region="nucleus", parameter="t2", unit="s", truth=0.1, mean=0.11, bias=0.01, sd=0.02, se=0.002, fit_se=0.019,
        n=100, rejected=0, flags=("3 voxels at a bound",),
    )  # fmt: skip
    return Evaluation(rows=(row, dataclasses.replace(row, flags=(), truth=float("nan"))), history={})


def field_map():
    return FieldMap(values=np.arange(8.0).reshape(2, 2, 2), grid=Grid(shape=(2, 2, 2), spacing=(1e-3, 2e-3, 3e-3)))


def spin_state():
    return SpinState(magnetisation=np.linspace(-1, 1, 12).reshape(3, 4), segment=7, fingerprint="ab12")


def coils():
    one = dataclasses.replace(field_map(), values=np.full((2, 2, 2), 1 - 2j))
    return Coils(maps=(one, one), covariance=np.array([[1, 0.2j], [-0.2j, 2]]))


def budget():
    row = BudgetRow(
        region="nucleus", parameter="t2", unit="s", truth=0.1, bias=0.01, sd=0.02,
        bias_by_cause={"noise": 0.004, "model": 0.006}, variance_by_cause={"noise": 5e-4, "interaction": -1e-4},
    )  # fmt: skip
    return Budget(rows=(row,), notes=("B1 could not be switched off",))


def spectra():
    draw = np.random.default_rng(2).normal
    return Spectra(
        data=draw(size=(2, 1, 8)) + 1j * draw(size=(2, 1, 8)), dwell=5e-4, frequency=127.7e6, grid=grid(),
        contrast={"te": np.array([0.035, 0.144])}, sigma=np.full((2, 1, 1), 0.1), history={"water_removed": True},
    )  # fmt: skip


def basis():
    draw = np.random.default_rng(4).normal
    recovery = Recovery(t1=(0.1, 1.0, 9.0), water=(1.0, 0.8, 0.2), members={"Lac": (1.0, 0.9, 0.25)})
    return Basis(
        recovery=recovery,
        names=("Lac", "NAcGAG"), fids=draw(size=(2, 8)) + 1j * draw(size=(2, 8)), dwell=5e-4, frequency=127.7e6,
        kinds=("metabolite", "macromolecule"), protons=np.array([4.0, 3.0]), widths=np.array([[0, 0], [6, 15.0]]),
        sequence="press", te=0.035, conditions={"pulses": "ideal"}, history={"engine": "SpinSystem"},
    )  # fmt: skip


def waves():
    draw, shape = np.random.default_rng(3).normal, grid().shape
    return Waves(
        grid=grid(), frequencies=np.array([60.0, 80.0]), components=("x", "z"),
        displacement=1e-6 * (draw(size=(2, 2, *shape)) + 1j * draw(size=(2, 2, *shape))),
        mask=draw(size=shape) > 0, sigma=np.array(1e-7), modulus=np.full((2, *shape), 3e3 + 1e3j),
    )  # fmt: skip


NOUN_EXAMPLES = (
    grid, encoding, acquisition, images, maps, evaluation, field_map, coils, spin_state, budget, spectra, waves, basis,
)  # fmt: skip
EXAMPLES = {f.__name__: f for f in NOUN_EXAMPLES}


@pytest.mark.parametrize("name", EXAMPLES)
def test_storage_returns_every_noun_bit_for_bit(name, tmp_path):
    noun = EXAMPLES[name]()
    save(tmp_path / "a.h5", thing=noun)
    assert_identical(load(tmp_path / "a.h5", "thing"), noun)


def test_storage_examples_above_cover_every_noun():
    direct = {type(make()).__name__ for make in EXAMPLES.values()}
    assert direct | {"Readouts", "EvaluationRow", "BudgetRow", "Recovery"} == set(NOUNS)


def test_storage_keeps_several_objects_in_order(tmp_path):
    objects = {name: make() for name, make in reversed(EXAMPLES.items())}
    save(tmp_path / "a.h5", **objects)
    assert_identical(load(tmp_path / "a.h5"), objects)


DTYPES = st.sampled_from(["?", "i1", "<i8", ">i4", "u2", "<f2", "<f4", "<f8", ">f8", "<c8", "<c16", "S3", "<U4"])
TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=6)


def safe_text_array(array):
    """HDF5 strings end at a NUL, so text arrays that hold one are refused, not stored."""
    return array.dtype.kind != "U" or not any("\0" in text for text in array.ravel())


ARRAYS = npst.arrays(
    DTYPES, npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3), elements=None, fill=st.nothing()
).filter(safe_text_array)
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.text(max_size=6) | ARRAYS
    | st.builds(np.float32, st.floats(width=32)) | st.builds(np.int16, st.integers(-9, 9))
)  # fmt: skip
NESTS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple)
    | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(value=NESTS)
def test_storage_returns_any_nest_bit_for_bit(value, tmp_path_factory):
    path = tmp_path_factory.mktemp("nest") / "a.h5"
    save(path, value=value)
    assert_identical(load(path, "value"), value)


@given(TEXT | st.text(alphabet="./%2EF05" + "\0", max_size=8))
def test_storage_link_names_are_one_to_one(name):
    link = escape(name)
    assert unescape(link) == name
    assert link
    assert not set(link) & {"/", "\0"}
    assert link.strip(".")


def test_storage_keeps_nan_payloads(tmp_path):
    bits = np.array([0x7FF8000000000123, 0xFFF8000000000001, 0x7FF0000000000000], np.uint64)
    save(tmp_path / "a.h5", value=bits.view(np.float64))
    assert np.array_equal(load(tmp_path / "a.h5", "value").view(np.uint64), bits)


def test_storage_arrays_come_back_writeable_and_owned(tmp_path):
    save(tmp_path / "a.h5", value=np.arange(4.0).reshape(2, 2).T)
    value = load(tmp_path / "a.h5", "value")
    value[0, 1] = 9.0
    assert value.tolist() == [[0.0, 9.0], [1.0, 3.0]]


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"a": [1, {2, 3}]}, r"x\.a\[1\] is a set"),
        ({1: 2}, "x has the key 1"),
        (np.array(["2020-01-01"], "M8[D]"), r"x is an array of datetime64\[D\]"),
        (np.array([object()]), "x is an array of object"),
    ],
)
def test_storage_refuses_what_it_cannot_return(value, where, tmp_path):
    with pytest.raises(TypeError, match=where):
        save(tmp_path / "a.h5", x=value)
    assert list(tmp_path.iterdir()) == []


def test_storage_names_the_unit_of_every_dimensional_dataset(tmp_path):
    save(tmp_path / "a.h5", raw=acquisition(), maps=maps())
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["raw/groups/imaging/k"].attrs["units"] == "1/m"
        assert file["raw/encoding/contrast/te"].attrs["units"] == "s"
        assert file["raw/encoding/grid/spacing"].attrs["units"] == "m"
        assert file["maps/values/t2"].attrs["units"] == "s"
        assert file["maps/errors/pd"].attrs["units"] == "1"


def test_storage_units_name_existing_fields():
    for noun, units in UNITS.items():
        assert set(units) <= {field.name for field in dataclasses.fields(NOUNS[noun])}


def test_storage_file_opens_without_mrsim(tmp_path):
    """Another program finds plain HDF5: text, numbers and arrays where the schema page says."""
    save(tmp_path / "a.h5", images=images(), note={"seed": 7, "te": (0.01, 0.02), "who": "µ" + string.digits})
    with h5py.File(tmp_path / "a.h5") as file:
        assert (file.attrs["format"], file.attrs["schema"]) == ("mrsim", 1)
        assert file["images/data"].shape == (1, 1, 1, 3)
        assert file["note/seed"][()] == 7
        assert file["note/te"][...].tolist() == [0.01, 0.02]
        assert file["note/who"].asstr()[()] == "µ0123456789"

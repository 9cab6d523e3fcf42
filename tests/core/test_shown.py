"""How nouns show themselves, and their views with named axes."""

import importlib
import pkgutil
import re
import sys
from dataclasses import is_dataclass, replace

import numpy as np
import pytest

import mrsim as mr
import mrsim.core
from mrsim.core.acquisition import Acquisition, Encoding, Readouts
from mrsim.core.errors import InputError
from mrsim.core.evaluation import Evaluation, EvaluationRow
from mrsim.core.grid import Grid
from mrsim.core.images import Images
from mrsim.core.maps import Maps
from mrsim.core.shown import Shown
from mrsim.core.spectra import Spectra
from mrsim.core.wave import Waves
from mrsim.plan.answer import Verdict
from mrsim.plan.snr import SnrPrediction, SnrRow
from mrsim.sequence.families import FAMILIES

GRID = Grid(shape=(1, 3, 4), spacing=(1e-3, 2e-3, 5e-3))
TE = {"te": np.array([0.01, 0.02])}


@pytest.fixture(scope="module")
def nouns():
    """Return one of each noun, small, some of its values not finite."""
    values = np.full(GRID.shape, 0.08)
    values[0, 0, 0] = np.nan
    status = np.where(np.isfinite(values), 0, 1).astype(np.int8)
    encoding = Encoding(grid=GRID, frequency=127e6, dwell=1e-5, contrast=TE)
    readouts = Readouts(
        data=np.ones((6, 2, 4), complex), k=np.zeros((6, 4, 3)), t=np.ones((6, 4)), labels={"line": np.arange(6)}
    )
    row = EvaluationRow(
        region="nucleus <1>", parameter="t2", unit="s", truth=0.08, mean=0.09, bias=0.01, sd=0.002, se=1e-4,
        fit_se=0.002, n=11, rejected=1,
    )  # fmt: skip
    scanner, protocol = mr.Scanner.preset("3T"), mr.load_protocol("disc-t2-mese")
    sequence = replace(protocol, matrix=(16, 8), averages=1, dummies=0).build(scanner)
    return {
        "grid": GRID,
        "images": Images(data=np.ones((2, *GRID.shape), complex), grid=GRID, contrast=TE, sigma=np.array(0.01)),
        "maps": Maps(grid=GRID, values={"t2": values}, errors={"t2": 0 * values}, units={"t2": "s"}, status=status,
                     fractions={"disc": np.ones(GRID.shape)}, model="t2-mono"),
        "raw": Acquisition(groups={"imaging": readouts}, encoding=encoding, noise_density=np.eye(2, dtype=complex)),
        "spectra": Spectra(data=np.ones((2, 12, 8), complex), dwell=5e-4, frequency=127e6, grid=GRID, contrast=TE,
                           sigma=np.ones((2, 1, 1))),
        "waves": Waves(grid=GRID, frequencies=np.array([60.0]), displacement=np.ones((1, 3, *GRID.shape), complex)),
        "evaluation": Evaluation(rows=(row,)),
        "scanner": scanner,
        "protocol": protocol,
        "sequence": sequence,
        "timeline": mr.discretize(sequence),
        "snr": SnrPrediction(scanner="3T", field=3.0, law="torso", scan_time=195.0, rows=(
            SnrRow(tissue="csf", image=0, contrast={}, signal=1.0, phasor=1.0, sigma=0.05, snr=20.0, factors={}),)),
        "verdict": Verdict(question="T2 within 5 %", tissue="csf", answer="no", chance=0.1, wanted=0.95, cause="bias",
                           reason="far off"),
        "phantom": mr.load_phantom("lumbar-disc", field=3.0, grade=3),
    }  # fmt: skip


def test_every_noun_shows_itself_in_one_line_and_in_a_table(nouns):
    for noun in nouns.values():
        line, page = repr(noun), noun._repr_html_()
        assert line.startswith(f"<{type(noun).__name__}: ")
        assert line.endswith(">")
        assert len(line) < 500
        assert "\n" not in line
        assert "array(" not in line
        assert page.startswith(f"<strong>{type(noun).__name__}</strong><table><tr><td")
        assert page.count("<tr>") == page.count("</tr>") >= 1


def test_lines_name_the_numbers_in_the_units_of_readers(nouns):
    assert "t2 80 ms" in repr(nouns["maps"])
    assert "11" in repr(nouns["maps"])  # voxels with a value
    assert "2 images; contrast te 10 … 20 ms; grid 4 × 3 × 1 voxels of 1 × 2 × 5 mm" in repr(nouns["images"])
    assert "imaging 6 readouts of 4 samples, 2 coils" in repr(nouns["raw"])
    assert "t2 of nucleus <1> 90 ms, truth 80 ms" in repr(nouns["evaluation"])
    assert "nucleus &lt;1&gt;" in nouns["evaluation"]._repr_html_()
    assert "<th" in nouns["evaluation"]._repr_html_()
    assert "field 3 T" in repr(nouns["scanner"])
    assert repr(nouns["snr"]) == "<SnrPrediction: 3T, 3 T; scan time 195 s; csf SNR 20.0>"
    assert repr(nouns["verdict"]) == "<Verdict: no: T2 within 5 %; tissue csf; limited by bias>"
    assert "te 10" not in repr(nouns["protocol"])
    assert re.search(r"echo_spacing [\d.]+ ms", repr(nouns["protocol"]))
    assert repr(nouns["phantom"]).startswith("<Phantom: lumbar-disc; field 3 T; grade 3; tissues ")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda one: one.name)
def test_protocols_of_every_family_show_what_is_not_their_default(family):
    assert issubclass(family, Shown)
    assert family.__repr__ is Shown.__repr__


def test_no_noun_writes_its_arrays():
    for module in pkgutil.iter_modules(mrsim.core.__path__, "mrsim.core."):
        held = vars(importlib.import_module(module.name)) if not module.ispkg else {}
        for found in held.values():
            if isinstance(found, type) and is_dataclass(found) and hasattr(found, "to_xarray"):
                assert issubclass(found, Shown)


def test_views_have_named_axes_and_share_the_data(nouns):
    axes = {
        "images": ("contrast", "z", "y", "x"), "raw": ("readout", "coil", "sample"),
        "spectra": ("contrast", "voxel", "time"), "waves": ("frequency", "component", "z", "y", "x"),
    }  # fmt: skip
    for name, expected in axes.items():
        view = nouns[name].to_xarray()
        assert view.dims == expected
    view = nouns["images"].to_xarray()
    assert np.shares_memory(view.values, nouns["images"].data)
    np.testing.assert_allclose(view.x, [-2e-3, -1e-3, 0, 1e-3])
    assert view.x.attrs["units"] == "m"
    assert view.sel(contrast=1).te == 0.02
    maps = nouns["maps"].to_xarray()
    assert maps.t2.attrs["units"] == "s"
    assert set(maps) == {"t2", "t2_error", "fraction_disc", "status"}
    assert maps.attrs["model"] == "t2-mono"
    assert list(nouns["raw"].to_xarray().line) == [*range(6)]
    assert nouns["spectra"].to_xarray().time[1] == 5e-4


def test_without_xarray_the_message_says_what_to_install(nouns, monkeypatch):
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(InputError, match=r"pip install 'mrsim\[xarray\]'"):
        nouns["images"].to_xarray()

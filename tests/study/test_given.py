"""What a fit is given: numbers with units, files with maps, protocols that measure them."""

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.core.grid import Grid
from mrsim.core.maps import Maps
from mrsim.core.storage import save
from mrsim.exchange.nifti import write_volume
from mrsim.fit.inversions import INVERSIONS
from mrsim.fit.models import MODELS, find_model
from mrsim.study.given import DIMENSIONS, given_options

GRID = Grid(shape=(2, 3, 4), spacing=(1e-3, 1e-3, 4e-3))
SPGR = find_model("spgr")


def _maps(**values):
    return Maps(
        grid=GRID, values=values, errors={}, units=dict.fromkeys(values, ""), status=np.zeros(GRID.shape, np.int8)
    )


def test_every_option_of_every_fit_can_be_given_by_command():
    units = {option.unit for one in (*MODELS, *INVERSIONS) for option in one.options}
    assert units <= set(DIMENSIONS)
    assert given_options(find_model("field-map"), {"smoothing": "4 mm"}) == {"smoothing": pytest.approx(4e-3)}


def test_given_number_is_read_with_its_unit():
    assert given_options(SPGR, {"b1": "0.9"}) == {"b1": 0.9}
    angle = given_options(find_model("inversion-recovery"), {"inversion": "170 deg"})
    assert angle["inversion"] == pytest.approx(np.radians(170), rel=1e-15)
    with pytest.raises(InputError, match="170"):
        given_options(find_model("inversion-recovery"), {"inversion": "170"})


def test_given_files_hold_maps(tmp_path):
    b1 = np.linspace(0.8, 1.2, 24).reshape(GRID.shape)
    save(tmp_path / "b1.h5", maps=_maps(b1=b1), truth=_maps(b1=0 * b1))
    assert given_options(SPGR, {"b1": str(tmp_path / "b1.h5")})["b1"].values["b1"] == pytest.approx(b1)
    write_volume(tmp_path / "b1.nii", b1, GRID)
    assert given_options(SPGR, {"b1": str(tmp_path / "b1.nii")})["b1"].values["b1"] == pytest.approx(b1)


def test_given_protocol_is_measured():
    maps = _maps(b1=np.ones(GRID.shape))
    assert given_options(SPGR, {"b1": "brain-b1"}, measure=lambda name: {"brain-b1": maps}[name])["b1"] is maps


def test_given_names_and_sources_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(InputError, match="did you mean 'b1'"):
        given_options(SPGR, {"b0": "1"})
    save(tmp_path / "t1.h5", maps=_maps(t1=np.ones(GRID.shape)))
    with pytest.raises(InputError, match="holds no map of it"):
        given_options(SPGR, {"b1": str(tmp_path / "t1.h5")})

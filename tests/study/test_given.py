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
from mrsim.study.given import DIMENSIONS, given_options, options_again, own_given
from mrsim.study.request import RunRequest
from mrsim.study.run import prepare

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


def test_given_by_command_changes_one_entry_of_the_protocols_and_keeps_the_others():
    kept = prepare(RunRequest(protocol="svs-press-np")).request.given
    asked = prepare(RunRequest(protocol="svs-press-np", given={"baseline": "1", "water_t1": "2 s"})).request.given
    assert kept == {"high": "3.6 ppm"}
    assert asked == {**kept, "baseline": "1", "water_t1": "2 s"}
    other = prepare(RunRequest(protocol="disc-t2-mese", model="t2-epg-b1", given={"t1": "1.1 s"})).request
    assert other.given == {"t1": "1.1 s"}, "what one model is given says nothing of another's options"


def test_given_of_a_result_holds_for_its_next_fit_by_the_same_model():
    own = {"baseline": "0", "low": "0.9 ppm"}
    result = {"provenance": {"request": {"model": "linear-combination", "given": own}}}
    assert own_given(result, "linear-combination", {"low": "0.8 ppm"}) == {"baseline": "0"}
    assert own_given(result, "spgr", {}) == {}
    assert own_given({}, "spgr", {}) == {}


def test_given_maps_that_a_protocol_measured_serve_the_next_fit_of_the_result(tmp_path):
    b1 = np.linspace(0.8, 1.2, 24).reshape(GRID.shape)
    maps = Maps(grid=GRID, values={}, errors={}, units={}, status=np.zeros(GRID.shape, np.int8), given={"b1": b1})
    result = {"maps": maps, "provenance": {"request": {"model": "spgr", "given": {"b1": "b1-afi"}}}}
    assert options_again(SPGR, result, {})["b1"].values["b1"] == pytest.approx(b1)
    assert options_again(SPGR, result, {"b1": "0.9"}) == {"b1": 0.9}

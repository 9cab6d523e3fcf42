"""Elastography joins the road: waves in a file are inverted, moduli stand in the truth."""

import json

import numpy as np
import pytest

from mrsim.cli import perform
from mrsim.core.grid import Grid
from mrsim.core.storage import save
from mrsim.core.wave import Waves, wavenumber
from mrsim.phantom.phantom_file import load_phantom
from mrsim.simulate.elastic.in_phantom import body_of
from mrsim.study.waves import source_of, tissue_modulus, with_moduli


def test_truth_holds_the_moduli_of_the_phantom():
    phantom = load_phantom("mre-inclusion", field=3.0)
    grid = Grid(shape=(1, 24, 24), spacing=(5e-3, 5e-3, 5e-3), centre=(0.0, 0.0, 5e-3))
    truth = with_moduli(phantom.truth(grid), phantom, 60.0)
    assert set(np.unique(truth.values["shear_stiffness"][truth.status == 0])) == {3e3, 12e3}
    assert truth.units["loss_angle"] == "rad"
    assert np.isnan(truth.values["shear_stiffness"][truth.status == 7]).all()


def test_tissue_modulus_is_the_one_that_the_solver_moves_with():
    disc = load_phantom("lumbar-disc", field=3.0, grade=1)
    nucleus = next(tissue for tissue in disc.tissues if tissue.name.startswith("nucleus"))
    at_80 = tissue_modulus(nucleus, 3.0, 80.0)
    assert 2 * abs(at_80) / (1 + np.cos(np.angle(at_80))) == pytest.approx(12.5e3, rel=1e-5)  # the file has five digits
    grid = Grid(shape=(3, 3, 3), spacing=(2e-3, 2e-3, 2e-3))
    for frequency in (60.0, 1000.0):
        solved = body_of(disc, grid, (nucleus.name,)).modulus(frequency)
        assert tissue_modulus(nucleus, 3.0, frequency) == pytest.approx(solved[0])
        assert abs(solved[0] / at_80) == pytest.approx((frequency / 80) ** (2 * np.angle(at_80) / np.pi))


def test_command_fits_a_file_of_waves(tmp_path, capsys):
    grid = Grid(shape=(1, 16, 32), spacing=(1e-3, 1e-3, 1e-3))
    u = 1e-6 * np.exp(-1j * wavenumber(10e3, 100.0) * (grid.coordinates(0) + 16e-3)) * np.ones((1, 1, 1, 16, 1))
    waves = Waves(grid=grid, frequencies=np.array([100.0]), displacement=u, components=("z",))
    assert source_of(waves, "mre-direct") is waves
    save(tmp_path / "waves.h5", waves=waves)
    assert perform(["fit", str(tmp_path / "waves.h5"), "--model", "mre-direct", "--json"]) == 0
    rows = {row["parameter"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    assert rows["storage_modulus"]["mean"] == pytest.approx(10e3, rel=0.005)
    assert perform(["fit", str(tmp_path / "waves.h5"), "--model", "t2-mono"]) == 2
    assert "need an inversion" in capsys.readouterr().err

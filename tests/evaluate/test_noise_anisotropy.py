"""Anisotropy that is noise is named beside the number; what is more than noise is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mrsim.core.grid import Grid
from mrsim.core.images import Images
from mrsim.core.maps import Maps
from mrsim.core.tensors import prolate
from mrsim.evaluate.compare import evaluate
from mrsim.evaluate.noise_anisotropy import noise_anisotropy
from mrsim.fit.fit import fit
from mrsim.sequence.directions import repelled

GRID = Grid(shape=(1, 60, 60), spacing=(1e-3, 1e-3, 1e-3))
N = np.concatenate([np.zeros((1, 3)), repelled(12)])
TABLE = {"b": np.array([0.0] + [600e6] * 12)} | {f"direction_{a}": N[:, i] for i, a in enumerate("xyz")}


def images(fa, snr):
    """A tissue of MD 1.5 um^2/ms under Rician noise, the same in every voxel."""
    clean = np.exp(-TABLE["b"] * np.einsum("ni,ij,nj->n", N, prolate(1.5e-9, fa, np.array([0.0, 0.0, 1.0])), N))
    noise = np.random.default_rng(7).standard_normal((2, 13, *GRID.shape)) / snr
    data = clean[:, None, None, None] + noise[0] + 1j * noise[1]
    return Images(data=data, grid=GRID, contrast=TABLE, sigma=np.full((1, 1, 1, 1), 1 / snr))


def truth(fa):
    whole = np.full(GRID.shape, fa)
    return Maps(grid=GRID, values={"fa": whole}, errors={}, units={"fa": ""}, status=np.zeros(GRID.shape, np.int8),
                model="truth")  # fmt: skip


@pytest.mark.parametrize("snr", [20, 60])
def test_isotropic_tissue_shows_the_anisotropy_that_the_errors_foretell(snr):
    maps = fit(images(0.0, snr), "dti-wls")
    shown, foretold = maps.values["fa"].mean(), noise_anisotropy(maps).mean()
    assert foretold == pytest.approx(shown, rel=0.05)  # errors are of first order
    (row,) = evaluate(maps, truth(0.0), {"all": np.ones(GRID.shape, bool)}).rows
    assert row.flags[0] == f"noise: it alone shows FA {foretold:.2g} where there is none"


def test_only_what_noise_explains_is_named():
    everywhere = {"all": np.ones(GRID.shape, bool)}
    (row,) = evaluate(fit(images(0.4, 100), "dti-wls"), truth(0.4), everywhere).rows
    assert row.flags == ()
    (row,) = evaluate(fit(images(0.2, 12), "dti-wls"), truth(0.2), everywhere).rows
    assert row.mean > 1.5 * row.truth
    assert "noise" in row.flags[0]
    still = replace(images(0.0, 20), noisy=False)  # a calibrated noise that was not added explains nothing
    assert noise_anisotropy(fit(still, "dti-wls")) is None

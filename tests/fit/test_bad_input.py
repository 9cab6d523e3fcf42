"""What every model and method refuses or leaves out: tables that cannot be, and voxels without data."""

from dataclasses import replace

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.core.grid import Grid
from mrsim.core.images import Images
from mrsim.fit.abilities import abilities
from mrsim.fit.fit import fit
from mrsim.fit.method import Method
from mrsim.fit.signal import signal

from .examples import RELAXOMETRY, example, sheet_of

LARGE = ("mdme-epg", "mrf-fisp", "mrf-fisp-b1", "t2-epg", "t2-epg-b1", "t2-spectrum", "spgr-epg")
"""Their tables take seconds to make, and their voxels are begun by `method.start`, like the others'."""
IN_MS = ("te", "tr", "ti", "td", "tsl", "recovery")
ALL = pytest.mark.parametrize("model", RELAXOMETRY, ids=lambda m: m.name)
QUICK = pytest.mark.parametrize("model", [m for m in RELAXOMETRY if m.name not in LARGE], ids=lambda m: m.name)


def _scan(model, contrast=None, data=None, voxels=4):
    contrast = example(model)[1] if contrast is None else contrast
    if data is None:
        has = not isinstance(model, Method) or model.signal is not None
        source = model if has else next(m for m in RELAXOMETRY if m.name == BORROWED[model.name])
        data = signal(source, example(source)[0], example(source)[1], sheet=sheet_of(source))
    n = len(data)
    if model.data in ("complex", "phase-corrected", "phase-referenced"):
        data = data * np.exp(0.4j)
    return Images(
        data=np.repeat(np.asarray(data, complex)[:, None], voxels, axis=1).reshape(n, 1, 1, voxels),
        grid=Grid(shape=(1, 1, voxels), spacing=(1e-3,) * 3),
        contrast={k: np.broadcast_to(np.asarray(v, float), (n,)) for k, v in contrast.items()},
        sigma=np.full((n, 1, 1, 1), 1e-3), encoding=dict(sheet_of(model)),
    )  # fmt: skip


BORROWED = {"t2star-arlo": "t2star-mono", "t2-spectrum": "t2-epg"}


def _table(model):
    return example(next(m for m in RELAXOMETRY if m.name == BORROWED.get(model.name, model.name)))[1]


@ALL
def test_one_image_is_too_few(model):
    table = {name: np.asarray(column)[:1] for name, column in _table(model).items()}
    with pytest.raises(InputError):
        fit(_scan(model, table, np.ones(1)), model)


@ALL
def test_each_missing_column_is_named(model):
    table = _table(model)
    n = len(next(iter(table.values())))
    for column in model.contrast:
        rest = {name: values for name, values in table.items() if name != column.name}
        with pytest.raises(InputError, match=f"no contrast column '{column.name}'"):
            fit(_scan(model, rest, np.ones(n)), model)


@ALL
def test_milliseconds_in_place_of_seconds_are_named(model):
    table = _table(model)
    n = len(next(iter(table.values())))
    for name in set(table) & set(IN_MS) & {column.name for column in model.contrast}:
        with pytest.raises(InputError, match=r"looks like ms|must lie between 0 and tr"):
            fit(_scan(model, table | {name: 1e3 * np.asarray(table[name])}, np.ones(n)), model)


@QUICK
def test_empty_and_impossible_voxels_are_left_out_and_their_neighbours_are_fitted(model):
    images = _scan(model, _table(model))
    data = images.data.copy()
    data[:, 0, 0, 1] = 0
    data[-1, 0, 0, 2] = np.nan
    found, whole = fit(replace(images, data=data), model), fit(images, model)
    assert found.status.ravel()[1:3].tolist() == [1, 4]
    assert found.history["status"]["no signal"] == 1
    assert found.history["status"]["not finite"] == 1
    for name, values in found.values.items():
        assert np.isnan(values.ravel()[1:3]).all()
        assert values.ravel()[[0, 3]] == pytest.approx(whole.values[name].ravel()[[0, 3]], rel=1e-9, nan_ok=True)


@QUICK
def test_order_of_the_images_does_not_matter(model):
    images = _scan(model, _table(model), voxels=1)
    order = np.random.default_rng(2).permutation(len(images.data))
    mixed = replace(
        images, data=images.data[order], sigma=images.sigma[order],
        contrast={name: column[order] for name, column in images.contrast.items()},
    )  # fmt: skip
    found, known = fit(mixed, model), fit(images, model)
    for name, values in found.values.items():
        assert values == pytest.approx(known.values[name], rel=1e-5, nan_ok=True)


def test_mask_of_another_shape_is_refused():
    images = _scan(RELAXOMETRY[0])
    with pytest.raises(InputError, match="the images have"):
        fit(images, RELAXOMETRY[0], mask=np.ones((2, 2, 2), bool))


def test_fits_at_a_bound_are_counted_and_have_no_error():
    te = np.linspace(0.01, 0.08, 8)
    data = np.where(np.arange(4) < 3, 1.0, np.exp(-te / 0.05)[:, None])  # three voxels do not decay
    images = _scan(next(m for m in RELAXOMETRY if m.name == "t2-mono"), {"te": te}, data[:, 0])
    images = replace(images, data=data[:, None, None, :].astype(complex))
    maps = fit(images, "t2-mono")
    assert maps.history["status"] == {"at a bound": 3, "converged": 1}
    assert np.isnan(maps.errors["t2"].ravel()[:3]).all()
    assert np.isfinite(maps.errors["t2"].ravel()[3])


@pytest.mark.parametrize("name", ["look-locker", "mp2rage", "t2-mono", "saturation-recovery"])
def test_a_fit_ends_at_the_bound_that_is_stated(name):
    model = next(m for m in RELAXOMETRY if m.name == name)
    beyond = example(model)[0] | {model.parameters[1].name: 3 * model.parameters[1].upper}
    data = signal(model, beyond, example(model)[1], sheet=sheet_of(model))
    maps = fit(_scan(model, example(model)[1], data, voxels=1), model)
    assert maps.status.item() == 3
    assert maps.values[model.parameters[1].name].item() == pytest.approx(model.parameters[1].upper, rel=1e-9)
    assert f"{model.parameters[1].upper:g} {model.parameters[1].unit}" in abilities(model).bounds


def test_every_relaxometry_fitter_knows_two_likelihoods_or_says_why_not():
    for model in RELAXOMETRY:
        row = abilities(model)
        assert "Rician" in row.likelihoods or row.noise_floor == "none" or "take '" in row.likelihoods, model.name


TE = np.linspace(0.01, 0.08, 8)


@pytest.mark.parametrize("values", [TE[:-1], np.append(TE, 0.2), TE[:, None]])
def test_a_column_that_does_not_match_the_images_is_refused(values):
    images = Images(data=np.ones((len(TE), 1, 2, 2), complex), grid=Grid(shape=(1, 2, 2), spacing=(1e-3,) * 3),
                    contrast={"te": values}, sigma=np.full((len(TE), 1, 1, 1), 0.01))  # fmt: skip
    with pytest.raises(InputError, match=f"te: .* for {len(TE)} images"):
        fit(images, "t2-mono")

"""Unwrapping against phases that are known before they are wrapped."""

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.core.unwrap import METHODS, unwrap, unwrap_echoes, wrapped


def hill(shape, height):
    """A smooth phase of `height` rad, with a ramp across it."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    return height * (np.exp(-2 * sum(a**2 for a in axes)) + 0.4 * axes[-1] - 0.2 * axes[-2])


def ball(shape, radius):
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    return sum(a**2 for a in axes) < radius**2


def same_up_to_turns(found, true, mask):
    turns = (found - true)[mask] / (2 * np.pi)
    return np.ptp(turns) < 1e-6 and abs(turns[0] - round(turns[0])) < 1e-6


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(48, 56), (24, 40, 36), (1, 48, 48)])
@pytest.mark.parametrize("masked", [False, True])
def test_unwrap_returns_the_phase_before_it_was_wrapped(method, shape, masked):
    true = hill(shape[-2:] if shape[0] == 1 else shape, 14.0).reshape(shape)
    mask = ball(shape[-2:] if shape[0] == 1 else shape, 0.9).reshape(shape) if masked else np.ones(shape, bool)
    noise = 0.3 * np.random.default_rng(3).standard_normal(shape)
    measured = wrapped(true + noise)
    if masked:
        measured[~mask] = np.random.default_rng(4).uniform(-np.pi, np.pi, np.count_nonzero(~mask))
    found = unwrap(measured, mask, method)
    assert np.ptp(wrapped(true)[mask]) > 6  # it was wrapped
    assert same_up_to_turns(found, true + noise, mask)
    assert np.isnan(found[~mask]).all()
    assert -np.pi < np.median(found[mask]) <= np.pi


@pytest.mark.parametrize("method", METHODS)
def test_unwrap_takes_parts_of_a_mask_one_by_one(method):
    true = hill((40, 80), 12.0)
    mask = np.zeros((40, 80), bool)
    mask[5:35, 5:30] = mask[8:32, 50:75] = True
    found = unwrap(np.exp(1j * true), mask, method)
    for part in (np.s_[5:35, 5:30], np.s_[8:32, 50:75]):
        assert same_up_to_turns(found[part], true[part], np.ones_like(true[part], bool))
        assert abs(np.median(found[part])) <= np.pi


def test_laplacian_alone_is_blind_to_a_jump_that_reliability_sorting_goes_around():
    """A wall of noise between two halves: the sorted path leaves it for last."""
    true = hill((64, 64), 10.0)
    wall = np.zeros((64, 64), bool)
    wall[30:33, :40] = True
    measured = wrapped(np.where(wall, np.random.default_rng(1).uniform(-np.pi, np.pi, true.shape), true))
    found = unwrap(measured, None, "reliability")
    assert same_up_to_turns(found, true, ~wall)


def test_unwrap_echoes_follows_a_turning_phase_and_refuses_unordered_times():
    te = np.array([2.0, 3.5, 5.0, 7.5, 11.0]) * 1e-3
    offset = np.linspace(-320.0, 320.0, 41)
    true = 0.7 - 2 * np.pi * offset * te[:, None]
    found = unwrap_echoes(np.exp(1j * true), te)
    np.testing.assert_allclose(np.diff(found, axis=0), np.diff(true, axis=0), atol=1e-9)
    with pytest.raises(InputError, match="ascending"):
        unwrap_echoes(true, te[::-1])
    aliased = unwrap_echoes(np.exp(-2j * np.pi * 400.0 * te)[:, None], te)  # 400 Hz exceeds 1 / (2 * 1.5 ms)
    assert abs(np.diff(aliased[:2, 0])[0] + 2 * np.pi * 400 * 1.5e-3) > 6


def test_unwrap_refuses_what_it_cannot_read():
    with pytest.raises(InputError, match="method"):
        unwrap(np.zeros((4, 4)), method="romeo")
    with pytest.raises(InputError, match="mask"):
        unwrap(np.zeros((4, 4)), np.ones((3, 4), bool))
    with pytest.raises(InputError, match="finite"):
        unwrap(np.full((4, 4), np.nan))
    assert np.isnan(unwrap(np.full((4, 4), np.nan), np.zeros((4, 4), bool))).all()

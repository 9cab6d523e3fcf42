"""Slab profiles in fits that take B1: partitions at the slab's edges are turned less."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mrsim.core.grid import Grid
from mrsim.core.images import Images
from mrsim.fit.fit import fit
from mrsim.fit.signal import signal
from mrsim.sequence.protocol import load_protocol
from mrsim.sequence.scanner import Scanner


def _scan(flip_ratio="1"):
    """Return images of T1 1.1 s in every partition, flips turned sample by sample, and those flips."""
    header = load_protocol("sag-vfa-t1", {"flip_ratio": flip_ratio}).build(Scanner.preset("3T")).encoding
    sheet = dict(header.sheet) | {"kind": header.kind}
    entry = sheet["pulses"]["excitation"]
    # the slab's middle lies between the two middle partitions of twelve
    z = (np.arange(12) - 5.5) * header.grid.spacing[2]
    whole = Rotation.identity(12)
    for sample in entry["signal"]:
        rate = np.stack(np.broadcast_arrays(sample.real, sample.imag, 2 * np.pi * entry["gradient"] * z), axis=-1)
        whole = Rotation.from_rotvec(-entry["dwell"] * rate) * whole
    share = np.arccos(whole.as_matrix()[:, 2, 2]) / sheet["excitation_flip"]
    table = {name: header.contrast[name] for name in ("flip", "tr", "te")}
    data = np.stack([signal("spgr", {"m0": 1.0, "t1": 1.1}, table, b1=b1) for b1 in share], axis=1)
    images = Images(
        data=data[:, :, None, None].astype(complex), grid=Grid(shape=(12, 1, 1), spacing=header.grid.spacing),
        contrast=table, sigma=np.full((len(data), 1, 1, 1), 1e-4), noisy=False, encoding=sheet,
    )  # fmt: skip
    return images, share


@pytest.mark.parametrize("flip_ratio", ["1", "1.5"])
@pytest.mark.parametrize("model", ["spgr", "despot1"])
def test_t1_is_the_same_in_every_partition_of_a_slab(model, flip_ratio):
    images, share = _scan(flip_ratio)
    assert share.max() - share.min() > 0.3  # what is to be mended
    found = fit(images, model, threads=1)
    assert found.values["t1"].ravel() == pytest.approx(1.1, rel=2e-3)
    assert found.given["b1"].ravel() == pytest.approx(share, abs=1e-3)


def test_t1_of_a_slab_follows_the_square_of_the_profile_where_the_sheet_lacks_the_pulse():
    images, share = _scan()
    sheet = {name: value for name, value in images.encoding.items() if name != "pulses"}
    found = fit(replace(images, encoding=sheet), "spgr", threads=1).values["t1"].ravel()
    assert found == pytest.approx(1.1 * share**2, rel=0.02)
    assert found.min() < 0.5


def test_profile_of_a_slab_multiplies_the_transmit_field():
    images, share = _scan()
    found = fit(images, "spgr", threads=1, b1=0.8)
    assert found.given["b1"].ravel() == pytest.approx(0.8 * share, abs=1e-3)

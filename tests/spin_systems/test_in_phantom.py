"""Metabolites of a phantom's tissues in the signals of a voxel: amount, frequency, relaxation."""

from dataclasses import replace

import numpy as np
import pytest

from mrsim.core.acquisition import Acquisition, Encoding, Readouts
from mrsim.core.basis import Basis
from mrsim.core.errors import InputError
from mrsim.core.grid import Grid
from mrsim.phantom.phantom_file import load_phantom
from mrsim.simulate.spin_systems.in_phantom import PURE, concentrations, relaxation_at, with_metabolites

DWELL, POINTS, VOXEL = 4e-4, 256, (4e-3, 4e-3, 4e-3)
TE, TR = 0.035, 2.0


def one_basis() -> Basis:
    """Return a basis of one flat signal of four protons: lactate without its shifts."""
    return Basis(
        names=("Lac",),
        fids=np.full((1, POINTS), 4.0 + 0j),
        dwell=DWELL,
        frequency=127.7e6,
        kinds=("metabolite",),
        protons=np.array([4.0]),
        widths=np.zeros((1, 2)),
    )


def empty() -> Acquisition:
    """Return the raw data of a voxel in the nucleus, all zero, of two averages."""
    readouts = Readouts(
        data=np.zeros((2, 1, POINTS), dtype=complex),
        k=np.zeros((2, POINTS, 3)),
        t=np.tile(np.arange(POINTS) * DWELL, (2, 1)),
        labels={"contrast": np.zeros(2, dtype=np.int64), "average": np.arange(2)},
    )
    encoding = Encoding(
        grid=Grid(shape=(1, 1, 1), spacing=VOXEL),
        frequency=127.7e6,
        dwell=DWELL,
        contrast={"te": np.array([TE]), "tr": np.array([TR])},
        kind="spectrum",
    )
    return Acquisition(groups={"imaging": readouts}, encoding=encoding, noise_density=np.eye(1, dtype=complex))


def test_amount_frequency_and_relaxation_are_those_of_the_tissue() -> None:
    phantom = replace(load_phantom("lumbar-disc", field=3.0, grade=3), offset=7.0)
    raw = with_metabolites(empty(), phantom, one_basis())
    amount = concentrations(phantom, ("Lac",))["nucleus_pulposus"]["Lac"]
    relax = relaxation_at(3.0)
    inside = phantom.truth(raw.encoding.grid).fractions["nucleus_pulposus"].item()
    assert inside == pytest.approx(1.0, abs=1e-6)
    expected = amount * 4 / PURE * np.prod(VOXEL) * np.exp(-TE / relax.t2) * (1 - np.exp(-TR / relax.t1))
    signal = raw.imaging.data[1, 0]
    assert signal[0] == pytest.approx(expected, rel=1e-6)
    time = np.arange(POINTS) * DWELL
    water = next(t for t in phantom.tissues if t.name == "nucleus_pulposus").pools(3.0)[0]
    decay = np.exp(-time / relax.t2 - time / water.t2_prime)
    np.testing.assert_allclose(signal, expected * decay * np.exp(-2j * np.pi * 7.0 * time), rtol=1e-6)


def test_tissues_without_concentrations_add_nothing() -> None:
    raw = empty()
    far = replace(
        raw, encoding=replace(raw.encoding, grid=Grid(shape=(1, 1, 1), spacing=VOXEL, centre=(0.0, 0.06, 0.0)))
    )
    phantom = load_phantom("lumbar-disc", field=3.0, grade=3)
    added = with_metabolites(far, phantom, one_basis())
    share = phantom.truth(far.encoding.grid).fractions["nucleus_pulposus"].item()
    assert share == 0
    assert not added.imaging.data.any()


def test_relaxation_beyond_the_table_is_refused() -> None:
    with pytest.raises(InputError, match=r"1\.5 to 7 T"):
        relaxation_at(9.4)

"""A small measured run without an engine: sequences are built, signals are written down in closed form."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

from mrsim.core.acquisition import Acquisition, Readouts
from mrsim.core.evaluation import Evaluation, EvaluationRow
from mrsim.core.grid import Grid, orientation_axes
from mrsim.core.images import Images
from mrsim.core.maps import Maps
from mrsim.phantom.phantom_file import load_phantom
from mrsim.sequence.families import MultiEchoSpinEcho
from mrsim.sequence.scanner import load_scanner

TRUE_T2 = {"short": 0.040, "long": 0.100}
READ_T2 = {"short": 0.044, "long": 0.095}


@pytest.fixture(scope="package")
def mese():
    """Four echoes of 12 ms, 8 x 6 points, two dummies."""
    protocol = MultiEchoSpinEcho(
        echoes=4, echo_spacing=12e-3, tr=0.5, matrix=(8, 6), fov=(0.08, 0.06), pixel_bandwidth=500.0, dummies=2
    )
    return protocol.build(load_scanner("3T"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A run by structure, as a report takes it."""

    request: object
    sequence: object
    phantom: object
    raw: object
    images: object
    maps: object
    truth: object
    rois: dict
    evaluation: object
    budget: object = None
    waves: object = None
    quantified: object = None
    description: str = "a test of <markup> & words"
    warnings: tuple = ("the object is larger than the field of view",)
    timings: dict = field(default_factory=lambda: {"simulate": 1.25})
    provenance: dict = field(default_factory=lambda: {"numpy": "0.0.1", "protocol_text": 'family = "x"\nte = 1\n'})


@pytest.fixture(scope="package")
def run(mese):
    grid = mese.encoding.grid
    masks = {name: np.zeros(grid.shape, dtype=bool) for name in TRUE_T2}
    masks["short"][0, 1:5, 1:3] = True
    masks["long"][0, 1:5, 4:7] = True
    true, read = np.full(grid.shape, np.nan), np.full(grid.shape, 0.070)
    for name, mask in masks.items():
        true[mask], read[mask] = TRUE_T2[name], READ_T2[name]
    status = np.where(np.isfinite(true), 0, 1).astype(np.int8)
    truth = maps_of(grid, {"t2": true}, status, "truth")
    fitted_status = np.zeros(grid.shape, dtype=np.int8)
    fitted_status[0, 1, 1] = 2
    maps = maps_of(grid, {"t2": read, "m0": np.ones(grid.shape)}, fitted_status, "t2-mono")
    te = mese.encoding.contrast["te"]
    data = np.exp(-te[:, None, None, None] / read).astype(np.complex128)
    sigma = np.full((len(te), 1, 1, 1), 0.01)
    images = Images(data=data, grid=grid, contrast=mese.encoding.contrast, sigma=sigma, noisy=True)
    return Run(
        request=SimpleNamespace(
            physiology={},
            protocol="small-mese", scanner="3T", model="t2-mono", overrides={"te": "1 ms"}, seed=11, without=("noise",),
            including=(),
        ),
        sequence=mese, phantom=load_phantom("lumbar-disc", field=3.0, grade=3), raw=raw_of(mese), images=images,
        maps=maps, truth=truth, rois=masks,
        evaluation=Evaluation(rows=(row("short", 0.043), row("long", 0.095, ("1 voxel odd",)))),
    )  # fmt: skip


def maps_of(grid, values, status, model):
    units = {name: "s" if name == "t2" else "" for name in values}
    errors = {name: np.full(grid.shape, 1e-3) for name in values}
    return Maps(grid=grid, values=values, errors=errors, units=units, status=status, model=model)


def row(region, mean, flags=()):
    truth = TRUE_T2[region]
    return EvaluationRow(
        region=region, parameter="t2", unit="s", truth=truth, mean=mean, bias=mean - truth, sd=8e-3, se=2e-3,
        fit_se=7e-3, n=16, rejected=1, flags=flags,
    )  # fmt: skip


def raw_of(sequence):
    readouts = Readouts(
        data=np.zeros((1, 1, 8), dtype=np.complex128), k=np.zeros((1, 8, 3)), t=np.zeros((1, 8)), labels={}
    )
    history = {
        "engine": "bloch", "precision": "double", "discretisation_error": 3.2e-5, "t2_prime_error": 2.8e-3,
        "spins": 123456, "sub_slices": 321, "classes": 9,
    }  # fmt: skip
    return Acquisition(
        groups={"imaging": readouts}, encoding=sequence.encoding, noise_density=np.ones((1, 1), dtype=np.complex128),
        noisy=True, history=history,
    )  # fmt: skip


@pytest.fixture
def grid_of():
    def make(orientation):
        return Grid(shape=(1, 4, 6), spacing=(2e-3, 3e-3, 4e-3), axes=orientation_axes(orientation))

    return make

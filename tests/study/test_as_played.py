"""Runs without the slice profile: the fit is told that slices are ideal, so that it takes out no profile."""

from dataclasses import replace

import numpy as np
import pytest

from mrsim.core.grid import Grid
from mrsim.core.images import Images
from mrsim.fit.fit import fit
from mrsim.fit.models import find_model
from mrsim.fit.slab import within_slab
from mrsim.sequence.protocol import load_protocol
from mrsim.sequence.scanner import Scanner
from mrsim.study.engines import as_played, engine_of
from mrsim.study.request import RunRequest
from mrsim.study.snr import predicted_snr


def images_of(protocol, data):
    header = load_protocol(protocol).build(Scanner.preset("3T")).encoding
    data = np.asarray(data, complex).reshape(len(data), -1, 1, 1)  # voxels along z
    return Images(
        data=data, grid=Grid(shape=data.shape[1:], spacing=(1e-3, 1e-3, 4e-3)), contrast=header.contrast,
        sigma=np.full((len(data), 1, 1, 1), 1e-4), noisy=False,
        encoding={**header.sheet, "kind": header.kind, "slab_position": 0.0},
    )  # fmt: skip


def test_echoes_of_ideal_slices_are_fitted_by_nominal_flips():
    """Bloch with nominal flips in a nominal slice; T2 of 84 ms. With the pulses' profiles the fit is 20 % off."""
    request = RunRequest(protocol="disc-t2-mese", b1=0.85, without=("slice-profile",))
    rows = predicted_snr(request, ("nucleus_pulposus",)).rows
    images = images_of("disc-t2-mese", [row.signal for row in rows])
    told = fit(as_played(images, request), "t2-epg", t1=1.13, threads=1)
    assert told.values["t2"].item() == pytest.approx(0.084, rel=5e-3)
    assert told.values["b1"].item() == pytest.approx(0.85, abs=0.01)
    assert abs(fit(images, "t2-epg", t1=1.13, threads=1).values["t2"].item() / 0.084 - 1) > 0.05


def test_an_ideal_slab_has_no_profile_and_others_keep_theirs():
    images = images_of("sag-vfa-t1", np.ones((4, 12)))
    settings, model = {"b1": 1.0}, find_model("spgr")
    request = RunRequest(protocol="sag-vfa-t1", without=("slice-profile",))
    assert np.ptp(within_slab(model, settings, images)["b1"]) > 0.1
    assert within_slab(model, settings, as_played(images, request))["b1"] == 1.0
    assert as_played(images, replace(request, without=())) is images


def test_pathways_take_the_longest_time_of_a_run_which_they_do_not_foretell():
    request = RunRequest(protocol="disc-se", engine={"name": "pathways", "longest": 60.0, "accuracy": 1e-3})
    assert engine_of(request) == engine_of(replace(request, engine={"name": "pathways", "accuracy": 1e-3}))
    assert engine_of(replace(request, engine={"longest": 60.0})).longest == 60.0

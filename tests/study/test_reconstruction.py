"""The reconstruction that a run is asked for: read early, used everywhere, and stored with the result."""

from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest

import mrsim as mr
from mrsim.core.errors import InputError
from mrsim.core.storage import load, save
from mrsim.exchange.cfl import COIL, write_cfl
from mrsim.recon import Combine, Grappa, Sense, coil_maps
from mrsim.study.coil_files import coils_on
from mrsim.study.engines import engine_of
from mrsim.study.measured import measured
from mrsim.study.recon_methods import METHODS
from mrsim.study.reconstruction import images_of, merged
from mrsim.study.reproduce import stored_request
from mrsim.study.run import fitted, prepare, run, simulated
from mrsim.study.snr import predicted_snr

HALF = {"matrix": "48 48", "fov": "160 160 mm", "acceleration": "2", "calibration_lines": "16", "te": "20 40 ms"}
REQUEST = mr.RunRequest(
    protocol="disc-se", overrides=HALF, receive="spine-8", engine={"accuracy": 1e-2, "subsamples": 1}, grade=3,
    recon={"method": "grappa", "maps": "prescan", "noise_scan": "20000"},
)  # fmt: skip


@pytest.fixture(scope="module")
def finished():
    return run(REQUEST)


def test_choice_reaches_images_raw_data_and_the_stored_request(finished, tmp_path):
    assert finished.images.encoding["reconstruction"] == "GRAPPA"
    assert finished.images.encoding["acceleration"] == 2
    assert np.ptp(finished.images.encoding["g_factor"]) > 0
    calibration = finished.raw.groups["calibration"]
    assert calibration.data.shape == (32, 8, 32)
    assert calibration.labels["line"].min() == 8
    assert finished.raw.groups["noise"].data.shape[0] * finished.raw.groups["noise"].data.shape[2] >= 20000
    save(tmp_path / "result.h5", provenance=finished.provenance)
    assert stored_request(tmp_path / "result.h5").recon == REQUEST.recon


def test_lines_that_are_left_out_are_never_played(finished):
    lines = np.unique(finished.raw.imaging.labels["line"])
    assert set(lines) == {*range(0, 48, 2), *range(16, 32)}
    whole = prepare(replace(REQUEST, overrides={**HALF, "acceleration": "1", "calibration_lines": "0"}))
    played = prepare(REQUEST)
    dummies = played.sequence.encoding.sheet["dummies"]
    share = (len(lines) + dummies) / (48 + dummies)
    assert played.sequence.duration / whole.sequence.duration == pytest.approx(share, rel=1e-9)


def test_prescan_and_own_lines_give_the_same_image_where_there_is_signal(finished):
    own = images_of(finished.raw, {"method": "sense"})
    prepared = prepare(replace(REQUEST, recon={}))
    raw = simulated(prepared, engine_of(prepared.request), None)
    without = images_of(raw, {"method": "sense"})
    size = np.abs(without.data)
    inside = size > 0.2 * size.max()
    assert np.abs(np.abs(own.data) - size)[inside].max() < 0.06 * size.max()


def test_maps_of_a_file_give_what_the_scan_itself_gives(finished, tmp_path):
    raw = finished.raw
    maps = coil_maps(raw)
    save(tmp_path / "maps.h5", coils=coils_on(raw.encoding.grid, maps))
    with ExitStack() as together:
        write_cfl(tmp_path / "bart", maps.swapaxes(1, 3), (COIL, 0, 1, 2), together)
    wanted = images_of(raw, {"method": "sense"}).data
    for name, precision in (("maps.h5", 1e-9), ("bart.cfl", 1e-6)):
        for method in ("sense", "auto"):
            found = images_of(raw, {"method": method, "maps": str(tmp_path / name)}).data
            assert np.abs(found - wanted).max() < precision * np.abs(wanted).max()
    save(tmp_path / "scan.h5", raw=raw)
    assert np.array_equal(images_of(raw, {"maps": "prescan"}).data, images_of(raw, {}).data)
    coarse = load(tmp_path / "maps.h5")["coils"]
    save(tmp_path / "seven.h5", coils=replace(coarse, maps=coarse.maps[:7]))
    with pytest.raises(InputError, match="maps of 7 coils, the raw data have 8"):
        images_of(raw, {"method": "sense", "maps": str(tmp_path / "seven.h5")})


def test_prediction_of_the_noise_follows_the_method(finished):
    """A window as the images themselves state it."""
    request = replace(REQUEST, recon={"method": "grappa", "window": "hamming"})
    windowed, plain = (
        {row.tissue: row.snr for row in predicted_snr(one, ("nucleus_pulposus", "csf")).rows if row.image == 0}
        for one in (request, replace(request, recon={"method": "grappa"}))
    )
    images = images_of(finished.raw, {"method": "grappa", "window": "hamming"})
    inside = np.abs(images.data[0]) > 0.3 * np.abs(images.data[0]).max()
    ratio = np.median((finished.images.sigma / images.sigma)[0][inside])
    for name in plain:
        assert windowed[name] / plain[name] == pytest.approx(ratio, rel=0.03)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"method": "grapa"}, "did you mean 'grappa'"),
        ({"method": "grappa", "rank": "3"}, "no option of grappa"),
        ({"neighbours": "2"}, "belongs to a method"),
        ({"windw": "hann"}, "did you mean 'window'"),
        ({"noise_scan": "many"}, "number of samples"),
        ({"method": "spectrum", "maps": "prescan"}, "takes no coil maps"),
        ({"size": "96"}, "is no size"),
        ({"window": "tukey:wide"}, "no number behind the colon"),
    ],
)
def test_wrong_entries_are_refused_before_anything_is_simulated(entries, said):
    with pytest.raises(InputError, match=said):
        prepare(replace(REQUEST, recon=entries))


def test_entries_of_another_method_do_not_outlive_it():
    own = {"method": "grappa", "neighbours": "2", "window": "hann"}
    assert merged(own, {"size": "96x96"}) == own | {"size": "96x96"}
    assert merged(own, {"method": "sense"}) == {"method": "sense", "window": "hann"}


def test_every_method_has_a_name():
    kinds = {kind for kind, _ in METHODS.values()}
    assert {Combine, Sense, Grappa} <= kinds
    assert {kind.__name__ for kind in kinds if kind} == {
        "Combine", "Sense", "Grappa", "Smash", "SliceGrappa", "CompressedSensing", "Subspace", "NonUniform",
        "Spectroscopy",
    }  # fmt: skip


def test_slices_excited_together_are_taken_apart():
    """They look as each by itself does after as many excitations."""
    alone = {
        "matrix": "24 24",
        "fov": "160 160 mm",
        "slices": "2",
        "slice_gap": "8 mm",
        "tr": "60 ms",
        "flip": "15 deg",
    }
    request = mr.RunRequest(
        protocol="disc-spgr", receive="spine-8", engine={"accuracy": 1e-2, "subsamples": 1},
        overrides={**alone, "dummies": "28"},
    )  # fmt: skip
    both = replace(request, overrides={**alone, "dummies": "2", "bands": "2", "calibration_lines": "24"})
    one, two = (images_of(simulated(prepare(each), engine_of(each), None), {}) for each in (request, both))
    assert two.encoding["reconstruction"] == "slice-GRAPPA"
    leakage = two.encoding["leakage"][0]
    assert np.diag(leakage) == pytest.approx([1, 1], abs=0.02)
    assert leakage[0, 1] < 0.05
    assert leakage[1, 0] < 0.05
    size = np.abs(one.data[0])
    inside = size > 0.3 * size.max()
    assert np.linalg.norm(np.abs(two.data[0])[inside] - size[inside]) < 0.05 * np.linalg.norm(size[inside])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "recon", "likelihood"),
    [
        ({"acceleration": "2", "calibration_lines": "16"}, {"method": "sense"}, "gaussian"),
        ({}, {"method": "sos"}, "rician"),
    ],
)
def test_errors_of_a_fit_are_the_scatter_of_accelerated_and_of_summed_scans(overrides, recon, likelihood):
    request = mr.RunRequest(
        protocol="disc-t2star-megre", receive="spine-8", grade=3, recon=recon, likelihood=likelihood,
        overrides={"matrix": "40 32", "echoes": "6", "dummies": "1", **overrides},
        engine={"accuracy": 1e-2, "subsamples": 1},
    )  # fmt: skip
    prepared = prepare(request)
    raw = simulated(prepared, engine_of(prepared.request), None)
    fits = [
        fitted(images_of(measured(raw, replace(request, seed=seed)), recon), prepared.request, None)
        for seed in range(1, 21)
    ]
    values = np.array([one.values["t2_star"] for one in fits])
    errors = np.array([one.errors["t2_star"] for one in fits])
    certain = np.mean(errors, axis=0) < 0.1 * np.mean(values, axis=0)
    usable = np.all([one.status == 0 for one in fits], axis=0) & certain
    assert np.count_nonzero(usable) > 100
    scatter = values[:, usable].var(axis=0, ddof=1)
    stated = np.mean(errors[:, usable] ** 2, axis=0)
    # 20 draws of more than 100 voxels know a standard deviation to 1.6 %; the rest is what linear propagation leaves
    assert np.sqrt(np.mean(scatter / stated)) == pytest.approx(1, abs=0.05)

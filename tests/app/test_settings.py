"""Settings of the page: what is refused, and that each stands for a scan that a scanner can play."""

import json
import re

import numpy as np
import pytest

from mrsim.app.arrays import counted_runs
from mrsim.app.export import FOLDER, SCRIPTS
from mrsim.app.sequences import SEQUENCES, SLIDERS, matrix, played_bandwidth
from mrsim.app.settings import checked
from mrsim.core.errors import InputError
from mrsim.study.run import prepare


@pytest.mark.parametrize("found", SEQUENCES, ids=lambda found: found.name)
def test_first_setting_is_a_scan_with_the_images_that_the_page_draws(found):
    few = {"voxel": 4.0} if found.name != "epi" else {}
    ready = prepare(checked({"sequence": found.name, **few}).request())
    contrast = ready.sequence.encoding.contrast
    scales = {"te": 1e-3, "ti": 1e-3, "flip": np.pi / 180}
    for name, multiples in found.multiples.items():
        wanted = [k * found.start[name] * scales[name] for k in multiples]
        np.testing.assert_allclose(contrast[name], wanted, rtol=1e-6)
    assert len(contrast["te"]) == found.images
    assert ready.request.model == found.model


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"sequence": "mes"}, "did you mean 'mese'"),
        ({"sequence": "mese", "te": 5}, "10 to 30 ms"),
        ({"sequence": "mese", "te": float("nan")}, "10 to 30 ms"),
        ({"sequence": "mese", "te": "12"}, "10 to 30 ms"),
        ({"sequence": "mese", "te": True}, "10 to 30 ms"),
        ({"sequence": "mese", "grade": 2.5}, "whole number"),
        ({"sequence": "mese", "phantom": "/etc/passwd"}, "unknown key"),
    ],
)
def test_setting_that_no_slider_reaches_is_refused(table, said):
    with pytest.raises(InputError, match=re.escape(said)):
        checked(table)


def test_setting_off_the_presets_scans_at_its_field_and_says_that_it_extrapolates(tmp_path):
    ready = prepare(checked({"sequence": "mese", "field": 0.55, "voxel": 4.0}).request(tmp_path))
    assert ready.sequence.scanner.b0 == ready.phantom.field == 0.55
    assert ready.phantom.extrapolated


def test_sliders_of_every_sequence_start_within_their_limits():
    known = {slider.name: slider for slider in SLIDERS}
    for found in SEQUENCES:
        assert set(found.start) <= set(known)
        for name, value in found.start.items():
            low, high, step = found.limits.get(name, (known[name].low, known[name].high, known[name].step))
            assert low <= value <= high
            assert step > 0


def test_bandwidth_lies_on_the_dwell_raster_and_near_what_is_asked():
    for points in (40, 160, 320):
        for wanted in (100.0, 195.0, 620.0):
            dwell = 1 / (points * played_bandwidth(wanted, points))
            assert dwell / 2e-6 == pytest.approx(round(dwell / 2e-6), abs=1e-9)
            assert abs(dwell - 1 / (points * wanted)) <= max(1e-6, 2e-6 - 1 / (points * wanted)) + 1e-12
    assert matrix(1.0) == (160, 128)


def test_counted_runs_give_the_labels_back():
    labels = np.array([[0, 0, 3], [3, 3, 1]])
    runs = counted_runs(labels)
    assert np.repeat(runs[::2], runs[1::2]).tolist() == labels.ravel().tolist()
    assert json.loads(json.dumps(runs)) == runs


def test_page_files_are_short_modules_that_are_all_used():
    found = sorted(path.stem for path in FOLDER.glob("*.js"))
    assert found == sorted(SCRIPTS)
    for path in FOLDER.iterdir():
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) < 300, path.name

"""Planning of elastography against the inversion itself, closed forms and published numbers."""

import json

import numpy as np
import pytest

from mrsim.cli import perform
from mrsim.core.errors import InputError
from mrsim.core.grid import Grid
from mrsim.core.wave import Waves, wavenumber
from mrsim.core.wave_filters import gaussian
from mrsim.fit.fit import fit
from mrsim.plan.elastography import (
    WaveScan,
    best_choices,
    minimum_detectable_change,
    reliability,
    repeatability_coefficient,
    seen_share,
    wave_choice,
)
from mrsim.sequence.families.mre_epi import MreEpi
from mrsim.sequence.scanner import Scanner

SCAN = WaveScan(modulus=lambda f: 12.5e3 * np.exp(0.15j), region=30e-3, t2=0.09, snr=50.0)


def test_efficiency_is_that_of_the_sequence():
    # trapezoids have ramps: 60 T/m/s at 80 Hz, a few per cent below the square wave of the plan
    found = MreEpi(matrix=(16, 12), vibration=80.0, shape="trapezoid", encoding="z", tr="minimum", amplitude=30e-3,
                   max_slew=150.0).build(Scanner.preset("3T")).encoding.contrast["encoding"][0]  # fmt: skip
    assert wave_choice(SCAN, 80.0, 2e-3, 1).efficiency == pytest.approx(found, rel=0.02)


def test_predicted_snr_and_bias_are_those_of_the_inversion():
    # 3,000 voxels that smoothing correlates: about 4 % for the bias; an undamped wave in the plane
    scan = WaveScan(modulus=lambda f: 12.5e3, region=0.1, t2=0.09, snr=60.0, smoothing=0.8)
    choice = wave_choice(scan, 150.0, 2e-3, 2)
    grid = Grid(shape=(1, 80, 80), spacing=(2e-3,) * 3)
    k = wavenumber(12.5e3, 150.0)
    u = 10e-6 * np.exp(-1j * k * grid.coordinates(0)) * np.ones((1, 1, 1, 80, 1))
    rng = np.random.default_rng(5)
    noise = choice.displacement_noise * (rng.standard_normal(u.shape) + 1j * rng.standard_normal(u.shape))
    waves = Waves(grid=grid, frequencies=np.array([150.0]), displacement=u + noise, components=("z",),
                  sigma=np.array(choice.displacement_noise))  # fmt: skip
    maps = fit(waves, "mre-direct", window=30, smoothing=0.8, probes=8)
    read = maps.values["storage_modulus"][0, 40, 40] / 12.5e3
    told = (1 + choice.noise_bias) * (1 + choice.dispersion_bias)
    assert maps.values["derivative_snr"][0, 40, 40] == pytest.approx(choice.derivative_snr, rel=0.05)
    assert read == pytest.approx(told, rel=0.04)
    assert gaussian(np.ones((1, 9, 9)), np.ones((1, 9, 9), bool), 0.8) == pytest.approx(1.0)


def test_waves_of_a_disc_are_longer_than_it_at_80_hz_and_shorter_at_400_hz():
    # B-20: 12.5 kPa at 80 Hz has 44.2 mm
    elastic = WaveScan(modulus=lambda f: 12.5e3, region=30e-3, t2=0.09, snr=50.0)
    assert 30e-3 / wave_choice(elastic, 80.0, 2e-3, 1).wavelengths == pytest.approx(44.2e-3, rel=1e-3)
    assert wave_choice(elastic, 400.0, 2e-3, 1).wavelengths > 3
    assert not wave_choice(elastic, 1000.0, 2e-3, 1).usable  # 1.8 voxels per wavelength


def test_best_choice_lies_between_too_long_and_too_fine():
    ranked = best_choices(SCAN, (20.0, 80.0, 200.0, 400.0, 1000.0), (2e-3,), range(1, 7))
    assert 80.0 <= ranked[0].frequency <= 400.0
    assert ranked[-1].frequency in (20.0, 1000.0)


def test_published_reliability_follows_from_a_repeat_of_0_6_kpa():
    # grades I to V, 12.5 to 16.5 kPa, SD 1.3 to 2.1 kPa within: R = 0.92 as published
    between = np.sqrt(np.var([12.5, 13.5, 14.5, 15.5, 16.5]) + np.mean(np.square([1.3, 1.5, 1.7, 1.9, 2.1])))
    assert reliability(between, 0.6) == pytest.approx(0.92, abs=0.03)
    assert repeatability_coefficient(0.6) == pytest.approx(1.663, abs=1e-3)
    assert minimum_detectable_change(0.6) == pytest.approx((1.95996 + 0.84162) * 0.6 * np.sqrt(2), rel=1e-4)
    assert minimum_detectable_change(0.6, pairs=4) == pytest.approx(minimum_detectable_change(0.6) / 2)


def test_command_ranks_and_refuses(capsys):
    assert perform(["plan-waves", "--json", "--frequency", "80 Hz", "--voxel", "2 mm", "--cycles", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["choices"]) == 2
    assert perform(["plan-waves", "--frequency", "80 mm"]) == 2
    assert "frequency" in capsys.readouterr().err
    with pytest.raises(InputError, match="above zero"):
        wave_choice(SCAN, 0.0, 2e-3, 1)


def test_a_share_is_known_at_any_snr_and_an_option_of_one_value_takes_one(capsys):
    assert [seen_share(snr) for snr in (0.0, 1e-170, 1e200)] == [0.0, 0.0, 1.0]
    assert seen_share(3.0) == pytest.approx(0.9, rel=1e-15)
    for option, several in (("stiffness", "12 13 kPa"), ("region", "20 30 mm")):
        assert perform(["plan-waves", f"--{option}", several]) == 2
        assert f"--{option}: has 2 values; one is wanted" in capsys.readouterr().err

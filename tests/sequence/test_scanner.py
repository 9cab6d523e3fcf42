"""Scanner presets, their validation and the SNR calibration."""

from __future__ import annotations

import re

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.core.toml import available
from mrsim.sequence.scanner import Scanner, choose_scanner, load_scanner


@pytest.mark.parametrize(
    ("name", "b0", "gradient", "b1", "snr"),
    # hardware.csv; SNR 15 at 3 T, times 0.5^0.97 at 1.5 T and (7/3)^1.5 at 7 T.
    [("1.5T", 1.5, 45e-3, 20e-6, 7.6575), ("3T", 3.0, 60e-3, 14e-6, 15.0), ("7T", 7.0, 80e-3, 12e-6, 53.463)],
)
def test_preset_holds_its_class_of_machine(name, b0, gradient, b1, snr):
    scanner = Scanner.preset(name)
    assert (scanner.name, scanner.b0, scanner.max_slew) == (name, b0, 200.0)
    assert scanner.max_gradient == pytest.approx(gradient)
    assert scanner.max_b1 == pytest.approx(b1)
    assert scanner.snr == pytest.approx(snr, rel=1e-4)


@pytest.mark.parametrize("b0", [1.5, 3.0, 7.0])
def test_a_field_strength_chooses_the_body_scanner_and_no_special_bore(b0):
    assert choose_scanner(b0, None, "3T").name == f"{b0:g}T"


def test_noise_density_gives_the_calibrated_snr_in_an_image():
    # 64 x 64 samples of 1 mm^3 voxels, dwell such that the ADC is open for 1 s: the image of pure noise.
    scanner, n = Scanner.preset("3T"), 64 * 64
    sigma = np.sqrt(scanner.noise_density / (1.0 / n))
    noise = np.random.default_rng(3).normal(0.0, sigma, (200, 64, 64))
    image = np.real(np.fft.ifft2(noise + 0j, norm="ortho")) / (np.sqrt(n) * 1e-9)
    # The real part of the transform of real noise holds half of its variance; 8e5 values: 0.3 % is 4 s.e.
    assert 1 / (np.std(image) * np.sqrt(2)) == pytest.approx(15.0, rel=3e-3)


@pytest.mark.parametrize("key", ["b0", "max_gradient", "max_slew", "max_b1", "gradient_raster", "snr_reference"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_scanner_refuses_impossible_values(key, value):
    values = {"name": "x", "b0": 3.0, "max_gradient": 0.04, "max_slew": 150.0, "max_b1": 1e-5} | {key: value}
    with pytest.raises(InputError, match=f"{key}: is"):
        Scanner(**values)


def test_scanner_file_errors_name_file_line_and_remedy(tmp_path):
    text = available("protocols/scanners")["3T"].read_text()
    path = tmp_path / "mine.toml"
    path.write_text(text.replace('max_slew = "200 T/m/s"', 'max_slew = "200 mT/m"'))
    line = text[: text.index("max_slew")].count("\n") + 1
    with pytest.raises(InputError, match=re.escape(f"mine.toml:{line}: max_slew: '200 mT/m' is a gradient; expected")):
        load_scanner(str(path))
    path.write_text(text.replace("max_slew", "max_slow"))
    with pytest.raises(InputError, match="did you mean 'max_slew'"):
        load_scanner(str(path))
    path.write_text(text)
    assert load_scanner(str(path)).name == "mine"
    with pytest.raises(InputError, match="unknown scanner '4T'"):
        load_scanner("4T")

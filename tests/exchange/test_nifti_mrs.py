"""NIfTI-MRS files: the sense in which lines turn, where voxels lie, what the header says, and what is refused."""

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.core.grid import Grid, orientation_axes
from mrsim.core.spectra import Spectra
from mrsim.exchange.nifti_mrs import read_nifti_mrs, write_nifti_mrs

DWELL, POINTS, LARMOR = 5e-4, 64, 123.2e6


def spectra(count=2, voxels=(1, 2, 3)):
    """Random spectra of an oblique grid."""
    rng = np.random.default_rng(3)
    shape = (count, int(np.prod(voxels)), POINTS)
    data = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    return Spectra(
        data=data, dwell=DWELL, frequency=LARMOR,
        grid=Grid(shape=voxels, spacing=(0.01, 0.012, 0.02), centre=(0.01, -0.02, 0.3),
                  axes=orientation_axes("sagittal", tilt=0.3)),
        contrast={"te": np.full(count, 0.035), "tr": np.full(count, 2.0), "editing": np.arange(count) * 1e-6},
        sigma=np.full((count, 1, 1), 0.7), water=10 * data,
    )  # fmt: skip


def test_what_is_written_comes_back(tmp_path):
    made = spectra()
    beside = write_nifti_mrs(made, tmp_path / "s.nii.gz")
    assert beside.name == "s_water.nii.gz"
    again = read_nifti_mrs(tmp_path / "s.nii.gz")
    np.testing.assert_allclose(again.data, made.data, rtol=1e-6)
    np.testing.assert_allclose(again.water, made.water, rtol=1e-6)
    np.testing.assert_allclose(again.grid.affine(), made.grid.affine(), atol=1e-8)
    np.testing.assert_allclose(again.sigma, made.sigma)
    assert again.grid.shape == made.grid.shape
    assert again.frequency == pytest.approx(LARMOR, rel=1e-9)
    for name, column in made.contrast.items():
        np.testing.assert_allclose(again.contrast[name], column)


def test_a_higher_shift_has_the_standards_negative_frequency(tmp_path):
    import nibabel
    from nifti_mrs.nifti_mrs import NIFTI_MRS

    time = np.arange(POINTS) * DWELL
    one = spectra(count=1, voxels=(1, 1, 1))
    above = np.exp(-2j * np.pi * 250.0 * time)  # 250 Hz above water
    made = Spectra(data=above[None, None], dwell=DWELL, frequency=LARMOR, grid=one.grid, contrast={}, sigma=one.sigma)
    write_nifti_mrs(made, tmp_path / "s.nii")
    stored = np.asarray(nibabel.load(tmp_path / "s.nii").dataobj).ravel()
    frequency = np.fft.fftfreq(POINTS, DWELL)
    assert frequency[np.argmax(np.abs(np.fft.fft(stored)))] == pytest.approx(-250.0, abs=16)
    # The library turns what it hands out, so that its users' transform shows higher shifts at positive frequencies.
    handed = np.asarray(NIFTI_MRS(tmp_path / "s.nii")[:]).ravel()
    assert frequency[np.argmax(np.abs(np.fft.fft(handed)))] == pytest.approx(250.0, abs=16)
    assert made.ppm()[np.argmax(np.abs(read_nifti_mrs(tmp_path / "s.nii").spectrum()[0, 0]))] > made.reference_ppm


def test_a_file_of_another_program_gives_its_noise_and_no_water(tmp_path):
    from nifti_mrs.create_nmrs import gen_nifti_mrs

    rng = np.random.default_rng(1)
    noise = 0.3 * (rng.standard_normal((1, 1, 1, 4096)) + 1j * rng.standard_normal((1, 1, 1, 4096)))
    gen_nifti_mrs(noise, DWELL, 123.2, affine=np.diag([20.0, 20, 20, 1])).save(tmp_path / "o.nii.gz")
    read = read_nifti_mrs(tmp_path / "o.nii.gz")
    assert read.water is None
    assert float(read.sigma[0, 0, 0]) == pytest.approx(0.3, rel=4 / np.sqrt(2 * 800))
    assert read.grid.spacing == pytest.approx((0.02, 0.02, 0.02))


def test_coils_and_other_files_are_refused(tmp_path):
    from nifti_mrs.create_nmrs import gen_nifti_mrs

    data = np.ones((1, 1, 1, 8, 4), dtype=complex)
    gen_nifti_mrs(data, DWELL, 123.2, dim_tags=["DIM_COIL", None, None]).save(tmp_path / "c.nii.gz")
    with pytest.raises(InputError, match="combine them"):
        read_nifti_mrs(tmp_path / "c.nii.gz")
    (tmp_path / "x.nii").write_bytes(b"nothing")
    with pytest.raises(InputError, match="no NIfTI-MRS"):
        read_nifti_mrs(tmp_path / "x.nii")
    with pytest.raises(InputError, match="no such file"):
        read_nifti_mrs(tmp_path / "y.nii")
    with pytest.raises(InputError, match="ends in"):
        write_nifti_mrs(spectra(), tmp_path / "s.img")

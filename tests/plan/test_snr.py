"""The predicted SNR against images that are simulated with noise and reconstructed, over the families."""

from dataclasses import replace
from math import prod

import numpy as np
import pytest

import mrsim as mr
from mrsim.core.coils import Coils
from mrsim.core.errors import InputError
from mrsim.core.field_map import FieldMap
from mrsim.core.grid import Grid
from mrsim.phantom.phantom import voxel_centres
from mrsim.plan.probe import centre_signal, listening, probe_of
from mrsim.plan.snr import predict_snr
from mrsim.recon.methods import Sense
from mrsim.sequence.scanner import Scanner
from mrsim.simulate import simulate

PHANTOM = """
description = "a block of one material"
extruded = "{axis}"
[material.sample]
t1 = "800 ms"
t2 = "90 ms"
t2_star = "45 ms"
pd = "0.8"
[shape.block]
kind = "box"
tissue = "sample"
size = "{size}"
length = "{length}"
"""
SMALL = {"matrix": "32 32", "fov": "96 96 mm"}
CASES = {
    "disc-se": SMALL,
    "disc-t2-mese": SMALL | {"echoes": "4"},
    "disc-ir-se": SMALL,
    "disc-spgr": SMALL | {"dummies": "150"},
    "disc-t2star-megre": SMALL,
    "disc-bssfp": SMALL | {"dummies": "100"},
    "disc-look-locker": SMALL,
    "disc-radial": {"matrix": "32 32", "fov": "96 96 mm", "spokes": "50"},
    "sag-t2w-tse": SMALL | {"slices": "1", "echo_train": "8", "te": "40 ms"},
}


def built(name, changes, field=3.0):
    scanner = Scanner.preset(f"{field:g}T")
    return replace(mr.load_protocol(name, changes)).build(scanner)


def block(tmp_path, size="60 60 mm", axis="x", length="400 mm"):
    path = tmp_path / "block.toml"
    path.write_text(PHANTOM.format(axis=axis, size=size, length=length))
    return mr.load_phantom(str(path), field=3.0)


def measured(sequence, phantom, engine, seeds=6):
    """(image,) mean of the magnitude in the middle over the scatter that noise makes there."""
    raw = simulate(mr.discretize(sequence), phantom, engine)
    clean = mr.reconstruct(raw)
    nz, ny, nx = clean.grid.shape
    inside = (
        slice(None),
        slice(nz // 2, nz // 2 + 1),
        slice(ny // 2 - 5, ny // 2 + 6),
        slice(nx // 2 - 5, nx // 2 + 6),
    )
    noise = np.array([mr.reconstruct(mr.add_noise(raw, rng=s)).data - clean.data for s in range(seeds)])
    sigma = np.sqrt(np.mean(noise.real**2 + noise.imag**2, axis=(0, 2, 3, 4)) / 2)
    return np.abs(np.mean(clean.data[inside], axis=(1, 2, 3))) / sigma


@pytest.mark.parametrize("name", CASES)
def test_predicted_snr_is_that_of_the_noisy_reconstructed_image(name, tmp_path):
    engine = mr.Bloch(accuracy=5e-3)
    sequence = built(name, CASES[name])
    phantom = block(tmp_path)
    found = predict_snr(sequence, phantom, engine)
    expected = measured(sequence, phantom, engine)
    strong = np.array([row.snr for row in found.rows]) > 0.1 * max(row.snr for row in found.rows)
    snr = np.array([row.snr for row in found.rows])
    # 3 % is the specification; the scatter is known to 1 / sqrt(2 x 2 x 6 x 1024) = 0.6 %
    np.testing.assert_allclose(snr[strong], expected[strong], rtol=0.03)
    for row in found.rows:
        assert prod(row.factors.values()) == pytest.approx(row.snr, rel=1e-12)
        assert row.signal / row.sigma == pytest.approx(row.snr, rel=1e-12)


@pytest.mark.parametrize("engine", [mr.Bloch(ideal_slice=True, accuracy=5e-3), mr.Pathways(profile="ideal")])
def test_every_partition_of_an_ideal_slab_reads_what_is_predicted(engine, tmp_path):
    """The nominal slab is all partitions, not one: a partition alone would read 13 % less."""
    sequence = built("sag-vfa-t1", {"matrix": "32 24 6", "fov": "96 72 24 mm", "flip": "15 deg", "dummies": "300"})
    phantom = block(tmp_path)
    row = predict_snr(sequence, phantom, engine).rows[0]
    image = np.abs(mr.reconstruct(simulate(mr.discretize(sequence), phantom, engine)).data[0])
    np.testing.assert_allclose(image[:, 8:17, 11:22].mean(axis=(1, 2)), row.signal, rtol=0.01)


def test_middle_of_a_thin_slab_rings_as_predicted(tmp_path):
    """Six partitions ring by several per cent of what a voxel alone would say."""
    changes = {"matrix": "16 12 6", "fov": "48 36 24 mm", "flip": "15 deg", "dummies": "60"}
    sequence, phantom = built("sag-vfa-t1", changes), block(tmp_path, "48 36 mm")  # the plane is filled
    engine = mr.Bloch(accuracy=5e-3)
    row = predict_snr(sequence, phantom, engine).rows[0]
    image = np.abs(mr.reconstruct(simulate(mr.discretize(sequence), phantom, engine)).data[0])
    assert row.signal == pytest.approx(image[3].mean(), rel=0.01)
    assert abs(row.factors["slice profile"] - 1) > 0.02


def test_snr_budget_holds_the_closed_forms_of_a_spin_echo(tmp_path):
    """With nominal flips: PD (1 - 2 exp(-(TR - TE/2)/T1) + exp(-TR/T1)) exp(-TE/T2) for each echo time alone."""
    sequence = built("disc-se", SMALL | {"te": "20 ms", "tr": "1 s", "dummies": "8"})
    row = predict_snr(sequence, block(tmp_path), mr.Bloch(ideal_slice=True)).rows[0]
    steady = 1 - 2 * np.exp(-(1 - 0.01) / 0.8) + np.exp(-1 / 0.8)
    assert row.factors["T2"] == pytest.approx(np.exp(-20 / 90))
    assert row.factors["T1, flip, preparation"] == pytest.approx(steady, rel=1e-6)
    assert row.factors["slice profile"] == pytest.approx(1.0, abs=1e-9)
    assert row.factors["T2'"] == pytest.approx(1.0, abs=1e-9)
    assert row.factors["volume"] == pytest.approx(36.0)
    samples = 32 * 32 * sequence.encoding.dwell
    assert row.factors["time"] == pytest.approx(np.sqrt(samples))
    assert row.snr == pytest.approx(15 * 36 * np.sqrt(samples) * 0.8 * steady * np.exp(-20 / 90), rel=1e-6)


def test_snr_of_an_array_holds_its_gain_and_g_factor(tmp_path):
    """Two coils that hear half of the object each, every second line: coils x 1/g against SENSE's own noise."""
    sequence = built("disc-se", SMALL | {"te": "20 ms"})
    grid = Grid(shape=(1, 2, 2), spacing=(0.3, 0.3, 0.3), axes=sequence.encoding.grid.axes)
    ramp = np.array([0.2, 1.0])[None, :, None] * np.ones((1, 2, 2))
    maps = tuple(FieldMap(values=v, grid=grid) for v in (ramp, 1.2 - ramp))
    covariance = np.array([[1.0, 0.3], [0.3, 2.0]])
    coils = Coils(maps=maps, covariance=covariance)
    phantom = block(tmp_path, size="120 120 mm")  # fills the field of view
    s = coils.sensitivity(voxel_centres(sequence.encoding.grid))[:, 0].reshape(2, -1)
    gain = np.sqrt(np.einsum("ip,ij,jp->p", s.conj(), np.linalg.inv(covariance), s).real)
    alone, both = (predict_snr(sequence, phantom, coils=c).rows[0] for c in (None, coils))
    assert both.factors["coils"] == pytest.approx(gain.mean(), rel=1e-9)
    assert both.factors["reconstruction"] == pytest.approx(1.0, rel=1e-6)
    assert both.snr == pytest.approx(alone.snr * gain.mean(), rel=1e-6)
    timeline = mr.discretize(sequence)
    raw = simulate(timeline, phantom, mr.Bloch(subsamples=1), coils=coils)
    half = raw.imaging.labels["line"] % 2 == 0
    part = replace(
        raw.imaging, data=raw.imaging.data[half], k=raw.imaging.k[half], t=raw.imaging.t[half], start=None,
        labels={n: v[half] for n, v in raw.imaging.labels.items()},
    )  # fmt: skip
    from mrsim.plan.image_noise import image_noise

    one = replace(
        raw, groups={"imaging": replace(part, data=part.data[:, :1])}, noise_density=raw.noise_density[:1, :1]
    )
    noise = image_noise(one, coils)
    cube = s.reshape(2, *sequence.encoding.grid.shape)
    images = mr.reconstruct(replace(raw, groups={"imaging": part}), Sense(maps=cube))
    g = images.encoding["g_factor"]
    np.testing.assert_allclose(noise.reconstruction[0], 1 / g[0], rtol=1e-6)
    assert g.max() > 1.05


def test_a_probe_listens_only_where_its_signal_is_read(tmp_path):
    changes = SMALL | {"te": "20 50 ms", "matrix": "32 4", "fov": "32 4 mm", "tr": "300 ms"}
    sequence, phantom = built("disc-se", changes), block(tmp_path)
    timeline = mr.discretize(sequence)
    few = listening(timeline, True)
    assert len(few.readouts.dwell) == 2 < len(timeline.readouts.dwell)
    voxel = probe_of(phantom, phantom.tissues[0], sequence.encoding.grid, deep=True)
    seen = [centre_signal(simulate(scan, voxel, mr.Bloch(accuracy=2e-3)), True) for scan in (timeline, few)]
    assert np.allclose(*seen, rtol=0, atol=1e-3)  # each within the accuracy that the engine states


def test_snr_of_a_spectrum_is_peak_height_over_noise(tmp_path):
    path = tmp_path / "acquire.toml"
    lines = ['description = "a free induction decay"', 'family = "pulse-acquire"', "[sequence]"]
    lines += ["samples = 512", 'suppression = "none"', 'shift = "0 ppm"']
    path.write_text("\n".join(lines))
    sequence, phantom = mr.load_protocol(str(path)).build(Scanner.preset("3T")), block(tmp_path, "20 20 mm")
    engine = mr.Bloch(accuracy=5e-3)
    row = predict_snr(sequence, phantom, engine).rows[0]
    voxel = probe_of(phantom, phantom.tissues[0], sequence.encoding.grid, deep=False)
    raw = simulate(mr.discretize(sequence), voxel, engine)
    heights, noises = [], []
    for seed in range(24):
        spectrum = mr.reconstruct(mr.add_noise(raw, rng=seed)).spectrum(4096)[0, 0]
        away = np.abs(np.arange(4096) - 2048) > 1024
        peak = spectrum[np.abs(spectrum).argmax()]
        heights.append(abs(peak))
        noises.append(np.std(spectrum[away].real))
    # the tails of the line are straight there; 24 draws of half of the spectrum know the noise to 1 %
    assert row.snr == pytest.approx(np.mean(heights) / np.sqrt(np.mean(np.square(noises))), rel=0.03)


def test_snr_of_fields_follows_law_and_relaxation(tmp_path):
    changes = SMALL | {"te": "20 ms"}
    rows = {}
    for field in (1.5, 3.0, 7.0):
        phantom = replace(block(tmp_path), field=field)
        rows[field] = predict_snr(built("disc-se", changes, field), phantom, mr.Bloch(ideal_slice=True)).rows[0]
    assert rows[1.5].snr / rows[3.0].snr == pytest.approx(0.5**0.97, rel=1e-6)
    assert rows[7.0].snr / rows[3.0].snr == pytest.approx((7 / 3) ** 1.5, rel=1e-6)


def test_snr_refuses_another_field_and_unknown_tissues(tmp_path):
    sequence = built("disc-se", SMALL)
    with pytest.raises(InputError, match="at 7 T"):
        predict_snr(sequence, replace(block(tmp_path), field=7.0))
    with pytest.raises(InputError, match="no tissue 'bone'"):
        predict_snr(sequence, block(tmp_path), tissues=("bone",))

"""Ten scans written with pypulseq's own functions: read, simulated, and compared with the object's transform."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mrsim.exchange.pulseq import Placement, read_pulseq
from mrsim.phantom.analytic import shape_kspace
from mrsim.phantom.phantom_file import load_phantom
from mrsim.recon import reconstruct
from mrsim.sequence.discretize import discretize
from mrsim.sequence.scanner import load_scanner
from mrsim.sequence.sequence import Sequence
from mrsim.simulate import Bloch, simulate

from . import scans

T1, T2, LENGTH = 1.0, 0.080, 0.100
SCANNER = load_scanner("3T")
ECHO_TYPE = ("turbo_spin_echo", "diffusion", "soft_delays")
KIND = {"magnetisation_prepared": "3d"}
# pypulseq scales a shape by its area, which the 500 Hz that its own offset takes back lower by exp(-(pi f w)^2).
FLIP = {"arbitrary_pulse": math.radians(30) * math.exp((math.pi * 500 * 80e-6) ** 2)}


def saved(name: str, folder: Path, **options: int) -> Path:
    path = folder / f"{name}.seq"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        getattr(scans, name)(**options).write(str(path))
    if name == "radial":
        path.write_text(scans.with_rotations(path.read_text()))
    return path


def excited(sequence: Sequence, name: str) -> np.ndarray:
    """The transverse magnetisation that each imaging readout starts from: hard pulses on T1 recovery, nothing else."""
    z, last, now, result = 1.0, 0, 0, []
    transverse = 0.0
    for block in sequence.blocks:
        if block.rf is not None:
            at = now + block.rf.delay + block.rf.centre
            z = 1 - (1 - z) * math.exp(-(at - last) * 1e-9 / T1)
            flip = FLIP.get(name, block.rf.flip)
            if block.rf.use == "excitation":
                transverse = z * math.sin(flip)
            z, last = z * math.cos(flip), at
        if block.adc is not None and block.adc.purpose == "imaging":
            result.append(transverse)
        now += block.duration
    return np.array(result)


@pytest.mark.parametrize(
    "name",
    ["gradient_echo", "echo_planar", "turbo_spin_echo", "ultrashort", "spiral", "magnetisation_prepared", "diffusion",
     "arbitrary_pulse", "soft_delays", "radial"],
)  # fmt: skip
def test_public_scan_gives_the_image_of_the_objects_transform(name, tmp_path):
    sequence = read_pulseq(saved(name, tmp_path), SCANNER, Placement(orientation="sagittal"))
    phantom = load_phantom("ellipse", field=SCANNER.b0)
    raw = simulate(discretize(sequence), phantom, Bloch(), threads=1)
    group = raw.imaging
    # Sagittal: the read gradient points to -y, the phase gradient to +z; x, the phantom's length, is the slice axis.
    plane = np.stack([-group.k[..., 0], group.k[..., 1]], axis=-1)
    length = scans.THICK if name == "gradient_echo" else LENGTH  # the others excite all of it
    ideal = shape_kspace(phantom.regions[0].shape, plane) * length * np.sinc(group.k[..., 2] * length)
    ideal = ideal * np.exp(-group.t / T2) * excited(sequence, name)[:, None]
    # A pulse of phase 0 turns z to +y; the echo families excite with 90 degrees of phase: to +x.
    ideal = ideal * (1.0 if name in ECHO_TYPE else 1j)
    wanted = reconstruct(replace(raw, groups={**raw.groups, "imaging": replace(group, data=ideal[:, None])})).data
    found = reconstruct(raw).data
    assert raw.encoding.kind == KIND.get(name, "2d")
    # The sinc of 2 ms tilts 0.99 of its nominal slice; the spins' grid in the plane leaves 0.5 % of the signal; during
    # hard pulses of 0.2 ms T2 takes up to 0.25 %. A wrong sign, axis or delay anywhere changes the image by 100 %.
    assert np.linalg.norm(found - wanted) < 0.02 * np.linalg.norm(wanted)


def test_navigator_lines_of_labelled_epi_stay_out_of_the_image(tmp_path):
    sequence = read_pulseq(saved("echo_planar", tmp_path, navigators=2), SCANNER)
    purposes = [block.adc.purpose for block in sequence.blocks if block.adc is not None]
    assert purposes == ["navigator"] * 2 + ["imaging"] * scans.N
    lines = [block.labels for block in sequence.blocks if block.adc is not None and block.adc.purpose == "imaging"]
    assert [labels["reverse"] for labels in lines] == [i % 2 for i in range(scans.N)]


def test_soft_delay_is_read_with_its_hint_and_present_length(tmp_path):
    sequence = read_pulseq(saved("soft_delays", tmp_path), SCANNER)
    delays = [block for block in sequence.blocks if block.soft_delay is not None]
    assert len(delays) == scans.N
    assert {(b.soft_delay.hint, b.soft_delay.factor, b.duration) for b in delays} == {("TE", 2.0, 5_000_000)}


def test_rotated_spokes_are_the_spokes_that_gradients_would_play(tmp_path):
    sequence = read_pulseq(saved("radial", tmp_path), SCANNER)
    table = discretize(sequence).readouts
    angle = np.arctan2(table.k[:, -1, 1], table.k[:, -1, 0])
    assert np.allclose(angle, np.pi * np.arange(2 * scans.N) / (2 * scans.N), atol=1e-8)  # written with 9 digits


def test_images_of_a_series_are_told_apart_by_their_labels(tmp_path):
    sequence = read_pulseq(saved("diffusion", tmp_path), SCANNER)
    assert sequence.encoding.contrast["tr"] == pytest.approx([12.0485] * 2, abs=1e-3)
    images = [block.labels["contrast"] for block in sequence.blocks if block.adc is not None]
    assert images == [0] * scans.N + [1] * scans.N

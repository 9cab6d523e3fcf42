"""Hold a plan against the full simulation: SNR and standard deviations of the maps in one tissue, for many protocols.

    python tests/benchmarks/bench_plan.py [protocol ...]

The whole object is scanned once; then noise is drawn anew, images are reconstructed and the region's voxels fitted,
again and again, until there are POOLED of them.
The spread of each voxel over the draws, averaged over the tissue's region, is held against the forecast's standard
deviation (within 5 %), the mean of the noise-free signal over the images' noise against its SNR (within 3 %).

Arrays are unfolded by their true maps, as the plan takes them; what maps of calibration lines lose is `bench_snr.py`'s.

A ratio's own error is stated beside it: the scan's n voxels in D draws know a standard deviation to
1 / sqrt(2 n (D - 1)), or worse where voxels of the region differ; the forecast's R noisy voxels to 1 / sqrt(2 R).
A ratio "passes" within the gate, "fails" where it lies outside by more than twice its error, and is "open" between.
"""

import os
import resource
import sys
import tempfile
import time
import traceback
from dataclasses import replace
from pathlib import Path

import numpy as np

from mrsim.core.grid import Grid
from mrsim.fit.method import Method
from mrsim.fit.models import find_model
from mrsim.phantom.phantom import PURE, voxel_centres
from mrsim.plan.precision import REPLICATES, SLOW
from mrsim.recon import reconstruct
from mrsim.recon.methods import Sense
from mrsim.simulate import add_noise
from mrsim.study.engines import engine_of
from mrsim.study.fields import coils_of
from mrsim.study.plan import forecast
from mrsim.study.request import RunRequest
from mrsim.study.run import fitted, prepare, simulated
from mrsim.study.spectra import bases_of, quantify_run
from mrsim.study.spectral_bounds import spectral_precision

DRAWS, POOLED, FITTED, SPECTRA, SECONDS, TISSUE = 16, 3000, 600, 100, 150, "nucleus_pulposus"
GATE, SNR_GATE = 0.05, 0.03
ONE = {"slices": "1", "averages": "1", "phantom": "block"}
BLOCK = """
description = "a block of one tissue"
extruded = "x"
[shape.block]
kind = "box"
tissue = "nucleus_pulposus"
size = "40 40 mm"
length = "400 mm"
"""
"""In place of the disc for echo-planar images, which shift and mix what lies beside it in a dozen voxels, and for maps
whose voxels are so coarse that it holds four; so small that an array hears all of it alike."""
PROTOCOLS = {
    "disc-t2-mese": {}, "disc-se": {}, "disc-ir-se": {}, "disc-saturation-recovery": {}, "disc-t2star-megre": {},
    "disc-t1rho": {}, "sag-dwi": ONE, "sag-dti": ONE, "sag-ivim": ONE, "svs-press-np": {}, "disc-mtr": {},
    "dixon-psm": {"tissue": "paraspinal_muscle"}, "b1-dam": {"phantom": "block"},
    "b1-bloch-siegert": {"phantom": "block"}, "disc-look-locker": {}, "sag-mese-t2": {"slices": "1", "tr": "2000 ms"},
}  # fmt: skip


def judged(off, error):
    """Return whether a relative deviation passes the gate, fails it, or is not known well enough."""
    return "passes" if abs(off) <= GATE else "fails" if abs(off) - 2 * error > GATE else "open"


def alone(images, region):
    """Return a region's voxels as images of their own."""
    sigma = np.broadcast_to(images.sigma, (len(images.sigma), *images.grid.shape))[:, region][:, None, None]
    shape = (1, 1, np.count_nonzero(region))
    sigma = sigma if np.ptp(sigma, axis=-1).any() else sigma[..., :1]
    grid = Grid(shape=shape, spacing=images.grid.spacing)
    return replace(images, data=images.data[:, region][:, None, None], sigma=sigma, grid=grid)


def compared(name, entries):
    """Print the ratios of one protocol."""
    entries = dict(entries)
    tissue = entries.pop("tissue", TISSUE)
    request = RunRequest(protocol=name, threads=1, phantom=entries.pop("phantom", None))
    request = replace(request, overrides=entries)
    if request.phantom is not None:
        path = Path(tempfile.mkdtemp(), "block.toml")
        path.write_text(BLOCK)
        request = replace(request, phantom=str(path), grade=3)
    start = time.process_time()
    plan = forecast(request, (), (tissue,))
    planning = time.process_time() - start
    whole = prepare(request)
    raw = simulated(whole, engine_of(whole.request), None)
    coils = coils_of(whole.phantom, whole.sequence.scanner, whole.request)
    how = [] if coils is None else [Sense(maps=coils.heard(voxel_centres(raw.encoding.grid)))]
    clean = reconstruct(raw, *how)
    masks = whole.phantom.rois(clean.grid)
    pure = whole.phantom.fractions(clean.grid)[tissue] >= PURE
    region = max((mask & pure for mask in masks.values()), key=np.count_nonzero)
    snr = (np.abs(clean.data) / clean.sigma)[:, region].mean(axis=1)
    told = np.array([row.snr for row in plan.snr[0].rows])
    strong = snr > 3
    gap = np.abs(told[strong] / snr[strong] - 1).max() if strong.any() else np.nan
    draws = max(DRAWS, int(np.ceil(POOLED / region.sum())))
    scans = (reconstruct(add_noise(raw, rng=seed), *how) for seed in range(draws))
    drawn = [fitted(alone(images, region), whole.request, None) for images in scans]
    said = []
    for row in plan.precision:
        if not np.isfinite(row.truth) and row.parameter != "m0":
            continue
        values = np.array([maps.values[row.parameter].ravel() for maps in drawn])
        each = np.nanvar(values, axis=0, ddof=1)
        spread = np.sqrt(np.nanmean(each))
        fits = SLOW if isinstance(find_model(plan.model), Method) else REPLICATES
        known = np.hypot(np.nanstd(each, ddof=1) / np.nanmean(each) / 2 / np.sqrt(region.sum()), 1 / np.sqrt(2 * fits))
        verdict = judged(row.sd / spread - 1, known)
        said.append(f"{row.parameter} sd {row.sd:.4g}/{spread:.4g} = {row.sd / spread:.3f} +- {known:.3f} {verdict}, "
                    f"mean {row.mean:.4g}/{np.nanmean(values):.4g}")  # fmt: skip
    held = "passes" if gap <= SNR_GATE else "fails"
    print(
        f"{name:26s} plan {planning:.2f} s, SNR within {100 * gap:.1f} % {held} (n {region.sum()}, {draws} draws); "
        + "; ".join(said),
        flush=True,
    )


def compared_spectra(name, entries):
    """Print the ratios of a protocol of spectroscopy, of the metabolites that it tells from nothing."""
    request = RunRequest(protocol=name, overrides=entries, threads=1)
    start = time.process_time()
    ready = prepare(request)
    rows = {row.parameter: row for row in spectral_precision(ready, FITTED)}
    planning = time.process_time() - start
    bases = bases_of(ready, None)
    raw = simulated(ready, engine_of(ready.request), None, bases)
    found = [quantify_run(ready, reconstruct(add_noise(raw, rng=seed)), bases).fit for seed in range(SPECTRA)]
    said, known = [], np.sqrt(1 / (2 * SPECTRA) + 1 / (2 * FITTED))
    for k, metabolite in enumerate(found[0].names):
        row, spread = rows[metabolite], np.std([fit.amplitudes[0, k] for fit in found], ddof=1)
        if row.truth > 3 * row.bound:
            said.append(f"{metabolite} sd {row.sd:.4g}/{spread:.4g} = {row.sd / spread:.3f} +- {known:.3f} "
                        f"{judged(row.sd / spread - 1, known)}")  # fmt: skip
    print(f"{name:26s} plan {planning:.2f} s; " + "; ".join(said), flush=True)


if __name__ == "__main__":
    for protocol in sys.argv[1:] or PROTOCOLS:
        child = os.fork()
        if child == 0:
            resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
            try:
                run = compared_spectra if protocol.startswith("svs-") else compared
                run(protocol, PROTOCOLS.get(protocol, {}))
            except Exception:  # one protocol that fails does not end the others
                print(protocol, traceback.format_exc(limit=1), flush=True)
            os._exit(0)
        if os.waitpid(child, 0)[1]:
            print(f"{protocol:26s} not done in {SECONDS} s of processor time", flush=True)

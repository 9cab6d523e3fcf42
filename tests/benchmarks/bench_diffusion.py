"""Speed of diffusion fits on one thread against dipy and MRtrix's dwi2tensor, in processor time of the same run.

    python tests/benchmarks/bench_diffusion.py

dwi2tensor reads and writes files, as its user does; ours includes the scalars (MD, FA, eigenvectors, MK, AK, RK) and
standard errors, which dwi2tensor leaves to other programs and dipy to later calls.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from mrsim.core.grid import Grid
from mrsim.core.images import Images
from mrsim.core.tensors import prolate
from mrsim.fit.fit import fit
from mrsim.sequence.directions import repelled

VOXELS = (20, 20, 50)
TARGETS = {"dti-wls": 10, "dki-wls": 10, "ivim": 300}
"""Times dipy's speed."""


def series(shells, count, snr=50):
    """Return the contrast table and (n, voxel) magnitudes of a prolate tensor in noise."""
    rows = [(b, n) for b in shells for n in (repelled(count) if b else np.zeros((1, 3)))]
    n, b = np.array([n for _, n in rows]), np.array([b * 1e6 for b, _ in rows])
    clean = np.exp(-b * np.einsum("ni,ij,nj->n", n, prolate(1.4e-9, 0.4, np.array([0.0, 0.0, 1.0])), n))
    rng, shape = np.random.default_rng(3), (len(b), int(np.prod(VOXELS)))
    data = np.abs(clean[:, None] + (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / snr)
    return {"b": b} | {f"direction_{a}": n[:, i] for i, a in enumerate("xyz")}, data


def ours(name, contrast, data):
    """Return voxels per second of processor time."""
    grid = Grid(shape=(1, 1, data.shape[1]), spacing=(1e-3, 1e-3, 1e-3))
    images = Images(data=data[:, None, None, :] + 0j, grid=grid, contrast=contrast, sigma=np.full((1, 1, 1, 1), 0.02))
    fit(images, name, threads=1)
    return max(data.shape[1] / _processor_time(lambda: fit(images, name, threads=1)) for _ in range(3))


def _processor_time(run):
    start = time.process_time()
    run()
    return time.process_time() - start


def dipy(kind, contrast, data):
    """Return dipy's voxels per second, on few voxels where it is slow; the best of three, as ours."""
    from dipy.core.gradients import gradient_table

    n = np.stack([contrast.get(f"direction_{a}", np.ones(len(contrast["b"])) * (a == "x")) for a in "xyz"], axis=1)
    table = gradient_table(contrast["b"] * 1e-6, bvecs=np.where(contrast["b"][:, None] > 0, n, 0.0), b0_threshold=0)
    if kind == "dti-wls":
        from dipy.reconst.dti import TensorModel as Kind

        few, model = data, Kind(table, fit_method="WLS")
    elif kind == "dki-wls":
        from dipy.reconst.dki import DiffusionKurtosisModel as Kind

        few, model = data[:, :4000], Kind(table, fit_method="WLS")
    else:
        from dipy.reconst.ivim import IvimModelTRR as Kind

        few, model = data[:, :50], Kind(table)
    return max(few.shape[1] / _processor_time(lambda: model.fit(few.T)) for _ in range(3))


def dwi2tensor(contrast, data, *extra):
    """Return MRtrix's voxels per second, default iterations; None where it is not installed."""
    if shutil.which("dwi2tensor") is None:
        return None
    import nibabel

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        nibabel.save(nibabel.Nifti1Image(data.T.reshape(*VOXELS, -1).astype(np.float32), np.eye(4)), place / "d.nii")
        n = np.stack([contrast[f"direction_{a}"] for a in "xyz"], axis=1)
        np.savetxt(place / "d.b", np.c_[n, contrast["b"] * 1e-6])
        words = ["dwi2tensor", "d.nii", "t.mif", "-grad", "d.b", "-nthreads", "1", "-force", "-quiet", *extra]

        def used():
            spent = resource.getrusage(resource.RUSAGE_CHILDREN)
            return spent.ru_utime + spent.ru_stime

        best = np.inf
        for _ in range(3):
            before = used()
            subprocess.run(words, check=True, cwd=place)
            best = min(best, used() - before)
    return data.shape[1] / best


def main():
    """Print a table."""
    print(f"{'fit':<8} {'images':>6} {'ours/s':>10} {'dipy/s':>10} {'ratio':>7} {'wanted':>7} {'dwi2tensor/s':>13}")
    for name, shells, extra in (
        ("dti-wls", (0, 1000), ()),
        ("dki-wls", (0, 1000, 2000), ("-dkt", "k.mif")),
        ("ivim", (), None),
    ):
        if extra is None:
            b = np.array([0, 10, 20, 50, 80, 150, 250, 400, 600, 800, 1000]) * 1e6
            contrast, (rng, shape) = {"b": b}, (np.random.default_rng(5), (len(b), 20_000))
            clean = 0.1 * np.exp(-b * 2e-8) + 0.9 * np.exp(-b * 1.2e-9)
            data = np.abs(clean[:, None] + (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / 50)
        else:
            contrast, data = series(shells, 30)
        mine, theirs = ours(name, contrast, data), dipy(name, contrast, data)
        peer = dwi2tensor(contrast, data, *extra) if extra is not None else None
        print(
            f"{name:<8} {len(data):>6} {mine:>10.3g} {theirs:>10.3g} {mine / theirs:>7.1f} {TARGETS[name]:>7} "
            f"{'' if peer is None else f'{peer:.3g}':>13}"
        )


if __name__ == "__main__":
    main()

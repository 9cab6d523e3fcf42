"""Memory of whole runs against what was predicted for them, each in a process of its own; a few minutes.

Run with ``python tests/benchmarks/bench_run_memory.py``. The last run takes a phantom of 512^3 voxels with 10^7 cells
that hold tissue; it must stay below 4 GiB. Ends with 1 where a run held more than 1.5 times, or less than half of, what
was predicted.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

RUNS = {
    "disc-t2-mese": {},
    "disc-t2-mese, 16 coils": {"receive": "spine-16"},
    "disc-se, 512 x 512": {"overrides": {"matrix": "512,512", "fov": "400 400 mm"}},
    "sag-mese-t2, 5 slices": {},
    "sag-vfa-t1, 3-D": {},
}
MEASURE = """
import resource, sys
from mrsim.study.request import RunRequest
from mrsim.study.run import run
from mrsim.simulate import bloch, memory
seen = []
whole = memory.predicted_bytes
def noted(*given):
    seen.append(whole(*given))
    return seen[-1]
memory.predicted_bytes = noted
run(RunRequest(**eval(sys.argv[1])))
print(max(seen), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""
BIG = """
description = "coarse 3-D scan of a fine phantom"
family = "spoiled-gradient-echo-3d"
[sequence]
orientation = "sagittal"
fov = "256 256 256 mm"
matrix = [16, 8, 8]
pixel_bandwidth = "1388.9 Hz"
flip = "10 deg"
te = "2 ms"
tr = "10 ms"
dummies = 2
excitation_duration = "600 us"
time_bandwidth = 4.0
spoiler_cycles = 1.0
[run]
scanner = "3T"
phantom = "PHANTOM"
"""
LABELS = """
description = "two spheres, one in the other, in 512^3 voxels"
[voxels]
labels = "labels.nii.gz"
[voxels.tissues]
1 = "csf"
2 = "paraspinal_muscle"
"""


def big_phantom(folder):
    """Write a phantom of 512^3 voxels of 0.5 mm, 10^7 of them labelled, and a protocol; return the request."""
    import nibabel
    import numpy as np

    at = np.arange(512) - 256
    labels = np.zeros((512, 512, 512), dtype=np.uint8)
    for z in range(512):
        square = at[:, None] ** 2 + at[None, :] ** 2 + at[z] ** 2
        labels[..., z] = np.where(square < 67**2, 2, square < 134**2)
    affine = np.diag([0.5, 0.5, 0.5, 1.0])
    affine[:3, 3] = -128
    image = nibabel.Nifti1Image(labels, affine)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, folder / "labels.nii.gz")
    (folder / "phantom.toml").write_text(LABELS)
    (folder / "scan.toml").write_text(BIG.replace("PHANTOM", str(folder / "phantom.toml")))
    engine = {"subsamples": 32, "layers": 512, "sub_slices": 512}
    return {"protocol": str(folder / "scan.toml"), "phantom": str(folder / "phantom.toml"), "engine": engine}


def main():
    """Print prediction and peak of every run."""
    right = True
    with tempfile.TemporaryDirectory() as name:
        runs = {what: {"protocol": what.split(",")[0], **more} for what, more in RUNS.items()}
        runs["512^3 voxels, 10^7 cells of tissue"] = big_phantom(Path(name))
        for what, request in runs.items():
            done = subprocess.run([sys.executable, "-c", MEASURE, repr(request)], capture_output=True, text=True)
            if done.returncode:
                sys.exit(done.stderr)
            predicted, peak = map(float, done.stdout.split())
            right &= 0.5 * predicted < peak < 1.5 * predicted and peak < 4 * 2**30
            gib = 2**30
            print(f"{what:36} predicted {predicted / gib:5.2f} GiB, peak {peak / gib:5.2f} GiB", flush=True)
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()

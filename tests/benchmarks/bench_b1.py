"""Error of the B1 methods in every tissue of a disc, under a known transmit field, at 1.5, 3 and 7 T, without noise.

Run with ``python tests/benchmarks/bench_b1.py [--field 1.5,3,7]``; two minutes of one processor. A voxel of each tissue
is scanned by the shipped protocol with a smaller matrix, by the Bloch engine, at a B1 of 0.8, 1 and 1.2, and fitted.
"""

import argparse
from dataclasses import replace

import numpy as np

import mrsim as mr
from mrsim.core.grid import Grid
from mrsim.core.images import Images
from mrsim.plan.probe import centre_signal, probe_of
from mrsim.sequence.protocol import load_protocol
from mrsim.sequence.scanner import Scanner
from mrsim.simulate import simulate

LEVELS = (0.8, 1.0, 1.2)
PROTOCOLS = {"b1-dam": "8 8", "b1-afi": "8 8 8", "b1-bloch-siegert": "8 8"}
"""Protocol, which is the model's name as well, and its matrix here."""


def errors(sequence, phantom, tissue, model):
    """Return the relative error of B1 at every level."""
    timeline, deep = mr.discretize(sequence), sequence.encoding.kind == "2d"
    sheet = {**sequence.encoding.sheet, "frequency": sequence.encoding.frequency, "kind": sequence.encoding.kind}
    found = []
    for level in LEVELS:
        probe = probe_of(replace(phantom, b1=level), tissue, sequence.encoding.grid, deep)
        signal = centre_signal(simulate(timeline, probe, mr.Bloch(accuracy=2e-3), threads=1), deep)
        images = Images(
            data=signal.reshape(-1, 1, 1, 1), grid=Grid(shape=(1, 1, 1), spacing=(1e-3,) * 3), noisy=False,
            contrast=sequence.encoding.contrast, sigma=np.full((len(signal), 1, 1, 1), 1e-5), encoding=sheet,
        )  # fmt: skip
        found.append(float(mr.fit(images, model).values["b1"][0, 0, 0]) / level - 1)
    return found


def main():
    """Print a line per field, method and tissue."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--field", default="1.5,3,7", help="field strengths, T")
    for field in map(float, parser.parse_args().field.split(",")):
        phantom = mr.load_phantom("lumbar-disc", field=field, grade=3)
        for name, matrix in PROTOCOLS.items():
            sequence = load_protocol(name, {"matrix": matrix}).build(Scanner.preset(f"{field:g}T"))
            for tissue in phantom.tissues:
                try:
                    shown = "  ".join(f"{100 * e:+7.2f} %" for e in errors(sequence, phantom, tissue, name))
                except mr.core.errors.UserError as problem:
                    shown = f"left out: {str(problem).splitlines()[0][:90]}"
                print(f"{field:3g} T  {name:18s} {tissue.name:26s} {shown}", flush=True)


if __name__ == "__main__":
    main()

"""What errors of linear-combination fits are worth: exactness without noise, scatter over the bound, coverage.

``python tests/benchmarks/bench_spectral_bounds.py [REPLICATES]``: 2,000 spectra of all 15 metabolites, twenty seconds.
Asked are 1e-6 without noise, 0.95 to 1.1, and 95.45 % within three standard errors (1.4 % at 2,000).
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mrsim.fit.spectral import fit_spectra
from tests.spectral_fit.examples import LINES, basis, spectra


def main(replicates: int = 2000) -> None:
    """Fit noise-free and noisy spectra."""
    truth = np.array([9, 2.5, 1.0, 1.5, 4, 3, 2, 0.8, 3, 1, 0.7, 2, 1.5, 6, 3])
    amounts = dict(zip(LINES, truth, strict=True))
    changes = {"phase": 0.6, "delay": 1.5e-4, "shift": 2.0, "gauss": 60.0}
    exact = fit_spectra(spectra(amounts, noisy=False, **changes), basis())
    print(f"without noise: largest relative error {np.abs(exact.amplitudes[0] / truth - 1).max():.1e}")
    found = fit_spectra(spectra(amounts, noise=0.5, voxels=replicates, seed=11, **changes), basis())
    off = found.amplitudes - truth
    ratio = off.std(axis=0, ddof=1) / np.sqrt(np.mean(found.errors**2, axis=0))
    covered, known = (np.abs(off) < 2 * found.errors).mean(axis=0), 1 / np.sqrt(2 * replicates)
    print(f"{'':6}{'amount':>8}{'bound':>8}{'SD / bound':>18}{'covered at 2 SD':>18}{'bias / SD':>12}")
    for k, name in enumerate(found.names):
        bias = off[:, k].mean() / off[:, k].std()
        print(
            f"{name:6}{truth[k]:8.2f}{found.errors[:, k].mean():8.3f}{ratio[k]:10.3f} ± {known:.3f}"
            f"{100 * covered[k]:16.2f} %{bias:12.3f}"
        )


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))

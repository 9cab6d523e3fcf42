"""`mrsim recon`: images from the raw data of a file, ours or another program's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import loudness
from .options import entries, json_option
from .output import write_json
from .progress import progress_bar
from .simulate import check_file_writable

if TYPE_CHECKING:
    from ..core.images import Images
    from ..core.spectra import Spectra


MORE = ("window", "unwarped", "off_resonance", "rank", "left_out", "side_lobe", "harmonic_residual")
"""What else a method notes of its images."""


@click.command("recon")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option(
    "--method", metavar="NAME", default="auto", show_default=True,
    help="How: combine, sos, adaptive, sense, grappa, smash, slice-grappa, wavelet, tv, subspace, adjoint, iterative, "
    "spectrum, or auto for what suits the sampling.",
)  # fmt: skip
@click.option(
    "--set", "options", metavar="KEY=VALUE", multiple=True, callback=entries,
    help='An option of the method, e.g. --set "regularisation=0.01"; a wrong key lists the known ones.',
)  # fmt: skip
@click.option("--ghost", metavar="KIND", default="auto", help="Echo-planar lines: navigator, entropy, none or auto.")
@click.option("--partial", metavar="KIND", default="pocs", help="Partial Fourier: pocs, homodyne or zero-fill.")
@click.option("--window", metavar="NAME[:WIDTH]", help="Window in k-space: hamming, hann, tukey, fermi or gauss.")
@click.option("--size", metavar="N[xN...]", help="Voxels after zero filling, x by y (by z), e.g. 256x256.")
@click.option(
    "--maps",
    metavar="FILE",
    help="Coil maps: raw data of a prescan, maps of mrsim, or of BART (.cfl); else the scan's own.",
)
@click.option("--unwarp", metavar="FILE|pair", help="Undo echo-planar distortion by a field map (Hz), or by the pair.")
@click.option(
    "--off-resonance", metavar="FILE", help="Undo the blur of radial and spiral readouts by a field map (Hz)."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE.h5", required=True, help="The file to write.")
@click.option("--save-maps", type=click.Path(path_type=Path), metavar="FILE.h5", help="Write the coil maps, too.")
@json_option
def command(
    file: Path, method: str, options: dict[str, str], ghost: str, partial: str, window: str | None, size: str | None,
    maps: str | None, unwarp: str | None, off_resonance: str | None, out: Path, save_maps: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Reconstruct the raw data in FILE: the output of 'mrsim simulate', a run's result.h5, or an MRD file.

    Maps of the field are NIfTI files, or files of mrsim with a map or a fit of it (mrsim fit --model field-map).
    """
    from ..core.spectra import Spectra
    from ..core.storage import save
    from ..recon import coil_maps
    from ..study.coil_files import coils_on
    from ..study.raw_file import raw_of
    from ..study.reconstruction import read_reconstruction, reconstructed

    for path in (out, *([] if save_maps is None else [save_maps])):
        check_file_writable(path)
    given = {"ghost": ghost, "partial": partial, "window": window, "size": size, "maps": maps, "unwarp": unwarp,
             "off_resonance": off_resonance}  # fmt: skip
    wanted = read_reconstruction({"method": method, **options, **{k: text for k, text in given.items() if text}})
    raw = raw_of(file)
    with progress_bar(wanted=not as_json) as report:
        told = (lambda done, total: report("reconstruct", done, total)) if report else None
        made = reconstructed(raw, wanted, told)
    if isinstance(made, Spectra):
        save(out, spectra=made)
        _tell_spectra(file, out, made, as_json)
        return
    save(out, images=made)
    if save_maps is not None:
        save(save_maps, coils=coils_on(raw.encoding.grid, coil_maps(raw, options.get("estimate", "espirit"))))
    _tell(file, out, made, partial, as_json)


def _tell_spectra(file: Path, out: Path, spectra: Spectra, as_json: bool) -> None:
    told = ("averages", "rejected", "eddy_currents", "apodisation")
    facts = {name: spectra.encoding[name] for name in told if name in spectra.encoding}
    count, points = len(spectra.data), spectra.data.shape[-1]
    warnings = list(spectra.history.get("warnings", ()))
    if as_json:
        write_json({"file": str(file), "out": str(out), "spectra": count, "points": points, **facts,
                    "warnings": warnings})  # fmt: skip
        return
    loudness.warnings(warnings)
    click.echo(f"{count} spectra of {points} points: {out}")
    click.echo(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts.items()))


def _tell(file: Path, out: Path, images: Images, partial: str, as_json: bool) -> None:
    import numpy as np

    from ..recon.windows import encoded_axes

    warnings = list(images.history.get("warnings", ()))
    told = ("reconstruction", "acceleration", "averages", "ghost_correction", "gradient_lag", "partial_fourier_method")
    facts = {name: images.encoding[name] for name in (*told, *MORE) if name in images.encoding}
    if "g_factor" in images.encoding:
        g = np.asarray(images.encoding["g_factor"])
        known = g[np.isfinite(g)]
        facts |= {"g_mean": float(known.mean()), "g_max": float(known.max())}
    if "leakage" in images.encoding:
        leak = np.asarray(images.encoding["leakage"])
        own = np.eye(leak.shape[-1], dtype=bool)
        facts |= {"least_gain": float(np.nanmin(leak[:, own])), "most_leakage": float(np.nanmax(leak[:, ~own]))}
    facts |= {"images": len(images.data), "shape": list(images.grid.shape), "axes": len(encoded_axes(images))}
    if as_json:
        write_json({"file": str(file), "out": str(out), "steps": partial, **facts, "warnings": warnings})
        return
    loudness.warnings(warnings)
    nz, ny, nx = images.grid.shape
    click.echo(f"{len(images.data)} images of {nx} x {ny} x {nz} voxels by {images.encoding['reconstruction']}: {out}")
    also = (*told[1:], *MORE, "g_mean", "g_max", "least_gain", "most_leakage")
    shown = [f"{k.replace('_', ' ')} {v:.4g}" if isinstance(v, float) else f"{k.replace('_', ' ')} {v}"
             for k, v in facts.items() if k in also]  # fmt: skip
    click.echo(", ".join(shown))

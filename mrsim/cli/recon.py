"""`mrsim recon`: images from the raw data of a file, ours or another program's."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import loudness
from .options import entries, json_option
from .output import write_json
from .progress import progress_bar
from .simulate import check_file_writable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..core.acquisition import Acquisition
    from ..core.grid import Grid
    from ..core.images import Images
    from ..core.spectra import Spectra
    from ..recon import Method, Spectroscopy, Steps

METHODS = {
    "auto": ("", {}),
    "combine": ("Combine", {}),
    "sos": ("Combine", {"kind": "sos"}),
    "adaptive": ("Combine", {"kind": "adaptive"}),
    "sense": ("Sense", {}),
    "grappa": ("Grappa", {}),
    "smash": ("Smash", {}),
    "slice-grappa": ("SliceGrappa", {}),
    "wavelet": ("CompressedSensing", {"sparse": "wavelet"}),
    "tv": ("CompressedSensing", {"sparse": "tv"}),
    "subspace": ("Subspace", {}),
    "adjoint": ("NonUniform", {"kind": "adjoint"}),
    "iterative": ("NonUniform", {"kind": "iterative"}),
    "spectrum": ("Spectroscopy", {}),
}
"""By name: the class in `mrsim.recon` and what the name fixes of it."""
QUANTITIES = {"lorentz": "frequency", "gauss": "frequency"}
"""Dimensions of the options that have one."""


@click.command("recon")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--method", type=click.Choice([*METHODS]), default="auto", show_default=True, help="How to reconstruct.")
@click.option(
    "--set", "options", metavar="KEY=VALUE", multiple=True, callback=entries,
    help='An option of the method, e.g. --set "regularisation=0.01"; a wrong key lists the known ones.',
)  # fmt: skip
@click.option("--ghost", metavar="KIND", default="auto", help="Echo-planar lines: navigator, entropy, none or auto.")
@click.option("--partial", metavar="KIND", default="pocs", help="Partial Fourier: pocs, homodyne or zero-fill.")
@click.option("--window", metavar="NAME[:WIDTH]", help="Window in k-space: hamming, hann, tukey, fermi or gauss.")
@click.option("--size", metavar="N[xN...]", help="Voxels after zero filling, x by y (by z), e.g. 256x256.")
@click.option("--unwarp", metavar="FILE|pair", help="Undo echo-planar distortion by a field map (Hz), or by the pair.")
@click.option(
    "--off-resonance", metavar="FILE", help="Undo the blur of radial and spiral readouts by a field map (Hz)."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE.h5", required=True, help="The file to write.")
@json_option
def command(
    file: Path, method: str, options: dict[str, str], ghost: str, partial: str, window: str | None, size: str | None,
    unwarp: str | None, off_resonance: str | None, out: Path, as_json: bool,
) -> None:  # fmt: skip
    """Reconstruct the raw data in FILE: the output of 'mrsim simulate', a run's result.h5, or an MRD file.

    Maps of the field are NIfTI files, or files of mrsim with a map or a fit of it (mrsim fit --model field-map).
    """
    from ..core.errors import InputError
    from ..core.spectra import Spectra
    from ..core.storage import save
    from ..recon import Steps, reconstruct

    check_file_writable(out)
    chosen = method_of(method, options)
    steps = Steps(ghost=ghost, partial=partial, window=_window(window), size=_size(size))
    raw = raw_of(file)
    chosen = chosen if off_resonance is None else _with_field(chosen, raw, off_resonance)
    with progress_bar(wanted=not as_json) as report:
        told = (lambda done, total: report("reconstruct", done, total)) if report else None
        made: Images | Spectra = reconstruct(raw, chosen, told, steps=steps)
        if isinstance(made, Spectra):
            if unwarp is not None:
                raise InputError("is for echo-planar images; these are spectra", key="--unwarp")
            save(out, spectra=made)
            _tell_spectra(file, out, made, as_json)
            return
        images = made if unwarp is None else _unwarped(made, unwarp)
    save(out, images=images)
    _tell(file, out, images, steps, as_json)


def raw_of(file: Path) -> Acquisition:
    """Return the raw data of a file of mrsim, or of an MRD file, whatever its name ends in."""
    import h5py

    from ..core.acquisition import Acquisition
    from ..core.errors import StorageError
    from ..core.storage import FORMAT, load, readable_as

    if not file.is_file():
        raise StorageError(f"{file}: no such file")
    with readable_as("HDF5 file with raw data of mrsim, nor an MRD file,", file), h5py.File(file, "r") as held:
        ours = held.attrs.get("format") in (FORMAT, FORMAT.encode())
    if not ours:
        from ..exchange.mrd import read_mrd

        return read_mrd(file)
    found = [value for value in load(file).values() if isinstance(value, Acquisition)]
    if not found:
        raise StorageError(f"{file}: holds no raw data; give the output of 'mrsim simulate' or a run's result.h5")
    return found[0]


def method_of(name: str, options: dict[str, str]) -> Method | Spectroscopy | None:
    """Return the method of a name with its options, which are texts."""
    from .. import recon
    from ..core.errors import InputError, did_you_mean

    kind, fixed = METHODS[name]
    if not kind:
        if options:
            raise InputError("belongs to a method; name one with --method", key=next(iter(options)))
        return None
    made = getattr(recon, kind)
    kinds = {entry.name: str(entry.type) for entry in fields(made) if _plain(str(entry.type))}
    kinds = {key: kind for key, kind in kinds.items() if key not in fixed}
    values: dict[str, Any] = dict(fixed)
    for key, text in options.items():
        if key not in kinds:
            raise InputError(f"is no option of {name}{did_you_mean(key, [*kinds])}; known: {', '.join(kinds)}", key=key)
        values[key] = _value(key, text, kinds[key])
    try:
        method: Method | Spectroscopy = made(**values)
    except TypeError:
        missing = [key for key in ("bands", "shift") if key in kinds and key not in values]
        raise InputError(f"{name} needs {' and '.join(missing)}; add --set {missing[0]}=VALUE", key="method") from None
    return method


def _plain(kind: str) -> bool:
    return kind.split(" |")[0] in ("int", "float", "bool", "str")


def _value(key: str, text: str, kind: str) -> Any:
    from ..core.errors import InputError
    from ..core.units import parse_quantity

    first = kind.split(" |")[0]
    if first == "str":
        return text
    try:
        if key in QUANTITIES:
            (quantity,) = parse_quantity(text, QUANTITIES[key])
            return quantity
        if first == "bool":
            return {"true": True, "false": False}[text.lower()]
        return int(text) if first == "int" else float(text)
    except (KeyError, ValueError):
        wanted = {"int": "a whole number", "float": "a number", "bool": "true or false"}[first]
        wanted = f"one {QUANTITIES[key]} with its unit" if key in QUANTITIES else wanted
        raise InputError(f"is '{text}'; expected {wanted}", key=key) from None


def _window(text: str | None) -> Any:
    from ..core.errors import InputError
    from ..recon import Window

    if text is None:
        return None
    name, colon, width = text.partition(":")
    try:
        return Window(name=name, parameter=float(width) if colon else None)
    except ValueError:
        problem = f"'{text}' has no number behind the colon; write for example tukey:0.5"
        raise InputError(problem, key="--window") from None


def _size(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    words = text.lower().replace("×", "x").split("x")
    if not all(word.strip().isdigit() for word in words) or len(words) not in (2, 3):
        raise click.BadParameter(f"'{text}' is no size; write for example 256x256 or 256x256x64", param_hint="--size")
    return tuple(int(word) for word in reversed(words))


def _unwarped(images: Images, wanted: str) -> Images:
    """Return images without distortion: by a map, or by the first pair of opposite blips."""
    import numpy as np

    from ..core.errors import InputError
    from ..recon.unwarp import field_of_pair, unwarped

    if wanted == "pair":
        polarity = images.contrast.get("polarity", np.ones(len(images.data)))
        if np.ptp(polarity) == 0:
            problem = "all images have the same polarity of the blips; measure with blips = 'both'"
            raise InputError(problem, key="--unwarp")
        return unwarped(images, field_of_pair(images, int(np.argmax(polarity > 0)), int(np.argmax(polarity < 0))))
    return unwarped(images, _field_on(images.grid, wanted, "--unwarp"))


def _with_field(method: Method | Spectroscopy | None, raw: Acquisition, file: str) -> Method:
    """Return a method for samples off the raster that corrects their off-resonance."""
    from dataclasses import replace

    from ..core.errors import InputError
    from ..recon import NonUniform

    if method is None:
        method = NonUniform(kind="adjoint" if raw.imaging.data.shape[1] == 1 else "iterative")
    if not isinstance(method, NonUniform):
        raise InputError(
            "is for --method adjoint or iterative; echo-planar images have --unwarp", key="--off-resonance"
        )
    return replace(method, field=_field_on(raw.encoding.grid, file, "--off-resonance"))


def _field_on(grid: Grid, file: str, key: str) -> NDArray[np.float64]:
    """Return the (z, y, x) off-resonance in a file at the voxels of a grid, Hz."""
    import numpy as np

    from ..study.fields import read_field

    field = read_field(file, key)
    nz, ny, nx = grid.shape
    z, y, x = np.meshgrid(*(grid.coordinates(axis) for axis in (2, 1, 0)), indexing="ij")
    world = grid.to_world(np.stack([x, y, z], axis=-1).reshape(nz, ny, nx, 3))
    return np.asarray(field.at(world, key), dtype=np.float64)


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


def _tell(file: Path, out: Path, images: Images, steps: Steps, as_json: bool) -> None:
    import numpy as np

    from ..recon.windows import encoded_axes

    warnings = list(images.history.get("warnings", ()))
    told = ("reconstruction", "acceleration", "averages", "ghost_correction", "gradient_lag", "partial_fourier_method")
    facts = {name: images.encoding[name] for name in (*told, "window", "unwarped") if name in images.encoding}
    if "g_factor" in images.encoding:
        g = np.asarray(images.encoding["g_factor"])
        known = g[np.isfinite(g)]
        facts |= {"g_mean": float(known.mean()), "g_max": float(known.max())}
    facts |= {"images": len(images.data), "shape": list(images.grid.shape), "axes": len(encoded_axes(images))}
    if as_json:
        write_json({"file": str(file), "out": str(out), "steps": steps.partial, **facts, "warnings": warnings})
        return
    loudness.warnings(warnings)
    nz, ny, nx = images.grid.shape
    click.echo(f"{len(images.data)} images of {nx} x {ny} x {nz} voxels by {images.encoding['reconstruction']}: {out}")
    shown = [f"{k.replace('_', ' ')} {v:.4g}" if isinstance(v, float) else f"{k.replace('_', ' ')} {v}"
             for k, v in facts.items() if k in (*told[1:], "g_mean", "g_max", "window", "unwarped")]  # fmt: skip
    click.echo(", ".join(shown))

"""`mrsim fit`: maps from the images or raw data of a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import loudness
from .options import given_option, json_option, models, noise_level, noise_model_options
from .output import write_json, write_tables
from .simulate import check_file_writable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.images import Images
    from ..core.maps import Maps
    from ..core.spectra import Spectra
    from ..core.wave import Waves


@click.command("fit")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option(
    "--model",
    metavar="NAME",
    shell_complete=models,
    help="Signal model; 'mrsim list models' names them [default: the file's own fit].",
)
@click.option("--basis", metavar="FILE", type=click.Path(path_type=Path), help="Basis of spectra, if FILE has none.")
@click.option(
    "--broad", metavar="NAMES", help="Members of the basis, with commas, whose lines are broader than others'."
)
@click.option("--figure", metavar="FILE.png", type=click.Path(path_type=Path), help="Draw the first spectrum's fit.")
@given_option
@click.option(
    "--mask", metavar="FILE", help="Fit only these voxels: a NIfTI file, or a result's regions, FILE.h5 or .h5:REGION."
)
@noise_model_options
@click.option(
    "--sigma", metavar="NUMBER|residuals", callback=noise_level,
    help="Standard deviation of the noise of one quadrature channel, in the images' unit, or what the residuals show "
    "[default: what FILE knows, else residuals].",
)  # fmt: skip
@click.option("--powder", is_flag=True, help="Average the directions of each b-value first.")
@click.option("--threads", type=click.IntRange(1), help="Worker threads; the result does not depend on it.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE.h5", help="Write the maps to this file.")
@json_option
def command(
    file: Path, model: str | None, basis: Path | None, broad: str | None, figure: Path | None,
    given: dict[str, str], mask: str | None, powder: bool, threads: int | None, out: Path | None, as_json: bool,
    **noise: Any,
) -> None:  # fmt: skip
    """Fit a signal model to the images in FILE, or to its raw data after reconstruction.

    FILE is one of mrsim, a NIfTI file of diffusion with STEM.bval and STEM.bvec, or MRtrix's STEM.b, beside it, or one
    of a BIDS series (MESE, MEGRE, IRT1, VFA, ...) with STEM.json, which stands for all.
    Spectra, also those of a NIfTI-MRS file, are fitted by the basis in FILE or in that of --basis; lines of
    macromolecules, which files of other programs do not mark, are named by --broad.
    What the fit of a result was given holds for another by the same model, but for what --given names.
    """
    from ..core.storage import save
    from ..fit.fit import fit
    from ..fit.models import find_model
    from ..study.given import options_again
    from ..study.masks import mask_of
    from ..study.waves import source_of
    from .fit_spectra import Asked, fit_spectra

    chosen = None if model is None else find_model(model)
    if out is not None:
        check_file_writable(out)
    contents = contents_of(file)
    spectra = spectra_of(contents)
    if spectra is not None:
        _refuse(powder or noise["sigma"] is not None, "are spectra, which carry their own noise", file)
        _refuse(mask is not None, "are spectra, whose voxels are all fitted", file, "--mask")
        asked = Asked(model=model, basis=basis, broad=broad, figure=figure, given=given, threads=threads, out=out)
        fit_spectra(file, contents, spectra, asked, as_json)
        return
    _refuse(bool(basis or broad or figure), "are no spectra", file, "--basis, --broad, --figure")
    chosen = chosen or find_model(model_of(file, contents))
    source: Any = waves_of(contents) or images_of(file, contents)
    if powder:
        source, noise["sigma"] = _averaged(source, noise["sigma"], file)
    source = source_of(source, chosen)
    inside = None if mask is None else mask_of(mask, source.grid)
    maps = fit(source, chosen, mask=inside, threads=threads, **noise, **options_again(chosen, contents, given))
    if out is not None:
        save(out, maps=maps)
    rows, said = summary(maps, contents.get("rois") or {}), tuple(maps.history.get("warnings", ()))
    if as_json:
        write_json({"file": str(file), "model": maps.model, "rows": rows, "status": ended(maps), "warnings": said,
                    "out": None if out is None else str(out)})  # fmt: skip
        return
    _write(maps, rows)
    loudness.notes([f"voxels: {', '.join(f'{count} {how}' for how, count in ended(maps).items())}"])
    loudness.warnings(said)
    if out is not None:
        click.echo(f"maps: {out}")


def _averaged(source: Any, sigma: float | str | None, file: Path) -> tuple[Images, str | None]:
    """Return means over directions, and what is left to say of their noise: a stated one is that of single images."""
    from dataclasses import replace

    import numpy as np

    from ..core.images import Images
    from ..fit.powder import powder_average

    _refuse(not isinstance(source, Images), "are waves, which have no b-values", file)
    stated = sigma if isinstance(sigma, str) or sigma is None else None
    if stated is not sigma:
        source = replace(source, sigma=np.full((1, 1, 1, 1), sigma))
    return powder_average(source), stated


def _refuse(wrong: bool, why: str, file: Path, options: str = "--sigma, --powder") -> None:
    from ..core.errors import InputError

    if wrong:
        raise InputError(f"{file}: its data {why}; leave it out", key=options)


def contents_of(file: Path) -> Mapping[str, Any]:
    """Return what a file of mrsim holds, the spectra of a NIfTI-MRS file, or a series of NIfTI images."""
    from ..core.storage import load

    if file.name.lower().endswith((".nii", ".nii.gz")):
        from ..exchange.diffusion_series import read_diffusion, tables_of

        if tables_of(file):
            return {"images": read_diffusion(file)}
        from ..exchange.bids_series import holds_images, read_images

        if holds_images(file):
            return {"images": read_images(file)}
        from ..exchange.nifti_mrs import read_nifti_mrs

        return {"spectra": read_nifti_mrs(file)}
    return dict(load(file))


def model_of(file: Path, contents: Mapping[str, Any]) -> str:
    """Return the model that a result's maps were fitted with."""
    from ..core.errors import InputError
    from ..core.maps import Maps

    for value in contents.values():
        if isinstance(value, Maps) and value.model != "truth":
            return value.model
    raise InputError(f"{file} holds no fit; name a model", key="--model")


def spectra_of(contents: Mapping[str, Any]) -> Spectra | None:
    """Return the spectra of a file's contents, reconstructed from raw data if need be."""
    from ..core.acquisition import Acquisition
    from ..core.spectra import Spectra
    from ..recon.spectroscopy import reconstruct_spectra

    for value in contents.values():
        if isinstance(value, Spectra):
            return value
    for value in contents.values():
        if isinstance(value, Acquisition) and value.encoding.kind == "spectrum":
            return reconstruct_spectra(value)
    return None


def waves_of(contents: Mapping[str, Any]) -> Waves | None:
    """Return the waves of a file's contents, if it holds nothing that they were made from."""
    from ..core.acquisition import Acquisition
    from ..core.images import Images
    from ..core.wave import Waves

    if any(isinstance(value, Images | Acquisition) for value in contents.values()):
        return None
    return next((value for value in contents.values() if isinstance(value, Waves)), None)


def images_of(file: Path, contents: Mapping[str, Any]) -> Images:
    """Return the images of a file's contents, reconstructed from raw data if it holds nothing else."""
    from ..core.acquisition import Acquisition
    from ..core.errors import StorageError
    from ..core.images import Images
    from ..recon import reconstruct

    for value in contents.values():
        if isinstance(value, Images):
            return value
    for value in contents.values():
        if isinstance(value, Acquisition):
            return reconstruct(value)
    held = ", ".join(contents) or "nothing"
    raise StorageError(
        f"{file}: holds {held}, but neither images nor raw data; fit a file of 'mrsim run' or 'simulate'"
    )


def summary(maps: Maps, rois: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one row per region (all voxels without regions) and parameter: mean, SD, median, n, SI units."""
    import numpy as np

    from ..core.maps import STATUS

    regions = dict(rois) or {"all": np.ones(maps.grid.shape, dtype=bool)}
    wanted = np.array([word != "outside the mask" for word in STATUS.values()])[maps.status]
    rows: list[dict[str, Any]] = []
    for region, whole in regions.items():
        mask = whole & wanted
        for parameter, values in maps.values.items():
            known = values[mask & np.isfinite(values)]
            empty = known.size == 0
            rows.append(
                {
                    "region": region,
                    "parameter": parameter,
                    "unit": maps.units[parameter],
                    "mean": float("nan") if empty else float(known.mean()),
                    "sd": float(known.std(ddof=1)) if known.size > 1 else float("nan"),
                    "median": float("nan") if empty else float(np.median(known)),
                    "n": int(known.size),
                    "rejected": int(mask.sum() - known.size),
                }
            )
    return rows


def ended(maps: Maps) -> dict[str, int]:
    """Return how many voxels' fits ended how; those at a bound have a value that is a limit and no measurement."""
    import numpy as np

    from ..core.maps import STATUS

    return {word: count for code, word in STATUS.items() if (count := int(np.count_nonzero(maps.status == code)))}


def _write(maps: Maps, rows: list[dict[str, Any]]) -> None:
    from ..report.quantities import label, quantity
    from ..report.table import Table

    shown = tuple(
        (
            label(row["region"]), label(row["parameter"]),
            *(quantity(row[key], row["unit"]) for key in ("mean", "sd", "median")),
            str(row["n"]), str(row["rejected"]),
        )
        for row in rows
    )  # fmt: skip
    columns = ("region", "parameter", "mean", "SD", "median", "n", "rejected")
    write_tables(Table(title=f"Fit of {maps.model}", columns=columns, rows=shown, numeric=(2, 3, 4, 5, 6)))

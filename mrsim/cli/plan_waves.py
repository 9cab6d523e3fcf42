"""`mrsim plan-waves`: which frequency, voxel and number of gradient cycles tell a tissue's stiffness best."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click

from .options import json_option
from .output import write_json, write_tables

SHOWN = 12
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def _quantities(dimension: str) -> Any:
    """Return a callback that reads one number or several with a unit."""

    def read(context: click.Context, parameter: click.Parameter, text: str) -> tuple[float, ...]:
        from ..core.units import parse_quantity

        try:
            return parse_quantity(text, dimension)
        except ValueError as problem:
            raise click.BadParameter(str(problem)) from None

    return read


def _option(name: str, default: str, dimension: str, text: str) -> Decorator:
    return click.option(name, default=default, show_default=True, callback=_quantities(dimension), help=text)


@click.command("plan-waves")
@_option("--stiffness", "12.5 kPa", "pressure", "Shear stiffness rho c^2 of the tissue.")
@_option("--loss-angle", "0.5 rad", "angle", "Phase of its complex modulus.")
@_option("--stiffness-at", "80 Hz", "frequency", "Frequency at which they hold.")
@click.option("--exponent", type=click.FloatRange(0, 1), default=0.0, show_default=True, help="Of its dispersion.")
@_option("--region", "30 mm", "length", "Extent of the tissue.")
@_option("--depth", "0 mm", "length", "From where the motion is known to the tissue.")
@_option("--t2", "90 ms", "time", "T2 of the tissue.")
@click.option("--snr", type=click.FloatRange(0, min_open=True), default=50.0, show_default=True,
              help="Of the magnitude at TE 0, in voxels of 2 mm.")  # fmt: skip
@_option("--displacement", "10 um", "length", "Amplitude of the motion.")
@_option("--gradient", "30 mT/m", "gradient", "Motion-encoding gradient.")
@_option("--frequency", "60 80 200 400 1000 Hz", "frequency", "Frequencies to try.")
@_option("--voxel", "1 2 3 mm", "length", "Sides of isotropic voxels to try.")
@click.option("--cycles", type=click.IntRange(1, 20), default=6, show_default=True, help="Most cycles to try.")
@_option("--repeat-sd", "0.6 kPa", "pressure", "SD of the measured stiffness on repetition.")
@json_option
def command(cycles: int, as_json: bool, snr: float, exponent: float, **asked: tuple[float, ...]) -> None:
    """Weigh encoding, T2 loss, damping and voxels per wavelength of elastography of one tissue."""
    from ..plan.elastography import (
        WaveScan,
        best_choices,
        minimum_detectable_change,
        repeatability_coefficient,
    )

    one = {key: _one(key, values) for key, values in asked.items() if key not in ("frequency", "voxel")}
    stiffness, angle, at = one["stiffness"], one["loss_angle"], one["stiffness_at"]
    size = stiffness * (1 + math.cos(angle)) / 2
    turn = complex(math.cos(angle), math.sin(angle))
    scan = WaveScan(
        modulus=lambda f: size * (f / at) ** exponent * turn, region=one["region"], depth=one["depth"],
        t2=one["t2"], snr=snr, displacement=one["displacement"], gradient=one["gradient"],
    )  # fmt: skip
    found = best_choices(scan, asked["frequency"], asked["voxel"], range(1, cycles + 1))
    spread = one["repeat_sd"]
    repeat = {"repeatability_coefficient": repeatability_coefficient(spread),
              "minimum_detectable_change": minimum_detectable_change(spread)}  # fmt: skip
    if as_json:
        write_json({"choices": [asdict(choice) | {"usable": choice.usable} for choice in found]} | repeat)
        return
    _write(found, repeat)


def _write(found: tuple[Any, ...], repeat: dict[str, float]) -> None:
    from ..report.quantities import number, quantity, signed
    from ..report.table import Table

    rows = tuple(
        (
            quantity(c.frequency, "Hz"), quantity(c.voxel, "m"), str(c.cycles), quantity(c.te, "s", 3),
            number(c.efficiency * 1e-6, 3), number(c.displacement_noise * 1e6, 2), number(c.phase, 3),
            number(c.voxels_per_wavelength, 3), number(c.wavelengths, 2), number(c.derivative_snr, 3),
            signed(100 * c.noise_bias), signed(100 * c.dispersion_bias), "yes" if c.usable else "no",
        )
        for c in found[:SHOWN]
    )  # fmt: skip
    columns = ("frequency", "voxel", "cycles", "TE", "xi / rad/µm", "noise / µm", "phase / rad", "voxels/λ",
               "λ in region", "SNR of 2nd diff.", "noise bias / %", "voxel bias / %", "direct inversion")  # fmt: skip
    write_tables(
        Table(title="Best ways to see the waves", columns=columns, rows=rows, numeric=tuple(range(len(columns) - 1)))
    )
    usable = sum(choice.usable for choice in found)
    click.echo(f"{usable} of {len(found)} choices let a direct inversion tell the modulus to about 10 %")
    click.echo(
        f"on repetition: coefficient {quantity(repeat['repeatability_coefficient'], 'Pa', 3)}, "
        f"change detected in one subject with power 80 %: {quantity(repeat['minimum_detectable_change'], 'Pa', 3)}"
    )


def _one(key: str, values: tuple[float, ...]) -> float:
    """Return the only value of an option."""
    from ..core.errors import InputError

    if len(values) != 1:
        raise InputError(f"has {len(values)} values; one is wanted", key=f"--{key.replace('_', '-')}")
    return values[0]

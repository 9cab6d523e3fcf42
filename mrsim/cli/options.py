"""Options that several commands share, and how their texts become values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

F = TypeVar("F", bound=Callable[..., Any])
Read = Callable[[click.Context, click.Parameter, str | None], float | None]


def tesla(context: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    """Return a field strength, T, from ``3``, ``3T`` or ``"3 T"``; a bare number is in tesla."""
    if text is None:
        return None
    from ..core.units import parse_quantity

    try:
        values = parse_quantity(f"{text} T" if _is_number(text) else text, "magnetic field")
    except ValueError as problem:
        raise click.BadParameter(f"{problem}; write for example 3 or '3 T'", context, parameter) from None
    if len(values) != 1 or values[0] <= 0:
        raise click.BadParameter(f"'{text}' is no field strength; give one positive value, e.g. 3", context, parameter)
    return values[0]


def single(dimension: str, example: str, above_zero: bool = False) -> Read:
    """Return the callback of an option that takes one quantity with a unit, SI.

    dimension : a key of `mrsim.core.units.UNITS`; example : what a message shows; above_zero : what is refused else.
    """

    def value(context: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
        if text is None:
            return None
        from ..core.units import parse_quantity

        try:
            values = parse_quantity(text, dimension)
        except ValueError as problem:
            raise click.BadParameter(f"{problem}; write for example '{example}'", context, parameter) from None
        if len(values) != 1 or (above_zero and values[0] <= 0):
            said = f"'{text}' is no {'positive' if above_zero else 'single'} {dimension}; write for example '{example}'"
            raise click.BadParameter(said, context, parameter)
        return values[0]

    return value


def shipped(folder: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Return what completes an argument in a shell: names of the files shipped in `folder`, or else a path."""

    def complete(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
        from ..core.toml import available

        fitting = [CompletionItem(name) for name in available(folder) if name.startswith(begun)]
        return fitting or [CompletionItem(begun, type="file")]

    return complete


def models(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete the name of a signal model or an inversion."""
    from ..fit.inversions import INVERSIONS
    from ..fit.models import MODELS

    return [CompletionItem(one.name, help=one.title) for one in (*MODELS, *INVERSIONS) if one.name.startswith(begun)]


def protocol_keys(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete the key of ``--set``: what the named protocol's family knows."""
    from dataclasses import fields

    from ..core.errors import UserError
    from ..core.toml import resource
    from ..sequence.protocol import FOLDER, read_protocol_file

    words = [context.params.get("protocol"), *context.args]  # an option without its value leaves arguments unread
    try:
        family = read_protocol_file(resource(next(filter(None, words), ""), FOLDER, "protocol"), {})[1]
    except UserError:
        return []
    return [CompletionItem(f"{key}=") for key in (field.name for field in fields(family)) if key.startswith(begun)]


def materials(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete the name of a material set."""
    from ..phantom.tissue import material_sets

    return [CompletionItem(name) for name in material_sets() if name.startswith(begun)]


hertz = single("frequency", "20 Hz")
seconds = single("time", "90 ms")


def grades(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[int, ...] | int | None:
    """Return a Pfirrmann grade, or several for the discs of a spine, from ``3`` or ``1,2,3,4,5``."""
    if text is None:
        return None
    words = [word.strip() for word in text.split(",")]
    if not all(word in {"1", "2", "3", "4", "5"} for word in words):
        problem = f"'{text}' is no Pfirrmann grade; give 1 to 5, or one for each disc of a spine, e.g. 1,2,3,4,5"
        raise click.BadParameter(problem, context, parameter)
    numbers = tuple(int(word) for word in words)
    return numbers if len(numbers) > 1 else numbers[0]


def entries(context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    """Return the protocol entries to change from texts ``key=value``, each value with its unit."""
    changed: dict[str, str] = {}
    for text in texts:
        key, sign, value = (part.strip() for part in text.partition("="))
        if not (sign and key and value):
            raise click.BadParameter(f"'{text}' is not key=value; write for example \"te=10 ms\"", context, parameter)
        if changed.setdefault(key, value) != value:
            twice = f"{key} is given twice, as '{changed[key]}' and as '{value}'; give it once"
            raise click.BadParameter(twice, context, parameter)
    return changed


def recon_entries(context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    """Return the entries of a reconstruction from texts ``key=value``; a bare word is the method."""
    return entries(context, parameter, tuple(text if "=" in text else f"method={text}" for text in texts))


def position(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[float, ...] | None:
    """Return a place, m, from three lengths with a unit, e.g. ``"0 0 22 mm"``; None stays None."""
    from ..core.units import parse_quantity

    if text is None:
        return None
    try:
        values = parse_quantity(text, "length")
    except ValueError as problem:
        raise click.BadParameter(f"{problem}; write for example '0 0 22 mm'", context, parameter) from None
    if len(values) != 3:
        raise click.BadParameter(f"'{text}' has {len(values)} values; give x, y and z", context, parameter)
    return values


def positive(context: click.Context, parameter: click.Parameter, number: float | None) -> float | None:
    """Return the number if it is positive and finite."""
    if number is not None and not (math.isfinite(number) and number > 0):
        raise click.BadParameter(f"{number:g} is not a positive number", context, parameter)
    return number


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def noise_level(context: click.Context, parameter: click.Parameter, text: str | None) -> float | str | None:
    """Return the standard deviation of the noise from a number, or the word that has it from the residuals."""
    if text is None or text == "residuals":
        return text
    try:
        return positive(context, parameter, float(text))
    except ValueError:
        raise click.BadParameter(f"'{text}' is neither a number nor 'residuals'", context, parameter) from None


def together(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Return a decorator that adds several options, in the given order."""

    def add(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return add


protocol_argument = click.argument("protocol", metavar="PROTOCOL", shell_complete=shipped("protocols"))
field_option = click.option(
    "--field", metavar="TESLA", callback=tesla, help="Field strength: picks the scanner preset, 1.5, 3 or 7."
)
scanner_option = click.option(
    "--scanner", metavar="NAME", shell_complete=shipped("protocols/scanners"),
    help="Scanner preset or path of a scanner file.",
)  # fmt: skip
set_option = click.option(
    "--set", "overrides", metavar="KEY=VALUE", multiple=True, callback=entries,
    shell_complete=protocol_keys, help='Change a protocol entry, e.g. --set "echo_spacing=10 ms".',
)  # fmt: skip
given_option = click.option(
    "--given", metavar="NAME=VALUE", multiple=True, callback=entries,
    help="Give the fit an option: a number with its unit, a file with a map (.h5, .nii) or, in 'mrsim run', a protocol "
    "that measures it, e.g. --given b1=0.9.",
)  # fmt: skip
tissues_option = click.option(
    "--tissue", "tissues", metavar="NAME", multiple=True, shell_complete=shipped("phantoms/tissues"),
    help="Only this tissue; may be repeated.",
)  # fmt: skip
json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout and nothing else.")
seed_option = click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of the noise.")
noise_free_option = click.option("--noise-free", is_flag=True, help="Add no noise (the same as --without noise).")
phantom_options = together(
    click.option(
        "--grade",
        metavar="GRADE",
        callback=grades,
        help="Pfirrmann grade of the disc, 1 to 5; of a spine one for all discs or a list, the lowest disc last.",
    ),
    click.option(
        "--phantom", metavar="NAME", shell_complete=shipped("phantoms"), help="Phantom or path of a phantom file."
    ),
    click.option(
        "--material",
        "materials",
        multiple=True,
        metavar="SET",
        shell_complete=materials,
        help="Material set where the literature disagrees, e.g. ecr; mrsim list materials.",
    ),
    click.option(
        "--extrapolate",
        is_flag=True,
        help="Allow a field strength beyond those at which the tissues are known; the report then names them.",
    ),
    click.option("--b1", type=float, callback=positive, help="Transmit field relative to the nominal one, e.g. 0.9."),
    click.option("--offset", metavar="FREQUENCY", callback=hertz, help='Off-resonance of the object, e.g. "20 Hz".'),
)
field_options = together(
    click.option(
        "--susceptibility", "surroundings", type=click.Choice(["water", "air", "torso"]),
        help="Let the phantom's tissues disturb the main field, in these surroundings.",
    ),
    click.option("--offset-map", metavar="FILE", help="Map of off-resonance in Hz, NIfTI or HDF5, before the shim."),
    click.option("--shim", type=click.IntRange(0, 8), help="Highest degree of the shim [default: the scanner's]."),
    click.option("--transmit", metavar="NAME", help="Transmit field: uniform, body, or a map of relative B1+."),
    click.option("--receive", metavar="NAME", help="Receive coils: uniform, volume, spine-8, -16, -32, head-8, -32."),
)  # fmt: skip
recon_option = click.option(
    "--recon", metavar="METHOD|KEY=VALUE", multiple=True, callback=recon_entries,
    help="How to reconstruct: a method of 'mrsim recon' (sense, grappa, iterative, ...), its options, and ghost, "
    "partial, window, size, maps (calibration, prescan or a file), unwarp, off_resonance, noise_scan, each as "
    "key=value, e.g. --recon grappa --recon maps=prescan.",
)  # fmt: skip
engine_options = together(
    click.option(
        "--without", multiple=True, metavar="CAUSE",
        help="Leave out a cause of error: noise, slice-profile, t2-prime, chemical-shift, partial-volume, "
        "imperfections, b1, off-resonance, diffusion.",
    ),
    click.option(
        "--with", "including", multiple=True, metavar="EFFECT",
        help="Take in an effect: mt, magnetisation transfer with the bound protons of the tissues' facts.",
    ),
    click.option(
        "--engine", type=click.Choice(["bloch", "pathways"]),
        help="Spins (bloch) or configuration states (pathways) [default: the protocol's, else bloch].",
    ),
    click.option(
        "--longest", metavar="TIME", callback=single("time", "30 min", above_zero=True),
        help="Allow a simulation that is predicted to take up to this [default: 30 min].",
    ),
    click.option(
        "--max-memory", "memory", metavar="SIZE", callback=single("memory", "4 GiB", above_zero=True),
        help="Refuse a run that is predicted to need more [default: what the machine can give].",
    ),
    click.option("--threads", type=click.IntRange(1), help="Worker threads; the result does not depend on it."),
    click.option("--accuracy", type=float, callback=positive, help="Wanted discretisation error over M0, e.g. 1e-4."),
    click.option("--precision", type=click.Choice(["double", "single"]), help="Floating-point numbers of the engine."),
    click.option(
        "--device", type=click.Choice(["cpu", "cuda", "auto"]),
        help="Where the Bloch engine runs; auto takes a graphics processor where there is one.",
    ),
)  # fmt: skip
noise_model_options = together(
    click.option(
        "--likelihood", type=click.Choice(["gaussian", "rician"]), default="gaussian", show_default=True,
        help="Of the noise in the fit; rician for magnitudes near the noise.",
    ),
    click.option(
        "--noise-floor", type=click.Choice(["keep", "subtract"]), default="keep", show_default=True,
        help="Take the noise's power off magnitudes before the fit.",
    ),
)  # fmt: skip
sequence_options = together(protocol_argument, field_option, scanner_option, set_option)


def engine_settings(asked: dict[str, Any]) -> dict[str, Any]:
    """Take the engine and its options out of what a command is asked; return those that were given."""
    names = {"engine": "name"} | {name: name for name in ("accuracy", "precision", "device", "longest", "memory")}
    given = {name: asked.pop(option, None) for option, name in names.items()}
    return {name: value for name, value in given.items() if value is not None}


def causes(without: tuple[str, ...], noise_free: bool) -> tuple[str, ...]:
    """Return the causes to leave out, each once."""
    return tuple(dict.fromkeys((*without, *(("noise",) if noise_free else ()))))

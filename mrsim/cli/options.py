"""Options that several commands share, and how their texts become values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


class FieldStrength(click.ParamType):
    """A field strength: ``3``, ``3T``, ``"3 T"``. A bare number is in tesla."""

    name = "TESLA"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the field strength, T."""
        from ..core.units import parse_quantity

        text = str(value).strip()
        try:
            number = float(text)
        except ValueError:
            try:
                values = parse_quantity(text, "magnetic field")
            except ValueError as problem:
                self.fail(f"{problem}; write for example 3 or '3 T'", param, ctx)
            if len(values) != 1:
                self.fail(f"'{text}' is {len(values)} values; give one", param, ctx)
            number = values[0]
        if not (math.isfinite(number) and number > 0):
            self.fail(f"'{text}' is no field strength; give a positive number of tesla, e.g. 3", param, ctx)
        return number


class Entry(click.ParamType):
    """A protocol entry to change: ``key=value``, the value with its unit."""

    name = "KEY=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Return key and value as text."""
        if isinstance(value, tuple):
            return value[0], value[1]
        key, sign, text = str(value).partition("=")
        if not sign or not key.strip() or not text.strip():
            self.fail(f"'{value}' is not key=value; write for example \"te=10 ms\"", param, ctx)
        return key.strip(), text.strip()


class Positive(click.ParamType):
    """A positive, finite number."""

    name = "NUMBER"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        try:
            number = float(value)
        except ValueError:
            self.fail(f"'{value}' is not a number", param, ctx)
        if not (math.isfinite(number) and number > 0):
            self.fail(f"'{value}' is not a positive number", param, ctx)
        return number


def together(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Return a decorator that adds several options, in the given order."""

    def add(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return add


protocol_argument = click.argument("protocol", metavar="PROTOCOL")
field_option = click.option("--field", type=FieldStrength(), help="Field strength: picks the scanner preset, 1.5, 3 or 7.")
scanner_option = click.option("--scanner", metavar="NAME", help="Scanner preset or path of a scanner file.")
set_option = click.option(
    "--set", "entries", type=Entry(), multiple=True, help='Change a protocol entry, e.g. --set "echo_spacing=10 ms".'
)
json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout and nothing else.")
seed_option = click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of the noise.")
noise_free_option = click.option("--noise-free", is_flag=True, help="Add no noise (the same as --without noise).")
phantom_options = together(
    click.option("--grade", type=click.IntRange(1, 5), help="Pfirrmann grade of the disc, 1 to 5."),
    click.option("--phantom", metavar="NAME", help="Phantom or path of a phantom file."),
)
engine_options = together(
    click.option(
        "--without", multiple=True, metavar="CAUSE",
        help="Leave out a cause of error: noise, slice-profile, t2-prime, chemical-shift, partial-volume.",
    ),
    click.option("--threads", type=click.IntRange(1), help="Worker threads; the result does not depend on it."),
    click.option("--accuracy", type=Positive(), help="Wanted discretisation error over M0, e.g. 1e-4."),
    click.option("--precision", type=click.Choice(["double", "single"]), help="Floating-point numbers of the engine."),
)  # fmt: skip
sequence_options = together(protocol_argument, field_option, scanner_option, set_option)


def engine_settings(accuracy: float | None, precision: str | None) -> dict[str, Any]:
    """Return the engine's options that were given."""
    given = {"accuracy": accuracy, "precision": precision}
    return {name: value for name, value in given.items() if value is not None}


def causes(without: tuple[str, ...], noise_free: bool) -> tuple[str, ...]:
    """Return the causes to leave out, each once."""
    return tuple(dict.fromkeys((*without, *(("noise",) if noise_free else ()))))

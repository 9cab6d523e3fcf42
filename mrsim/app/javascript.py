"""Formulas as JavaScript: the symbolic expressions printed by sympy, common parts computed once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .equations import Equation


def formulas_source(found: Iterable[Equation]) -> str:
    """Return a script that defines `Formula`: name -> function of the arguments; slopes under `NAME_slopes`."""
    parts = []
    for equation in found:
        parts.append(_function(equation.name, equation.arguments, (equation.value,)))
        if equation.slopes:
            parts.append(_function(f"{equation.name}_slopes", equation.arguments, equation.slopes))
    return "const Formula = {\n" + "\n".join(parts) + "\n};\n"


def _function(name: str, arguments: tuple[str, ...], values: tuple[Any, ...]) -> str:
    from sympy import cse, jscode, numbered_symbols

    shared, wanted = cse(values, symbols=numbered_symbols("x_"))
    lines = [f"    const {symbol} = {_flat(jscode(value))};" for symbol, value in shared]
    printed = [_flat(jscode(value)) for value in wanted]
    result = printed[0] if len(printed) == 1 else f"[{', '.join(printed)}]"
    return "\n".join([f"  {name}({', '.join(arguments)}) {{", *lines, f"    return {result};", "  },"])


def _flat(code: str) -> str:
    return " ".join(code.split())

"""The models as the documentation shows them: equation and table of symbols, from the fitted expression itself."""

from __future__ import annotations

from .inversion import Inversion
from .method import Method
from .model import Description, Model
from .models import find_model


def equation(model: Description | str) -> str:
    r"""Return the model's equation in LaTeX, e.g. ``S = M_0 e^{- \frac{T_E}{T_2}}``."""
    import sympy

    found = find_model(model) if isinstance(model, str) else model
    if isinstance(found, Method | Inversion):
        return found.formula
    assert isinstance(found, Model)
    symbols = found.symbols()
    names = {
        symbols[entry.name]: entry.symbol
        for group in (found.parameters, found.contrast, found.options)
        for entry in group
    }
    return f"S = {sympy.latex(found.expression(), symbol_names=names)}"


def symbol_rows(model: Description | str) -> list[tuple[str, str, str, str]]:
    """Return (LaTeX symbol, name, unit, description) of everything in the equation, parameters first."""
    found = find_model(model) if isinstance(model, str) else model
    groups = (found.parameters, found.derived, found.contrast, found.options)
    return [(entry.symbol, entry.name, entry.unit, entry.description) for group in groups for entry in group]


def markdown(model: Description | str) -> str:
    """Return a section for the documentation: title, equation, symbols, bounds and reference."""
    found = find_model(model) if isinstance(model, str) else model
    bounds = {p.name: f"fitted, {p.lower:g} to {p.upper:g}" for p in found.parameters}
    bounds |= {p.name: "from the fitted ones" for p in found.derived}
    bounds |= {c.name: "contrast table" for c in found.contrast}
    bounds |= {o.name: f"option{' or map' if o.varies else ''}, {o.default:g}" for o in found.options}
    rows = [f"| ${s}$ | `{n}` | {u or '1'} | {d} | {bounds[n]} |" for s, n, u, d in symbol_rows(found)]
    table = ["| symbol | name | unit | meaning | source |", "|---|---|---|---|---|", *rows]
    head = [f"## `{found.name}`", "", f"{found.title}.", "", "$$", equation(found), "$$", ""]
    return "\n".join([*head, *table, "", f"{found.reference}.", ""])

"""From a model's one expression to the source text of its kernels: value and exact Jacobian.

The expression and its derivatives are split by what they depend on. What the images alone decide (sin of
the flip angle, TR - TE/2) becomes a row of a table that is filled once per fit; what the parameters alone
decide (1/T2) is computed once per voxel and round; the rest is computed per voxel and image, after common
subexpressions are shared, so that value and Jacobian together cost one exponential per decay. Names made
here start with an underscore, which leaves all others to the models.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from .model import Model

TEMPLATE = Path(__file__).parent / "_kernels" / "levenberg_marquardt.py"
BEGIN, END = "# === model ===\n", "# === solver ===\n"


@dataclass(slots=True, eq=False)
class Split:
    """Sorts subexpressions by what they depend on, and names them."""

    parameters: frozenset[Any]
    """Symbols of the parameters and of what is held; every other symbol is a fact about the images."""
    rows: dict[Any, Any] = field(default_factory=dict)
    """Expression of the images alone -> symbol of its table row."""
    temporaries: dict[Any, Any] = field(default_factory=dict)
    """Expression of the parameters alone -> symbol of its temporary."""

    def reduce(self, expression: Any) -> Any:
        """Return `expression` with every part that depends on one side alone replaced by a symbol."""
        from sympy import Add, Mul

        symbols = expression.free_symbols
        if not symbols:
            return expression
        if not symbols & self.parameters:
            return self._name(self.rows, "_c", expression)
        if symbols <= self.parameters:
            return expression if expression.is_Symbol else self._name(self.temporaries, "_q", expression)
        if not isinstance(expression, (Add, Mul)):
            return expression.func(*(self.reduce(part) for part in expression.args))
        images = [p for p in expression.args if p.free_symbols and not p.free_symbols & self.parameters]
        voxel = [p for p in expression.args if p.free_symbols and p.free_symbols <= self.parameters]
        mixed = [self.reduce(p) for p in expression.args if p.free_symbols and p not in images and p not in voxel]
        numbers = [p for p in expression.args if not p.free_symbols]
        (images or voxel or mixed).extend(numbers)
        groups = [self.reduce(expression.func(*group)) for group in (images, voxel) if group]
        return expression.func(*groups, *mixed)

    def _name(self, names: dict[Any, Any], prefix: str, expression: Any) -> Any:
        from sympy import Symbol

        return names.setdefault(expression, Symbol(f"{prefix}{len(names)}", real=True))


@cache
def _printers() -> tuple[Any, Any]:
    """Return the printers of lane code and of table code."""
    from sympy.printing.numpy import NumPyPrinter
    from sympy.printing.pycode import PythonCodePrinter

    class LanePrinter(PythonCodePrinter):  # type: ignore[misc]
        """Scalar code for numba: our exponential, products in place of integer powers, floats only."""

        def _print_exp(self, expression: Any) -> str:
            return f"exponential({self._print(expression.args[0])})"

        def _print_Integer(self, expression: Any) -> str:
            return f"{int(expression)}.0"

        def _print_Rational(self, expression: Any) -> str:
            return repr(float(expression))

        def _print_Pow(self, expression: Any, **_: Any) -> str:
            base, power = expression.as_base_exp()
            text = self.parenthesize(base, 1000)
            if power.is_Integer and abs(power) <= 4:
                product = "*".join([text] * abs(int(power)))
                return f"({product})" if power > 0 else f"(1.0/({product}))"
            if power.is_Rational and power.q == 2 and abs(power.p) == 1:
                return f"math.sqrt({text})" if power > 0 else f"(1.0/math.sqrt({text}))"
            return f"({text}**({self._print(power)}))"

    return LanePrinter(), NumPyPrinter()


def generate(model: Model, held: tuple[str, ...] = (), rician: bool = False) -> str:
    """Return the source text of the model's kernel module: the solver with the model's code in place.

    Options named in `held` are values of the voxel, all others facts about the images. With `rician` the data are
    magnitudes; what is held then begins with the noise of the voxel's data.
    """
    head, rest = TEMPLATE.read_text(encoding="utf-8").split(BEGIN)
    _, tail = rest.split(END)
    return f"{head}{BEGIN}{_model_section(model, held, rician)}\n\n{END}{tail}"


def _model_section(model: Model, held: tuple[str, ...], rician: bool) -> str:
    from sympy import Symbol, cse, diff, numbered_symbols

    symbols = model.symbols()
    parameters = [symbols[p.name] for p in model.parameters]
    own = [*parameters, *([Symbol("_noise", real=True)] if rician else []), *(symbols[name] for name in held)]
    expression = model.expression()
    split = Split(frozenset(own))
    wanted = [split.reduce(e) for e in (expression, *(diff(expression, p) for p in parameters))]
    shared, wanted = cse(wanted, symbols=numbered_symbols("_x"))
    lane, _ = _printers()
    count, temporaries = len(parameters), list(split.temporaries.values())
    inside = [f"{symbol} = work[{k} * LANES + lane]" for k, symbol in enumerate((*own, *temporaries))]
    inside += [f"{symbol} = {lane.doprint(e)}" for symbol, e in shared]
    before = ["for lane in range(LANES):"]
    before += _indent(inside[: len(own)])
    before += _indent(
        f"work[{len(own) + k} * LANES + lane] = {lane.doprint(e)}" for k, e in enumerate(split.temporaries)
    )
    rows = [f"{symbol} = table[{k}, i]" for k, symbol in enumerate(split.rows.values())]
    values = [lane.doprint(e) for e in wanted]
    sizes = (
        f"PARAMETERS = {count}\nRICIAN = {int(rician)}\nHELD = {len(own) - count}\nTEMPORARIES = {len(temporaries)}\n"
    )
    parts = [
        sizes,
        _tabulate(model, split, held),
        _accumulate(count, len(own) + len(temporaries), before, rows, inside, values, rician),
        _evaluate(before, rows, inside, values),
    ]
    return "\n\n".join(parts)


def _indent(lines: Iterable[str], levels: int = 1) -> list[str]:
    return ["    " * levels + line for line in lines]


def _tabulate(model: Model, split: Split, held: tuple[str, ...]) -> str:
    _, table = _printers()
    names = [f"{c.name} = contrast[{c.name!r}]" for c in model.contrast]
    names += [f"{o.name} = options[{o.name!r}]" for o in model.options if o.name not in held]
    rows = [f"{table.doprint(e)}," for e in split.rows]
    lines = [
        "def tabulate(contrast, options):",
        *_indent([*names, f"_n = len(contrast[{model.contrast[0].name!r}])", "_rows = ("]),
        *_indent(rows, 2),
        *_indent(
            [")", "return np.stack([np.broadcast_to(np.asarray(_row, dtype=np.float64), (_n,)) for _row in _rows])"]
        ),
    ]
    return "\n".join(lines).replace("numpy.", "np.")


def _accumulate(
    count: int, cost: int, before: list[str], rows: list[str], inside: list[str], values: list[str], rician: bool
) -> str:
    end = cost + 1 + count + count * (count + 1) // 2
    normal = [(a, b) for a in range(count) for b in range(a + 1)]
    residual = [f"_r = {values[0]} - series[i * LANES + lane]"]
    added = "_t * _r"
    if rician:
        # half of -2 log L sigma^2 has the gradient of least squares against data times I1 / I0
        residual = [
            f"_s, _y = {values[0]}, series[i * LANES + lane]",
            "_z = _w * _y * _s / (_noise * _noise)",
            "_b, _g = bessel_ratio(_z)",
            "_r = _s - _y * _b",
        ]
        added = "_w * (_s - _y) * (_s - _y) + 2.0 * _noise * _noise * _g"
    body = [*inside, *residual, "_t = _w * _r"]
    body += [f"_j{k} = {value}" for k, value in enumerate(values[1:])]
    body += [f"work[{cost} * LANES + lane] += {added}"]
    body += [f"work[{cost + 1 + k} * LANES + lane] += _t * _j{k}" for k in range(count)]
    body += [f"work[{cost + 1 + count + k} * LANES + lane] += _w * _j{a} * _j{b}" for k, (a, b) in enumerate(normal)]
    lines = [
        '@njit(fastmath=FLAGS, error_model="numpy")',
        "def accumulate(table, weight, series, work):",
        *_indent([f"for k in range({cost} * LANES, {end} * LANES):", "    work[k] = 0.0", *before]),
        *_indent(["for i in range(weight.size):", "    _w = weight[i]", *_indent(rows)]),
        *_indent(["for lane in range(LANES):", *_indent(body)], 2),
    ]
    return "\n".join(lines)


def _evaluate(before: list[str], rows: list[str], inside: list[str], values: list[str]) -> str:
    body = [*inside, *(f"out[{k}, i, lane] = {value}" for k, value in enumerate(values))]
    lines = [
        '@njit(void(f8[:, ::1], f8[::1], f8[:, :, ::1]), nogil=True, cache=True, fastmath=FLAGS, error_model="numpy")',
        "def evaluate(table, work, out):",
        *_indent(before),
        *_indent(["for i in range(table.shape[1]):", *_indent(rows)]),
        *_indent(["for lane in range(LANES):", *_indent(body)], 2),
    ]
    return "\n".join(lines)

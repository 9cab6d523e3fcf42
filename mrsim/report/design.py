"""The table of what b-values a diffusion protocol should have."""

from __future__ import annotations

from typing import Any

from .quantities import label
from .table import Table


def design_table(found: Any) -> Table:
    """Return the choices, one row per largest b-value, and the protocol as it stands."""
    names = [name for name in found.truth if name != "m0"]

    def line(title: str, row: Any) -> tuple[str, ...]:
        images = ", ".join(f"{1e-6 * b:.0f} x {n}" for b, n in zip(row.b, row.images, strict=True))
        spread = (f"{100 * row.spread[name]:.2g} %" for name in names)
        return title, f"{1e-6 * row.largest:.0f}", f"{1e3 * row.te:.1f}", f"{row.snr:.1f}", images, *spread

    rows = (
        *(line("best" if row == found.best else "", row) for row in found.rows), line("as it stands", found.own),
    )  # fmt: skip
    columns = ("", "b max, s/mm²", "TE, ms", "SNR, b 0", "b x images", *(f"SD of {label(name)}" for name in names))
    title = (
        f"{found.protocol}, {label(found.tissue)}, {found.model}: {found.images} images in {found.time / 60:.1f} min"
    )
    return Table(title=title, columns=columns, rows=rows, numeric=(1, 2, 3, *range(5, 5 + len(names))))

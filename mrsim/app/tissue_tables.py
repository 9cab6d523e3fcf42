"""Tissues on their way into the page: every time at nodes of the field, with what each value rests on.

Between the nodes ln T is a line in ln B, as between tabulated fields everywhere in mrsim; the largest difference that
this makes from the tissue's own laws is measured halfway between the nodes and stated in the page. A field at which the
laws contradict each other (T2 above twice T1, T2* above T2) has no values there, and the page says so.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..phantom.tissue import Tissue
from ..study.import_phantom import open_phantom
from .arrays import packed

PHANTOM = "lumbar-disc"
LOWEST, HIGHEST, NODES = 0.05, 11.7, 72
BESIDE = 1 + 1e-7
"""Ratio by which a second node lies beside a tabulated field, where a law may start anew."""
POOLS = ("pd", "t1", "t2", "r2_prime")
ROWS = {"t1": "T1", "t2": "T2", "t2_star": "T2*", "pd": "proton density", "fat_t1": "T1 of fat", "fat_t2": "T2 of fat",
        "fat_t2_star": "T2* of fat", "fat_pd": "proton density of fat", "fat_fraction": "fat fraction"}  # fmt: skip


def field_nodes() -> NDArray[np.float64]:
    """Return the fields, T, of every table: even steps in ln B, presets with a node on each side."""
    even = np.exp(np.linspace(math.log(LOWEST), math.log(HIGHEST), NODES))
    known = [b * f for b in (1.5, 3.0, 7.0) for f in (1 / BESIDE, 1.0, BESIDE)]
    even[0], even[-1] = LOWEST, HIGHEST
    return np.unique(np.concatenate([even, known]))


def phantom_tissues(grade: int) -> tuple[Tissue, ...]:
    """Return the tissues of the page's phantom."""
    return open_phantom(PHANTOM, 3.0, grade, (), False).tissues


def tissue_tables() -> dict[str, Any]:
    """Return the tissues of all grades: ``fields``, ``tissues`` by "name/grade" and what the values rest on."""
    nodes = field_nodes()
    texts: dict[str, int] = {}
    found: dict[str, Any] = {}
    for grade in range(1, 6):
        for tissue in phantom_tissues(grade):
            key = tissue_key(tissue)
            if key not in found:
                found[key] = _table(replace(tissue, extrapolate=True), nodes, texts)
    return {"fields": nodes.tolist(), "tissues": found, "texts": list(texts), "error": interpolation_error(nodes)}


def tissue_key(tissue: Tissue) -> str:
    """Return how the page calls a tissue: "nucleus_pulposus/3", or "csf" without grades."""
    return tissue.name if tissue.grade is None else f"{tissue.name}/{tissue.grade}"


def pool_values(tissue: Tissue, field: float) -> dict[str, list[float]] | None:
    """Return {"water": [pd, T1, T2, R2'], "fat": ...} of a tissue; None where its values contradict each other."""
    try:
        pools = tissue.pools(field)
    except InputError:
        return None
    fat = [pool for pool in pools if pool.name.startswith("fat")]
    water = [pool for pool in pools if not pool.name.startswith("fat")]
    made = {}
    for name, several in (("water", water), ("fat", fat)):
        if several:
            first = several[0]
            made[name] = [sum(p.pd for p in several), first.t1, first.t2, 1 / first.t2_prime]
    return made


def _table(tissue: Tissue, nodes: NDArray[np.float64], texts: dict[str, int]) -> dict[str, Any]:
    rows = [pool_values(tissue, float(b)) for b in nodes]
    names = next(iter(row for row in rows if row is not None)).keys()
    empty = [math.nan] * len(POOLS)
    table: dict[str, Any] = {
        "title": tissue.name.replace("_", " "), "grade": tissue.grade,
        "shift": tissue.shift,
        "pools": {name: packed(np.array([row[name] if row else empty for row in rows]).T) for name in names},
        "known": _known(tissue, nodes, texts),
        "range": _range(tissue, nodes),
    }  # fmt: skip
    if tissue.fat:
        pools = [pool for pool in tissue.pools(3.0) if pool.name.startswith("fat")]
        total = sum(pool.pd for pool in pools)
        table["peaks"] = [[pool.shift * 1e6, pool.pd / total] for pool in pools]
    return table


def _range(tissue: Tissue, nodes: NDArray[np.float64]) -> list[float]:
    """Return the lowest and the highest field, T, at which nothing is extrapolated."""
    inside = [float(b) for b in nodes if not tissue.extrapolated(float(b))]
    return [min(inside), max(inside)]


def _known(tissue: Tissue, nodes: NDArray[np.float64], texts: dict[str, int]) -> list[list[Any]]:
    """Return rows of (what, from field, to field, spread / value, source, provenance, value); texts by number."""
    rows: list[list[Any]] = []
    for name in tissue.names():
        for field in nodes.tolist():
            try:
                entry = tissue.property(name, field)
            except InputError:
                continue
            source, provenance = (texts.setdefault(text, len(texts)) for text in (entry.source, entry.provenance))
            share = round(entry.sd / entry.value, 4) if entry.value else 0.0
            last = rows[-1] if rows else None
            own = round(entry.value, 4) if entry.unit == "" else None  # times follow from the pools
            if last and last[0] == ROWS[name] and last[3:] == [share, source, provenance, own]:
                last[2] = field
            else:
                rows.append([ROWS[name], field, field, share, source, provenance, own])
    return rows


def interpolation_error(nodes: NDArray[np.float64]) -> float:
    """Return the largest relative error of any time or density halfway between two nodes, over all tissues."""
    worst = 0.0
    for grade in range(1, 6):
        for tissue in phantom_tissues(grade):
            if grade > 1 and tissue.grade is None:
                continue
            own = replace(tissue, extrapolate=True)
            ends = [pool_values(own, float(b)) for b in nodes]
            for low, high, before, after in zip(nodes[:-1], nodes[1:], ends[:-1], ends[1:], strict=True):
                middle = pool_values(own, float(math.sqrt(low * high))) if before and after else None
                for name in middle or {}:
                    for a, b, true in zip(before[name], after[name], middle[name], strict=True):  # type: ignore[index]
                        guess = math.sqrt(a * b)
                        worst = max(worst, abs(guess / true - 1) if true else 0.0)
    return worst

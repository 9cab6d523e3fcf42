"""One protocol at several field strengths: kept as it is, or with its free settings chosen anew at each of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..core.errors import InfeasibleError, InputError
from ..phantom.phantom import true_values
from ..phantom.transmit import cylinder_b1, known_torso, torso_dielectric
from ..plan.exchange_contrast import tissue_asymmetry
from ..plan.forecast import Forecast
from .plan import Tell, forecast, regional
from .request import RunRequest
from .run import prepare
from .snr import representative

RADIUS = 0.10
"""Radius of the body over which B1+ is called uniform or not, m."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AtField:
    """A protocol at one field strength."""

    field: float
    """T."""
    entries: dict[str, str]
    """Protocol entries that were chosen anew; empty where the protocol is kept."""
    plan: Forecast | None
    """None where the scanner cannot play it."""
    relaxation: dict[str, dict[str, float]]
    """Tissue -> t1, t2, t2_star, s."""
    gag: dict[str, float]
    """Tissue -> asymmetry of its Z-spectrum by glycosaminoglycan; NaN where it has none."""
    least_b1: float
    """Least |B1+| within `RADIUS` of the axis of a cylinder of torso, over that on it; NaN where it is unknown."""
    problem: str = ""
    """Why there is no plan."""

    def best_snr(self, tissue: str) -> float:
        """Return the tissue's SNR in its best image over the root of the scan time, 1/sqrt(s); NaN without a plan."""
        rows = [] if self.plan is None else [row for row in self.plan.snr[0].rows if row.tissue == tissue]
        if self.plan is None or not rows:
            return math.nan
        return max(row.snr for row in rows) / math.sqrt(self.plan.scan_time)

    def contrast(self, first: str, second: str) -> float:
        """Return the largest difference of two tissues' SNR in one image over the root of the scan time, 1/sqrt(s)."""
        if self.plan is None:
            return math.nan
        snr = {(row.tissue, row.image): row.snr for row in self.plan.snr[0].rows}
        images = [image for tissue, image in snr if tissue == first and (second, image) in snr]
        gaps = [abs(snr[first, image] - snr[second, image]) for image in images]
        return max(gaps, default=math.nan) / math.sqrt(self.plan.scan_time)


def compared(
    request: RunRequest, fields: Sequence[float], tissues: tuple[str, ...] = (), free: tuple[str, ...] = (),
    progress: Tell | None = None,
) -> tuple[AtField, ...]:  # fmt: skip
    """Return a protocol's forecast at several fields.

    Parameters
    ----------
    request : RunRequest
        Its field is not looked at.
    fields : sequence of float
        T.
    tissues : tuple of str
        Names of the phantom's tissues; those with a region of interest by default.
    free : tuple of str
        Settings to choose anew at each field, as ``mrsim optimise --free`` takes them, within the scan time of the
        protocol as it stands; the protocol is kept where empty.
    progress : callable, optional
        Called with (step, done, in all).
    """
    rows = []
    for done, field in enumerate(fields):
        rows.append(_at(replace(request, field=field, scanner=None), field, tissues, free))
        if progress:
            progress("fields", done + 1, len(fields))
    return tuple(rows)


def _at(request: RunRequest, field: float, tissues: tuple[str, ...], free: tuple[str, ...]) -> AtField:
    entries: dict[str, str] = {}
    try:
        if free:
            entries = _chosen(request, tissues, free)
        changed = replace(request, overrides={**request.overrides, **entries})
        phantom = representative(changed).part.phantom
        wanted = tissues or regional(phantom)
        plan = forecast(changed, (), wanted)
    except (InputError, InfeasibleError) as problem:
        return AtField(
            field=field,
            entries=entries,
            plan=None,
            relaxation={},
            gag={},
            least_b1=least_b1(field),
            problem=str(problem),
        )
    mine = [tissue for tissue in phantom.tissues if tissue.name in wanted]
    return AtField(
        field=field, entries=entries, plan=plan, least_b1=least_b1(field),
        relaxation={tissue.name: _times(true_values(tissue, field)) for tissue in mine},
        gag={tissue.name: tissue_asymmetry(tissue, field) for tissue in mine},
    )  # fmt: skip


NEARLY = 1.001
"""Of the protocol's time, which rounding to the rasters may exceed."""


def _chosen(request: RunRequest, tissues: tuple[str, ...], free: tuple[str, ...]) -> dict[str, str]:
    """Return the free settings that measure best within the time that the protocol takes."""
    from .optimiser import Asked, optimise
    from .optimiser.free import read_free
    from .optimiser.targets import Wanted, chosen_model, default_weights

    ready = prepare(request)
    name = chosen_model(ready)
    aim = Wanted(model=name, weights=default_weights(name, ()), tissues=tissues)
    time = representative(replace(request, field=None)).scan_time
    found = optimise(request, Asked(free=read_free(free), wanted=aim, time=NEARLY * time), ready=ready)
    return dict(found.best.entries)


def _times(values: dict[str, float]) -> dict[str, float]:
    return {name: values.get(name, math.nan) for name in ("t1", "t2", "t2_star")}


def least_b1(field: float) -> float:
    """Return the least |B1+| within `RADIUS` in a long cylinder of torso over that on its axis; NaN where unknown."""
    if not known_torso(field):
        return math.nan
    return float(cylinder_b1(np.linspace(0.0, RADIUS, 101), torso_dielectric(field)).min())

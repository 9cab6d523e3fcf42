"""T2 and B1 from a multi-echo spin echo, by extended phase graphs with the pulses' own slice profiles.

The pulses' waveforms and slice gradients come from the protocol sheet; from them the flips at every place in the
slice for every B1, the relaxation during the pulses and the steady state of the repetition. What is not modelled:
off-resonance, T2', diffusion, several compartments. T1 enters through stimulated echoes and the steady state alone
and is given, as one number or as a map. `t2-epg` fits B1 too; a train near 180 degrees determines it weakly there.
`t2-epg-b1` takes it from another scan.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.selective_train import SelectiveTrain
from ..method import Method, Scan
from ..model import B1, M0, T2, TE, TR, Option, Parameter
from ..solve import over_chunks
from ..tabulated import Axis, tabulated

B1_FITTED = Parameter(
    name="b1", unit="", symbol="b_1", description="true over nominal flip angle", lower=0.4, upper=1.3,
    grid=(0.4, 1.3, 46),
)  # fmt: skip
T1_GIVEN = Option(
    name="t1", default=1.0, unit="s", symbol="T_1", description="longitudinal relaxation time", varies=True,
    lower=0.05, upper=10.0,
)  # fmt: skip
T2_FITTED = replace(T2, lower=4e-3, upper=3.0)
WITHIN = 1e-3
"""An echo time may be off a multiple of the echo spacing by this share of the spacing."""


def axes(scan: Scan) -> tuple[Axis, ...]:
    """Return the axes of the grid: T2, B1 and, where it is a map, T1."""
    b1 = Axis.of(B1_FITTED, 46, logarithmic=False, split=1.0)
    t2, t1 = Axis.of(T2_FITTED, 56), scan.options["t1"]
    if np.ndim(t1) == 0:
        return t2, b1
    low, high = (float(v) for v in (np.min(t1, initial=T1_GIVEN.upper), np.max(t1, initial=T1_GIVEN.lower)))
    return t2, b1, Axis(name="t1", lower=0.95 * min(low, high), upper=1.05 * max(low, high), count=8)


def atoms(scan: Scan, values: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the (n, atom) echo magnitudes."""
    for name in ("pulses", "refocusing_flips", "echo_spacing", "slice_thickness"):
        scan.fact(name, METHOD.name)
    train = SelectiveTrain.from_sheet(scan.sheet, scan.column("tr"))
    number = scan.contrast["te"] / train.spacing - 1
    chosen = np.round(number).astype(int)
    if np.any(np.abs(number - chosen) > WITHIN) or chosen.min() < 0 or chosen.max() >= len(train.shares):
        raise InputError(
            f"the echo times {np.round(1e3 * scan.contrast['te'], 3).tolist()} ms are no echoes of a train of "
            f"{len(train.shares)} echoes {1e3 * train.spacing:g} ms apart",
            key="te",
        )
    t1 = values["t1"] if "t1" in values else scan.options["t1"]
    return np.asarray(np.abs(train.echoes(t1, values["t2"], values["b1"], _shared)).T[chosen])


def _shared(work: Any, count: int) -> None:
    over_chunks(work, 0, count, None, chunk=64)


FORMULA = (
    r"S_n = M_0 \left| \int \mathrm{EPG}_n[\alpha_\mathrm{ex}(z, b_1), \alpha_\mathrm{ref}(z, b_1); T_1, T_2]"
    r" \, \mathrm{d}z \right|"
)
REFERENCE = (
    "Hennig 1988, J Magn Reson 78:397; Lebel and Wilman 2010, Magn Reson Med 64:1005; "
    "Ben-Eliezer et al. 2015, Magn Reson Med 73:809"
)
METHOD = tabulated(
    atoms,
    axes,
    partial(
        Method,
        name="t2-epg",
        title="T2 and B1 of a multi-echo spin echo with stimulated echoes and slice profiles",
        reference=REFERENCE,
        parameters=(M0, T2_FITTED, B1_FITTED),
        contrast=(TE, TR),
        options=(T1_GIVEN,),
        constant=("tr",),
        knows=("slice-profile",),
        likelihoods=("gaussian", "rician"),
        formula=FORMULA,
    ),
)
GIVEN_B1 = tabulated(
    atoms,
    axes,
    partial(
        Method,
        name="t2-epg-b1",
        title="T2 of a multi-echo spin echo with stimulated echoes and slice profiles, B1 from another scan",
        reference=REFERENCE,
        parameters=(M0, T2_FITTED),
        contrast=(TE, TR),
        options=(B1, T1_GIVEN),
        constant=("tr",),
        knows=("slice-profile",),
        likelihoods=("gaussian", "rician"),
        formula=FORMULA,
    ),
)

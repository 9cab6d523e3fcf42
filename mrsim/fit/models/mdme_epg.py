"""MDME with the pulses that are played: T1, T2, PD and B1 by extended phase graphs through the slice profiles.

Like `mdme`, but every place of the slice has its own saturation, excitation and refocusing, from the waveforms and
gradients of the protocol sheet; stimulated echoes bring longitudinal magnetisation into the train, the train disturbs
the recovery, and the repetition is in the steady state of all that. What is not modelled: off-resonance, the slices
in between, the transient of the first repetitions, magnetisation transfer, and what crushers leave wound along z for
the next train to unwind: below 0.3 % of T2, B1 and density where T1 is below half of TR; the fit counts the voxels
beyond `LONG` (T1 above TR, T2 2 s: T2 reads 7 % short).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.maps import VALUED
from ...core.selective_train import SelectiveTrain
from ..method import Method, Scan, Series, Solution
from ..model import PD, T1, T2, TE, TR
from ..solve import over_chunks
from ..tabulated import Axis, tabulated
from .mdme import B1_FITTED, TD

T1_FITTED, T2_FITTED = replace(T1, lower=0.1, upper=8.0), replace(T2, lower=0.01, upper=3.0)
AXES = (Axis.of(T1_FITTED, 22), Axis.of(T2_FITTED, 24), Axis.of(B1_FITTED, 56, logarithmic=False))
LONG = 0.6
"""T1 over TR above which what is wound along z is warned of."""
WITHIN = 1e-3
"""An echo time may be off a multiple of the echo spacing by this share of the spacing."""


def axes(scan: Scan) -> tuple[Axis, ...]:
    """Return the axes of the grid."""
    return AXES


def atoms(scan: Scan, values: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the (n, atom) signed signals."""
    for name in ("pulses", "refocusing_flips", "echo_spacing", "slice_thickness"):
        scan.fact(name, TABULATED.name)
    train = SelectiveTrain.from_sheet(scan.sheet, scan.column("tr"))
    delays, which = np.unique(scan.contrast["td"], return_inverse=True)
    number = scan.contrast["te"] / train.spacing - 1
    echo = np.round(number).astype(int)
    if np.any(np.abs(number - echo) > WITHIN) or echo.min() < 0 or echo.max() >= len(train.shares):
        raise InputError(
            f"the echo times {np.round(1e3 * scan.contrast['te'], 3).tolist()} ms are no echoes of a train of "
            f"{len(train.shares)} echoes {1e3 * train.spacing:g} ms apart",
            key="te",
        )
    heard = train.echoes(values["t1"], values["t2"], values["b1"], _shared, delays)
    # one phase per echo, that of the images with the longest delay, which are positive
    last = heard[:, -1:, :]
    return np.asarray(np.real(heard * np.conj(last / np.abs(last))).transpose(1, 2, 0)[which, echo])


def counted(scan: Scan, series: Series, solve: Callable[[Scan, Series], Solution]) -> Solution:
    """Return what `solve` finds, with a warning of voxels in which wound orders, which the trains lack, matter."""
    found = solve(scan, series)
    t1 = found.values[[p.name for p in METHOD.parameters].index("t1")]
    long = int(np.sum(np.isin(found.status, VALUED) & (t1 > LONG * scan.column("tr"))))
    if not long:
        return found
    said = (
        f"{long} voxels have T1 above {LONG:g} TR: what crushers leave wound along z for the next train is left out, "
        "which at T1 = TR costs 0.6 % of B1 and T2 and 1 % of PD, with T2 of 2 s (fluid) 7 % of T2 and 2 % of PD"
    )
    return replace(found, warnings=(*found.warnings, said))


def _shared(work: Callable[[int, int], None], count: int) -> None:
    over_chunks(work, 0, count, None, chunk=64)


TABULATED = tabulated(
    atoms,
    axes,
    partial(
        Method,
        name="mdme-epg",
        title="MDME (synthetic MRI): T1, T2, PD and B1, with stimulated echoes and slice profiles",
        reference="Warntjes et al. 2008, doi:10.1002/mrm.21635; Hennig 1988, J Magn Reson 78:397",
        parameters=(PD, T1_FITTED, T2_FITTED, B1_FITTED),
        contrast=(TD, TE, TR),
        constant=("tr",),
        knows=("slice-profile",),
        data="phase-referenced",
        formula=(
            r"S = \rho \int \mathrm{EPG}[\theta(z, b_1), \alpha_\mathrm{ex}(z, b_1), \alpha_\mathrm{ref}(z, b_1);"
            r" T_D, T_E, T_R, T_1, T_2] \, \mathrm{d}z"
        ),
    ),
)
METHOD = replace(TABULATED, solve=partial(counted, solve=TABULATED.solve))

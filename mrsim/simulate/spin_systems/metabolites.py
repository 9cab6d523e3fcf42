"""From a metabolite to its time signal."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.nuclei import WATER_PPM, Nucleus
from ...phantom.metabolite import CoupledSpins, Lines, Metabolite
from .ideal import ideal_state
from .operators import levels
from .options import SpinSystem
from .readout import lines, signal
from .relaxation import Damping, check_relaxing, relaxing_signal
from .shot import Shot
from .spatial import spatial_state
from .subspaces import Network, Subspace, networks, subspaces

BODY = 310.15
"""Temperature at which shifts are given, K."""
WATER_SLOPE = -0.01e-6
"""Change of water's shift with temperature, fraction / K (Hindman 1966, doi:10.1063/1.1727676); fat stays."""


def metabolite_signal(
    metabolite: Metabolite, shot: Shot, observed: Nucleus, engine: SpinSystem
) -> NDArray[np.complex128]:
    """Return (sample,) the signal of 1 mM of a metabolite; each visible spin counts 1."""
    total = np.zeros(shot.samples, np.complex128)
    for part, scale, shape in _parts(metabolite, shot, observed, engine):
        for network in networks(part, observed, shot.b0, WATER_PPM * 1e-6):
            try:
                total += scale * shape * network_signal(network, shot, engine)
            except InputError as error:
                if error.key not in ("couplings", "t2"):
                    raise
                raise InputError(error.problem, key=f"{metabolite.name}.{error.key}") from None
    t = np.arange(shot.samples) * shot.dwell
    received = np.exp(1j * (shot.phase + 2 * np.pi * shot.frequency * t))
    return np.asarray(total * received)


def network_signal(network: Network, shot: Shot, engine: SpinSystem) -> NDArray[np.complex128]:
    """Return (sample,) the signal of spins with a path of couplings between any two."""
    total = np.zeros(shot.samples, np.complex128)
    if np.any(network.rates):
        if network.spin != 0.5:
            raise InputError("relaxation is simulated for spins 1/2; leave t1 and t2 out", key="t2")
        check_relaxing(len(network.offsets))
        for space, weight in subspaces(network, grouped=False).items():
            total += weight * space_signal(space, shot, engine, network.rates)
        return total
    for space, weight in subspaces(network).items():
        total += weight * space_signal(space, shot, engine)
    return total


def space_signal(
    space: Subspace, shot: Shot, engine: SpinSystem, rates: NDArray[np.float64] | None = None
) -> NDArray[np.complex128]:
    """Return (sample,) Tr(rho(t) F_+) of one space, from rho = F_z; rates : (spin, 2) 1 / T1 and 1 / T2, 1/s."""
    damping = Damping(levels=levels(space), rates=np.zeros((len(space.spins), 2)) if rates is None else rates)
    rho = ideal_state(damping, shot) if engine.pulses == "ideal" else spatial_state(damping, shot, engine)
    if damping.active:
        return relaxing_signal(damping, rho, shot.dwell, shot.samples)
    frequency, amplitude = lines(damping.levels, rho)
    return signal(frequency, amplitude, shot.dwell, shot.samples)


def visible(metabolite: Metabolite, observed: Nucleus) -> float:
    """Return the number of spins of the observed nucleus."""
    coupled = sum(
        sum(name == observed.name for name in part.nuclei or ("1H",) * len(part.shifts)) for part in metabolite.spins
    )
    return coupled + (math.fsum(n for part in metabolite.lines for n in part.protons) if observed.name == "1H" else 0)


def own_width(metabolite: Metabolite, b0: float, observed: Nucleus) -> tuple[float, float]:
    """Return the Lorentz and Gauss width of a metabolite's lines, Hz, means over its visible spins."""
    count = visible(metabolite, observed)
    if not count or observed.name != "1H":
        return 0.0, 0.0
    larmor = abs(observed.gamma_bar) * b0
    lorentz = sum(part.lorentz * sum(part.protons) for part in metabolite.lines) / count
    return lorentz, sum(part.gauss * larmor * sum(part.protons) for part in metabolite.lines) / count


def _parts(
    metabolite: Metabolite, shot: Shot, observed: Nucleus, engine: SpinSystem
) -> Iterator[tuple[CoupledSpins, float, NDArray[np.float64]]]:
    """Yield coupled spins, how often they count, and the (sample,) shape of their own width."""
    for part in metabolite.spins:
        yield part, 1.0, np.ones(1)
    if observed.name != "1H":
        return
    move = WATER_SLOPE * (engine.temperature - BODY) if metabolite.kind == "water" else 0.0
    for lines_ in metabolite.lines:
        shape = _shape(lines_, shot, observed)
        for i, (shift, protons) in enumerate(zip(lines_.shifts, lines_.protons, strict=True)):
            single = CoupledSpins(
                shifts=(shift + move,), t1=_one(lines_.t1, i), t2=_one(lines_.t2, i), label=lines_.label
            )
            yield replace(single), protons, shape


def _one(values: tuple[float, ...], which: int) -> tuple[float, ...]:
    return values if len(values) < 2 else (values[which],)


def _shape(part: Lines, shot: Shot, observed: Nucleus) -> NDArray[np.float64]:
    """Return (sample,) the decay of lines with a width of their own, 1 at the first sample.

    A Lorentz width w decays as exp(-pi w t), a Gauss width as exp(-(pi w t)^2 / (4 ln 2)).
    """
    t = np.arange(shot.samples) * shot.dwell
    gauss = part.gauss * abs(observed.gamma_bar) * shot.b0
    return np.asarray(np.exp(-np.pi * part.lorentz * t - (np.pi * gauss * t) ** 2 / (4 * math.log(2))))

"""One linear-combination fit with everything that its voxels share."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.basis import Basis
from ...core.errors import InputError
from ...core.spectra import Spectra
from .baseline import smoother
from .problem import COMMON, Array, Complex, Problem, stacked
from .settings import Combination
from .solve import CLOSE, CLOSE_IN_NOISE, Fitted, Prior, linear, solve
from .start import starts
from .uncertainty import Uncertainty, uncertainty

FIRST_ROUNDS = 2
"""With delay, Gaussian width and extra shifts held; more of them save no later one."""
FIRST_CLOSE = 1.0
"""What a step of these must promise: the fit goes on without them."""
EARLY = 0.2
"""Time of the signal from which the way to the minimum is found, s: lines of 3 Hz have faded to an eighth by then."""
EARLY_CLOSE = 0.1
"""What a step on this way must promise: the rest of the signal moves the minimum by more."""
FAINT = 1e-3
"""What is left of the expectations of widths, delay and extra shifts in noise-free spectra that the basis explains."""
EXPLAINED = 1e-2
"""Share of the sum of squares that is left where faint expectations in place of whole ones explain the data."""
LIMITS = {"phase": 4 * np.pi, "delay": 2e-3, "gauss": 4e4, "damping": 600.0}
"""Largest phase, rad; delay, s; Gaussian rate, 1/s^2; damping, 1/s."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Job:
    """The problem, its priors and its bounds."""

    problem: Problem
    early: Problem
    """The same of the first part of the signals, in single precision."""
    settings: Combination
    names: tuple[str, ...]
    groups: tuple[str, ...]
    hertz: float
    """Hz per ppm."""
    ppm: Array
    """(frequency,) of the window, in the problem's order."""
    noisy: bool

    def starts(self, signals: Complex) -> Array:
        """Return the (voxel, parameter) starts of (voxel, point) signals; all voxels at once share the work."""
        return starts(self.early, self._begin(signals), self.settings.shift * self.hertz)

    def fitted(self, signals: Complex, scale: Array, begin: Array) -> dict[str, Any]:
        """Return what is found in some voxels.

        Parameters
        ----------
        signals : (voxel, point) array
            Over their noise.
        scale : (voxel, member) array
            What one unit of each concentration adds to the basis's amplitude.
        begin : (voxel, parameter) array
            Of `starts`.
        """
        lower, upper = self._bounds()
        theta, prior = self._approached(signals, scale, begin, lower, upper)
        data, close = self.problem.spectra(signals), CLOSE_IN_NOISE if self.noisy else CLOSE
        found = solve(self.problem, data, theta, prior, lower, upper, close=close)
        if not self.noisy:
            found, prior = self._exact(data, found, prior, lower, upper)
        sure = uncertainty(self.problem, data, found.theta, prior)
        over = _upside_down(sure.amplitudes, sure.covariance)
        if over.any():
            found = solve(self.problem, data, _turned(found.theta, over), prior, lower, upper, close=close)
            sure = uncertainty(self.problem, data, found.theta, prior)
        return self._drawn(data, found, sure, scale, lower, upper)

    def _begin(self, signals: Complex) -> Complex:
        """Return the first part of the signals."""
        return signals[:, : self.early.basis.shape[1]]

    def _approached(
        self, signals: Complex, scale: Array, begin: Array, lower: Array, upper: Array
    ) -> tuple[Array, Prior]:
        """Return nonlinear parameters near the minimum, as the first part of the signals has it, and the prior."""
        problem, data = self.early, self.early.spectra(self._begin(signals))
        weak = self._weak(len(signals))
        held = np.array([name in ("delay", "gauss") or name.startswith("shift ") for name in problem.names])
        first = np.where(held, 0.0, lower), np.where(held, 0.0, upper)
        found = solve(problem, data, begin, weak, *first, most=FIRST_ROUNDS, close=FIRST_CLOSE)
        found = solve(problem, data, found.theta, weak, lower, upper, close=EARLY_CLOSE)
        if not self.settings.expected:
            return found.theta, weak
        prior = self._expecting(weak, scale, self.problem.spectra(signals), found.theta)
        return solve(problem, data, found.theta, prior, lower, upper, close=EARLY_CLOSE).theta, prior

    def _exact(self, data: Array, found: Fitted, prior: Prior, lower: Array, upper: Array) -> tuple[Fitted, Prior]:
        """Return what noise-free spectra say almost by themselves, if the basis explains them, and the prior of all.

        Expectations of widths would hold a matching basis off its data; without any, what is absent has no width.
        Where the basis does not match they stand, since what is left would drive widths to their bounds.
        """
        faint = replace(prior, weight=FAINT * prior.weight)
        free = solve(self.problem, data, found.theta, faint, lower, upper, close=CLOSE)
        ahead, behind = (linear(self.problem, data, each.theta, faint).cost for each in (free, found))
        matches = (ahead <= EXPLAINED * behind) | (ahead <= EXPLAINED**2)
        chosen = {
            each.name: np.where(
                matches if getattr(free, each.name).ndim == 1 else matches[:, None],
                getattr(free, each.name), getattr(found, each.name),
            )
            for each in fields(Fitted)
        }  # fmt: skip
        return Fitted(**chosen), faint if matches.all() else prior

    def _bounds(self) -> tuple[Array, Array]:
        """Return the bounds of the nonlinear parameters."""
        far = LIMITS | {"shift": self.settings.shift * self.hertz * 1.5}
        extra = 10 * self.settings.extra_shift * self.hertz
        upper = np.array([extra if name.startswith("shift ") else far[name.split()[0]] for name in self.problem.names])
        onesided = np.array([name.startswith(("damping", "gauss")) for name in self.problem.names])
        return np.where(onesided, 0.0, -upper), upper

    def _weak(self, voxels: int) -> Prior:
        """Return what is expected of widths and extra shifts, without which a member that is absent has none."""
        pairs = []
        for name in self.problem.names:
            kind, _, number = name.partition(" ")
            known = {"delay": (0.0, self.settings.delay), "gauss": self.settings.gauss}.get(kind, (0.0, np.inf))
            if kind == "damping":
                mean, sd = self.settings.widths.get(self.groups[int(number)], self.settings.extra_width)
                known = np.pi * mean, np.pi * sd
            elif number:
                known = 0.0, self.settings.extra_shift * self.hertz
            pairs.append(known)
        centre, width = np.array(pairs).T
        nothing = np.zeros((voxels, 0, len(self.names)))
        return Prior(rows=nothing, values=nothing[..., 0], centre=centre, weight=1 / width)

    def _expecting(self, weak: Prior, scale: Array, data: Array, theta: Array) -> Prior:
        """Return the prior with what is known of concentrations.

        What a ratio is taken to is measured with all ratios as expected, at given nonlinear parameters: with free ones
        noise alone would say how much of it there is, and ratios would be known worst where there is nothing.
        """
        known = {name: each for name, each in self.settings.expected.items() if each.ratio_to is None}
        ratios = {name: each for name, each in self.settings.expected.items() if name not in known}
        own = [self._index(name) for name in known]
        means, sds = (np.array([getattr(each, key) for each in known.values()]) for key in ("mean", "sd"))
        plain = np.zeros((len(scale), len(known), len(self.names)))
        plain[:, np.arange(len(known)), own] = 1 / (sds * scale[:, own])
        prior = replace(weak, rows=plain, values=np.tile(means / sds, (len(scale), 1)))
        if not ratios:
            return prior
        own = [self._index(name) for name in ratios]
        other = [self._index(each.ratio_to or name) for name, each in ratios.items()]
        means, sds = (np.array([getattr(each, key) for each in ratios.values()]) for key in ("mean", "sd"))
        rows, count = np.zeros((len(scale), len(ratios), len(self.names))), np.arange(len(ratios))
        rows[:, count, other] = -means / scale[:, other]
        rows[:, count, own] += 1 / scale[:, own]
        amounts, errors = linear(self.problem, data, theta, prior).constrained(rows)
        # no better known than its error: where there is none of it, a ratio says nothing more
        size = np.hypot(amounts, errors)[:, other] / scale[:, other]
        rows /= (sds * size)[..., None]
        values = np.concatenate([prior.values, np.zeros(rows.shape[:2])], axis=1)
        return replace(prior, rows=np.concatenate([plain, rows], axis=1), values=values)

    def _index(self, name: str) -> int:
        if name not in self.names:
            raise InputError(f"the basis holds no '{name}'", key="expected")
        return self.names.index(name)

    def _drawn(
        self, data: Array, found: Fitted, sure: Uncertainty, scale: Array, lower: Array, upper: Array
    ) -> dict[str, Any]:
        """Return the results in the user's units, and the curves."""
        count = len(self.names)
        back = self.problem.phase(found.theta).conj()
        members = sure.members * sure.amplitudes[..., None]
        left = data - stacked(members.sum(axis=1))
        smooth = _complex(left @ self.problem.baseline @ self.problem.baseline.T) * back
        order = np.argsort(self.ppm)
        bound = ((found.theta >= upper) | (found.theta <= np.where(lower < 0, lower, -np.inf))).any(axis=1)
        return {
            "theta": _turned(found.theta, np.zeros(len(found.theta), dtype=bool)),
            "status": np.where((found.status == 0) & bound, 3, found.status).astype(np.int8),
            "amplitudes": sure.amplitudes / scale,
            "covariance": sure.covariance[:, :count, :count] / scale[:, :, None] / scale[:, None, :],
            "theta_errors": np.sqrt(np.einsum("vii->vi", sure.covariance)[:, count:]),
            "broader": sure.broader,
            "misfit": sure.misfit,
            "measured": (_complex(data) * back)[:, order],
            "components": (members * back[:, None])[..., order],
            "baseline": smooth[:, order],
        }


def job_of(spectra: Spectra, basis: Basis, settings: Combination) -> Job:
    """Return the fit of spectra by a basis."""
    low, high = sorted(settings.window)
    points = spectra.data.shape[-1]
    numbers, groups = settings.group_numbers(basis)
    unknowns = len(basis.names) + len(groups) * 2 + len(COMMON)
    ppm, window = _window(spectra, points, low, high)
    if 2 * int(window.sum()) <= unknowns:
        raise InputError(
            f"{low:g} to {high:g} ppm holds {int(window.sum())} points of the spectrum; {unknowns} unknowns need more",
            key="window",
        )
    problem = _problem(spectra, basis, settings, numbers, points)
    begin = int(EARLY / spectra.dwell)
    enough = window.sum() * begin > points * (unknowns + settings.baseline * (high - low))
    return Job(
        problem=problem,
        early=(_problem(spectra, basis, settings, numbers, begin) if begin < points and enough else problem).single(),
        settings=settings,
        names=basis.names,
        groups=groups,
        hertz=spectra.frequency * 1e-6,
        ppm=ppm[window],
        noisy=spectra.noisy,
    )


def _window(spectra: Spectra, points: int, low: float, high: float) -> tuple[Array, NDArray[np.bool_]]:
    """Return the (point,) chemical shifts of a transform of some points, zero frequency first, and which are used."""
    ppm = np.asarray(spectra.reference_ppm + 1e6 * np.fft.fftfreq(points, spectra.dwell) / spectra.frequency)
    return ppm, (ppm >= low) & (ppm <= high)


def _problem(
    spectra: Spectra, basis: Basis, settings: Combination, numbers: NDArray[np.intp], points: int
) -> Problem:  # fmt: skip
    """Return what is compared of the first points of the signals."""
    ppm, window = _window(spectra, points, *sorted(settings.window))
    inside = ppm[window]
    order = np.argsort(inside)
    smooth = smoother(inside[order], settings.baseline)
    back = np.argsort(order)
    return Problem(
        basis=basis.fids[:, :points],
        groups=numbers,
        dwell=spectra.dwell,
        window=window,
        baseline=np.concatenate([smooth[: len(back)][back], smooth[len(back) :][back]]),
    )


def _upside_down(amplitudes: Array, covariance: Array) -> NDArray[np.bool_]:
    """Return for which voxels most of what stands out is negative.

    A phase of pi and amplitudes of the other sign fit as well, and noise may have chosen them at the start.
    """
    error = np.sqrt(np.einsum("vii->vi", covariance)[:, : amplitudes.shape[1]])
    heights = np.where(np.isfinite(error) & (error > 0), amplitudes / np.where(error > 0, error, 1.0), 0.0)
    return np.asarray(np.sum(heights * np.abs(heights), axis=1) < 0)


def _turned(theta: Array, over: NDArray[np.bool_]) -> Array:
    """Return the parameters with half a turn for those that are `over`, the phase between -pi and pi."""
    turned = theta.copy()
    turned[:, 0] = np.remainder(theta[:, 0] + np.pi * over + np.pi, 2 * np.pi) - np.pi
    return turned


def _complex(values: Array) -> Complex:
    """Return stacked real values as complex ones."""
    half = values.shape[-1] // 2
    return np.asarray(values[..., :half] + 1j * values[..., half:])

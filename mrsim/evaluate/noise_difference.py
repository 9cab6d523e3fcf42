"""Could this difference between two groups be noise?

Quantities that are not linear in the data, such as fractional anisotropy, kurtosis or a fraction that is clipped at
zero, are biased by noise, the more the less signal there is. Two groups of one truth then differ because one of them
has less signal: with averages over many subjects such a difference is highly significant and means nothing.

So the measured difference is held against that of two simulated groups of ONE truth, each with the signal and noise of
its own. What is left when the simulated difference is taken off must still be significant, and the larger part, or the
difference is called explainable by noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import InputError

LEVEL = 0.05
"""Two-sided level at which a difference counts."""
LARGER_PART = 0.5
"""Share of the difference from which noise explains it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NoiseVerdict:
    """A difference between groups beside that which noise makes."""

    difference: float
    """Mean of the second group less that of the first."""
    by_noise: float
    """The same of simulated groups of one truth."""
    share: float
    """Of the difference that noise makes, 0 to 1; 0 where it points the other way."""
    p: float
    """Of the difference as measured, two-sided."""
    p_left: float
    """Of what is left behind noise."""

    @property
    def explained(self) -> bool:
        """True where the difference would count by itself and does not once noise is taken into account."""
        return self.p < LEVEL and (self.p_left >= LEVEL or self.share >= LARGER_PART)

    def words(self, what: str, unit: str = "", factor: float = 1.0) -> str:
        """Return the verdict as a sentence, e.g. of ``"FA"``; values over a factor, in a unit."""
        shown = [f"{value / factor:.3g}{f' {unit}' if unit else ''}" for value in (self.difference, self.by_noise)]
        numbers = f"{what} differs by {shown[0]}, of which noise makes {shown[1]}"
        if self.p >= LEVEL:
            return f"{numbers}: no difference is shown (p = {self.p:.2g})"
        if self.explained:
            return f"{numbers}: EXPLAINABLE BY NOISE (p = {self.p:.2g}, without noise {self.p_left:.2g})"
        return f"{numbers}: more than noise (p = {self.p_left:.2g})"


def noise_difference(
    first: ArrayLike, second: ArrayLike, noise_first: ArrayLike, noise_second: ArrayLike
) -> NoiseVerdict:
    """Hold the difference of two groups against that of simulated groups of one truth.

    Parameters
    ----------
    first, second : (n,) array
        Measured, one value per subject or region.
    noise_first, noise_second : (m,) array
        Fitted to simulations of one truth with the signal and noise of each group.
    """
    groups = [_finite(values) for values in (first, second, noise_first, noise_second)]
    means, errors = [float(g.mean()) for g in groups], [float(g.var(ddof=1)) / len(g) for g in groups]
    difference, by_noise = means[1] - means[0], means[3] - means[2]
    own, left = math.sqrt(errors[0] + errors[1]), math.sqrt(sum(errors))

    def p(value: float, error: float) -> float:
        return math.erfc(abs(value) / (math.sqrt(2) * error)) if error > 0 else float(value == 0)

    share = by_noise / difference if difference else 0.0
    return NoiseVerdict(
        difference=difference,
        by_noise=by_noise,
        share=min(max(share, 0.0), 1.0),
        p=p(difference, own),
        p_left=p(difference - by_noise, left),
    )


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    found = np.asarray(values, dtype=np.float64).ravel()
    if len(found) < 2 or not np.isfinite(found).all():
        raise InputError(f"a group of {len(found)} values, all of which must be finite; give two or more", key="groups")
    return found

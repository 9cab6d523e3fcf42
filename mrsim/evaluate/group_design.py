"""Two groups of patients with several discs each: what a measurement with an error of its own can tell apart.

A disc's value is y = group mean + patient + disc + error, with standard deviations `patient_sd`, `disc_sd` and
`error_sd`. Discs of one patient share the patient's part: with m discs their intraclass correlation rho =
patient^2 / (patient^2 + disc^2 + error^2) inflates the variance of a group's mean by 1 + (m - 1) rho (Kish 1965). The
analysis of patients' means is exact for equal m: the mean of a group of k patients has the variance (patient^2 +
(disc^2 + error^2) / m) / k and 2 (k - 1) degrees of freedom remain.

The area under the curve of single discs is Phi(difference / (sqrt(2) sd)); its standard error for planning is that of
the binormal model by Obuchowski and McClish (1997, Statistics in Medicine 16:1529)
with the patients' clustering as the same inflation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..core.errors import InputError
from .power import power_of_estimate, power_of_means, smallest


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupDesign:
    """Two groups of equal size; all spreads in the unit of the measurement."""

    difference: float
    """Of the groups' means."""
    disc_sd: float
    """Spread of true values between the discs of one patient."""
    patients: int
    """In each group."""
    discs: int = 1
    """Of each patient."""
    patient_sd: float = 0.0
    """Spread between patients of one group."""
    error_sd: float = 0.0
    """Of the measurement of one disc."""

    def __post_init__(self) -> None:
        """Refuse what is no design."""
        for name in ("disc_sd", "patient_sd", "error_sd"):
            if not getattr(self, name) >= 0:
                raise InputError(f"is {getattr(self, name):g}; a spread must not be negative", key=name)
        if self.patients < 2 or self.discs < 1:
            said = f"{self.patients} patients with {self.discs} discs: each group needs two patients with one disc"
            raise InputError(said, key="patients")
        if self.sd == 0:
            raise InputError("neither discs nor the measurement have a spread: every difference is certain")

    @property
    def sd(self) -> float:
        """Standard deviation of one measured disc within its group."""
        return math.hypot(self.disc_sd, self.patient_sd, self.error_sd)

    @property
    def icc(self) -> float:
        """Correlation of two measured discs of one patient."""
        return self.patient_sd**2 / self.sd**2

    @property
    def design_effect(self) -> float:
        """Variance of a group's mean over that of as many discs of different patients."""
        return 1 + (self.discs - 1) * self.icc

    @property
    def effect_size(self) -> float:
        """Difference over the spread of measured discs (Cohen's d)."""
        return self.difference / self.sd

    def power(self, *, alpha: float = 0.05, sides: int = 2) -> float:
        """Return the chance that a t-test of the patients' means tells the groups apart."""
        spread = math.sqrt(self.patient_sd**2 + (self.disc_sd**2 + self.error_sd**2) / self.discs)
        return power_of_means(self.difference, spread, self.patients, alpha=alpha, sides=sides)

    def patients_for(self, power: float, *, alpha: float = 0.05, sides: int = 2) -> int:
        """Return the least number of patients in each group that reaches a power."""
        spread = math.sqrt(self.patient_sd**2 + (self.disc_sd**2 + self.error_sd**2) / self.discs)
        return smallest(lambda n: power_of_means(self.difference, spread, n, alpha=alpha, sides=sides), power)

    @property
    def area(self) -> float:
        """Expected area under the receiver operating characteristic of one disc's value."""
        from scipy.stats import norm

        return float(norm.cdf(abs(self.effect_size) / math.sqrt(2)))

    @property
    def area_error(self) -> float:
        """Standard error of the measured area."""
        count = self.patients * self.discs
        return binormal_error(self.area, count, count) * math.sqrt(self.design_effect)

    def power_of_area(self, above: float = 0.5, *, alpha: float = 0.05, sides: int = 2) -> float:
        """Return the chance that the area is shown to exceed a value; small where the true one does not."""
        gap = self.area - above
        found = power_of_estimate(gap, self.area_error, math.inf, alpha=alpha, sides=sides)
        return found if gap >= 0 else 0.0


def binormal_error(area: float, positives: int, negatives: int) -> float:
    """Return the standard error of an area under the curve whose scores are normal with equal spreads.

    The variance is 0.0099 exp(-A^2 / 2) ((5 A^2 + 8) / m + (A^2 + 8) / n) with A = 1.414 z(area), of m positive and n
    negative cases (Obuchowski and McClish).
    """
    from scipy.stats import norm

    if not 0.5 <= area < 1:
        raise InputError(f"is {area:g}; the area of a useful score lies between 0.5 and 1", key="area")
    a = 1.414 * float(norm.ppf(area))
    return math.sqrt(0.0099 * math.exp(-(a**2) / 2) * ((5 * a**2 + 8) / positives + (a**2 + 8) / negatives))

"""What a report needs to know of a run, by structure: this floor does not know who made the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.acquisition import Acquisition
from ..core.basis import Basis
from ..core.evaluation import Budget, Evaluation
from ..core.images import Images
from ..core.maps import Maps
from ..core.wave import Waves
from ..fit.spectral import SpectralFit
from ..fit.spectral.score import Score
from ..phantom.phantom import Phantom
from ..sequence.sequence import Sequence


class ReportedRequest(Protocol):
    """What was asked."""

    @property
    def protocol(self) -> str:
        """Name or path."""

    @property
    def scanner(self) -> str | None:
        """Preset or path."""

    @property
    def model(self) -> str | None:
        """Fitted model."""

    @property
    def overrides(self) -> Mapping[str, str]:
        """Changed protocol entries."""

    @property
    def seed(self) -> int:
        """Seed of the noise."""

    @property
    def physiology(self) -> Mapping[str, str]:
        """How pulse and breathing make the signal fluctuate."""

    @property
    def without(self) -> tuple[str, ...]:
        """Causes of error left out."""

    @property
    def including(self) -> tuple[str, ...]:
        """Effects taken in that a run leaves out unless asked."""


class ReportedQuantification(Protocol):
    """A fit of spectra."""

    @property
    def fit(self) -> SpectralFit:
        """What was found."""

    @property
    def basis(self) -> Basis:
        """By what."""

    @property
    def score(self) -> Score | None:
        """Acids over structure."""

    @property
    def integrals(self) -> Mapping[str, tuple[float, float]]:
        """Region -> signal over that of the water, and its standard error."""


class ReportedRun(Protocol):
    """What came out."""

    @property
    def request(self) -> ReportedRequest:
        """With every default filled in."""

    @property
    def description(self) -> str:
        """Of the protocol, one line."""

    @property
    def sequence(self) -> Sequence:
        """What was played."""

    @property
    def phantom(self) -> Phantom:
        """What was measured."""

    @property
    def raw(self) -> Acquisition:
        """Raw data, whose history states the engine and its numerical error."""

    @property
    def images(self) -> Images:
        """Reconstructed series."""

    @property
    def waves(self) -> Waves | None:
        """Wave images, where an inversion was asked for."""

    @property
    def maps(self) -> Maps | None:
        """Fitted maps, where a model was fitted."""

    @property
    def truth(self) -> Maps:
        """True maps on the same grid."""

    @property
    def rois(self) -> Mapping[str, NDArray[np.bool_]]:
        """Masks (z, y, x) by region."""

    @property
    def evaluation(self) -> Evaluation | None:
        """Maps against truth."""

    @property
    def quantified(self) -> ReportedQuantification | None:
        """The fit of spectra; None for images."""

    @property
    def budget(self) -> Budget | None:
        """The error split by cause, where it was asked for."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the reader must know."""

    @property
    def timings(self) -> Mapping[str, float]:
        """Seconds per step."""

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Versions, seeds, texts."""

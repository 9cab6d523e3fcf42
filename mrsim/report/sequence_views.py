"""All views of a sequence beside its diagram: k-space, moments, spectrum and, where it weights, the b-matrix."""

from __future__ import annotations

from ..sequence.sequence import Sequence
from .b_matrix_view import b_matrix_figure, diffusion_weighting
from .kspace import kspace_figure
from .moments import moments_figure, spectrum_figure
from .style import Drawn

VIEWS = ("kspace", "moments", "spectrum", "b-matrix")
"""Names of the views, in the order in which they are shown."""


def sequence_views(sequence: Sequence) -> dict[str, Drawn]:
    """Return the views by name; the b-matrix only where diffusion weighting is not negligible."""
    views = {
        "kspace": kspace_figure(sequence),
        "moments": moments_figure(sequence),
        "spectrum": spectrum_figure(sequence),
    }
    matrices = diffusion_weighting(sequence)
    if matrices is not None:
        views["b-matrix"] = b_matrix_figure(sequence, matrices)
    return views

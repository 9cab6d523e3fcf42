"""A run's maps against the truth, with what a reader must know of every number beside it."""

from __future__ import annotations

from ..core.evaluation import Evaluation
from ..core.maps import Maps
from ..evaluate import evaluate
from ..fit.validity import region_notes
from ..phantom.phantom import Phantom, RoiMasks
from ..sequence.sequence import Sequence
from ..simulate.object_cells import outside_field_of_view

FOLDED = "aliasing: the object is larger than the field of view"


def compared(sequence: Sequence, phantom: Phantom, maps: Maps, truth: Maps, rois: RoiMasks) -> Evaluation:
    """Return the maps against the truth: thin regions, waves that tell no modulus and aliasing stand in the rows."""
    folded = (FOLDED,) if outside_field_of_view(sequence.encoding, phantom) else ()
    told = region_notes(maps, rois)
    thin = dict.fromkeys(rois.not_eroded, "not eroded: too thin")
    notes = {name: (thin.get(name), told.get(name), *folded) for name in rois}
    return evaluate(maps, truth, rois, {name: "; ".join(filter(None, said)) for name, said in notes.items()})

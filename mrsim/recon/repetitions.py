"""Every image of a series has its place in the contrast table: repetitions, phases and sets become contrasts.

Readouts that differ in `average` alone are averaged. Those that differ in ``repetition``, ``phase`` or ``set`` are
images of their own: image (c, s) of C contrasts is number s C + c, where s counts the combinations of these labels.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..core.acquisition import Acquisition, Encoding, Readouts

SEPARATE = ("repetition", "phase", "set")
"""Labels, the slowest first, whose values are images of their own."""


def separated(raw: Acquisition) -> Acquisition:
    """Return an acquisition whose repetitions, phases and sets are contrasts.

    The contrast table gets one column per label that varies, with its value in every image. Groups other than
    ``imaging`` keep their labels.
    """
    labels = raw.imaging.labels
    varying = [name for name in SEPARATE if name in labels and len(np.unique(labels[name])) > 1]
    if not varying:
        return raw
    values = np.stack([labels[name] for name in varying], axis=1)
    states, which = np.unique(values, axis=0, return_inverse=True)
    contrast = labels.get("contrast", np.zeros(len(which.ravel()), dtype=np.int64))
    if len(np.unique(np.stack([contrast, which.ravel()]), axis=1).T) == len(np.unique(contrast)):
        return raw  # every contrast was measured in one state only: the contrasts tell them apart already
    return _numbered(raw, varying, states, which.ravel())


def _numbered(raw: Acquisition, varying: list[str], states: NDArray[np.int64], which: NDArray[np.int64]) -> Acquisition:
    group, encoding = raw.imaging, raw.encoding
    contrasts = len(next(iter(encoding.contrast.values())))
    contrast = group.labels.get("contrast", np.zeros(len(group.data), dtype=np.int64))
    kept = {name: value for name, value in group.labels.items() if name not in varying}
    labels = {**kept, "contrast": which * contrasts + contrast}
    table = {name: np.tile(value, len(states)) for name, value in encoding.contrast.items()}
    table |= {name: np.repeat(states[:, i], contrasts).astype(np.float64) for i, name in enumerate(varying)}
    imaging: Readouts = replace(group, labels=labels)
    header: Encoding = replace(encoding, contrast=table)
    return replace(raw, groups={**raw.groups, "imaging": imaging}, encoding=header)

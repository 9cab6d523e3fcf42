"""How long a volume takes: shots of so many bands at once, one after the other.

A shot lasts as long as the shortest repetition of one slice of the protocol; a volume of n slices at m bands takes
ceil(n / m) shots. Bands beyond what coils can tell apart are arithmetic only, and the verdict says so.
"""

from __future__ import annotations

import math
from dataclasses import replace

from ..core.errors import InputError
from ..core.toml import resource
from ..plan.answer import Verdict
from ..plan.question import Question
from ..sequence.protocol import FOLDER, read_protocol_file
from .request import RunRequest
from .run import prepare

SEEN = 8
"""Bands at once that head arrays of 32 channels are known to tell apart."""


def volume_verdict(request: RunRequest, question: Question) -> Verdict:
    """Return whether a volume is measured within the question's time, and how many bands that takes."""
    _, family, _ = read_protocol_file(resource(request.protocol, FOLDER, "protocol"), dict(request.overrides))
    for name in ("slices", "tr"):
        if not hasattr(family, name):
            raise InputError(f"{request.protocol} has no '{name}': its volume is not made of shots", key="--ask")
    slices: int = question.slices or getattr(family, "slices", 0)
    alone = {"slices": "1", "tr": "minimum"} | ({"slots": "1"} if hasattr(family, "slots") else {})
    shot = shot_time(replace(request, overrides={**request.overrides, **alone}))
    taken = math.ceil(slices / question.bands) * shot
    within = math.floor(question.limit / shot)
    least = math.ceil(slices / within) if within else 0
    met = taken <= question.limit
    reason = (
        f"{slices} slices, {1e3 * shot:.4g} ms a shot: {math.ceil(slices / question.bands)} shots at MB "
        f"{question.bands} take {1e3 * taken:.4g} ms against {1e3 * question.limit:.4g} ms"
    )
    cause = "nothing"
    if not met:
        needs = f"MB >= {least}" if within else "a shorter shot: one shot alone takes longer"
        far = f"; head coils tell about {SEEN} bands apart, so sample less instead" if least > SEEN else ""
        cause = f"shots in turn; it takes {needs}{far}"
    return Verdict(
        question=question.text, tissue="", answer="yes" if met else "no", chance=float(met), wanted=1.0, cause=cause,
        reason=reason, numbers={"shot": shot, "volume": taken, "least_bands": least, "slices": slices},
        minutes=taken / 60,
    )  # fmt: skip


def shot_time(request: RunRequest) -> float:
    """Return the repetition time, s, of a request for one slice."""
    tr = prepare(request).sequence.encoding.contrast.get("tr")
    if tr is None:
        raise InputError(f"{request.protocol} has no repetition time", key="tr")
    return float(tr[0])

"""What diffusion takes from every tissue in every readout, where one pathway makes the signal.

Of an echo that a single pathway makes, compartments with tensors D_i and fractions f_i leave

    A = sum f_i exp(-b : D_i),

b the whole matrix of the gradients as they are played (`sequence.b_matrix`); between walls the Gaussian phase
approximation (`core.restriction`) takes the place of b : D along the confined axes, or walkers do (`random_walk`).
Signal is linear in the magnetisation of a tissue, so that A multiplies what the engine finds without diffusion. That
holds for the free decay behind an excitation and for the echo of one refocusing pulse, of two without a readout in
between, or of a storage and a recall: every other pathway is crushed. Trains of echoes and short repetitions with
surviving coherence hold many pathways with a b of their own each; what they lose is estimated, left out, said where it
exceeds `TOLERATED`, and refused beyond `REFUSED`: the Pathways engine follows them all.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.restriction import Restriction, exponents
from ..phantom.diffusion import Compartment
from ..phantom.lamellae import Turn
from ..phantom.spins import Spins
from ..phantom.tissue import Pool
from ..sequence.b_matrix import Course, b_matrices, courses, echo_times, held, pulse_times
from ..sequence.timeline import Timeline
from .random_walk import walk

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
TOLERATED, REFUSED = 0.01, 0.1
"""Loss by diffusion in many pathways that is left out without and with a word."""
WATER = "water"
"""Name of the pool that diffuses where fat is beside it."""
SURVIVING = 3.0
"""T2 within a repetition time from which transverse magnetisation has not survived it."""
WEIGHTED = 10e6
"""b, s/m^2, from which readouts count as diffusion weighted where a tissue's diffusion is not known."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Weighting:
    """The diffusion weighting of a scan."""

    matrices: Array
    """(readout, 3, 3) of the pathway that the sequence intends, grid axes, s/m^2."""
    many: NDArray[np.bool_]
    """(readout,) where trains of echoes hold several pathways."""
    free: NDArray[np.bool_]
    """(readout,) which are free decays or gradient echoes behind an excitation."""
    wound: Array
    """(3,) rad/m by which one excitation finds what was transverse behind the one before it, grid axes."""
    tr: float
    """s; infinite where the sequence has none."""
    spoiled: bool
    """True where the phase of the pulses spoils what survives a repetition."""

    @property
    def largest(self) -> float:
        """The largest trace of b, s/m^2."""
        return float(np.trace(self.matrices, axis1=1, axis2=2).max(initial=0.0))

    def alone(self, t2: float) -> NDArray[np.bool_]:
        """Return (readout,) where a single pathway makes the signal of a tissue of T2, s."""
        return ~self.many & ~(self.free & (self.tr < SURVIVING * t2))

    def surviving(self, found: tuple[Compartment, ...], t2: float) -> float:
        """Return about what diffusion takes, over T2, of what one repetition winds and the next finds."""
        if self.spoiled or not np.any(self.free & ~self.alone(t2)):
            return 0.0
        fastest = max(float(np.trace(c.tensor)) / 3 for c in found if not c.blood)
        return 1 - float(np.exp(-(self.wound @ self.wound) * fastest * t2))


def weighting(timeline: Timeline) -> Weighting:
    """Return the diffusion weighting of a scan."""
    at = echo_times(timeline)
    centres, uses = pulse_times(timeline)
    begins, refocus = centres[uses == "excitation"], centres[uses == "refocusing"]
    owner = np.searchsorted(begins, at) - 1
    first = np.where(owner >= 0, begins[np.maximum(owner, 0)] if len(begins) else 0, at)
    turned = np.searchsorted(refocus, at) - np.searchsorted(refocus, first)
    stored = np.isin(uses, ("storage", "recall"))
    recalled = np.searchsorted(centres[stored], at) - np.searchsorted(centres[stored], first)
    # of two refocusing pulses, whether a readout of the same life lies before the second
    early = np.zeros(len(at), dtype=np.bool_)
    pairs = np.stack([owner, turned])
    for life in np.unique(owner[turned >= 2]):
        mine = owner == life
        early[mine] = np.any(pairs[1, mine] < pairs[1, mine].max())
    many = (turned > 2) | ((turned == 2) & early) | ((recalled > 0) & ((recalled != 2) | (turned > 0)))
    repetition = timeline.encoding.contrast.get("tr")
    return Weighting(
        matrices=b_matrices(timeline, at),
        many=many,
        free=(turned == 0) & (recalled == 0),
        wound=_wound(timeline),
        tr=np.inf if repetition is None else float(np.min(repetition)),
        spoiled=bool(timeline.encoding.sheet.get("phase_increment")),
    )


def _wound(timeline: Timeline) -> Array:
    """Return the largest winding from one excitation to the next, (3,) rad/m."""
    exciting = [i for i in np.flatnonzero(timeline.kind == 1) if timeline.pulses[timeline.event[i]].use == "excitation"]
    if len(exciting) < 2:
        return np.zeros(3)
    total = np.cumsum(timeline.moment, axis=0)[exciting]
    steps = np.abs(np.diff(total, axis=0))[:, :3]
    return np.asarray(2 * np.pi * np.median(steps, axis=0))


@dataclass(kw_only=True, slots=True, eq=False)
class Diffusing:
    """What diffusion leaves of the tissues of one scan, found once for each."""

    timeline: Timeline
    accuracy: float
    """Loss that does not matter."""
    wanted: bool = True
    walkers: int | None = None
    """Random walkers between walls; None for the Gaussian phase approximation."""
    seed: int = 1
    """Of their steps."""
    walk_error: float = 0.0
    """Largest standard error of what walkers leave."""
    weight: Weighting | None = None
    known: dict[tuple[int, Turn | None], _Losses | None] = field(default_factory=dict)
    """By tissue and the turn of its fibres."""
    warnings: dict[str, None] = field(default_factory=dict)
    """What must be said, each once."""
    loss: float = 0.0
    """The largest that is taken."""

    def weighting(self) -> Weighting:
        """Return the diffusion weighting of the scan."""
        self.weight = self.weight or weighting(self.timeline)
        return self.weight

    def left(self, spins: Spins, tissue: int, turn: Turn | None = None) -> Array | None:
        """Return what is left of the water of a tissue, (readout,); None where nothing is taken."""
        known = self._losses(spins, tissue, turn)
        if known is None:
            return None
        self._judge(spins.tissues[tissue], known)
        self.loss = max(self.loss, known.single)
        return known.left if known.single > self.accuracy else None

    def parts(self, spins: Spins, tissue: int, members: Indices) -> list[tuple[Indices, Array | None]]:
        """Return the members of a tissue in parts whose fibres run alike, each with what is left of its water."""
        left = self.left(spins, tissue)
        if left is None:
            return [(members, None)]
        return [(mine, left if turn is None else self.left(spins, tissue, turn))
                for turn, mine in spins.alike(tissue, members)]  # fmt: skip

    def matters(self, spins: Spins, tissue: int) -> bool:
        """Return whether an engine that follows all pathways needs the diffusion of a tissue."""
        known = self._losses(spins, tissue)
        return known is not None and (known.single > self.accuracy or max(known.many, known.surviving) > TOLERATED)

    def _losses(self, spins: Spins, tissue: int, turn: Turn | None = None) -> _Losses | None:
        """Return what diffusion takes of a tissue; None where it is not wanted, not known, or the gradients are not."""
        key = tissue, turn
        if key not in self.known:
            asked = self.wanted and any(spins.diffusion) and bool(self.timeline.knots)
            self.known[key] = self._found(spins, tissue, turn) if asked else None
        return self.known[key]

    def _found(self, spins: Spins, tissue: int, turn: Turn | None) -> _Losses | None:
        weight = self.weighting()
        found = spins.compartments(tissue, turn)
        if not found:
            if weight.largest > WEIGHTED:
                said = f"no diffusivity is known of {spins.tissues[tissue]}: diffusion takes nothing of it"
                self.warnings[said] = None
            return None
        t2 = max(pool.t2 for pool in spins.pools[tissue])
        factor, error = remaining(self.timeline, found, weight.matrices, self.walkers, self.seed)
        alone, self.walk_error = weight.alone(t2), max(self.walk_error, error)
        return _Losses(
            left=np.where(alone, factor, 1.0),
            single=float((1 - factor[alone]).max(initial=0.0)),
            many=float((1 - factor[weight.many]).max(initial=0.0)),
            surviving=weight.surviving(found, t2),
        )

    def _judge(self, tissue: str, known: _Losses) -> None:
        """Say what of many pathways is left out; refuse what must not be."""
        words = f"diffusion takes about {100 * known.many:.2g} % of {tissue} in several pathways"
        if known.many > REFUSED:
            raise InputError(
                f"{words}, which the Bloch engine cannot follow; take the Pathways engine, or leave diffusion out "
                "(--without diffusion)",
                key="--engine",
            )
        if known.many > TOLERATED:
            self.warnings[f"{words}, which the Bloch engine leaves out; the Pathways engine follows them"] = None
        if known.surviving > TOLERATED:
            self.warnings[
                f"diffusion takes about {100 * known.surviving:.2g} % of the coherence of {tissue} that lives on from "
                "one repetition to the next, which the Bloch engine leaves out; the Pathways engine follows it"
            ] = None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Losses:
    """What diffusion takes of one tissue."""

    left: Array
    """(readout,) what is left where a single pathway makes the signal, 1 elsewhere."""
    single: float
    """Largest loss there."""
    many: float
    """Largest loss of the intended pathway of trains."""
    surviving: float
    """Of what lives on over a repetition."""


def diffuses(pool: Pool, beside: tuple[Pool, ...]) -> bool:
    """Return whether a pool of a tissue diffuses: its water, or all of a tissue without water."""
    return pool.name == WATER or all(other.name != WATER for other in beside)


def remaining(
    timeline: Timeline, found: tuple[Compartment, ...], matrices: Array, walkers: int | None = None, seed: int = 1
) -> tuple[Array, float]:
    """Return what is left of some compartments' signal along the intended pathway, (readout,), and its random error."""
    axes = timeline.encoding.grid.axes
    left, error = np.zeros(len(matrices)), 0.0
    for part in found:
        free = axes.T @ part.tensor @ axes
        kept: Array | float = 1.0
        if part.walls is not None:
            confined = part.walls.confined() @ axes
            outside = np.eye(3) - confined.T @ confined
            free = outside @ free @ outside
            kept, own = _between_walls(timeline, part.walls, confined, walkers, seed)
            error = max(error, part.fraction * own)
        left += part.fraction * kept * np.exp(-np.einsum("rij,ij->r", matrices, free))
    return left, error


def _between_walls(
    timeline: Timeline, walls: Restriction, confined: Array, walkers: int | None, seed: int
) -> tuple[Array, float]:
    """Return (readout,) what walls leave along (k, 3) confined axes, and its largest standard error.

    By the Gaussian phase approximation, or by random walkers.
    """
    if walls.permeability > 0 and walkers is None:
        raise InputError(
            f"walls that water passes with {walls.permeability:g} m/s have no series; take random walkers "
            "(Bloch(walkers=20000))",
            key="walkers",
        )
    at = echo_times(timeline)
    left, known, error = np.ones(len(at)), dict[bytes, Array](), 0.0
    for course, members in courses(timeline, at):
        times, after, before = _effective(course)
        mark = times.tobytes() + after.tobytes() + before.tobytes()
        places = np.searchsorted(course.times, at[members])
        if mark not in known:
            turned = after @ confined.T, before @ confined.T
            if walkers is None:
                along = (
                    exponents(times, g, h, walls.shape, walls.size, walls.diffusivity)
                    for g, h in zip(turned[0].T, turned[1].T, strict=True)
                )
                known[mark] = np.exp(-((2 * np.pi * timeline.gamma_bar) ** 2) * np.sum(list(along), axis=0))
            else:
                wanted, rng = np.unique(places), np.random.default_rng(seed)
                kept, own = walk(walls, times, *turned, timeline.gamma_bar, wanted, walkers, rng).left()
                known[mark], error = np.ones(len(times)), max(error, float(own.max()))
                known[mark][wanted] = kept
        left[members] = known[mark][places]
    return left, error


def _effective(course: Course) -> tuple[Array, Array, Array]:
    """Return times, s, and the (knot, 3) effective gradient behind and before each knot: turned, and zero in store."""
    turned = [time for time, kind in course.turns if kind != "storage"]
    middle = (course.times[1:] + course.times[:-1]) / 2
    sign = np.where(held(course), 0.0, (-1.0) ** np.searchsorted(np.array(turned, dtype=np.float64), middle))[:, None]
    after, before = np.zeros_like(course.gradient), np.zeros_like(course.gradient)
    after[:-1], before[1:] = sign * course.gradient[:-1], sign * course.gradient[1:]
    return (course.times - course.times[0]) * 1e-9, after, before

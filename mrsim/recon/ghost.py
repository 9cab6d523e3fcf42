"""The N/2 ghost of echo-planar images: what lines of one direction differ in from those of the other.

A phase difference D between even and odd lines puts a copy of the object half a field of view away, tan(D / 2) as
strong. Navigators, lines without phase encoding in both directions, tell the difference: with n1 between n0 and n2,

    P(x) = sum_coils n1^2 conj(n0 n2),   arg P(x) / 2 = a + b x,

in which the phase that grows from echo to echo cancels. The slope b is a lag of the gradients behind the receiver, and
is undone where it belongs: in the trajectory, for samples on ramps are shifted less. What the lag leaves of a + b x is
taken from the lines that run backwards, train by train.

Without navigators, a and b are those for which the image has the least entropy (Clare 2003): ghosts fill the empty
background. They are looked for around the b that lays the echoes of both directions over one another. a is known up to
pi, by half the field of view; the value nearer to zero is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..core.acquisition import Acquisition
from ..core.errors import InputError, did_you_mean
from .epi import Lines, check_lines, is_parallel, lines_of, on_raster
from .kspace import to_image, to_kspace

Array = NDArray[np.complex128]
Progress = Callable[[int, int], None]
CORRECTIONS = ("auto", "navigator", "entropy", "none")
TRAIN = ("slice", "contrast", "repetition", "average", "shot", "set", "phase")
"""Labels that lines of one train share, by which navigators find their lines."""
STEPS = 6
"""Newton steps for the lag."""
RESTLESS = 0.1
"""Change of the navigators' amplitude between the trains of the calibration from which it is a warning."""


def straightened(raw: Acquisition, correction: str = "auto", progress: Progress | None = None) -> Acquisition:
    """Return an echo-planar acquisition on its raster, lines of both directions in step.

    Parameters
    ----------
    raw : Acquisition
        With a trajectory of parallel lines; others come back as they are.
    correction : str
        ``"navigator"``, ``"entropy"``, ``"none"``, or ``"auto"``: navigators where there are any, entropy where lines
        run both ways.
    progress : callable, optional
        Called with the slices done and all of them, for entropy.
    """
    if correction not in CORRECTIONS:
        raise InputError(f"unknown correction '{correction}'{did_you_mean(correction, [*CORRECTIONS])}", key="ghost")
    if not is_parallel(raw):
        return raw
    check_lines(raw)
    names: list[str] = [name for name in ("imaging", "calibration") if name in raw.groups]
    reverse = lines_of(raw, "imaging").labels["reverse"]
    if correction == "none" or not (reverse.any() and not reverse.all()):
        return on_raster(raw, {name: lines_of(raw, name) for name in names}, ghost_correction="none")
    if "navigator" in raw.groups and correction != "entropy":
        return _by_navigators(raw, names)
    if correction == "navigator":
        raise InputError("there are no navigators: no group 'navigator'; use the correction 'entropy'", key="ghost")
    return _by_entropy(raw, names, progress)


def _by_navigators(raw: Acquisition, names: list[str]) -> Acquisition:
    lag = _lag(raw)
    navigators = lines_of(raw, "navigator", lag)
    if "calibration" in names:
        raw = _told_of_transient(raw, navigators)
    turns = _trains(navigators)
    parts = {}
    for name in names:
        lines = lines_of(raw, name, lag)
        phase = _looked_up(lines, turns)
        back = lines.labels["reverse"] == 1
        voxels = lines.voxels.copy()
        voxels[back] *= np.exp(-1j * phase[back])[:, None, :]
        parts[name] = replace(lines, voxels=voxels)
    return on_raster(raw, parts, ghost_correction="navigator", gradient_lag=lag)


def _told_of_transient(raw: Acquisition, navigators: Lines) -> Acquisition:
    """Return the acquisition with a warning if its magnetisation was not at rest while the calibration was read.

    Trains of the calibration bear the labels of the first image's train, which follows. Their lines interlace, so that
    a change from train to train is a ghost in the coil maps.
    """
    since, worst = raw.groups["navigator"].t[:, 0], 0.0
    for chosen in _groups(navigators).values():
        train = np.cumsum(np.diff(since[chosen], prepend=np.inf) < 0)  # the time since the excitation falls back
        ahead = chosen[train < train[-1]]
        forwards = ahead[navigators.labels["reverse"][ahead] == 0]
        size = np.sqrt(np.sum(np.abs(navigators.voxels[forwards]) ** 2, axis=(1, 2)))
        if train[-1] > 2 and size.max(initial=0.0) > 0:
            worst = max(worst, float(1 - size.min() / size.max()))
    if worst < RESTLESS:
        return raw
    said = (
        f"the signal changes by {100 * worst:.0f} % between the trains that read the calibration, at most "
        f"{100 * RESTLESS:.0f} % leave the coil maps without ghosts: play more dummies"
    )
    return replace(raw, history={**raw.history, "warnings": (*raw.history.get("warnings", ()), said)})


def difference(lines: Lines, chosen: NDArray[np.int64]) -> Array:
    """Return P(x)^(1/2) up to sign, as a (x,) complex number with the phase 2 (a + b x) of P.

    Parameters
    ----------
    lines : Lines
        Navigators.
    chosen : (n,) array
        Those of one train in the order of time, directions alternating.
    """
    total: Array = np.zeros(lines.voxels.shape[-1], dtype=np.complex128)
    reverse, v = lines.labels["reverse"][chosen], lines.voxels[chosen]
    for i in range(len(chosen) - 2):
        if reverse[i] == reverse[i + 2] != reverse[i + 1]:
            pair = np.sum(v[i + 1] * v[i].conj(), axis=0) * np.sum(v[i + 1] * v[i + 2].conj(), axis=0)
            total = total + (pair if reverse[i + 1] else pair.conj())
    if len(chosen) == 2 and reverse[0] != reverse[1]:
        pair = np.sum(v[1] * v[0].conj(), axis=0)
        total = (pair if reverse[1] else pair.conj()) ** 2
    return total


def linear_phase(product: Array) -> tuple[float, float]:
    """Return a and b, rad and rad per voxel from the middle, of a (x,) product with the phase 2 (a + b x)."""
    n = len(product)
    weighted = product / np.sqrt(np.maximum(np.abs(product), 1e-300))
    slope = float(np.angle(np.sum(weighted[1:] * weighted[:-1].conj()))) / 2
    place = np.arange(n) - n // 2
    offset = float(np.angle(np.sum(weighted * np.exp(-2j * slope * place)))) / 2
    return offset, slope


def _groups(lines: Lines) -> dict[tuple[int, ...], NDArray[np.int64]]:
    """Return the readouts of each train by its labels."""
    used = [lines.labels.get(name, np.zeros(len(lines.voxels), dtype=np.int64)) for name in TRAIN]
    keys, which = np.unique(np.stack(used, axis=1), axis=0, return_inverse=True)
    return {tuple(int(v) for v in key): np.flatnonzero(which.ravel() == i) for i, key in enumerate(keys)}


def _lag(raw: Acquisition) -> float:
    """Return by how much the gradients lag behind the receiver, s: the lag for which b vanishes on average."""
    nx, speed, lag = raw.encoding.grid.shape[2], _speed(raw, "navigator"), 0.0
    for _ in range(STEPS):
        lines = lines_of(raw, "navigator", lag)
        total = np.zeros(nx, dtype=np.complex128)
        for chosen in _groups(lines).values():
            found = difference(lines, chosen)
            # the constant phase differs from train to train; its slope does not
            total += found * np.exp(-2j * linear_phase(found)[0]) if found.any() else 0
        if not total.any():
            return 0.0
        # samples taken for k lie at k - v lag forwards and k + v lag backwards: b is -4 pi v lag
        step = -linear_phase(total)[1] / (4 * np.pi * speed)
        lag += step
        if abs(step) < 1e-12:
            break
    return lag


def _speed(raw: Acquisition, name: str) -> float:
    """Return the mean of |dk/dt| of a group, cycles per voxel and second."""
    group = raw.groups[name]
    steps = np.abs(np.diff(group.k[:, :, 0], axis=1)).mean()
    return float(steps * raw.encoding.grid.spacing[0] / (group.dwell or raw.encoding.dwell))


def _trains(lines: Lines) -> dict[tuple[int, ...], tuple[float, float]]:
    """Return a and b of each train."""
    found = {key: difference(lines, chosen) for key, chosen in _groups(lines).items()}
    return {key: linear_phase(product) for key, product in found.items() if product.any()}


def _looked_up(lines: Lines, turns: dict[tuple[int, ...], tuple[float, float]]) -> NDArray[np.float64]:
    """Return the (readout, x) phase of lines that run backwards: of their train, else of the mean over their slice."""
    nx = lines.voxels.shape[-1]
    place = np.arange(nx) - nx // 2
    phase = np.zeros((len(lines.voxels), nx))
    for key, chosen in _groups(lines).items():
        same = [turns[key]] if key in turns else [pair for k, pair in turns.items() if k[0] == key[0]]
        same = same or list(turns.values())
        if same:
            a, b = np.mean(same, axis=0)
            phase[chosen] = a + b * place
    return phase


def _by_entropy(raw: Acquisition, names: list[str], progress: Progress | None) -> Acquisition:
    """Return the acquisition with the lag and, slice by slice, the phase of the least entropy."""
    judged = "imaging"
    if "calibration" in names and np.ptp(lines_of(raw, "calibration").labels["reverse"]) > 0:
        judged = "calibration"  # without gaps, it does not fold
    first = _entropies(raw, lines_of(raw, judged), progress)
    lag = -float(np.mean([b for _, b in first.values()])) / (4 * np.pi * _speed(raw, judged))
    found = _entropies(raw, lines_of(raw, judged, lag), progress)
    along, parts = _along(raw), {}
    for name in names:
        part = lines_of(raw, name, lag)
        voxels, x = part.voxels, np.arange(part.voxels.shape[-1]) - part.voxels.shape[-1] // 2
        own = part.labels.get(along, np.zeros(len(voxels), dtype=np.int64))
        for z, (a, b) in found.items():
            voxels[(own == z) & (part.labels["reverse"] == 1)] *= np.exp(-1j * (a + b * x))
        parts[name] = part
    return on_raster(raw, parts, ghost_correction="entropy", gradient_lag=lag)


def _along(raw: Acquisition) -> str:
    return "partition" if raw.encoding.kind == "3d" else "slice"


def _entropies(raw: Acquisition, lines: Lines, progress: Progress | None) -> dict[int, tuple[float, float]]:
    """Return a and b of each slice."""
    place = lines.labels.get(_along(raw), np.zeros(len(lines.voxels), dtype=np.int64))
    found = {}
    slices = np.unique(place)
    for done, z in enumerate(slices.tolist()):
        found[z] = _least_entropy(lines, np.flatnonzero(place == z), raw.encoding.grid.shape[1])
        if progress:
            progress(done + 1, len(slices))
    return found


def _mirrored(voxels: Array, back: NDArray[np.bool_]) -> float:
    """Return the slope, rad per voxel, by which echoes of lines that run backwards lie off those that run forwards.

    That is 2 pi over the voxels for every sample between the two; their mean echoes are slid over one another.
    """
    nx = voxels.shape[-1]
    both = [np.mean(np.abs(to_kspace(voxels[chosen], (-1,))), axis=(0, 1)) for chosen in (~back, back)]
    overlap = np.fft.ifft(np.fft.fft(both[1]) * np.fft.fft(both[0]).conj()).real
    shift = int(np.argmax(overlap))
    return float(2 * np.pi * (shift - nx * (2 * shift > nx)) / nx)


def _least_entropy(lines: Lines, chosen: NDArray[np.int64], ny: int) -> tuple[float, float]:
    from scipy.optimize import minimize

    contrast = lines.labels.get("contrast", np.zeros(len(lines.voxels), dtype=np.int64))[chosen]
    power = [np.sum(np.abs(lines.voxels[chosen[contrast == c]]) ** 2) for c in range(contrast.max() + 1)]
    chosen = chosen[contrast == int(np.argmax(power))]
    nx = lines.voxels.shape[-1]
    x, back = np.arange(nx) - nx // 2, (lines.labels["reverse"][chosen] == 1).astype(float)
    data = np.zeros((2, lines.voxels.shape[1], nx, ny), dtype=np.complex128)
    for one, line, voxels in zip(back.astype(int), lines.labels["line"][chosen], lines.voxels[chosen], strict=True):
        data[one, :, :, line] += voxels
    forward, backward = to_image(data[0], (-1,)), to_image(data[1], (-1,))

    def entropy(pair: NDArray[np.float64]) -> float:
        image = forward + backward * np.exp(-1j * (pair[0] + pair[1] * x))[:, None]
        size = np.sqrt(np.sum(np.abs(image) ** 2, axis=0)).ravel()
        share = size / max(float(np.linalg.norm(size)), 1e-300)
        return -float(np.sum(share * np.log(np.maximum(share, 1e-300))))

    near = _mirrored(lines.voxels[chosen], back > 0)
    starts = [np.array([a, b]) for a in np.linspace(-1.4, 1.4, 8) for b in near + np.linspace(-8, 8, 9) / nx]
    best = min(starts, key=entropy)
    around = best + np.array([[0.0, 0.0], [0.2, 0.0], [0.0, 1 / nx]])
    solved = minimize(
        entropy, best, method="Nelder-Mead", options={"initial_simplex": around, "xatol": 1e-7, "fatol": 1e-14}
    )
    a = (float(solved.x[0]) + np.pi / 2) % np.pi - np.pi / 2
    return a, float(solved.x[1])

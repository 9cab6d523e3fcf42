"""The Bloch engine on a graphics processor: every spin travels by itself, thousands at a time.

The maths is that of the processor's kernels, in single or double precision; only the order of sums differs. A scan is
split into launches short enough to show progress and to be interrupted between; the spins stay on the device. Each
block of threads writes its partial sums, which a second kernel adds one after the other in double precision: the
result is bit for bit the same for any split into launches and batches, on one device.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.phasors import RealType
from ..sequence.timeline import Timeline
from .classes import SpinColumns, TissueClass
from .cuda_scan import CudaScan, Launch
from .steps import turn_series

BATCH = 1 << 18
"""Spins on the device at a time: a thousand blocks, enough to fill the largest device."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """How the kernels are laid out."""

    threads: int
    """Threads, and so spins, of a block."""
    per_constant: int
    """Samples that a thread keeps in registers under a constant gradient."""
    per_any: int
    """The same under any gradient."""
    together: int
    """Coils that share a spin's sines and cosines under any gradient, where there is more than one coil."""


LAYOUTS: dict[RealType, Layout] = {
    np.float32: Layout(threads=256, per_constant=16, per_any=4, together=4),
    np.float64: Layout(threads=256, per_constant=8, per_any=4, together=4),
}
SIMULATOR_LAYOUT = Layout(threads=8, per_constant=4, per_any=2, together=2)
"""For numba's CUDA simulator, where every thread is a thread of Python."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CudaSpins:
    """Spins with everything of their own."""

    position: NDArray[np.float64]
    """(3, n) m, grid axes."""
    offset: NDArray[np.float64]
    """(n,) Hz."""
    b1: NDArray[np.float64]
    """(n,) transmit field relative to the nominal one."""
    r1: NDArray[np.float64]
    """(n,) 1/s."""
    r2: NDArray[np.float64]
    """(n,) 1/s."""
    weight: NDArray[np.complex128]
    """(coil, n) m^3: volume times proton density times the coil's sensitivity."""

    @classmethod
    def of(
        cls,
        classes: list[TissueClass],
        position: NDArray[np.float64],
        volume: NDArray[np.float64],
        sensitivity: NDArray[np.complex128] | None = None,
    ) -> CudaSpins:
        """Return the spins of all classes, whose `members` index (n, 3) `position` and (n,) `volume`.

        sensitivity : (coil, n) what each coil hears of the places; None: one coil that hears all alike.
        """
        spins = SpinColumns.of(classes, volume)
        heard = np.ones((1, len(volume))) if sensitivity is None else sensitivity
        return cls(
            position=np.ascontiguousarray(position[spins.members].T),
            offset=spins.offset,
            b1=spins.b1,
            r1=np.array([kind.r1 for kind in classes])[spins.group],
            r2=np.array([kind.r2 for kind in classes])[spins.group],
            weight=(spins.weight * heard[:, spins.members]).astype(np.complex128),
        )

    def batch(self, begin: int, dtype: RealType) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the (7, n) table and the (coil, 2, n) weights of one batch, as the kernel wants them."""
        part = slice(begin, begin + BATCH)
        table = np.concatenate([self.position, [self.offset, self.b1, self.r1, self.r2]])[:, part]
        weight = np.stack([self.weight.real, self.weight.imag], axis=1)[..., part]
        return np.ascontiguousarray(table, dtype=dtype), np.ascontiguousarray(weight, dtype=dtype)


def why_no_cuda() -> str | None:
    """Return why this machine cannot run the engine on a graphics processor, or None if it can."""
    if importlib.util.find_spec("numba_cuda") is None:
        return "numba-cuda is not installed; install the extra mrsim[cuda]"
    from ._kernels import cuda as kernels

    if not kernels.cuda.is_available():
        return "no CUDA device answers; look for one with nvidia-smi"
    return None


def on_cuda(device: str, obstacle: str | None = None) -> bool:
    """Return True if a run asked for ``"cpu"``, ``"cuda"`` or ``"auto"`` takes place on a graphics processor.

    obstacle : what the run needs that the kernels of the graphics processor do not know.
    """
    if device == "cpu":
        return False
    reason = why_no_cuda()
    if device == "cuda" and reason:
        raise InputError(
            f"{reason}; device 'cpu' needs none, and 'auto' takes one only where there is one", key="device"
        )
    if device == "cuda" and obstacle:
        raise InputError(f"{obstacle}, which the CUDA kernels do not know; run on the 'cpu'", key="device")
    return not (reason or obstacle)


def device_name() -> str:
    """Return the name of the device that runs the kernels."""
    from ._kernels import cuda as kernels

    if kernels.SIMULATED:
        return "numba's CUDA simulator"
    name = kernels.cuda.get_current_device().name
    return name.decode() if isinstance(name, bytes) else str(name)


def cuda_signal(
    timeline: Timeline,
    spins: CudaSpins,
    *,
    dtype: RealType,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.complex128]:
    """Return the (readout, coil, sample) signal, m^3, of spins that start in equilibrium.

    Parameters
    ----------
    timeline : Timeline
        The scan.
    spins : CudaSpins
        All spins.
    dtype : type
        numpy.float64 or numpy.float32.
    progress : callable, optional
        Called with (spins done, spins in all), spins under way in proportion.
    """
    run = _Run(timeline, spins, dtype)
    count = spins.weight.shape[1]
    for begin in range(0, count, BATCH):
        size = min(BATCH, count - begin)
        for share in run.carry(begin):
            if progress:
                progress(begin + int(share * size), count)
    return run.signal()


@lru_cache(maxsize=4)
def _kernel(single: bool, alone: bool) -> tuple[Any, Layout]:
    from ._kernels import cuda as kernels

    dtype: RealType = np.float32 if single else np.float64
    layout = SIMULATOR_LAYOUT if kernels.SIMULATED else LAYOUTS[dtype]
    sizes = (layout.threads, layout.per_constant, layout.per_any, 1 if alone else layout.together)
    build: Any = kernels.carry_of
    return build(dtype, *sizes, turn_series(dtype)[:2]), layout


class _Run:
    """A scan on the device, with the signal that grows there."""

    def __init__(self, timeline: Timeline, spins: CudaSpins, dtype: RealType) -> None:
        from ._kernels import cuda as kernels

        self.device, self.spins, self.dtype = kernels.cuda, spins, dtype
        self.kernel, self.layout = _kernel(dtype is np.float32, len(spins.weight) == 1)
        self.add: Any = kernels.add_blocks
        reach = np.abs(spins.position).max(axis=1, initial=0.0)
        largest = float(np.abs(spins.offset).max(initial=0.0)), float(np.abs(spins.b1).max(initial=0.0))
        self.scan = CudaScan.of(timeline, reach, *largest, self.layout, dtype)
        self.tables = [self.device.to_device(table) for table in self.scan.arguments]
        readouts, samples = timeline.readouts.k.shape[:2]
        self.shape = (readouts, spins.weight.shape[0], 2, samples)
        self.total = self.device.to_device(np.zeros(int(np.prod(self.shape))))

    def carry(self, begin: int) -> Iterator[float]:
        """Carry one batch through the scan; yield the share done after every launch."""
        table, weight = self.spins.batch(begin, self.dtype)
        state = np.zeros((3, table.shape[1]), self.dtype)
        state[2] = 1
        blocks = -(-table.shape[1] // self.layout.threads)
        spin = [self.device.to_device(array) for array in (state, table, weight)]
        plan = self.scan.launches(table.shape[1], blocks, weight.shape[0])
        most = max(launch.readouts for launch in plan)
        partial = self.device.device_array((blocks, max(most, 1), *self.shape[1:]), self.dtype)
        for done, launch in enumerate(plan, 1):
            self._launch(launch, blocks, spin, partial)
            yield done / len(plan)

    def _launch(self, launch: Launch, blocks: int, spin: list[Any], partial: Any) -> None:
        kind, *tables = self.tables
        arguments = (*spin, launch.first, launch.last, kind, *tables, launch.first_readout, partial)
        self.kernel[blocks, self.layout.threads](*arguments)
        count = launch.readouts * int(np.prod(self.shape[1:]))
        if count:
            numbers = partial.reshape(blocks, partial.size // blocks)
            first = launch.first_readout * int(np.prod(self.shape[1:]))
            width = self.layout.threads
            self.add[-(-count // width), width](numbers, first, count, self.total)
        self.device.synchronize()

    def signal(self) -> NDArray[np.complex128]:
        """Return the (readout, coil, sample) signal in the order of the timeline's readout table."""
        found = self.total.copy_to_host().reshape(self.shape)
        signal = np.empty((*self.shape[:2], self.shape[3]), dtype=np.complex128)
        signal[self.scan.order] = found[:, :, 0] + 1j * found[:, :, 1]
        return signal

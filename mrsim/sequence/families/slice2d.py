"""Two-dimensional Cartesian protocols: one slice or a stack of them, line by line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ...core.errors import InputError
from ...core.grid import Grid
from ...core.units import Length
from .cartesian import Cartesian
from .protocol import Placed, at_least, length, within

MOST_SLICES = 512
"""What no scan needs more of."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Slice2D(Cartesian):
    """Fields that all families of this kind have."""

    slice_thickness: Length = 4e-3
    """Width of the excited slice, m."""
    slices: int = 1
    """Number of parallel slices; slice n//2 lies at the grid's origin, the others along the slice direction."""
    slice_gap: Length = 0.0
    """Distance between the faces of neighbouring slices, m."""
    slice_order: Literal["ascending", "descending", "interleaved"] | tuple[int, ...] = "interleaved"
    """Order within a repetition: by position, every second one first, or the slices' numbers (from 0) one by one."""

    def __post_init__(self) -> None:
        """Refuse what no scanner could encode."""
        self.check_matrix(2, "read x phase")
        Placed.__post_init__(self)
        length("slice_thickness", self.slice_thickness)
        within("slices", self.slices, 1, MOST_SLICES)
        at_least("slice_gap", self.slice_gap, 0.0)
        if not isinstance(self.slice_order, str) and sorted(self.slice_order) != list(range(self.slices)):
            numbers = ", ".join(str(i) for i in self.slice_order)
            raise InputError(f"is {numbers}; expected each number from 0 to {self.slices - 1} once", key="slice_order")
        if self.slices > 1 and self.pulse == "hard":
            problem = f"is {self.slices}, but hard pulses select no slice; use sinc or slr, or lower slices to 1"
            raise InputError(problem, key="slices")

    @property
    def selected(self) -> float:
        """Width of the excited slice, m."""
        return self.slice_thickness

    def grid(self) -> Grid:
        """Return the encoded grid: one z index per slice."""
        nx, ny = self.matrix
        return Grid(
            shape=(self.slices, ny, nx),
            spacing=(self.fov[0] / nx, self.fov[1] / ny, self.slice_thickness + self.slice_gap),
            centre=self.origin(),
            axes=self.axes(),
            gap=self.slice_gap,
        )

    def order(self) -> tuple[int, ...]:
        """Return the slices' numbers in the order of acquisition."""
        numbers = range(self.slices)
        if self.slice_order == "ascending":
            return tuple(numbers)
        if self.slice_order == "descending":
            return tuple(reversed(numbers))
        if self.slice_order == "interleaved":
            return (*numbers[::2], *numbers[1::2])
        return tuple(int(i) for i in self.slice_order)

    def position(self, index: int) -> float:
        """Return where a slice lies along z from the grid's origin, m."""
        return (index - self.slices // 2) * (self.slice_thickness + self.slice_gap)

    def repetitions(self, groups: tuple[tuple[int, ...], ...]) -> Iterator[tuple[tuple[int, ...], int, int]]:
        """Yield (slices, average, line) of every repetition, one concatenation after the other."""
        for group in groups:
            for average, line in self.lines():
                yield group, average, line

    def lines(self) -> Iterator[tuple[int, int]]:
        """Yield (average, line) in the order of acquisition; line -1 stands for a dummy."""
        for _ in range(self.dummies):
            yield 0, -1
        for average in range(self.averages):
            for line in self.read_lines:
                yield average, line

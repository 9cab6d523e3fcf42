"""A signal model or a method as data: what it is called, what it fits, what it needs to know, and its equation.

The equation of a `Model` is an ordinary function of sympy symbols, whose arguments are named after the parameters,
the contrast columns and the options. Everything else (compiled value and Jacobian, Fisher information,
LaTeX) comes from that one function. A `Method` (see `mrsim.fit.method`) is described in the same way and brings
its own arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

DataKind = Literal["magnitude", "real", "phase-corrected", "phase-referenced", "polarity-restored", "complex"]
"""How complex images become the numbers that are fitted: their magnitude; their real part; their real
part after the voxel's common phase is taken out; the same per echo time, with the image of the longest delay
positive; their magnitude with the sign chosen that fits best; as they are (methods only)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameter:
    """A quantity that the fit finds in every voxel."""

    name: str
    unit: str
    """SI unit; ``""`` for a pure number."""
    symbol: str
    """LaTeX."""
    description: str
    lower: float
    upper: float
    grid: tuple[float, float, int] | None = None
    """Lowest value, highest value and count of the logarithmic grid on which the initial guess is
    looked for; None for a parameter in which the signal is linear, which the guess solves exactly."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A column of the images' contrast table that the model reads."""

    name: str
    unit: str
    symbol: str
    description: str
    plausible: float
    """Largest value, in `unit`, that a scan could have; above it the unit is probably wrong."""
    mistaken: str
    """The unit that an implausible value was probably written in, e.g. ``"ms"``."""
    zero: bool = False
    """Whether zero is allowed."""
    signed: bool = False
    """Whether values below zero are allowed."""
    least: float = 0.0
    """Smallest value that the largest of a scan could have; below it the unit is probably wrong."""
    smaller: str = ""
    """The unit that such small values were probably written in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """A value that the fit does not look for: the user may set it."""

    name: str
    default: float
    unit: str
    symbol: str
    description: str
    varies: bool = False
    """Whether it may differ from voxel to voxel, and come as a map, e.g. of B1 from another scan."""
    lower: float = -float("inf")
    upper: float = float("inf")
    """What is plausible, SI; a value outside is an error, a voxel of a map outside is left out."""
    step: float = 0.1
    """Where it varies: differences below this do not matter to an initial guess, SI."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Description:
    """What models and methods say of themselves."""

    name: str
    title: str
    """One line for lists."""
    reference: str
    """Where it is derived."""
    parameters: tuple[Parameter, ...]
    contrast: tuple[Column, ...]
    options: tuple[Option, ...] = ()
    data: DataKind = "magnitude"
    maps: tuple[str, ...] = ()
    """Parameters that become maps; all of them where empty."""
    constant: tuple[str, ...] = ()
    """Contrast columns that must not vary over the series, because the equation takes them as one value."""
    assumes: tuple[Literal["refocusing", "spoiling", "profile", "expansion"], ...] = ()
    """What must be ideal, which the protocol sheet, or the data, can belie; see `mrsim.fit.doubts`."""
    curved: tuple[str, ...] = ()
    """Parameters that the signal bends with so strongly that their errors, of first order, hold only where small."""
    knows: tuple[Literal["slice-profile"], ...] = ()
    """Causes of error that the fit takes into account, from the protocol sheet: an error budget has no row for them."""
    derived: tuple[Parameter, ...] = ()
    """What follows from the parameters and becomes a map as well (methods only); in a solution after them."""

    @property
    def map_names(self) -> tuple[str, ...]:
        """Names of what becomes maps."""
        return self.maps or tuple(p.name for p in (*self.parameters, *self.derived))

    @property
    def linear(self) -> tuple[str, ...]:
        """Names of the parameters in which the signal is linear (and, taken together, homogeneous)."""
        return tuple(p.name for p in self.parameters if p.grid is None)

    @property
    def varying(self) -> tuple[str, ...]:
        """Names of the options that may come as maps."""
        return tuple(o.name for o in self.options if o.varies)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Model(Description):
    """A signal model that is one symbolic equation."""

    equation: Callable[..., Any]
    """The signal as a sympy expression of the symbols that its arguments name."""

    def symbols(self) -> dict[str, Any]:
        """Return name -> sympy symbol of every parameter, contrast column and option."""
        from sympy import Symbol

        names = [entry.name for group in (self.parameters, self.contrast, self.options) for entry in group]
        return {name: Symbol(name, real=True) for name in names}

    def expression(self) -> Any:
        """Return the signal as a sympy expression of `symbols`."""
        return self.equation(**self.symbols())


B1 = Option(
    name="b1",
    default=1.0,
    unit="",
    symbol="b_1",
    description="true over nominal flip angle",
    varies=True,
    lower=0.1,
    upper=3.0,
)
TE = Column(name="te", unit="s", symbol="T_E", description="echo time", plausible=2.0, mistaken="ms", zero=True)
TR = Column(name="tr", unit="s", symbol="T_R", description="repetition time", plausible=60.0, mistaken="ms")
SHORT_TR = replace(TR, plausible=2.0)
"""Of gradient echoes in their steady state: 15 s would be 15 ms."""
TI = Column(name="ti", unit="s", symbol="T_I", description="inversion time", plausible=60.0, mistaken="ms")
FLIP = Column(name="flip", unit="rad", symbol=r"\alpha", description="flip angle", plausible=6.2832, mistaken="deg")

INFINITE = float("inf")
M0 = Parameter(
    name="m0",
    unit="",
    symbol="M_0",
    description="signal without the modelled weighting, proton density units",
    lower=0.0,
    upper=INFINITE,
)
PD = Parameter(name="pd", unit="", symbol=r"\rho", description="proton density", lower=0.0, upper=INFINITE)
T1 = Parameter(
    name="t1",
    unit="s",
    symbol="T_1",
    description="longitudinal relaxation time",
    lower=1e-3,
    upper=20.0,
    grid=(0.03, 8.0, 24),
)
T2 = Parameter(
    name="t2",
    unit="s",
    symbol="T_2",
    description="transverse relaxation time",
    lower=1e-4,
    upper=10.0,
    grid=(2e-3, 4.0, 24),
)
T2_STAR = Parameter(
    name="t2_star",
    unit="s",
    symbol="T_2^*",
    description="apparent transverse relaxation time of the free decay",
    lower=1e-4,
    upper=10.0,
    grid=(1e-3, 2.0, 24),
)
OFFSET = Parameter(
    name="offset",
    unit="",
    symbol="c",
    description="constant that does not decay, e.g. a noise floor",
    lower=-INFINITE,
    upper=INFINITE,
)

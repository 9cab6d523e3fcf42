"""The readout: a lobe symmetric about the echo, and the window of samples under its plateau.

Sample n//2 is taken exactly at the echo, where k = 0, so the window starts (n//2 + 1/2) dwells before it: half a
dwell earlier than a window centred on the echo. On a reversed lobe (bipolar trains) the window is mirrored, and
the samples fall on the same points of k-space in the opposite order.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..core.errors import InfeasibleError, InputError
from .events import NS, Adc, Gradient
from .gradients import SLACK, Limits, area, flat_top, scaled
from .scanner import Scanner, to_ns

TOLERANCE = 0.1
"""The played bandwidth may differ from the requested one by this fraction (the dwell lies on a raster)."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Readout:
    """One lobe with its window."""

    gradient: Gradient
    """Read axis, from the start of the block."""
    adc: Adc
    duration: int
    """Length of the block, ns."""
    echo: int
    """When k = 0, ns from the start of the block: its middle."""
    area: float
    """Area of the lobe, T s/m: twice that of the prephaser."""

    @property
    def bandwidth(self) -> float:
        """Bandwidth per pixel, Hz."""
        return NS / self.adc.duration

    def reversed(self) -> Readout:
        """Return the lobe of opposite sign, whose samples fall on the same k in the opposite order."""
        n, dwell = self.adc.samples, self.adc.dwell
        start = self.echo - (n - 1 - n // 2) * dwell - dwell // 2
        adc = Adc(samples=n, dwell=dwell, delay=start)
        return Readout(gradient=scaled(self.gradient, -1.0), adc=adc, duration=self.duration, echo=self.echo,
                       area=-self.area)  # fmt: skip


def read_dwell(scanner: Scanner, samples: int, pixel_bandwidth: float) -> int:
    """Return the dwell, ns, nearest to the requested bandwidth per pixel.

    Half a dwell must lie on the RF raster, on which windows start.
    """
    step = 2 * to_ns(scanner.rf_raster)
    while step % to_ns(scanner.adc_raster):
        step += 2 * to_ns(scanner.rf_raster)
    exact = NS / (samples * pixel_bandwidth)
    below = max(1, int(exact // step)) * step
    dwell = min((below, below + step), key=lambda d: abs(NS / (samples * d) - pixel_bandwidth))
    actual = NS / (samples * dwell)
    if abs(actual / pixel_bandwidth - 1) > TOLERANCE:
        raise InputError(
            f"{pixel_bandwidth:.5g} Hz needs a dwell of {exact / 1e3:.4g} us, but {samples} samples can be taken every "
            f"{dwell / 1e3:g} us (dwells are multiples of {step / 1e3:g} us); the nearest is {actual:.5g} Hz",
            key="pixel_bandwidth",
        )
    return dwell


def read_lobe(scanner: Scanner, limits: Limits, samples: int, fov: float, pixel_bandwidth: float) -> Readout:
    """Return the readout of `samples` points over `fov` m.

    The amplitude is 1 / (gamma_bar fov dwell): one dwell is one step of 1 / fov.
    """
    dwell = read_dwell(scanner, samples, pixel_bandwidth)
    amplitude = NS / (scanner.gamma_bar * fov * dwell)
    if abs(amplitude) > limits.gradient * SLACK:
        most = pixel_bandwidth * limits.gradient / abs(amplitude)
        raise InfeasibleError(
            f"pixel_bandwidth {pixel_bandwidth:g} Hz over a field of view of {fov * 1e3:g} mm needs "
            f"{abs(amplitude) * 1e3:.4g} mT/m, above the {limits.gradient * 1e3:.4g} mT/m of one axis in this "
            f"orientation; lower pixel_bandwidth to {most:.4g} Hz or widen the field of view"
        )
    flat = -(-(samples + 1) * dwell // (2 * limits.raster)) * 2 * limits.raster
    gradient = flat_top(limits, amplitude, flat, ramp=limits.up(to_ns(scanner.adc_dead_time)))
    duration = int(gradient.times[-1])
    echo = duration // 2
    delay = echo - (samples // 2) * dwell - dwell // 2
    adc = Adc(samples=samples, dwell=dwell, delay=delay)
    return Readout(gradient=gradient, adc=adc, duration=duration, echo=echo, area=area(gradient))

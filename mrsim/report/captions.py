"""A figure on a page: the picture itself, embedded, and a caption that says what it shows."""

from __future__ import annotations

import base64
import html
import re

from .quantities import label
from .style import DPI

CAPTIONS = {
    "sequence": "One repetition, or one slice of it, as it is played. Grey lines behind Gy are what others play there.",
    "kspace": "Nominal k from the gradients that are played, refocusing pulses included.",
    "moments": "M0 is k. Where M1 is zero, uniform motion leaves no phase; where M2 is zero, acceleration leaves none.",
    "spectrum": "The largest amplitude of a sinusoid in any 51 ms of the scan.",
    "b-matrix": "From the gradients as they are played, cross terms included, at the centre of k-space; grid axes.",
    "fitted": "Maps without a truth; colours from the 1st to the 99th percentile in the object. FA by direction: red "
    "from left to right, green from front to back, blue from head to foot.",
    "spectra": "Coils combined, averages aligned; the phase is that of the first point.",
    "quantified": "Real parts over the noise, in phase. Amounts may be negative: cut at zero they would be biased.",
    "elastogram": "The slice with most usable voxels. Measured displacements at two phases, a quarter of a period "
    "apart; measured and true modulus; their ratio; why voxels are not invertible (codes add up: 1 few voxels per "
    "wavelength, 2 strain and 4 derivative within the noise, 8 damped, 16 near a boundary, 32 no physical modulus, "
    "64 the modulus changes along the wave, 128 the wavelength is longer than the region).",
    "waves": "Measured displacement over one period of the vibration.",
    "images": "Magnitude in one window. Letters: anterior, posterior, superior, inferior, left, right.",
    "map": "Outlines: regions of interest. Pale: no value; the truth is scalar only where one tissue fills a voxel.",
    "agreement": "Bland-Altman over the voxels of the regions. The truth has no error and stands on the axis in place "
    "of the mean of both, which would tilt the cloud. Lines: bias and 95 % limits of agreement; bars: each region's.",
    "budget": "What goes when a cause is switched off; model: what stays without any; interaction: the rest.",
    "synthetic": "From the fitted maps, never scanned; ideal pulses. PSIR keeps its sign: grey is zero.",
    "decay": "Points: mean of the region with the standard error from the noise. Lines: mean of the voxels' fits.",
}
"""What each figure shows, by the first word of its name."""
WIDEST = 1000
"""Width of figures on the page, pixels."""


def plain(text: object) -> str:
    """Return text fit for HTML; addresses lose their scheme, so that the page names no place to fetch from."""
    return html.escape(re.sub(r"\b[a-zA-Z][a-zA-Z0-9+.-]*://", "", str(text)))


def embedded(name: str, picture: bytes, caption: str | None = None) -> str:
    """Return a PNG picture as an HTML figure, by default with the caption of its name."""
    data = base64.b64encode(picture).decode("ascii")
    said = plain(CAPTIONS[name.split("_")[0]] if caption is None else caption)
    width = min(WIDEST, int.from_bytes(picture[16:20], "big") * 96 // DPI)  # the PNG header holds its width
    image = f'<img alt="{plain(label(name))}" width="{width}" src="data:image/png;base64,{data}">'
    return f"<figure>{image}<figcaption>{said}</figcaption></figure>"

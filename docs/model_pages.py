"""Sphinx extension: the page of signal models, written at every build from the models themselves.

Each equation is printed from the expression that is compiled for fitting, so the page cannot disagree with
the code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

INTRODUCTION = """\
# Signal models

Every entry below is one file in `mrsim/fit/models/`. A model is one symbolic expression, from which come the compiled
value and Jacobian of the fit, the standard errors, the Cramér–Rao bound, and this page; a method brings arithmetic of
its own. {doc}`relaxometry` says what the groups assume.

## What every fitter states

Each gives a standard error and a status (`mrsim.core.maps.STATUS`) for every voxel, and `maps.chi2`, the residual
variance over the noise's, where a voxel has more numbers (twice as many as images where they are complex) than
parameters. Values on a bound have the status "at a bound" and no error. Signed and complex images have Gaussian
noise: no Rician likelihood applies, and there is no floor to take off.

"""


def setup(app: Any) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.connect("builder-inited", write_models)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_models(app: Any) -> None:
    """Write `physics/models.md` if its text has changed."""
    from mrsim.fit.abilities import abilities_table
    from mrsim.fit.inversions import INVERSIONS
    from mrsim.fit.latex import markdown
    from mrsim.fit.models import MODELS

    target = Path(app.srcdir, "physics", "models.md")
    text = "\n".join([INTRODUCTION + abilities_table() + "\n", *(markdown(model) for model in (*MODELS, *INVERSIONS))])
    if not target.exists() or target.read_text(encoding="utf-8") != text:
        target.write_text(text, encoding="utf-8")

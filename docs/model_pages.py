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
"""


def setup(app: Any) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.connect("builder-inited", write_models)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_models(app: Any) -> None:
    """Write `physics/models.md` if its text has changed."""
    from mrsim.fit.inversions import INVERSIONS
    from mrsim.fit.latex import markdown
    from mrsim.fit.models import MODELS

    target = Path(app.srcdir, "physics", "models.md")
    text = "\n".join([INTRODUCTION, *(markdown(model) for model in (*MODELS, *INVERSIONS))])
    if not target.exists() or target.read_text(encoding="utf-8") != text:
        target.write_text(text, encoding="utf-8")

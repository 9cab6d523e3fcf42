"""The page as one file: markup, style, scripts and data put together, nothing fetched."""

from __future__ import annotations

from html import escape
from pathlib import Path

from .equations import equations
from .javascript import formulas_source
from .page_data import Progress, page_data

FOLDER = Path(__file__).parent / "page"
SCRIPTS = (
    "text", "tables", "signal", "scan", "precision", "state", "picture", "charts", "diagram", "view", "sources",
    "lessons", "live", "controls", "main",
)  # fmt: skip
"""In the order in which they run; the generated formulas come before all."""


def lab_page(token: str | None = None, progress: Progress | None = None) -> str:
    """Return the page; with a token it may talk to the server that sent it, without one to nobody."""
    parts = {
        "style": (FOLDER / "style.css").read_text(encoding="utf-8"),
        "script": "\n".join([formulas_source(equations()), *(_script(name) for name in SCRIPTS)]),
        "data": page_data(progress).replace("</", "<\\/"),
        "token": "" if token is None else f'<meta name="mrsim-token" content="{escape(token, quote=True)}">',
        "connect": "'none'" if token is None else "'self'",
    }
    page = (FOLDER / "page.html").read_text(encoding="utf-8")
    for name, text in parts.items():
        before, after = page.split("{{" + name + "}}")
        page = f"{before}{text}{after}"
    return page


def _script(name: str) -> str:
    return (FOLDER / f"{name}.js").read_text(encoding="utf-8")

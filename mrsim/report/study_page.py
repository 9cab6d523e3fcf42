"""The page of a study: its question, its verdicts, its figures, its tables; one HTML file without references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..core.version import __version__
from .captions import embedded, plain
from .page import document, downloads, html_table
from .table import Table, table_csv


def study_page(
    *,
    title: str,
    description: str,
    question: str,
    notes: Sequence[str],
    claims: Sequence[tuple[str, bool]],
    tables: Sequence[Table],
    drawn: Mapping[str, bytes],
    text: str,
    compared: Sequence[tuple[str, bool]] = (),
) -> str:
    """Return the page.

    Parameters
    ----------
    title, description, question : str
    notes : sequence of str
        What a reader must know of the limits.
    claims : sequence of (str, bool)
        Each verdict as a sentence, and whether the claim holds.
    tables : sequence of Table
    drawn : mapping of str to bytes
        Figures as PNG.
    text : str
        The study's file.
    compared : sequence of (str, bool)
        What is said of groups, and whether noise explains their difference.
    """
    held = sum(holds for _, holds in claims)
    items = "".join(f'<li class="{"good" if holds else "off"}">{plain(said)}</li>' for said, holds in claims)
    body = [
        f"<header><h1>{plain(title)}</h1><p>{plain(description)}</p></header>",
        f"<section><p>{plain(question)}</p></section>",
        f"<section><h2>{held} of {len(claims)} claims hold</h2><ul class='verdicts'>{items}</ul></section>",
        _groups(compared),
        *(embedded(name, picture, "") for name, picture in drawn.items()),
        *(html_table(table) for table in tables),
        _notes(notes),
        f"<section><h2>Study file</h2><pre>{plain(text.strip())}</pre></section>",
        f"<section><h2>Provenance</h2><p>mrsim {__version__}; the study file holds the seeds.</p></section>",
        downloads(
            {f"{table.title.lower().replace(' ', '-')}.csv": table_csv(table) for table in tables}
            | {"study.toml": text}
        ),
    ]
    return document(plain(title), body)


def _groups(compared: Sequence[tuple[str, bool]]) -> str:
    if not compared:
        return ""
    items = "".join(f'<li class="{"off" if explained else "good"}">{plain(said)}</li>' for said, explained in compared)
    return f"<section><h2>Could these differences be noise?</h2><ul class='verdicts'>{items}</ul></section>"


def _notes(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    return f"<section><h2>Notes</h2><ul>{''.join(f'<li>{plain(note)}</li>' for note in notes)}</ul></section>"

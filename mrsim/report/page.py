"""An HTML page that refers to nothing outside itself: its frame, its tables, what it hands out, its style.

Black on white on paper, light or dark on screen as the reader has set it, one column on a phone.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

from .captions import plain
from .table import Table

LONG = 25
"""Rows from which a table scrolls on screen."""

STYLE_SHEET = """
:root { --ink: #1d2733; --quiet: #5f6b78; --hair: #d5dbe1; --paper: #fff; --link: #2166ac; }
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif;
}
main { max-width: 1080px; margin: 0 auto; padding: 28px 24px 60px; }
h1 { margin: 0; font-size: 28px; letter-spacing: -0.01em; }
h2 { margin: 34px 0 8px; font-size: 18px; border-bottom: 1px solid var(--hair); padding-bottom: 4px; }
h3 { margin: 18px 0 4px; font-size: 14px; color: var(--quiet); }
header p { margin: 4px 0 14px; color: var(--quiet); font-size: 16px; }
.facts {
  display: flex; flex-wrap: wrap; gap: 8px 28px; margin: 0; padding: 12px 16px;
  background: #f4f6f8; border-radius: 6px;
}
.facts dt { font-size: 12px; color: var(--quiet); }
.facts dd { margin: 0; font-weight: 600; }
.warnings {
  margin-top: 18px; padding: 4px 16px 8px; background: #fff6e0;
  border-left: 4px solid #d99000; border-radius: 4px;
}
.warnings h2 { margin: 8px 0 2px; border: 0; font-size: 15px; color: #7a5200; }
.warnings ul { margin: 0 0 4px; padding-left: 20px; }
.verdicts { list-style: none; margin: 8px 0; padding: 0; }
.verdicts li { padding: 4px 0 4px 14px; margin: 3px 0; border-left: 4px solid #b2182b; }
.verdicts li.good { border-color: #1b9e77; }
figure { margin: 22px 0; text-align: center; break-inside: avoid; }
figure img { max-width: 100%; height: auto; }
.viewer canvas { width: 100%; height: 460px; touch-action: none; cursor: crosshair; }
.viewer output { display: block; min-height: 1.5em; font-size: 12px; color: var(--quiet); }
figcaption { color: var(--quiet); font-size: 13px; }
table { border-collapse: collapse; font-size: 13px; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; color: var(--quiet); font-weight: 600; border-bottom: 1px solid var(--quiet); }
th, td { padding: 3px 10px 3px 0; vertical-align: top; }
td { border-bottom: 1px solid #edf0f3; overflow-wrap: break-word; }
td:first-child { white-space: nowrap; }
.number { text-align: right; white-space: nowrap; }
.verdicts li.none { border-color: #b6bec7; color: var(--quiet); }
.prose { min-width: 17em; }
.scroll { overflow-x: auto; }
.scroll.long { max-height: 70vh; overflow-y: auto; }
.scroll.long th { position: sticky; top: 0; background: var(--paper); }
.wrapped td:last-child { overflow-wrap: anywhere; }
details { margin: 4px 0; } summary { cursor: pointer; font-size: 13px; }
.downloads { columns: 3 15em; padding-left: 18px; font-size: 13px; } a { color: var(--link); overflow-wrap: anywhere; }
section > p { color: var(--quiet); font-size: 13px; }
pre { background: #f4f6f8; padding: 10px 14px; border-radius: 6px; font-size: 12px; white-space: pre-wrap; }
@media (max-width: 800px) {
  main { padding: 16px 12px 40px; } .viewer canvas { height: 300px; }
  figure { overflow-x: auto; } figure img { max-width: max(100%, 620px); }
}
@media screen and (prefers-color-scheme: dark) {
  :root { color-scheme: dark; --ink: #e3e8ee; --quiet: #9aa6b2; --hair: #39424c; --paper: #14181d; --link: #7db4e6; }
  body { background: var(--paper); }
  td { border-bottom-color: #262d35; }
  .facts, pre { background: #1f252c; }
  .warnings { background: #332a12; }
  .warnings h2 { color: #f0c868; }
  figure img, .viewer canvas { background: #fff; border-radius: 6px; }
}
@media print {
  .viewer, .downloads { display: none; }
  .scroll, .scroll.long { overflow: visible; max-height: none; }
  table { font-size: 9px; } td:first-child, .number { white-space: normal; } .prose { min-width: 0; }
  body { font-size: 11px; } main { padding: 0; max-width: none; }
  figure { overflow: visible; } figure img { max-width: 100%; }
  section { break-inside: auto; } tr, .warnings, .facts, h2 { break-inside: avoid; } h2 { break-after: avoid; }
}
"""


def document(title: str, body: Sequence[str]) -> str:
    """Return a page; `title` and the parts of `body` are HTML."""
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{title}</title>\n'
        f"<style>{STYLE_SHEET}</style>\n</head>\n<body>\n<main>\n" + "\n".join(body) + "\n</main>\n</body>\n</html>\n"
    )


def html_table(table: Table) -> str:
    """Return a table as a section of a page; it scrolls by itself where it is wider or longer than the screen."""

    def cell(tag: str, index: int, text: str) -> str:
        name = "number" if index in table.numeric else "prose" if index in table.prose else ""
        kind = f' class="{name}"' if name else ""
        return f"<{tag}{kind}>{plain(text)}</{tag}>"

    head = "".join(cell("th", i, text) for i, text in enumerate(table.columns))
    rows = "".join(f"<tr>{''.join(cell('td', i, text) for i, text in enumerate(row))}</tr>" for row in table.rows)
    long = " long" if len(table.rows) > LONG else ""
    title = plain(table.title)
    return (
        f'<section><h2>{title}</h2><div class="scroll{long}" role="region" tabindex="0" aria-label="{title}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def downloads(files: Mapping[str, str], rest: str = "") -> str:
    """Return links that hand out texts by file name; `rest` says where to find what is too large for a page."""

    def link(name: str, text: str) -> str:
        kind = {"csv": "text/csv", "json": "application/json"}.get(name.rpartition(".")[2], "text/plain")
        data = base64.b64encode(text.encode()).decode("ascii")
        return f'<li><a download="{plain(name)}" href="data:{kind};base64,{data}">{plain(name)}</a></li>'

    items = "".join(link(name, text) for name, text in files.items())
    said = f"<p>{plain(rest)}</p>" if rest else ""
    return f'<section><h2>Downloads</h2>{said}<ul class="downloads">{items}</ul></section>'

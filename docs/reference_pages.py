"""Sphinx extension: directives that print what the package holds at build time, so that pages cannot disagree with it.

`tissue-tables`, `protocol-catalogue` and `command-reference` stand in the pages of `reference/`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

HEADLINE = {"t1": "T1", "t2": "T2", "t2_star": "T2*", "pd": "proton density", "fat_fraction": "fat proton fraction"}
HEADLINE |= {f"fat_{name}": f"{HEADLINE[name]} of fat" for name in ("t1", "t2", "t2_star", "pd")}
FIELDS = (1.5, 3.0, 7.0)
"""T; the scanner presets."""


class Generated(SphinxDirective):
    """A directive whose content is Markdown made at build time."""

    def markdown(self) -> str:
        """Return the content."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """Parse the content where the directive stands."""
        home = nodes.Element()
        lines = StringList(self.markdown().splitlines(), source=f"<{self.name}>")
        self.state.nested_parse(lines, self.content_offset, home, match_titles=True)
        return home.children


class TissueTables(Generated):
    """Every tissue file as a table."""

    def markdown(self) -> str:
        """Return a section per tissue."""
        from mrsim.core.toml import available

        return "\n".join(_tissue(name) for name in available("phantoms/tissues"))


def _tissue(name: str) -> str:
    from mrsim.phantom.tissue import load_tissue
    from mrsim.phantom.tissue_file import GRADES

    first = load_tissue(name)
    grades: list[int | None] = [1, 2, 3, 4, 5] if first.grade else [None]
    head = "| property | " + ("grade | " if first.grade else "") + "field / T | value | spread | source | provenance |"
    rows = [head, "|---" * (head.count("|") - 1) + "|"]
    for grade in grades:
        tissue = load_tissue(name, grade=grade)
        for key in tissue.names():
            for field in tissue.fields or FIELDS:
                found = tissue.property(key, field)
                level = (GRADES[grade - 1],) if grade else ()
                cells = (HEADLINE.get(key, key), *level, f"{field:g}", *_numbers(found), _text(found.source),
                         _text(found.provenance))  # fmt: skip
                rows.append("| " + " | ".join(cells) + " |")
    return "\n".join([f"## `{name}`", "", f"{first.description}.", "", *rows, ""])


def _numbers(found: Any) -> tuple[str, str]:
    """Return value and spread with their unit."""
    if found.unit == "s":
        return f"{1e3 * found.value:.4g} ms", f"{1e3 * found.sd:.3g} ms"
    return f"{found.value:.3g}", f"{found.sd:.2g}"


def _text(source: str) -> str:
    """Return a citation without web addresses, safe in a table's cell."""
    plain = re.sub(r"\s*\(?\w+://[^\s)]+\)?", "", source).strip()
    return re.sub(r"([|_*<>\[\]])", r"\\\1", plain)


class ProtocolCatalogue(Generated):
    """Every shipped protocol with its timing and its sequence diagram."""

    def markdown(self) -> str:
        """Return a section per protocol."""
        from mrsim.core.toml import available

        folder = Path(self.env.app.doctreedir, "diagrams")
        folder.mkdir(parents=True, exist_ok=True)
        return "\n".join(_protocol(name, path, folder, Path(self.env.srcdir)) for name, path in
                         available("protocols").items())  # fmt: skip


def _protocol(name: str, path: Path, folder: Path, source: Path) -> str:
    from mrsim.cli.sequences import built_sequence
    from mrsim.core.toml import read_toml
    from mrsim.report.diagram import sequence_diagram
    from mrsim.report.style import png
    from mrsim.report.table import timing_table

    description, sequence = built_sequence(name, None, None, {})
    picture = folder / f"{name}.png"
    picture.write_bytes(png(sequence_diagram(sequence)))
    table = read_toml(path)
    run = table.get("run", {})
    facts = [("family", f"`{table['family']}`"), *((key, f"`{value}`") for key, value in run.items())]
    facts += [(str(row[0]), str(row[1])) for row in timing_table(sequence).rows]
    rows = ["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in facts)]
    image = [f"```{{image}} /{Path(os.path.relpath(picture, source)).as_posix()}",
             f":alt: Sequence diagram of {name}, one repetition", ":width: 640px", "```"]  # fmt: skip
    return "\n".join([f"## `{name}`", "", f"{description}.", "", *image, "", *rows, ""])


class CommandReference(Generated):
    """The help of every command, as the command line prints it."""

    def markdown(self) -> str:
        """Return a section per command."""
        import click

        from mrsim.cli import COMMANDS, cli

        top = click.Context(cli, info_name="mrsim", max_content_width=88, terminal_width=88)
        parts = []
        for name in COMMANDS:
            command = cli.get_command(top, name)
            assert command is not None
            inner = click.Context(command, parent=top, info_name=name, max_content_width=88, terminal_width=88)
            parts += [f"## `mrsim {name}`", "", "```text", command.get_help(inner), "```", ""]
        return "\n".join(parts)


def setup(app: Any) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.add_directive("tissue-tables", TissueTables)
    app.add_directive("protocol-catalogue", ProtocolCatalogue)
    app.add_directive("command-reference", CommandReference)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

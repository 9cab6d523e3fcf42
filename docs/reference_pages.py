"""Sphinx extension: directives that print what the package holds at build time, so that pages cannot disagree with it.

`tissue-tables`, `protocol-catalogue`, `command-reference`, `exit-codes` and `verification-table` stand in the pages of
`reference/`, `protocol-gallery` in `gallery.md`.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

HEADLINE = {"t1": "T1", "t2": "T2", "t2_star": "T2*", "pd": "proton density", "fat_fraction": "fat proton fraction"}
HEADLINE |= {f"fat_{name}": f"{HEADLINE[name]} of fat" for name in ("t1", "t2", "t2_star", "pd")}
TIMING = ("TE", "TI", "TR", "scan time", "pixel bandwidth", "TE of the images", "TI of the images",
          "flip of the images", "matrix", "voxel")  # fmt: skip
"""What the catalogue shows of a protocol's timing table."""
TIED = "\N{NO-BREAK SPACE}"
GRADES = ("I", "II", "III", "IV", "V")
SAME_FOR_ALL = ("density", "susceptibility", "mt_rate", "mt_t1", "mt_t2", "dispersion_exponent", "water_line_width",
                "fibre_angle", "ivim_f_true", "contrast_diffusivity", "donnan_partition")  # fmt: skip
"""Facts that do not follow the grade."""
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
    fields = first.fields or FIELDS
    columns = ["property", *(["grade"] if first.grade else []), *(f"{field:g} T" for field in fields), "notes"]
    rows = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    notes: dict[str, int] = {}
    for grade in [1, 2, 3, 4, 5] if first.grade else [None]:
        tissue = load_tissue(name, grade=grade)
        for key in tissue.names():
            found = [tissue.property(key, field) for field in fields]
            level = [GRADES[grade - 1]] if grade else []
            said = [f"{_text(one.source)} — *{_text(one.provenance)}*" for one in found]
            numbers = [str(notes.setdefault(text, len(notes) + 1)) for text in said]
            where = numbers[:1] if len(set(numbers)) == 1 else numbers
            cells = [HEADLINE.get(key, key), *level, *map(_number, found), ", ".join(where)]
            rows.append("| " + " | ".join(cells) + " |")
    facts = _facts(name, notes)
    listed = [f"{number}. {text}" for text, number in notes.items()]
    return "\n".join([f"## `{name}`", "", f"{first.description}.", "", *rows, "", *facts, "", *listed, ""])


def _facts(name: str, notes: dict[str, int]) -> list[str]:
    """Return the rows of what is known besides relaxation, and of the material sets; sources are counted in `notes`."""
    from mrsim.core.toml import available
    from mrsim.phantom.tissue import load_tissue
    from mrsim.phantom.tissue_file import read_tissue_file

    content = read_tissue_file(available("phantoms/tissues")[name])
    grades = [g for g in GRADES if g in content.grade or g in content.by_grade] or [None]
    rows = []
    for choice in [(), *((other,) for other in content.set)]:
        field = 1.5 if choice == ("synthetic_mri",) else 3.0
        for grade in grades:
            tissue = load_tissue(name, grade, field, choice)
            base = load_tissue(name, grade, field).facts if choice else {}
            shown = {**tissue.replaced, **tissue.facts}
            rows += [
                _fact_row(key, grade, choice, fact, notes)
                for key, fact in shown.items()
                if key not in base or fact.entry != base[key].entry
            ]
    rows = list(dict.fromkeys(rows))
    if not rows:
        return []
    head = ["| property | grade | value | at | holds for | set | notes |", "|---|---|---|---|---|---|---|"]
    return [*head, *rows]


def _fact_row(key: str, grade: str | None, choice: tuple[str, ...], fact: Any, notes: dict[str, int]) -> str:
    from mrsim.phantom.tissue_facts import FACTS

    entry = fact.entry
    number = notes.setdefault(f"{_text(entry.source)} — *{entry.provenance}*", len(notes) + 1)
    value = entry.value + (f" ± {entry.spread}" if entry.spread else "")
    at = ", ".join(f"{b:g} T" for b in entry.field)
    name = FACTS[key][1] if key in FACTS else HEADLINE.get(key, key)
    level = grade or "" if key not in SAME_FOR_ALL else ""
    chosen = choice[0] if choice else ""
    cells = (name, level, value.replace(" ", TIED), at.replace(" ", TIED), _text(entry.condition), chosen, str(number))
    return "| " + " | ".join(cells) + " |"


def _number(found: Any) -> str:
    """Return value and spread with their unit."""
    if found.unit == "s":
        return f"{1e3 * found.value:.4g} ± {1e3 * found.sd:.3g} ms".replace(" ", TIED)
    return f"{found.value:.3g} ± {found.sd:.2g}".replace(" ", TIED)


def _text(source: str) -> str:
    """Return a citation without web addresses, safe in a table's cell."""
    plain = re.sub(r"\s*\(?\w+://[^\s)]+\)?", "", source).strip()
    return re.sub(r"([|_*<>\[\]])", r"\\\1", plain)


class ProtocolCatalogue(Generated):
    """Every shipped protocol with its timing and its sequence diagram."""

    def markdown(self) -> str:
        """Return a section per protocol."""
        from mrsim.core.toml import available

        doctrees, source = self.env.app.doctreedir, Path(self.env.srcdir)
        return "\n".join(_protocol(name, path, doctrees, source) for name, path in available("protocols").items())


def _protocol(name: str, path: Path, doctrees: Any, source: Path) -> str:
    from mrsim.cli.sequences import built_sequence
    from mrsim.core.toml import read_toml
    from mrsim.report.table import timing_table

    description, sequence = built_sequence(name, None, None, {})
    table = read_toml(path)
    run = table.get("run", {})
    facts = [("family", f"`{table['family']}`"), *((key, f"`{value}`") for key, value in run.items())]
    facts += [(row[0], row[1]) for row in timing_table(sequence).rows if row[0] in TIMING]
    rows = ["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in facts)]
    image = [f"```{{image}} {_diagram(name, doctrees, source)}",
             f":alt: Sequence diagram of {name}, one repetition", ":width: 760px", "```"]  # fmt: skip
    return "\n".join([f"## `{name}`", "", f"{description}.", "", *image, "", *rows, ""])


class ProtocolGallery(Generated):
    """A card per shipped protocol: picture, name, what it is, and the command."""

    def markdown(self) -> str:
        """Return one grid of figures."""
        from mrsim.core.toml import available, read_toml

        doctrees, source = self.env.app.doctreedir, Path(self.env.srcdir)
        cards = []
        for name, path in available("protocols").items():
            kept = Path("images", "gallery", f"{name}.png")
            shown = f"/{kept.as_posix()}" if (source / kept).is_file() else _diagram(name, doctrees, source)
            said = str(read_toml(path).get("description", "")).rstrip(".")
            cards += [f"```{{figure}} {shown}", ":class: card", f":alt: {said}", "",
                      f"[`{name}`](reference/protocols.md): {said}", "```"]  # fmt: skip
        return "\n".join(["::::{container} gallery", *cards, "::::", ""])


@cache
def _diagram(name: str, doctrees: Any, source: Path) -> str:
    """Return the place of a protocol's sequence diagram, drawn once a build, from the root of the pages."""
    from mrsim.cli.sequences import built_sequence
    from mrsim.report.diagram import sequence_diagram
    from mrsim.report.style import png

    picture = Path(doctrees, "diagrams", f"{name}.png")
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_bytes(png(sequence_diagram(built_sequence(name, None, None, {})[1])))
    return f"/{Path(os.path.relpath(picture, source)).as_posix()}"


class CommandReference(Generated):
    """The help of every command, as the command line prints it."""

    def markdown(self) -> str:
        """Return a section per command."""
        import click

        from mrsim.cli import COMMANDS, cli
        from mrsim.cli.command import WHOLE_HELP

        top = click.Context(cli, info_name="mrsim")
        parts = []
        for name in COMMANDS:
            command = cli.get_command(top, name)
            assert command is not None
            inner = click.Context(command, parent=top, info_name=name)
            inner.meta[WHOLE_HELP] = True
            parts += [f"## `mrsim {name}`", "", "```text", command.get_help(inner), "```", ""]
        return "\n".join(parts)


class ExitCodes(Generated):
    """The table of exit codes, from the one that the command line uses."""

    def markdown(self) -> str:
        """Return a table with one row per code."""
        from mrsim.cli import EXIT_CODES

        return "\n".join(
            ["| exit code | meaning |", "|---|---|", *(f"| {n} | {said} |" for n, said in EXIT_CODES.items())]
        )


class VerificationTable(Generated):
    """What `mrsim verify` finds, at build time; a check that fails stops the build."""

    def markdown(self) -> str:
        """Return a table with one row per check."""
        from mrsim.study.verification import verify

        rows = ["| check | part | claim | truth | error | largest that passes | because of |", "|---" * 7 + "|"]
        for found in verify():
            check = found.check
            if not found.passed:
                raise ValueError(f"check {check.name}: error {found.error:.2e}, {found.problem}")
            unit = f" {check.unit}" if check.unit else ""
            cells = (f"`{check.name}`", check.part, check.claim, check.reference, f"{found.error:.1e}{unit}",
                     f"{check.tolerance:.1e}{unit}", check.why)  # fmt: skip
            rows.append("| " + " | ".join(cells) + " |")
        return "\n".join(rows)


def setup(app: Any) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.add_directive("tissue-tables", TissueTables)
    app.add_directive("protocol-catalogue", ProtocolCatalogue)
    app.add_directive("protocol-gallery", ProtocolGallery)
    app.add_directive("command-reference", CommandReference)
    app.add_directive("exit-codes", ExitCodes)
    app.add_directive("verification-table", VerificationTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

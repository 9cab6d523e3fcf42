"""The shape of the house: sizes, names, what kernels may import, and no address of any package host."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = sorted((ROOT / "mrsim").rglob("*.py"))
KERNELS = [p for p in PACKAGE if "_kernels" in p.parts]
FOLDERS = ("mrsim", "protocols", "phantoms", "tests", "docs", ".ci")
BUILT = {"_build", "jupyter_execute", "__pycache__", "api"}
TOP_LEVEL = {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "SECURITY.md"}
TOP_LEVEL |= {"requirements.lock", "requirements-dev.lock"}


def committed_files():
    inside = (p for folder in FOLDERS for p in (ROOT / folder).rglob("*") if not BUILT & set(p.parts))
    hidden = (ROOT / name for name in (".gitignore", ".pre-commit-config.yaml"))
    return sorted(p for p in (*inside, *hidden, *(ROOT / name for name in TOP_LEVEL)) if p.is_file())


def relative(paths):
    return pytest.mark.parametrize("path", paths, ids=lambda p: p.relative_to(ROOT).as_posix())


@relative([p for p in PACKAGE if p not in KERNELS])
def test_layout_file_has_at_most_300_lines(path):
    """Kernels that call each other share a file and are exempt; tables live in TOML."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


def lines_of_code(function):
    """Lines of a function without its signature and docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return function.end_lineno - body[0].lineno + 1 if body else 0


@relative(PACKAGE)
def test_layout_functions_are_short(path):
    """Bodies of 40 lines, 80 in kernels: what fits on a screen and into a head."""
    limit = 80 if path in KERNELS else 40
    functions = [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    long = {f.name: lines_of_code(f) for f in functions if lines_of_code(f) > limit}
    assert long == {}


def test_layout_no_module_is_a_drawer_for_odds_and_ends():
    drawers = re.compile(r"(utils?|helpers?|common|managers?|misc|tools|stuff)$")
    assert [p for p in PACKAGE if drawers.search(p.stem)] == []


def imported_packages(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "").split(".")[0]


@relative([p for p in KERNELS if p.name != "__init__.py"])
def test_layout_kernel_imports_numpy_math_and_numba_alone(path):
    assert set(imported_packages(path)) <= {"numpy", "math", "numba", "__future__"}


def test_layout_numba_is_imported_in_kernels_alone():
    """Elsewhere it would cost every command most of a second, used or not."""
    assert [p for p in PACKAGE if p not in KERNELS and "numba" in imported_at_the_top(p)] == []


def imported_at_the_top(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").split(".")[0]


def test_layout_no_file_names_a_host():
    """A lock file, a document or a script that names one is stale the day it moves.

    XML namespaces are names, not addresses, and neither are placeholders and this machine itself (a scheduler's
    tcp://HOST:PORT); phantoms and tissues cite where a value was read.
    """
    hosts = "|".join(("pypi" + r"\.org", "python" + "hosted", "git" + r"hub\.com", "ana" + r"conda\.org"))
    address = re.compile(rf"\w+://(?!www\.w3\.org/|HOST|127\.0\.0\.1)|{hosts}", re.IGNORECASE)
    found = {}
    for path in committed_files():
        if "phantoms" in path.parts or path == Path(__file__).resolve():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a binary file has no text to search
        if hit := address.search(text):
            found[path.relative_to(ROOT).as_posix()] = hit[0]
    assert found == {}


def test_layout_top_level_holds_what_the_design_names():
    visible = {p.name for p in ROOT.iterdir() if not p.name.startswith(".")}
    assert visible <= TOP_LEVEL | {"mrsim", "protocols", "phantoms", "tests", "docs", "results", "dist", "shared"}

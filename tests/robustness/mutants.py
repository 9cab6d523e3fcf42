"""Break numerical code on purpose, a little at a time, and count how often the tests notice.

    python -m tests.robustness.mutants mrsim/fit/_kernels/decay.py --count 40 --seed 1

Each mutant is the module with one operator, comparison, number, condition or function replaced. The tests that speak
for the module (`SPEAKERS`) run on a copy of the checkout until the first that fails. The checks of kernels
(`tests/kernels/check_*.py`) run with the compiler off, in a copy of this process, at a second each; for other tests
kernels that are compiled into others are compiled anew. A mutant that runs for ever is noticed too. Named numbers at
the top of a module (tolerances, sizes of blocks) and defaults are left alone: other values of them are as right.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
SPEAKERS: dict[str, tuple[str, ...]] = {
    "mrsim/core/_kernels/epg.py": ("tests/pathways/test_trains.py", "tests/fit/test_relaxometry.py"),
    "mrsim/core/_kernels/selective_train.py": ("tests/fit/test_slab.py", "tests/fit/test_relaxometry.py"),
    "mrsim/fit/_kernels/decay.py": ("tests/kernels/check_decay.py",),
    "mrsim/fit/_kernels/echoes.py": ("tests/kernels/check_echoes.py",),
    "mrsim/fit/_kernels/grid_search.py": ("tests/kernels/check_search.py",),
    "mrsim/fit/_kernels/levenberg_marquardt.py": ("tests/kernels/check_search.py",),
    "mrsim/fit/_kernels/nonnegative.py": ("tests/kernels/check_linear.py",),
    "mrsim/fit/_kernels/normal.py": ("tests/kernels/check_linear.py",),
    "mrsim/fit/_kernels/tabulated.py": ("tests/kernels/check_tabulated.py",),
    "mrsim/fit/_kernels/tensor.py": ("tests/kernels/check_linear.py",),
    "mrsim/recon/grappa.py": ("tests/recon/test_grappa.py",),
    "mrsim/recon/partial_fourier.py": ("tests/recon/test_partial_fourier.py",),
    "mrsim/recon/sense.py": ("tests/recon/test_sense.py",),
    "mrsim/simulate/_kernels/bloch.py": ("tests/kernels/check_bloch.py",),
    "mrsim/simulate/_kernels/exchange.py": ("tests/kernels/check_exchange.py",),
    "mrsim/simulate/_kernels/plane.py": ("tests/kernels/check_exchange.py",),
    "mrsim/simulate/_kernels/states.py": ("tests/kernels/check_states.py",),
    "mrsim/simulate/_kernels/coupled_turns.py": ("tests/kernels/check_coupled_turns.py",),
    "mrsim/simulate/_kernels/walk.py": ("tests/kernels/check_exchange.py",),
}  # fmt: skip
"""The tests that are asked first, by module."""
LEFT = (".git", ".venv", "results", "docs", "*.part", ".mypy_cache", ".ruff_cache", ".coverage_seen")
"""What a copy of the checkout does without."""
OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Pow: ast.Mult,
    ast.Mod: ast.Add, ast.And: ast.Or, ast.Or: ast.And, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE,
    ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
}  # fmt: skip
NAMES = {
    "min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum", "sin": "cos", "cos": "sin", "real": "imag",
    "imag": "real", "argmin": "argmax", "argmax": "argmin", "floor": "ceil", "ceil": "floor", "exp": "cosh",
    "sum": "prod", "any": "all", "all": "any", "ones": "zeros", "zeros": "ones",
}  # fmt: skip
SILENT = (ast.Raise, ast.Assert, ast.Import, ast.ImportFrom, ast.JoinedStr)
"""What is left as it is: messages and imports."""


def points(tree: ast.AST) -> Iterator[tuple[ast.AST, str, object]]:
    """Yield (node, field, what takes its place) of every mutant."""
    for node in _live(tree):
        if isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp) and type(node.op) in OPERATORS:
            yield node, "op", OPERATORS[type(node.op)]()
        elif isinstance(node, ast.Compare) and type(node.ops[0]) in OPERATORS:
            yield node, "ops", [OPERATORS[type(node.ops[0])](), *node.ops[1:]]
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            yield node, "op", ast.UAdd()
        elif isinstance(node, ast.If | ast.IfExp | ast.While):
            yield node, "test", ast.UnaryOp(op=ast.Not(), operand=node.test)
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
            yield node, "value", not node.value
        elif isinstance(node, ast.Constant) and isinstance(node.value, int):
            yield node, "value", node.value + 1
        elif isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield node, "value", node.value * 1.25 if node.value else 1.0
        elif isinstance(node, ast.Attribute) and node.attr in NAMES:
            yield node, "attr", NAMES[node.attr]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in NAMES:
            yield node.func, "id", NAMES[node.func.id]


def _live(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that compute: no annotations, decorators, messages, imports or type aliases."""
    if isinstance(node, SILENT) or (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).isupper()):
        return
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "args") and not isinstance(node, ast.Call):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _live(child)


def mutants(source: str, count: int, seed: int) -> Iterator[tuple[str, str]]:
    """Yield (what was changed, the module's text) for `count` mutants drawn without repetition, or all of them."""
    every = len(list(points(ast.parse(source))))
    order = np.random.default_rng(seed).permutation(every)[:count]
    for index in sorted(int(i) for i in order):
        tree = ast.parse(source)
        node, field, new = list(points(tree))[index]
        line, before = getattr(node, "lineno", 0), ast.unparse(node)
        setattr(node, field, new)
        ast.fix_missing_locations(tree)
        yield f"line {line}: {_short(before)}  ->  {_short(ast.unparse(node))}", ast.unparse(tree)


def _short(text: str) -> str:
    first = " ".join(text.split("\n")[0].split())
    return first if len(first) <= 90 else first[:87] + "..."


def importers(folder: Path, module: str) -> list[Path]:
    """Return the files that import a module, directly or through others, and the module itself."""
    found, wanted = [folder / module], {Path(module).stem}
    sources = {path: path.read_text() for path in (folder / "mrsim").rglob("_kernels/*.py")}
    while True:
        more = [
            path for path, text in sources.items()
            if path not in found and any(f".{name} import" in text for name in wanted)
        ]  # fmt: skip
        if not more:
            return found
        found += more
        wanted = {path.stem for path in more}


def noticed(folder: Path, tests: tuple[str, ...], most: float) -> bool:
    """Return whether the tests fail on what a folder holds, or do not end."""
    if all(Path(test).name.startswith("check_") for test in tests):
        return uncompiled(folder, tests)
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly", *tests]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        process.communicate(timeout=most)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.communicate()
        return True
    return process.returncode != 0


def uncompiled(folder: Path, tests: tuple[str, ...]) -> bool:
    """Return the same of checks that need no compiler, run in a copy of this process with what they import at hand."""
    os.environ.update(NUMBA_DISABLE_JIT="1", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    for name in ("numba", "scipy.linalg", "scipy.optimize", "scipy.special", "h5py", "pytest"):
        importlib.import_module(name)
    child = os.fork()
    if child == 0:
        _check(folder, tests)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) != 0


def _check(folder: Path, tests: tuple[str, ...]) -> NoReturn:
    """Run checks on a folder and end; a kernel that runs for ever is ended by the system."""
    import pytest

    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1), os.dup2(nowhere, 2)
    os.chdir(folder)
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(folder))
    code = 1
    try:
        quick = ("-x", "--tb=no", "--assert=plain", "--noconftest", "-p", "no:cacheprovider")
        code = int(pytest.main([*quick, "-o", "python_files=check_*.py", *tests]))
    finally:
        os._exit(code)


def survivors(module: str, count: int, seed: int, tests: tuple[str, ...]) -> tuple[list[str], int]:
    """Return the mutants of a module that the tests did not notice, and how many there were."""
    source, lived, tried = (ROOT / module).read_text(), [], 0
    with TemporaryDirectory() as name:
        folder = Path(name) / "checkout"
        ignored = shutil.ignore_patterns(*LEFT)
        shutil.copytree(ROOT, folder, ignore=ignored, symlinks=True)
        start = time.monotonic()
        if noticed(folder, tests, 1800):
            raise SystemExit(f"{module}: its tests fail on the module as it is")
        most = 60 + 5 * (time.monotonic() - start)
        for what, text in mutants(source, count, seed):
            for path in importers(folder, module):
                for cached in (path.parent / "__pycache__").glob(f"{path.stem}.*nb[ci]"):
                    cached.unlink()
            (folder / module).write_text(text)
            tried += 1
            if not noticed(folder, tests, most):
                lived.append(what)
                print(f"  lives: {what}", flush=True)
            elif sys.stderr.isatty():
                print(f"\r  {tried} tried", end="", file=sys.stderr)
    return lived, tried


def main() -> int:
    """Run the command line; the exit code is 1 where fewer than 85 % were noticed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("modules", nargs="*", default=[*SPEAKERS], help="[default: all that have speakers]")
    parser.add_argument("--count", type=int, default=40, help="mutants per module")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tests", action="append", default=[], help="instead of the module's own")
    given = parser.parse_args()
    lived = tried = 0
    for module in given.modules:
        tests = tuple(given.tests) or SPEAKERS.get(module, ())
        if not tests:
            parser.error(f"{module}: no tests speak for it; name them with --tests")
        start = time.monotonic()
        found, many = survivors(module, given.count, given.seed, tests)
        lived, tried = lived + len(found), tried + many
        share = (many - len(found)) / max(many, 1)
        took = time.monotonic() - start
        print(f"{module}: {many - len(found)} of {many} noticed ({share:.0%}), {took:.0f} s", flush=True)
    print(f"all: {tried - lived} of {tried} noticed ({(tried - lived) / max(tried, 1):.0%})")
    return 1 if tried - lived < 0.85 * tried else 0


if __name__ == "__main__":
    sys.exit(main())

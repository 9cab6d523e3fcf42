"""One run on behalf of the page, in its own process: the road of `mrsim run`, and what the page shows of it."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.errors import UserError
from ..core.orphan import end_with_parent
from .settings import checked

MOST_MEMORY = 8 << 30
"""Bytes of address space that a run may have, the libraries' own among them."""
EVERY = 0.1
"""Seconds between two messages of progress."""


def main() -> None:
    """Read a job from standard input; write ["progress", step, done, total], then ["done", result] or ["failed", why].

    What a library prints goes to standard error, so that the messages stay whole.
    """
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    _bound_memory()
    end_with_parent()
    job = json.load(sys.stdin)
    last = [0.0]

    def send(*message: Any) -> None:
        out.write(json.dumps(message) + "\n")
        out.flush()

    def tell(step: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - last[0] >= EVERY or done == total:
            last[0] = now
            send("progress", step, done, total)

    try:
        with tempfile.TemporaryDirectory() as folder:
            send("done", results_of(job["setting"], job["budget"], Path(folder), tell))
    except UserError as problem:
        send("failed", str(problem))
    except MemoryError:
        send("failed", "the run needs more memory than a job may have; take larger pixels")
    except Exception as problem:
        send("failed", f"defect in mrsim: {type(problem).__name__}: {problem}")


def _bound_memory() -> None:
    if sys.platform.startswith("linux"):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        wanted = MOST_MEMORY if hard == resource.RLIM_INFINITY else min(MOST_MEMORY, hard)
        if soft == resource.RLIM_INFINITY or soft > wanted:
            resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))


def results_of(table: Mapping[str, Any], budget: bool, folder: Path, tell: Any) -> dict[str, Any]:
    """Return pictures (PNG, base64), their captions, tables as text, warnings and seconds of a run."""
    from ..report.budget import bias_table, spread_table
    from ..report.captions import CAPTIONS
    from ..report.html import pictures
    from ..report.table import evaluation_table
    from ..study.run import run

    start = time.monotonic()
    result = run(checked(table).request(folder, budget=budget), tell)
    drawn = pictures(result)
    wanted = [name for name in drawn if name.startswith(("map_", "budget_")) or name in ("images", "decay")]
    tables = [] if result.evaluation is None else [evaluation_table(result.evaluation)]
    if result.budget is not None:
        tables += [bias_table(result.budget), spread_table(result.budget)]
    return {
        "pictures": {name: b64encode(drawn[name]).decode("ascii") for name in wanted},
        "captions": {name: CAPTIONS.get(name.split("_")[0], name) for name in wanted},
        "tables": [_plain(each) for each in tables],
        "warnings": list(result.warnings), "seconds": time.monotonic() - start,
    }  # fmt: skip


def _plain(table: Any) -> dict[str, Any]:
    return {"title": table.title, "columns": list(table.columns), "rows": [list(row) for row in table.rows]}


if __name__ == "__main__":
    main()

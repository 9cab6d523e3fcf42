"""What a run was told: every setting of the protocol, what was changed, and what was asked for beside it."""

from __future__ import annotations

from typing import Any

from ..core.toml import parsed
from .quantities import label
from .run import ReportedRun
from .table import Table

UNSAID: tuple[Any, ...] = (None, False, "", (), [], {})
"""Values of a request that say nothing."""


def settings_table(result: ReportedRun) -> Table:
    """Return the settings of a run and where each comes from; those that a file leaves out have their defaults."""
    request = dict(result.provenance.get("request", {}))
    changed = dict(result.request.overrides)
    rows = []
    for name, text in result.provenance.get("files", {}).items():
        if name.startswith("protocols/") and name.count("/") == 1 and name.endswith(".toml"):
            stated = parsed(text).get("sequence", {})
            rows += [(label(key), _words(value), "protocol") for key, value in stated.items() if key not in changed]
    rows += [(label(key), _words(value), "changed") for key, value in changed.items()]
    rows += [
        (label(key), _words(value), "run")
        for key, value in request.items()
        if key != "overrides" and not any(value is said or value == said for said in UNSAID)
    ]
    return Table(title="Settings", columns=("setting", "value", "stated by"), rows=tuple(rows))


def _words(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " ".join(map(_words, value))
    if isinstance(value, dict):
        return ", ".join(f"{key} = {_words(entry)}" for key, entry in value.items())
    return str(value)

"""What a result says of how it was made: versions, the request, and the files it was read from."""

from __future__ import annotations

import platform
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.toml import resource
from ..core.version import __version__
from ..phantom.metabolite import basis_files
from .environment import environment

if TYPE_CHECKING:
    from .run import Prepared


def provenance(prepared: Prepared) -> dict[str, Any]:
    """Return versions, the request and the text of every file that a run depends on."""
    import numba
    import scipy

    wanted = asdict(prepared.request)
    return {
        "mrsim": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "numba": numba.__version__,
        "machine": platform.machine(),
        "environment": environment(),
        "request": wanted | {name: _stored_name(wanted[name]) for name in ("protocol", "scanner", "phantom")},
        "files": {label: path.read_text(encoding="utf-8") for label, path in _files(prepared).items()},
    }


def _stored_name(name: str) -> str:
    """Return the name under which a file given by name or path is stored."""
    path = Path(name)
    foreign = path.suffix in (".phantom", ".h5", ".hdf5")  # not text: it stays where it is
    return str(path.resolve()) if foreign else path.name.removesuffix(".toml")


def _files(prepared: Prepared) -> dict[str, Path]:
    """Return every file that the run depends on, by the place where a shipped file of its kind lies."""
    request, phantom = prepared.request, prepared.phantom
    scanner = resource(str(request.scanner), "protocols/scanners", "scanner")
    tissues = [Path(tissue.history["file"]) for tissue in phantom.tissues if "file" in tissue.history]
    kinds = {
        "protocols": [prepared.protocol_file],
        "protocols/scanners": [scanner],
        "phantoms": [path for path in [Path(phantom.history["file"])] if path.suffix == ".toml"],
        "phantoms/tissues": tissues,
        **({} if prepared.basis is None else basis_files(prepared.basis)),
    }
    return {f"{folder}/{path.name}": path for folder, paths in kinds.items() for path in paths}

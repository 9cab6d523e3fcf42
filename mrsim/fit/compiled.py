"""Compiled kernels of a model, from the cache folder or made anew.

numba caches compiled code of modules on disk, not of text that is run by `exec`. The generated text
therefore becomes a module file, named after a hash of everything that it was made from, in the user's
cache folder, and is imported from there. A hit reads that file and numba's own index beside it, and
never loads sympy.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from ..core.cache import cache_folder
from ..core.errors import StorageError
from ..core.version import __version__
from .model import Model

_SEAL = "# sha256 of the text above: "
_loaded: dict[str, ModuleType] = {}


def kernels(model: Model, held: tuple[str, ...] = (), rician: bool = False) -> Any:
    """Return the model's compiled module, with `tabulate`, `evaluate` and `solve`.

    Options named in `held` are values of the voxel, all others facts about the images. With `rician` the data are
    magnitudes, and the noise is held before the options.
    """
    equation = Path(model.equation.__code__.co_filename)
    path = cache_folder() / "kernels" / f"{equation.stem}_{fingerprint(model, held, rician)}.py"
    key = str(path)
    if key not in _loaded:
        if _intact(path):
            try:
                _loaded[key] = _load(path)
            except Exception:  # numba's own cache files can be damaged in many ways; anew is always right
                _discard(path)
        if key not in _loaded:
            _write(model, held, path, rician)
            _loaded[key] = _load(path)
    return _loaded[key]


def fingerprint(model: Model, held: tuple[str, ...] = (), rician: bool = False) -> str:
    """Return the hash of everything that the model's kernels are made from."""
    import numba

    from . import generate

    names = [[entry.name for entry in group] for group in (model.parameters, model.contrast, model.options)]
    equation = Path(model.equation.__code__.co_filename)
    files = [equation, Path(generate.__file__), generate.TEMPLATE]
    digest = hashlib.sha256(
        repr((names, held, rician, model.equation.__qualname__, numba.__version__, __version__)).encode()
    )
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:20]


def _intact(path: Path) -> bool:
    """Whether the file is there and holds what was once written into it."""
    try:
        text, _, seal = path.read_text(encoding="utf-8").rpartition(_SEAL)
    except (OSError, UnicodeDecodeError):
        return False
    return seal.strip() == hashlib.sha256(text.encode()).hexdigest()


def _write(model: Model, held: tuple[str, ...], path: Path, rician: bool = False) -> None:
    """Write the generated module under its final name in one step."""
    from .generate import generate

    text = generate(model, held, rician) + "\n"
    sealed = f"{text}{_SEAL}{hashlib.sha256(text.encode()).hexdigest()}\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(sealed)
        Path(temporary).replace(path)
    except OSError as error:
        raise StorageError(
            f"the kernel cache {path.parent} cannot be written ({error.strerror}); set MRSIM_CACHE to a folder that can"
        ) from None


def _load(path: Path) -> ModuleType:
    name = f"mrsim_kernels_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise StorageError(f"the kernel module {path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _discard(path: Path) -> None:
    """Remove the module and what Python and numba stored for it."""
    path.unlink(missing_ok=True)
    elsewhere = os.environ.get("NUMBA_CACHE_DIR")
    folders = [path.parent / "__pycache__", *([Path(elsewhere)] if elsewhere else [])]
    for file in (file for folder in folders for file in folder.rglob(f"{path.stem}*")):
        file.unlink(missing_ok=True)

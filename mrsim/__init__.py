"""mrsim: know what a protocol will measure before anyone is scanned.

The road, each verb a pure function of nouns::

    scanner  = mr.Scanner.preset("3T")
    protocol = mr.load_protocol("disc-t2-mese")
    phantom  = mr.load_phantom("lumbar-disc", field=scanner.b0, grade=3)
    timeline = mr.discretize(protocol.build(scanner))
    raw      = mr.simulate(timeline, phantom, mr.Bloch())
    images   = mr.reconstruct(mr.add_noise(raw, rng=8))
    maps     = mr.fit(images, "t2-mono")
    score    = mr.evaluate(maps, phantom.truth(images.grid))
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .core.version import __version__

_HOMES = {
    "Scanner": "sequence.scanner",
    "load_protocol": "sequence.protocol",
    "discretize": "sequence.discretize",
    "load_phantom": "phantom.phantom_file",
    "simulate": "simulate",
    "Bloch": "simulate",
    "add_noise": "simulate",
    "reconstruct": "recon",
    "fit": "fit.fit",
    "crlb": "fit.crlb",
    "evaluate": "evaluate",
    "RunRequest": "study.request",
    "run": "study.run",
    "save": "core.storage",
    "load": "core.storage",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'mrsim' has no attribute '{name}'")
    value = getattr(import_module(f"mrsim.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

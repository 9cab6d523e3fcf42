"""mrsim: know what a protocol will measure before anyone is scanned.

The road, each verb a pure function of nouns::

    scanner  = mr.Scanner.preset("3T")
    protocol = mr.load_protocol("disc-t2-mese")
    phantom  = mr.load_phantom("lumbar-disc", field=scanner.b0, grade=3)
    sequence = mr.build(protocol, scanner)
    raw      = mr.simulate(mr.discretize(sequence), phantom, mr.Bloch())
    images   = mr.reconstruct(mr.add_noise(raw, rng=8))
    maps     = mr.fit(images, "t2-mono")
    truth    = phantom.truth(images.grid)
    score    = mr.evaluate(maps, truth)
    page     = mr.report(score, maps, truth, images=images, sequence=sequence)
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

from .core.version import __version__

_HOMES = {
    "Scanner": "sequence.scanner",
    "load_protocol": "sequence.protocol",
    "build": "sequence.protocol",
    "discretize": "sequence.discretize",
    "load_phantom": "phantom.phantom_file",
    "FieldMap": "core.field_map",
    "Coils": "core.coils",
    "Waves": "core.wave",
    "Grid": "core.grid",
    "simulate": "simulate",
    "Bloch": "simulate",
    "Pathways": "simulate",
    "SpinSystem": "simulate.spin_systems",
    "basis": "simulate.spin_systems",
    "add_noise": "simulate",
    "Physiology": "simulate",
    "predict_snr": "plan.snr",
    "reconstruct": "recon",
    "phase_sensitive": "recon.phase_sensitive",
    "wave_images": "recon.wave_images",
    "fit": "fit.fit",
    "crlb": "fit.crlb",
    "forecast": "study.plan",
    "read_question": "plan.question",
    "answers": "study.ask",
    "best_b_values": "plan.b_values",
    "Target": "plan.optimise_cost",
    "best_contrast": "plan.optimise_search",
    "optimise": "study.optimiser",
    "design_diffusion": "study.diffusion_design",
    "synthesize": "fit.synthetic",
    "scatter": "fit.scatter",
    "proton_density": "fit.proton_density",
    "fit_spectra": "fit.spectral",
    "powder_average": "fit.powder",
    "track": "fit.tracking",
    "streamline_angles": "evaluate.tractometry",
    "streamline_connections": "evaluate.tractometry",
    "evaluate": "evaluate",
    "report": "report.report",
    "plot": "report.plot",
    "noise_difference": "evaluate.noise_difference",
    "noise_groups": "evaluate.noise_groups",
    "could_be_noise": "evaluate.noise_groups",
    "RunRequest": "study.request",
    "run": "study.run",
    "load_study": "study.study_file",
    "run_study": "study.run_study",
    "contest": "study.contest",
    "Entrant": "study.entrants",
    "by_model": "study.entrants",
    "by_function": "study.entrants",
    "by_program": "study.entrants",
    "verify": "study.verification",
    "save": "core.storage",
    "load": "core.storage",
}

__all__ = ["__version__", *_HOMES]


class _Road(ModuleType):
    """The package as a module whose verbs stay verbs: importing the subpackage `mrsim.fit` does not hide `fit`."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        """Import a public name when it is first used."""
        if name not in _HOMES:
            raise AttributeError(f"module 'mrsim' has no attribute '{name}'")
        value = getattr(import_module(f"mrsim.{_HOMES[name]}"), name)
        setattr(self, name, value)
        return value

    def __dir__(self) -> list[str]:
        return sorted(__all__)


sys.modules[__name__].__class__ = _Road

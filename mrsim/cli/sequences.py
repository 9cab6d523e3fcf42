"""From a protocol's name to its sequence, for the commands that do not simulate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from . import loudness

if TYPE_CHECKING:
    from ..sequence.sequence import Sequence

DEFAULT_SCANNER = "3T"
"""Where neither the user nor the protocol names one."""


def built_sequence(
    protocol: str, field: float | None, scanner: str | None, overrides: Mapping[str, str]
) -> tuple[str, Sequence]:
    """Return a protocol's description and its sequence, not yet checked; say on stderr what a file leaves in doubt.

    Parameters
    ----------
    protocol : str
        Name or path of a protocol, or path of a Pulseq file (``.seq``).
    field : float, optional
        T; picks the preset of that field.
    scanner : str, optional
        Preset or path.
    overrides : mapping of str to str
        Protocol entries to change, with units.
    """
    from ..core.toml import resource, structure
    from ..sequence.protocol import FOLDER, read_protocol_file
    from ..sequence.scanner import choose_scanner
    from ..study.run_table import RunTable

    if protocol.lower().endswith(".seq"):
        from ..exchange.pulseq import read_placement, read_pulseq

        placement = read_placement(overrides)
        sequence = read_pulseq(protocol, choose_scanner(field, scanner, DEFAULT_SCANNER), placement)
        loudness.warnings(sequence.notes)
        return f"Pulseq {sequence.definitions['pulseq version']}", sequence
    path = resource(protocol, FOLDER, "protocol")
    description, family, run = read_protocol_file(path, dict(overrides))
    default = structure(run, RunTable, path, ("run",)).scanner
    return description, family.build(choose_scanner(field, scanner, default))

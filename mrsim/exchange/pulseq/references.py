"""Whether a Pulseq file holds together: its signature, and every number that points at something."""

from __future__ import annotations

import hashlib
import math
import re

import numpy as np
from numpy.typing import NDArray

from ...core.errors import did_you_mean
from .tables import ADC, EXT, EXTENSIONS, GX, GY, GZ, RF, PulseqFile

HASHES = ("md5", "sha1", "sha256")
"""Types of signature that are verified."""


def check_signature(file: PulseqFile, content: bytes) -> None:
    """Note a signature that does not match: the file still says what it says."""
    digest, kind = file.definitions.get("SIGNATURE.Hash"), file.definitions.get("SIGNATURE.Type", "md5")
    if digest is None:
        return
    if kind.lower() not in HASHES:
        file.notes.append(f"the signature is of type '{kind}', only {', '.join(HASHES)} can be verified")
        return
    header = re.search(rb"^[ \t]*\[SIGNATURE\]", content, re.MULTILINE)
    signed = content[: header.start()].removesuffix(b"\n") if header else content
    found = hashlib.new(kind.lower(), signed, usedforsecurity=False).hexdigest()
    if found != digest.lower():
        file.notes.append(
            f"the file was changed after it was signed: its {kind.lower()} is {found}, that of [SIGNATURE] in line "
            f"{file.definition_lines['SIGNATURE.Hash']} is {digest}"
        )


def check_duration(file: PulseqFile, played: float, raster: float) -> None:
    """Note a TotalDuration that is not that of the blocks, to a block raster and the nine digits that are written.

    Parameters
    ----------
    file : PulseqFile
        The file.
    played, raster : float
        Duration of all blocks and raster of their durations, s.
    """
    text = file.definitions.get("TotalDuration")
    if text is None:
        return
    try:
        stated = float(text)
    except ValueError:
        stated = math.nan
    if not abs(stated - played) <= raster * (1 + 1e-6) + 5e-9 * played:
        line = file.definition_lines["TotalDuration"]
        file.notes.append(f"TotalDuration in line {line} is {text} s, but the blocks last {played:.9g} s; those count")


def check_required(file: PulseqFile) -> None:
    """Refuse a file that cannot be played as meant without an extension that is not understood."""
    wanted = file.definitions.get("RequiredExtensions", "").replace(",", " ").replace('"', " ").split()
    for name in wanted:
        if name not in EXTENSIONS:
            problem = f"RequiredExtensions names '{name}', which mrsim does not understand"
            raise file.definition_error("RequiredExtensions", problem + did_you_mean(name, EXTENSIONS))


def check_references(file: PulseqFile) -> None:
    """Refuse blocks that name events that are not there, and events that name shapes that are not there."""
    both = file.rows("GRADIENTS").keys() & file.rows("TRAP").keys()
    if both:
        line = file.rows("TRAP")[min(both)].line
        raise file.error("TRAP", f"gradient {min(both)} is also defined in [GRADIENTS]", line)
    gradients = [*file.rows("GRADIENTS"), *file.rows("TRAP")]
    wanted = {RF: ("RF", [*file.rows("RF")]), GX: ("gx", gradients), GY: ("gy", gradients), GZ: ("gz", gradients),
              ADC: ("ADC", [*file.rows("ADC")]), EXT: ("extension list", file.extensions[:, 0].tolist())}  # fmt: skip
    if file.version < (1, 4, 0):
        wanted[0] = ("delay", [*file.rows("DELAYS")])
    for column, (what, known) in wanted.items():
        missing = ~np.isin(file.blocks[:, column], np.array([0, *known], dtype=np.int64))
        if missing.any():
            at = int(np.argmax(missing))
            problem = f"block {at + 1} plays {what} {file.blocks[at, column]}, which is not defined"
            raise file.error("BLOCKS", problem, int(file.lines[at]))
    for name, columns in (("RF", ("magnitude", "phase_shape", "time")), ("GRADIENTS", ("shape", "time")),
                          ("ADC", ("phase_shape",))):  # fmt: skip
        for event, row in file.rows(name).items():
            for which in columns:
                shape = row.whole(which)
                if shape not in file.shapes and shape not in _OPTIONAL.get((name, which), ()):
                    raise file.error(name, f"event {event}: {which} {shape} is not in [SHAPES]", row.line)
    check_required(file)
    check_extensions(file)


_OPTIONAL = {
    ("RF", "phase_shape"): (0,),
    ("RF", "time"): (0,),
    ("GRADIENTS", "time"): (0, -1),
    ("ADC", "phase_shape"): (0,),
}
"""Shape numbers that mean something without a shape: none, the raster, or half of it."""


def check_extensions(file: PulseqFile) -> None:
    """Refuse entries whose type, reference or successor is missing."""
    identifiers, types, references, following = file.extensions.T
    for kind in np.unique(types).tolist():
        name = file.extension_names.get(kind)
        if name is None:
            raise file.error("EXTENSIONS", f"no extension has the type {kind}", _line_of(file, types == kind))
        if name not in EXTENSIONS:
            continue
        known = file.shims if name == "RF_SHIMS" else file.rows(f"extension {name}")
        missing = (types == kind) & ~np.isin(references, np.array([*known], dtype=np.int64))
        if missing.any():
            problem = f"{name} {references[np.argmax(missing)]} is not defined"
            raise file.error("EXTENSIONS", problem, _line_of(file, missing))
    lost = ~np.isin(following, np.append(identifiers, 0))
    if lost.any():
        problem = f"entry {following[np.argmax(lost)]}, which another entry names as its next, is not defined"
        raise file.error("EXTENSIONS", problem, _line_of(file, lost))


def _line_of(file: PulseqFile, which: NDArray[np.bool_]) -> int:
    """Return the line of the first of some entries of extension lists."""
    return int(file.extension_lines[np.argmax(which)])

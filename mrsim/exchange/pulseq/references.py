"""Whether a Pulseq file holds together: its signature, and every number that points at something."""

from __future__ import annotations

import hashlib
import re

import numpy as np

from .tables import ADC, EXT, EXTENSIONS, GX, GY, GZ, RF, PulseqFile


def check_signature(file: PulseqFile, text: str) -> None:
    """Note a signature that does not match: the file still says what it says."""
    digest, kind = file.definitions.get("SIGNATURE.Hash"), file.definitions.get("SIGNATURE.Type", "md5")
    if digest is None:
        return
    if kind.lower() != "md5":
        file.notes.append(f"the signature is of type '{kind}', only md5 can be verified")
        return
    header = re.search(r"^\[SIGNATURE\]", text, re.MULTILINE)
    signed = text[: header.start()].removesuffix("\n") if header else text
    if hashlib.md5(signed.encode("utf-8"), usedforsecurity=False).hexdigest() != digest.lower():
        file.notes.append("the file was changed after it was signed: its md5 is not that of [SIGNATURE]")


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
            raise file.error("EXTENSIONS", f"no extension has the type {kind}")
        if name not in EXTENSIONS:
            continue
        known = file.shims if name == "RF_SHIMS" else file.rows(f"extension {name}")
        missing = np.setdiff1d(references[types == kind], np.array([*known], dtype=np.int64))
        if len(missing):
            raise file.error("EXTENSIONS", f"{name} {missing[0]} is not defined")
    lost = np.setdiff1d(following, np.append(identifiers, 0))
    if len(lost):
        raise file.error("EXTENSIONS", f"entry {lost[0]}, which another entry names as its next, is not defined")

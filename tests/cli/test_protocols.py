"""Every protocol file plays at every field, within all limits, and leaves as a Pulseq file.

Scans are cut to few repetitions of the same resolution and timing, so that every gradient, pulse and repetition time is
that of the file. Power is averaged over minutes, in which a whole scan may play its strongest images alone: where no
ten seconds of the cut scan prove that it keeps the limit of six minutes, that of the whole scan is taken.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mrsim.core.toml import available, read_toml, resource
from mrsim.exchange.pulseq import pulseq_text, read_tables
from mrsim.plan import power
from mrsim.plan.limits import limits
from mrsim.plan.safety import load_safety
from mrsim.sequence.families.cartesian import Cartesian
from mrsim.sequence.families.echo_planar import EchoPlanar
from mrsim.sequence.protocol import load_protocol
from mrsim.sequence.scanner import Scanner

FIELDS = ("1.5T", "3T", "7T")
FEWER = {
    "ax-dti-cerv": {"directions": "3", "averages": "1"},
    "ax-mre-60hz": {"offsets": "1"},
    "ax-mre-80hz": {"offsets": "1"},
    "ax-mre-200hz": {"offsets": "1"},
    "ax-mre-400hz": {"offsets": "1"},
    "ax-mre-1000hz": {"offsets": "1"},
    "ax-mre-gre-60hz": {"offsets": "1"},
    "sag-mre-80hz": {"offsets": "1"},
    "sag-mre-gre-80hz": {"offsets": "1"},
    "exvivo-mre-gre-1000hz": {"offsets": "1"},
    "brain-spiral": {"dummies": "2"},
    "disc-mrf": {"excitations": "24", "tr": "4 s"},
    "sag-dki": {"directions": "3"},
    "sag-dti": {"directions": "3"},
    "sag-dwi-cerv": {"averages": "1"},
    "sag-dwi-steam": {"averages": "1"},
    "sag-ivim": {"b": "0 20 800 s/mm^2"},
    "svs-press-np": {"averages": "2", "water_averages": "1", "dummies": "1"},
    "svs-mega-np": {"averages": "1", "water_averages": "1", "dummies": "1"},
    "svs-slaser-np": {"averages": "1", "water_averages": "1", "dummies": "1"},
    "svs-steam-np": {"averages": "1", "water_averages": "1", "dummies": "1"},
    "ute-cep": {"spokes": "40", "dummies": "2"},
}
"""Fewer repetitions of what is not read line by line."""
LINES = {2: 10, 3: 4}
E2 = (
    "sag-t2w-tse", "sag-mese-t2", "sag-mdme-symri", "sag-megre-t2s", "ax-dti-cerv", "sag-dki", "sag-ivim",
    "ax-mre-60hz", "ax-mre-80hz", "ax-mre-200hz", "ax-mre-400hz", "svs-press-np", "sag-dce-spgr", "cest-gag", "ute-cep",
    "dixon-psm", "brain-rsfmri", "brain-swi", "brain-tof", "brain-flair", "brain-pcasl",
)  # fmt: skip
"""The starter protocols; sodium has no family yet."""


def test_every_starter_protocol_has_a_file():
    assert set(E2) <= set(available("protocols"))
    assert set(FEWER) <= set(available("protocols"))


def short(name):
    """Return a protocol with few repetitions: lines go with their field of view."""
    protocol = load_protocol(name, FEWER.get(name))
    if not isinstance(protocol, Cartesian) or isinstance(protocol, EchoPlanar) or hasattr(protocol, "spokes"):
        return protocol
    lines = 2 * protocol.echo_train if hasattr(protocol, "echo_train") else LINES[len(protocol.matrix)]
    (nx, ny, *rest), (x, y, *deep) = protocol.matrix, protocol.fov
    few = {"matrix": (nx, lines, *rest), "fov": (x, y * lines / ny, *deep), "dummies": min(protocol.dummies, 2)}
    return replace(protocol, **few)


def lasting(found):
    """Return whether a scan's strongest ten seconds (and a repetition, if longer) could go on for ever."""
    return all(row.value * power.SHORT_FACTOR <= row.limit for row in found.margins if row.limit_name in BRIEF)


BRIEF = ("SAR whole body, 10 s", "SAR head, 10 s")


def absorbed(sequence):
    """Return the largest SAR over six minutes, in its limit."""
    facts, load = load_safety(sequence.scanner.safety).absorption, power.rf_load(sequence)
    mean = load.worst(load.energy, power.LONG)[0]
    parts = ((facts.whole_body, power.BODY_FIRST), (facts.head, power.HEAD))
    return max(power.specific_absorption(mean, part, sequence.scanner.b0) / most for part, most in parts)


def test_a_scan_whose_strongest_images_take_minutes_is_not_judged_by_its_mean():
    """T1rho at 7 T with TR 3.5 s: 80 ms of lock for 336 s on end are 2 % too much, the mean of all locks is not."""
    scanner, shorter = Scanner.preset("7T"), {"tr": "3.5 s"}
    whole = load_protocol("disc-t1rho", shorter).build(scanner)
    cut = load_protocol("disc-t1rho", shorter | {"matrix": "128 10", "fov": "160 13.333 mm"}).build(scanner)
    assert absorbed(cut) < 1 < absorbed(whole)


def machines(name):
    """Return the fields, or the machine for specimens, whose nerves nobody has, that the protocol names as its own."""
    own = read_toml(resource(name, "protocols", "protocol")).get("run", {}).get("scanner", FIELDS[1])
    return FIELDS if load_safety(Scanner.preset(own).safety).nerves else (own,)


@pytest.mark.parametrize("name", sorted(available("protocols")))
def test_protocol_file_plays_within_the_limits_of_every_field(name, tmp_path):
    protocol, fields = short(name), machines(name)
    for field in fields:
        sequence = protocol.build(Scanner.preset(field))
        assert sequence.check() == ()
        starts = sequence.starts()
        # A wait that shifts a vibration against the scan is no part of a repetition.
        shift = np.cumsum([block.duration * (block.name == "shift against the vibration") for block in sequence.blocks])
        tr = np.diff((starts - shift)[[i for i, block in enumerate(sequence.blocks) if block.starts_tr]])
        assert np.all(tr == round(sequence.definitions["tr"] * 1e9))
    # RF power grows with the field, and the gradients are the same on all presets: the last one is the strictest.
    found = limits(sequence)
    assert found.broken == ()
    if not lasting(found):
        assert absorbed(load_protocol(name).build(Scanner.preset(fields[-1]))) <= 1
    path = tmp_path / "scan.seq"
    path.write_text(pulseq_text(sequence))
    assert len(read_tables(path).blocks) == len(sequence.blocks)

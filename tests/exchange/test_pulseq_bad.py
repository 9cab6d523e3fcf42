"""Bad sequence files: one clear error with file, section and line, and nothing worse, whatever is in them."""

from __future__ import annotations

import random
import time
import tracemalloc
import warnings
from pathlib import Path

import pytest

from mrsim.core.errors import UserError
from mrsim.exchange.pulseq import read_pulseq
from mrsim.sequence.scanner import load_scanner

from . import scans

SCANNER = load_scanner("3T")


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("good") / "good.seq"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scans.echo_planar(navigators=2).write(str(path))
    return path.read_text()


def complaint(text: str | bytes, folder: Path) -> str:
    path = folder / "bad.seq"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError) as caught:
        read_pulseq(path, SCANNER)
    assert str(caught.value).startswith(str(path)) or "cannot read" in str(caught.value)
    return str(caught.value)[len(str(path)) :]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("minor 5", "minor 9", "[VERSION]: is 1.9.0; versions 1.2 to 1.5 can be read"),
        ("major 1", "major one", "[VERSION]: 'major one' is not understood"),
        ("[TRAP]", "[TARP]", "[TARP]: unknown section; did you mean 'TRAP'?"),
        ("[VERSION]", "[VERZION]", "unknown section"),
        ("num_samples", "samples", "[SHAPES]: expected 'shape_id N', then 'num_samples M'"),
        ("BlockDurationRaster 1e-05", "BlockDurationRaster -1", "BlockDurationRaster is '-1'; expected a time"),
        ("GradientRasterTime 1e-05", "GradientRasterTime 1.5e-06", "gradient_raster: must be a multiple of rf_raster"),
    ],
)
def test_contradiction_is_one_error_with_section(good, old, new, said, tmp_path):
    assert old in good
    assert said in complaint(good.replace(old, new, 1), tmp_path)


def changed_row(text: str, section: str, column: int, value: str) -> tuple[str, int]:
    """Replace a word of the first row of a section; return the text and the row's line."""
    lines = text.split("\n")
    at = lines.index(section) + 1
    words = lines[at].split()
    words[column] = value
    lines[at] = " ".join(words)
    return "\n".join(lines), at + 1


@pytest.mark.parametrize(
    ("section", "column", "value", "said"),
    [
        ("[BLOCKS]", 1, "1", "block 1 lasts 10 us, but its events end at"),
        ("[BLOCKS]", 1, "99999999999999", "block 1 lasts longer than a week"),
        ("[BLOCKS]", 2, "77", "block 1 plays RF 77, which is not defined"),
        ("[BLOCKS]", 3, "1.5", "1.5 is no whole number (column 4)"),
        ("[BLOCKS]", 0, "2", "block numbers must ascend"),
        ("[RF]", 1, "nan", "nan is out of range (amplitude)"),
        ("[RF]", 2, "9999", "event 1: magnitude 9999 is not in [SHAPES]"),
        ("[RF]", 6, "-5", "event 1: a delay of -5 us is negative"),
        ("[TRAP]", 2, "0", "jumps to"),
        ("[ADC]", 1, "1e12", "1000000000000 samples"),
        ("[ADC]", 1, "0", "0 samples"),
        ("[EXTENSIONS]", 3, "99", "entry 99, which another entry names as its next, is not defined"),
        ("[EXTENSIONS]", 1, "9", "no extension has the type 9"),
    ],
)
def test_wrong_value_is_named_with_its_line(good, section, column, value, said, tmp_path):
    text, line = changed_row(good, section, column, value)
    answer = complaint(text, tmp_path)
    assert said in answer
    assert f"{section}:" in answer
    if "ascend" not in said:
        assert answer.startswith(f":{line}:")


def test_endless_extension_list_is_refused(good, tmp_path):
    text, line = changed_row(good, "[EXTENSIONS]", 3, "1")
    answer = complaint(text, tmp_path)
    assert "endless" in answer
    assert answer.startswith(f":{line}: [EXTENSIONS]")


SECTIONS = ("[VERSION]", "[DEFINITIONS]", "[BLOCKS]", "[RF]", "[TRAP]", "[ADC]", "[EXTENSIONS]", "[SHAPES]",
            "[SIGNATURE]", "extension LABELSET 1")  # fmt: skip


@pytest.mark.parametrize("section", SECTIONS)
def test_repeated_section_is_refused_with_both_lines(good, section, tmp_path):
    assert f"\n{section}\n" in good
    begin = good.index(f"\n{section}\n") + 1
    whole = good[begin:].partition("\n\n")[0]
    text = f"{good}\n{whole}\n"
    answer = complaint(text, tmp_path)
    first, again = (text[:at].count("\n") + 2 for at in (begin - 1, text.rindex(f"\n{section}\n")))
    assert answer == f":{again}: {section.removesuffix(' 1')}: occurs twice, first in line {first}"


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("BlockDurationRaster 0", "BlockDurationRaster is '0'; expected a time"),
        ("GradientRasterTime 1.5e-06", "gradient_raster: must be a multiple of rf_raster"),
        (
            "RequiredExtensions LABELSET TELEPORT",
            "RequiredExtensions names 'TELEPORT', which mrsim",
        ),
    ],
)
def test_wrong_definition_is_named_with_its_line(good, entry, said, tmp_path):
    key = entry.partition(" ")[0]
    lines = [line for line in good.split("\n") if not line.startswith(key)]
    at = lines.index("[DEFINITIONS]") + 1
    text = "\n".join([*lines[:at], entry, *lines[at:]])
    answer = complaint(text, tmp_path)
    assert answer.startswith(f":{at + 1}: [DEFINITIONS]: ")
    assert said in answer


def test_utf16_is_refused_by_its_byte_order_mark(good, tmp_path):
    assert "byte-order mark (BOM) of UTF-16" in complaint(good.encode("utf-16"), tmp_path)


def test_shape_that_announces_more_than_it_holds_is_refused_before_it_is_made(good, tmp_path):
    lines = good.split("\n")
    at = next(i for i, line in enumerate(lines) if line.startswith("num_samples"))
    for count, said in (
        ("19999999", "[SHAPES]: shape 1 "),
        ("99999999999", "is not a whole number of 1 to 20,000,000"),
    ):
        lines[at] = f"num_samples {count}"
        tracemalloc.start()
        assert said in complaint("\n".join(lines), tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 20e6  # bytes; the shape would take 160 MB
        tracemalloc.stop()


def test_other_files_are_refused_by_what_they_are(good, tmp_path):
    assert "empty or no Pulseq file" in complaint("", tmp_path)
    assert "is binary" in complaint(b"\x01pulseq\x02\x00\x00", tmp_path)
    assert "no [VERSION] section" in complaint("[DEFINITIONS]\nFOV 1 1 1\n", tmp_path)
    assert "nothing to play" in complaint(good.partition("[BLOCKS]")[0], tmp_path)
    with pytest.raises(UserError, match="cannot read"):
        read_pulseq(tmp_path / "absent.seq", SCANNER)
    with pytest.raises(UserError, match="cannot read"):
        read_pulseq(tmp_path, SCANNER)


def test_several_shim_channels_are_refused_because_there_is_one_transmitter(good, tmp_path):
    lines = good.split("\n")
    at = lines.index("[BLOCKS]") + 1
    lines[at] = lines[at].rsplit(maxsplit=1)[0] + " 900"
    entries = lines.index("[EXTENSIONS]") + 1
    lines.insert(entries, "900 90 1 0")
    text = "\n".join(lines).replace("[SHAPES]", "extension RF_SHIMS 90\n1 2 1 0 1 1.57\n\n[SHAPES]")
    assert "shims 2 transmit channels; mrsim transmits with one" in complaint(text, tmp_path)


def mutated(text: str, chance: random.Random) -> str:
    """Return the text with one to three wounds: words changed, lines lost, doubled, swapped or cut, bytes flipped."""
    lines = text.split("\n")
    for _ in range(chance.randint(1, 3)):
        i, j = chance.randrange(len(lines)), chance.randrange(len(lines))
        kind = chance.randrange(7)
        if kind == 0:
            del lines[i]
        elif kind == 1:
            lines.insert(i, lines[j])
        elif kind == 2:
            lines[i], lines[j] = lines[j], lines[i]
        elif kind == 3:
            lines = lines[: max(i, 1)]
        elif kind == 4 and lines[i]:
            at = chance.randrange(len(lines[i]))
            lines[i] = lines[i][:at] + chr(chance.randrange(1, 256)) + lines[i][at + 1 :]
        else:
            words = lines[i].split() or [""]
            words[chance.randrange(len(words))] = chance.choice(WORDS)
            lines[i] = " ".join(words)
    return "\n".join(lines)


WORDS = ("0", "-1", "1", "2", "999999999", "1e300", "-1e14", "nan", "inf", "1.5", "x", "", "[SHAPES]", "#", "1e-9",
         "20000000", "shape_id", "extension LABELSET 7", "4", "0x10", "1_000", "٣")  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_mutated_files_read_or_complain_and_nothing_else(good, seed, tmp_path):
    chance = random.Random(seed)
    path = tmp_path / "mutant.seq"
    complaints = []
    longest = 0.0
    for _ in range(600):
        path.write_text(mutated(good, chance), encoding="utf-8")
        begin = time.process_time()
        try:
            read_pulseq(path, SCANNER)
        except UserError as error:
            complaints.append(str(error))
        longest = max(longest, time.process_time() - begin)
    assert all(str(path) in said and len(said) < 1000 for said in complaints)
    assert len(complaints) > 100  # else the wounds are too small to test anything
    assert longest < 2.0  # s: a whole file takes a few milliseconds, the longest shape that is allowed below 1 s

"""Damaged input of every kind is read rightly or refused in our own words; more: `python -m tests.robustness.fuzz`."""

import pytest

from mrsim.core.errors import UserError
from tests.robustness.fuzz import damaged_files, fuzz, numbers_of, read_one
from tests.robustness.targets import TARGETS

INPUTS = 6300


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_damaged_input_is_read_or_refused(name):
    found = fuzz(name, seed=1, numbers=numbers_of(TARGETS[name], INPUTS))
    assert not found, "\n".join(str(one) for one in found)


@pytest.mark.parametrize("name", ["lcmodel", "bvec", "scanner"])
def test_damage_is_damage_and_good_input_is_read(name):
    target = TARGETS[name]
    seeds = target.seeds()
    assert all(read_one(target, files) is None for files in seeds)
    assert sum(damaged_files(target, seeds, 1, number) not in seeds for number in range(50)) > 25


def test_a_reader_that_breaks_is_found():
    import dataclasses

    broken = dataclasses.replace(TARGETS["bvec"], read=lambda folder: {}["missing"])
    assert "KeyError" in str(read_one(broken, broken.seeds()[0]))


@pytest.mark.parametrize(("name", "old", "new", "words"), [
    ("protocol", 'te = "15 30 60 100 ms"', 'te = "15 30 1e50 100 ms"', "longer than any scan lasts"),
    ("protocol", "crusher_cycles = 4.0", "crusher_cycles = 4e9", "would last"),
    ("protocol", "crusher_cycles = 4.0", "crusher_cycles = 1e308", "would last inf s"),
    ("protocol", "echoes = 8", "echoes = 2147483648", "must lie between 1 and 4096"),
    ("tissue", 'field = "1.5 3 7 T"', 'field = "1.5 2.9 7 T"', "starts from the value at 3 T, where none stands"),
])  # fmt: skip
def test_what_fuzzing_found_is_refused_by_its_reason(tmp_path, name, old, new, words):
    target = TARGETS[name]
    text = next(files["a.toml"].decode() for files in target.seeds() if old.encode() in files["a.toml"])
    (tmp_path / "a.toml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(UserError, match=words):
        target.read(tmp_path)

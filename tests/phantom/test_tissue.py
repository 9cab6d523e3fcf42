"""Tissues by field strength: what is shipped, what follows from it, and what is refused."""

import math
import re

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.core.toml import available
from mrsim.phantom import load_tissue
from mrsim.phantom.field_laws import COMPUTED, EXTRAPOLATED, INTERPOLATED
from mrsim.phantom.tissue_file import GRADES, read_tissue_file

TISSUES = tuple(available("phantoms/tissues"))
THREE_TESLA_TABLE = {"spinal_nerve_root", "brain_lacune", "brain_perivascular_space"}
GRADED = {"nucleus_pulposus", "annulus_fibrosus_inner", "annulus_fibrosus_outer"}
PROVENANCE = {
    "printed in a source document",
    "read in a public text",
    "recalled from the cited paper, not verified",
    "compiled default",
}
MINIMAL = """\
description = "test"
field = "1.5 3 T"

[t1]
value = "800 1000 ms"
spread = "50 50 ms"
source = ["a paper"]
provenance = ["compiled default"]

[t2]
value = "60 50 ms"
spread = "5 5 ms"
source = ["a paper"]
provenance = ["compiled default"]

[t2_star]
value = "40 30 ms"
spread = "5 5 ms"
source = ["a paper"]
provenance = ["compiled default"]

[pd]
value = "0.8"
spread = "0.1"
source = ["a paper"]
provenance = ["compiled default"]
"""


def test_shipped_tissues_are_the_ones_promised():
    assert set(TISSUES) >= GRADED | THREE_TESLA_TABLE | {
        "cartilage_endplate", "vertebral_bone_marrow", "csf", "paraspinal_muscle", "epidural_fat",
        "subcutaneous_fat", "cortical_bone", "ligament",
    }  # fmt: skip


@pytest.mark.parametrize("field", [1.5, 3.0, 7.0])
@pytest.mark.parametrize("name", TISSUES)
def test_shipped_tissue_is_known_at_the_clinical_fields(name, field):
    for grade in range(1, 6) if name in GRADED else [None]:
        for pool in load_tissue(name, grade, field).pools(field):
            assert 0 < pool.t2 <= 2 * pool.t1
            assert pool.t2_prime > 0
            assert 0 < pool.pd <= 1


@pytest.mark.parametrize("name", TISSUES)
def test_shipped_values_all_have_unit_source_and_provenance(name):
    for grade in GRADES if name in GRADED else [None]:
        tissue = load_tissue(name, grade, 3.0)
        for field in tissue.fields:
            for key, value in tissue.properties(field).items():
                assert value.unit == ("" if key.endswith(("pd", "fraction")) else "s")
                assert value.provenance in PROVENANCE
                assert len(value.source) > 10
                assert value.value > 0
                assert value.sd >= 0


def test_nucleus_values_are_those_of_the_reference_table():
    """Pfirrmann III at 3 T: T1 1130, T2 84, T2* 42 ms, PD 0.74; grade I at 7 T: T2 147.1 ms."""
    pool = load_tissue("nucleus_pulposus", 3, 3.0).pools(3.0)[0]
    assert (pool.t1, pool.t2, pool.pd) == pytest.approx((1.130, 0.084, 0.74), rel=1e-12)
    assert 1 / (1 / pool.t2 + 1 / pool.t2_prime) == pytest.approx(0.042, rel=1e-12)
    assert load_tissue("nucleus_pulposus", "I", 7.0).pools(7.0)[0].t2 == pytest.approx(0.1471)


def test_nucleus_t2_falls_with_degeneration():
    times = [load_tissue("nucleus_pulposus", grade).pools(3.0)[0].t2 for grade in range(1, 6)]
    assert all(np.diff(times) < 0)


@pytest.mark.parametrize("name", [*sorted(GRADED), "cartilage_endplate"])
@pytest.mark.parametrize("field", [1.5, 7.0])
def test_field_laws_pass_through_the_tabulated_values(name, field):
    """The tables at 1.5 and 7 T were written independently, to four digits; T2* there to 1 %."""
    nearby = field * (1 + 1e-7) if field == 1.5 else field * (1 - 1e-7)
    for grade in range(1, 6) if name in GRADED else [None]:
        tissue = load_tissue(name, grade)
        for key in ("t1", "t2", "t2_star"):
            law, table = tissue.property(key, nearby), tissue.property(key, field)
            assert law.provenance == COMPUTED
            assert law.value == pytest.approx(table.value, rel=1e-3), (grade, key)


@pytest.mark.parametrize(("name", "field"), [("csf", 0.1), ("nucleus_pulposus", 0.5), ("nucleus_pulposus", 9.4)])
def test_unknown_field_is_refused_with_tissue_field_and_range(name, field):
    with pytest.raises(InputError, match=rf"{name}: t1 at {field:g} T is unknown; it is known"):
        load_tissue(name, field=field)


@pytest.mark.parametrize("name", TISSUES)
def test_values_between_tabulated_fields_meet_the_tables_and_do_not_jump(name):
    """A law may miss the table at its other end by rounding; interpolation meets it exactly."""
    for grade in (1, 5) if name in GRADED else [None]:
        tissue = load_tissue(name, grade)
        for key in tissue.names():
            for field in tissue.fields:
                table = tissue.property(key, field).value
                for side in (1 - 1e-7, 1 + 1e-7):
                    if 1.5 <= field * side <= 7.0:
                        assert tissue.property(key, field * side).value == pytest.approx(table, rel=2e-3), (key, field)


def test_interpolation_is_a_line_in_the_logarithms():
    """Muscle T1 1130 ms at 1.5 T and 1420 ms at 3 T: 1267 ms at 2.1213 T, their geometric mean at the mean field."""
    found = load_tissue("paraspinal_muscle", field=2.0).property("t1", math.sqrt(1.5 * 3.0))
    assert found.value == pytest.approx(math.sqrt(1.130 * 1.420), rel=1e-12)
    assert found.provenance == INTERPOLATED


def test_low_field_laws_of_fat_and_muscle_need_no_permission():
    """Bottomley's exponents: T1 of muscle and fat at 0.55 T from those at 1.5 T; T2 stays."""
    muscle = load_tissue("paraspinal_muscle", field=0.55)
    assert muscle.property("t1", 0.55).value == pytest.approx(1.130 * (0.55 / 1.5) ** 0.4203, rel=1e-12)
    assert muscle.property("t2", 0.55).value == pytest.approx(35.3e-3, rel=1e-12)
    fat = load_tissue("subcutaneous_fat", field=0.55).property("fat_t1", 0.55)
    assert (fat.value, fat.provenance) == (pytest.approx(0.288 * (0.55 / 1.5) ** 0.1743, rel=1e-12), COMPUTED)


@pytest.mark.parametrize("field", [0.05, 0.2, 0.55, 1.0, 9.4, 11.7])
@pytest.mark.parametrize("name", TISSUES)
def test_extrapolated_values_are_possible_and_say_what_they_are(name, field):
    for grade in (1, 5) if name in GRADED else [None]:
        tissue = load_tissue(name, grade, field, extrapolate=True)
        for pool in tissue.pools(field):
            assert 0 < pool.t2 <= 2 * pool.t1
            assert pool.t2_prime > 0
        stamped = tissue.extrapolated(field)
        assert stamped == tuple(k for k, v in tissue.known(field).items() if v.provenance == EXTRAPOLATED)
        if field > 7:
            assert stamped
            longest = load_tissue(name, grade, 7.0)
            assert all(a.t1 >= b.t1 for a, b in zip(tissue.pools(field), longest.pools(7.0), strict=True))


def test_dephasing_goes_on_in_proportion_to_the_field():
    """R2' of the calcified endplate at 14 T is twice that at 7 T; R2 goes on along its line from 3 to 7 T."""
    tissue = load_tissue("cartilage_endplate_calcified", field=14.0, extrapolate=True)
    pools = {b: tissue.pools(b)[0] for b in (3.0, 7.0, 14.0)}
    assert pools[7.0].t2_prime == pytest.approx(2 * pools[14.0].t2_prime, rel=1e-9)
    slope = (1 / pools[7.0].t2 - 1 / pools[3.0].t2) / 4
    assert 1 / pools[14.0].t2 == pytest.approx(1 / pools[7.0].t2 + 7 * slope, rel=1e-12)


def test_one_tabulated_field_without_a_law_allows_no_extrapolation(tmp_path):
    file = tmp_path / "single.toml"
    single = MINIMAL.replace("1.5 3 T", "3 T").replace("800 1000", "1000").replace("50 50 ms", "50 ms")
    file.write_text(single.replace("60 50", "50").replace("40 30", "30").replace("5 5 ms", "5 ms"))
    with pytest.raises(InputError, match=r"only at 3 T.*allow extrapolation"):
        load_tissue(str(file), field=1.5)
    with pytest.raises(InputError, match=r"t1 is known at 3 T alone.*add a law"):
        load_tissue(str(file), field=1.5, extrapolate=True)


def test_extrapolation_that_physics_forbids_is_refused(tmp_path):
    file = tmp_path / "steep.toml"
    file.write_text(MINIMAL.replace("800 1000 ms", "400 1000 ms").replace("60 50 ms", "700 690 ms"))
    load_tissue(str(file), field=1.5)
    with pytest.raises(InputError, match=r"at 0.2 T, water would have T1 .* T2 700 .*2 T1"):
        load_tissue(str(file), field=0.2, extrapolate=True)


@pytest.mark.parametrize("field", [0.0, -3.0, math.nan, math.inf])
def test_impossible_field_is_refused(field):
    with pytest.raises(InputError, match="impossible"):
        load_tissue("csf", field=field)


def test_marrow_has_water_and_nine_fat_peaks_in_the_stated_share():
    pools = load_tissue("vertebral_bone_marrow").pools(3.0)
    fat = [pool for pool in pools if pool.name.startswith("fat")]
    assert len(fat) == len(pools) - 1 == 9
    share = sum(pool.pd for pool in fat) / sum(pool.pd for pool in pools)
    assert share == pytest.approx(0.385, rel=1e-12)
    main = max(fat, key=lambda pool: pool.pd)
    assert main.shift == pytest.approx((1.3 - 4.65) * 1e-6)  # methylene against water at 4.65 ppm
    assert main.pd / sum(pool.pd for pool in fat) == pytest.approx(0.584 / 1.001, rel=1e-3)
    assert pools[0].shift == 0.0
    # Compartments fill the tissue: water volume + fat volume = 1 with densities 0.75 and 0.95.
    assert pools[0].pd / 0.75 + sum(pool.pd for pool in fat) / 0.95 == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("grade", [0, 6, "VI", "x", 2.5])
def test_unknown_grade_is_refused(grade):
    with pytest.raises(InputError, match="not a Pfirrmann grade"):
        load_tissue("nucleus_pulposus", grade)


def test_unknown_tissue_suggests_the_nearest():
    with pytest.raises(InputError, match="did you mean 'csf'"):
        load_tissue("csv")


@pytest.mark.parametrize(
    ("old", "new", "key", "message"),
    [
        ('value = "800 1000 ms"', 'value = "800 1000"', "t1.value", "no unit"),
        ('value = "800 1000 ms"', 'value = "800 1000 mm"', "t1.value", "is a length; expected a time"),
        ('value = "800 1000 ms"', 'value = "800 nan ms"', "t1.value", "not finite"),
        ('value = "800 1000 ms"', 'value = "-800 1000 ms"', "t1.value", "not positive"),
        ('value = "800 1000 ms"', 'value = "800 ms"', "t1.value", "has 1 values"),
        ('value = "60 50 ms"', 'value = "60 2500 ms"', "t2.value", r"2500 ms at 3 T exceeds 2 x t1 = 2000 ms"),
        ('value = "40 30 ms"', 'value = "70 30 ms"', "t2_star.value", "exceeds t2"),
        ('spread = "5 5 ms"', 'spread = "-5 5 ms"', "t2.spread", "negative"),
        ('spread = "50 50 ms"', 'spread = "50 50 ms"\nspred = "5 ms"', "t1.spred", "unknown key"),
        ('source = ["a paper"]', 'source = [""]', "t1.source", "is empty"),
        ('["compiled default"]', '["rumour"]', "t1.provenance", "read in a public text"),
        ('field = "1.5 3 T"', 'field = "1.5 3 T"\ncolour = "red"', "colour", "unknown key"),
        ('field = "1.5 3 T"', 'field = "1.5 3 s"', "field", "is a time; expected a magnetic field"),
        ('value = "0.8"', 'value = "80"', "pd.value", "too large"),
    ],
)
def test_bad_tissue_file_is_refused_with_file_line_and_key(tmp_path, old, new, key, message):
    path = tmp_path / "bad.toml"
    assert old in MINIMAL
    path.write_text(MINIMAL.replace(old, new, 1))
    with pytest.raises(InputError, match=message) as caught:
        read_tissue_file(path)
    assert re.match(rf"{re.escape(str(path))}:\d+: {re.escape(key)}", str(caught.value)), str(caught.value)


def test_missing_property_is_named(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text(MINIMAL.replace('spread = "50 50 ms"', "", 1))
    with pytest.raises(InputError, match=r"bad\.toml.*t1\.spread: is missing"):
        read_tissue_file(path)


def test_tissue_file_by_path_is_read(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(MINIMAL)
    tissue = load_tissue(str(path), field=1.5)
    assert tissue.name == "mine"
    assert tissue.pools(1.5)[0].t2_prime == pytest.approx(1 / (1 / 0.04 - 1 / 0.06))


def test_tissue_without_dephasing_has_infinite_t2_prime(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(MINIMAL.replace('value = "40 30 ms"', 'value = "60 50 ms"'))
    assert load_tissue(str(path)).pools(3.0)[0].t2_prime == math.inf

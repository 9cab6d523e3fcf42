"""Facts of tissues besides relaxation: complete, cited, with units, and by opinion where the literature disagrees."""

import math

import pytest

from mrsim.core.errors import InputError
from mrsim.core.toml import available
from mrsim.phantom import load_phantom, load_tissue
from mrsim.phantom.substance import load_substance
from mrsim.phantom.tissue import material_sets
from mrsim.phantom.tissue_facts import FACTS

TISSUES = sorted(available("phantoms/tissues"))
SUBSTANCES = sorted(available("phantoms/substances"))
WORDS = {
    "printed in a source document",
    "read in a public text",
    "recalled from the cited paper, not verified",
    "compiled default",
    "chosen by definition",
}


@pytest.mark.parametrize("name", TISSUES)
def test_every_value_has_unit_spread_source_and_provenance(name):
    for grade in (1, 3, 5):
        tissue = load_tissue(name, grade)
        field = 3.0
        for entry in tissue.known(field).values():
            assert math.isfinite(entry.value)
            assert entry.sd >= 0
            assert len(entry.source) > 8
            assert entry.provenance in WORDS
        for fact_name, fact in tissue.facts.items():
            assert fact_name in FACTS
            assert fact.unit is not None


@pytest.mark.parametrize("name", TISSUES)
def test_anisotropy_fractions_and_moduli_are_possible(name):
    for grade in (1, 2, 3, 4, 5):
        facts = {key: f.values[0] for key, f in load_tissue(name, grade).facts.items()}
        for key in ("fa", "ve", "vp", "ivim_f", "mtr", "water_content", "haematocrit"):
            assert 0 <= facts.get(key, 0) <= 1, key
        assert facts.get("ve", 0) + facts.get("vp", 0) <= 1
        if {"storage_modulus", "loss_modulus", "loss_angle"} <= set(facts):
            angle = math.atan2(facts["loss_modulus"], facts["storage_modulus"])
            assert angle == pytest.approx(facts["loss_angle"], abs=2e-3)  # tabulated to four digits
        if {"md", "axial_diffusivity", "radial_diffusivity"} <= set(facts):
            mean = (facts["axial_diffusivity"] + 2 * facts["radial_diffusivity"]) / 3
            assert mean == pytest.approx(facts["md"], rel=0.05)  # cohort means of three quantities


def test_stiffness_and_modulus_of_the_nucleus_agree():
    """|G| = rho c^2 (1 + cos d) / 2 with d the loss angle: the three names of stiffness differ, and must fit."""
    for grade in (1, 2, 3, 4, 5):
        tissue = load_tissue("nucleus_pulposus", grade)
        stiffness, angle = (tissue.property(key, 3.0).value for key in ("shear_stiffness", "loss_angle"))
        storage, loss = (tissue.property(key, 3.0).value for key in ("storage_modulus", "loss_modulus"))
        assert math.hypot(storage, loss) == pytest.approx(stiffness * (1 + math.cos(angle)) / 2, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "grade", "value", "unit"),
    [
        ("md", 1, 1.95e-9, "m^2/s"),
        ("shear_stiffness", 5, 16.5e3, "Pa"),
        ("t1rho", 3, 95e-3, "s"),
        ("susceptibility", 3, -0.02e-6, "ppm"),
        ("mt_t2", 3, 8.3e-6, "s"),
        ("hydroxyl_concentration", 1, 375.0, "mol/m^3"),
    ],
)
def test_facts_arrive_in_si(name, grade, value, unit):
    found = load_tissue("nucleus_pulposus", grade).property(name, 3.0)
    assert (found.value, found.unit) == (pytest.approx(value, rel=1e-12), unit)


@pytest.mark.parametrize(
    ("chosen", "name", "rises"),
    [("kurtosis_falls", "mk", True), ("stiffness_falls", "shear_modulus_magnitude", None)],
)
def test_material_set_turns_the_trend_with_the_grade(chosen, name, rises):
    grades = (1, 2, 3)
    other = [load_tissue("nucleus_pulposus", g, sets=(chosen,)).property(name, 3.0).value for g in grades]
    assert other[0] > other[1] > other[2]
    if rises:
        default = [load_tissue("nucleus_pulposus", g).property(name, 3.0).value for g in grades]
        assert default[0] < default[1] < default[2]


def test_material_set_replaces_relaxation_and_says_where_it_is_from():
    tissue = load_tissue("nucleus_pulposus", 1, sets=("ecr",))
    assert tissue.pools(3.0)[0].t2 == pytest.approx(0.2101)
    assert "479" in tissue.property("t2", 3.0).source
    assert load_tissue("nucleus_pulposus", 1).pools(3.0)[0].t2 == pytest.approx(0.190)


def test_material_set_of_another_field_is_refused():
    with pytest.raises(InputError, match=r"\w+ in the material sets synthetic_mri is known at 1\.5 T only, not at 3 T"):
        load_tissue("nucleus_pulposus", 3, field=3.0, sets=("synthetic_mri",))
    assert load_tissue("nucleus_pulposus", 3, field=1.5, sets=("synthetic_mri",)).pools(1.5)[0].t1 == 0.723


def test_fat_fraction_of_marrow_follows_age_and_sex():
    share = {name: load_tissue("vertebral_bone_marrow", sets=(name,)).fat_fraction(3.0)
             for name in ("marrow_female_30s", "marrow_female_60s", "marrow_male_40s")}  # fmt: skip
    assert share == {"marrow_female_30s": 0.273, "marrow_female_60s": 0.5, "marrow_male_40s": 0.385}


def test_perfusion_of_the_endplate_follows_the_grade_of_the_disc():
    values = [load_tissue("vertebral_bony_endplate", grade).property("ktrans", 3.0).value for grade in (1, 3, 5)]
    assert values[0] == pytest.approx(0.06 / 60)
    assert values[0] < values[1] < values[2]


def test_phantom_passes_material_sets_on_and_refuses_unknown_ones():
    phantom = load_phantom("lumbar-disc", 3.0, 2, ("kurtosis_falls", "ecr"))
    nucleus = next(t for t in phantom.tissues if t.name == "nucleus_pulposus")
    assert nucleus.property("mk", 3.0).value == 1.0
    assert nucleus.property("t2", 3.0).value == pytest.approx(0.129)
    with pytest.raises(InputError, match=r"material set 'kurtosis_fall'; did you mean 'kurtosis_falls'\?"):
        load_phantom("lumbar-disc", 3.0, 2, ("kurtosis_fall",))


def test_every_material_set_loads_in_every_tissue_that_has_it():
    for chosen, where in material_sets().items():
        for name, words in where.items():
            field = 1.5 if chosen == "synthetic_mri" else 3.0
            for grade in (1, 2, 3, 4):
                assert load_tissue(name, grade, field, (chosen,)).sets == (chosen,)
            assert len(words) >= 10


def test_a_set_that_replaces_t2_alone_keeps_the_dephasing():
    """SyMRI's T2 of 101.9 ms at 1.5 T lies below the T2* of grade I; 1/T2* - 1/T2 is kept, so T2* stays below T2."""
    plain, other = (load_tissue("nucleus_pulposus", 1, 1.5, sets).pools(1.5)[0] for sets in ((), ("synthetic_mri",)))
    assert other.t2 == pytest.approx(101.9e-3)
    assert other.t2_prime == pytest.approx(plain.t2_prime, rel=1e-9)


@pytest.mark.parametrize("name", SUBSTANCES)
def test_substance_loads_with_sources(name):
    substance = load_substance(name)
    found = substance.known(3.0)
    assert found
    assert all(entry.provenance in WORDS and entry.source for entry in found.values())


def test_relaxivity_is_per_millimolar_and_second():
    """1/(mM s) is m^3/(mol s): 3.4 at 3 T for gadoterate in blood."""
    found = load_substance("gd_dota").property("r1", 3.0)
    assert (found.value, found.unit) == (pytest.approx(3.4), "m^3/mol/s")
    with pytest.raises(InputError, match=r"known at 1\.5, 3, 7 T only, not at 9\.4 T"):
        load_substance("gd_dota").property("r1", 9.4)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ('[property.mdd]\nvalue = "1 um^2/ms"', "unknown property 'mdd'; did you mean 'md'"),
        ('[property.md]\nvalue = "1 ms"', "expected a diffusivity"),
        ('[property.md]\nvalue = "1 2 um^2/ms"', "has 2 values for 1 field strengths"),
        ('[property.md]\nvalue = "-1 um^2/ms"', "is negative"),
    ],
)
def test_wrong_fact_is_refused_with_its_line(tmp_path, entry, message):
    from mrsim.core.toml import data_root

    text = (data_root() / "phantoms/tissues/csf.toml").read_text().split("# --- what else")[0]
    path = tmp_path / "mine.toml"
    path.write_text(f'{text}\n{entry}\nsource = "a test of mine"\nprovenance = "compiled default"\n')
    with pytest.raises(InputError, match=message) as caught:
        load_tissue(str(path))
    assert caught.value.line is not None

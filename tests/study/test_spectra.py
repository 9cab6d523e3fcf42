"""Spectra on the road: options to settings, fits from files beside the truth, edited pairs, and refusals."""

from dataclasses import replace

import numpy as np
import pytest

import mrsim as mr
from mrsim.cli import perform
from mrsim.core.errors import InputError
from mrsim.core.maps import Maps
from mrsim.core.metabolites import relaxation_at
from mrsim.core.nuclei import WATER_MOLECULES
from mrsim.core.spectra import edited_difference
from mrsim.exchange.nifti_mrs import write_nifti_mrs
from mrsim.fit.spectral.given import combination_of, fat_ratios, quantify
from mrsim.phantom.metabolite import load_basis_set
from mrsim.report.spectral_fit import amount_table, score_table
from mrsim.study.experiment import Outcome
from mrsim.study.experiments.disc_spectra import DiscSpectra, measure, replicate
from mrsim.study.measured import measured
from mrsim.study.request import RunRequest
from mrsim.study.run import prepare
from mrsim.study.spectra import (
    bases_of,
    compared,
    expected_water,
    integrals_of,
    quantified,
    scale_factor,
    score_of,
    voxel_water,
)
from mrsim.study.spectral_bounds import spectral_precision, voxel_rows
from tests.recon.test_spectra import METABOLITES, TIME, acquisition
from tests.spectral_fit.examples import basis, spectra

AMOUNTS = {"Lac": 9.0, "Ala": 2.5, "Prop": 1.0, "PG": 6.0, "Cho": 4.0}
TE, TR = 0.03, 2.0


def voxel(noisy=False):
    """Spectra whose amounts are mM by the water reference that the options' defaults expect."""
    one, relax = 1e-3, relaxation_at(3.0)
    left = relax.left({"te": TE, "tr": TR})
    water = 2 * WATER_MOLECULES * 0.8 * one * np.exp(-TE / 0.1) * (1 - np.exp(-TR / 1.3))
    amounts = {name: amount * one * left for name, amount in AMOUNTS.items()}
    return spectra(amounts, noise=1e-3, noisy=noisy, water=water)


def test_amounts_in_mM_follow_from_a_runs_options():
    found = quantify(voxel(), basis(tuple(AMOUNTS)), {"baseline": 0.0})
    for name, amount in AMOUNTS.items():
        assert found.amount(name)[0][0] == pytest.approx(amount, rel=1e-4), name
    maps = mr.fit(voxel(), "linear-combination", basis=basis(tuple(AMOUNTS)), baseline=0.0)
    assert maps.values["Lac"].item() == pytest.approx(9.0, rel=1e-4)
    text = quantified(voxel(), basis(tuple(AMOUNTS)), "linear-combination", {"water_t2": "50 ms", "baseline": "0"}, 1)
    assert text.amount("Lac")[0][0] == pytest.approx(9.0 * np.exp(-TE / 0.05 + TE / 0.1), rel=1e-4)


def test_the_share_of_water_that_pulses_leave_is_no_error():
    """Metabolites and water lose the same at the edges of the voxel: a basis that knows its own loss must know both."""
    made = basis(tuple(AMOUNTS))
    lossy = replace(made, fids=0.9 * made.fids, conditions={"water": 0.9})
    measured = voxel()
    measured = replace(measured, data=0.9 * measured.data, water=0.9 * measured.water)
    assert quantify(measured, lossy, {"baseline": 0.0}).amount("Lac")[0][0] == pytest.approx(9.0, rel=1e-4)


def test_fats_lines_are_expected_in_the_ratios_of_marrow():
    ratios = fat_ratios()
    assert ratios["Lip09"] == pytest.approx(0.0899101 / (0.583417 + 0.0599401), rel=1e-6)
    made = basis(("Lac", "Ala", "PG"))
    lipids = replace(made, names=("Lip09", "Lip13", "PG"), kinds=("lipid", "lipid", "macromolecule"))
    known = combination_of(lipids, {"fat": 20.0}).expected
    assert set(known) == {"Lip09", "Lip13"}
    assert known["Lip09"].ratio_to == "Lip13"
    assert known["Lip13"].sd == 20.0
    assert not combination_of(lipids, {"fat_ratios": 0.0}).expected


def test_an_edited_pair_is_compared_as_its_difference():
    one = voxel()
    pair = replace(
        one, data=np.concatenate([one.data, 0.25 * one.data]), sigma=np.full((2, 1, 1), 3.0),
        water=np.concatenate([one.water, 3 * one.water]),
        contrast={"te": np.full(2, TE), "tr": np.full(2, TR), "editing": np.array([0.0, 1e-6])},
    )  # fmt: skip
    left = compared(pair)
    np.testing.assert_allclose(left.data, 0.75 * one.data)
    np.testing.assert_allclose(left.water, 2 * one.water)
    assert left.sigma.item() == pytest.approx(3 * np.sqrt(2))
    assert compared(one) is one
    with pytest.raises(InputError, match="pair with editing"):
        edited_difference(one)
    made = basis(("Lac", "Ala"))
    np.testing.assert_array_equal(made.minus(made).fids, 0)
    with pytest.raises(InputError, match="a difference needs"):
        made.minus(basis(("Lac", "Cho")))


def called(*arguments, capsys):
    """Run the command line; return its exit code and what it wrote."""
    code = perform([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out + err


def test_the_command_fits_a_results_spectra_beside_the_truth(tmp_path, capsys):
    measured = voxel()
    grid = measured.grid
    truth = Maps(grid=grid, values={"Lac": np.full(grid.shape, 9.0)}, errors={}, units={"Lac": "mM"},
                 status=np.zeros(grid.shape, np.int8), model="truth")  # fmt: skip
    mr.save(tmp_path / "r.h5", images=measured, truth=truth, basis=basis(tuple(AMOUNTS)))
    code, said = called("fit", tmp_path / "r.h5", "--given", "baseline=0", capsys=capsys)
    assert code == 0, said
    row = next(line for line in said.splitlines() if line.strip().startswith("Lac")).split()
    assert [float(row[1]), float(row[2])] == pytest.approx([9.0, 9.0], rel=1e-3)
    write_nifti_mrs(measured, tmp_path / "s.nii.gz")
    mr.save(tmp_path / "b.h5", basis=basis(tuple(AMOUNTS)))
    asked = ("fit", tmp_path / "s.nii.gz", "--given", "baseline=0")
    code, said = called(*asked, capsys=capsys)
    assert code == 2
    assert "holds no basis" in said
    code, said = called(*asked, "--basis", tmp_path / "b.h5", "--out", tmp_path / "m.h5", capsys=capsys)
    assert code == 0, said
    assert mr.load(tmp_path / "m.h5", "maps").values["Lac"].item() == pytest.approx(9.0, rel=1e-3)


def test_the_command_prints_the_score_and_regions_of_the_basis_own_set(tmp_path, capsys):
    """As a run does; a basis of no known set has none."""
    made = basis((*AMOUNTS, "Gly", "Tau", "Ace"))
    named = ("Lac", "Ala", "Prop", "NAcGAG", "Cho", "Lip13", "Lip20", "Lip09")
    made = replace(made, names=named, conditions={"set": "disc-score"})
    mr.save(tmp_path / "r.h5", images=voxel(), basis=made)
    code, said = called("fit", tmp_path / "r.h5", "--given", "baseline=0", capsys=capsys)
    assert code == 0, said
    row = next(line for line in said.splitlines() if "log10(acids / structure)" in line).split()
    found = quantify(voxel(), made, {"baseline": 0.0})
    assert float(row[3]) == pytest.approx(float(score_of(found, "disc-score").value[0]), rel=1e-2)
    assert sum("integral over water" in line for line in said.splitlines()) == len(
        integrals_of(voxel(), found, "disc-score")
    )
    some = made.only(["Lac", "Cho"])
    assert "set" not in some.conditions
    mr.save(tmp_path / "p.h5", images=voxel(), basis=some)
    assert "log10" not in called("fit", tmp_path / "p.h5", "--given", "baseline=0", capsys=capsys)[1]


def test_spectra_without_a_basis_and_other_models_are_refused():
    with pytest.raises(InputError, match="needs basis="):
        mr.fit(voxel(), "linear-combination")
    with pytest.raises(InputError, match="spectra need 'linear-combination'"):
        mr.fit(voxel(), "t2-mono")
    with pytest.raises(InputError, match="no option"):
        quantify(voxel(), basis(tuple(AMOUNTS)), {"base": 1.0})


@pytest.mark.slow
def test_discs_that_do_not_differ_are_not_told_apart_and_amounts_are_unbiased():
    rngs = [np.random.default_rng([5, i]) for i in range(60)]
    shared = {"snr": 4.0, "pulses": "ideal", "averages": 512}
    arms = {"discs": DiscSpectra(**shared), "none": DiscSpectra(**shared, same=True)}
    found = {
        (m.metric, m.region): m
        for m in measure({name: Outcome(settings=s, data=replicate(s, rngs)) for name, s in arms.items()})
    }
    assert found["AUC", "discs"].value > 0.9
    assert abs(found["AUC", "none"].value - 0.5) < 3 * 0.29 / np.sqrt(60)  # both groups drawn from 60 discs
    for name in ("Lac", "NAcGAG"):
        bias = found["bias", f"discs {name}"]
        assert abs(bias.value) < 0.05 + 3 * bias.standard_error


def test_a_run_says_by_how_much_the_water_reference_misses_the_scale():
    """`voxel` has a signal of 1e-3 per proton of 1 mM; water that is halved makes all amounts twice as large."""
    made, measured, asked = basis(tuple(AMOUNTS)), voxel(), ("linear-combination", {})
    true = float(np.prod(measured.grid.spacing)) / (2 * WATER_MOLECULES)
    assert scale_factor(measured, made, *asked) == pytest.approx(true / 1e-3, rel=1e-4)
    halved = replace(measured, water=0.5 * measured.water)
    assert scale_factor(halved, made, *asked) == pytest.approx(2 * true / 1e-3, rel=1e-4)
    assert scale_factor(replace(measured, water=None), made, *asked) is None


def test_a_runs_body_breathes_alike_with_and_without_noise():
    """Breathing turns each average by its own offset; the fraction is off, so that sizes stay."""
    clean = acquisition(np.tile(METABOLITES, (24, 1, 1)))
    group = replace(clean.imaging, start=1.7 * np.arange(24))
    clean = replace(clean, groups={"imaging": group})
    body = {"field": "3 Hz", "fraction": "0"}
    asked = RunRequest(protocol="svs-press-np", physiology=body, without=("noise",), seed=4)
    seen = measured(clean, asked).imaging.data[:, 0]
    offsets = -np.polyfit(TIME, np.unwrap(np.angle(seen / METABOLITES)).T, 1)[0] / 2 / np.pi
    assert np.abs(offsets).max() <= 3.0 + 1e-6
    assert offsets.std() == pytest.approx(3.0 / np.sqrt(2), rel=0.3)
    noisy = measured(clean, replace(asked, without=())).imaging.data[:, 0] - seen
    sigma = np.sqrt(1e-6 / clean.encoding.dwell)
    assert noisy.real.std() == pytest.approx(sigma, rel=0.03)
    assert measured(clean, replace(asked, physiology={})) is clean


@pytest.mark.parametrize(("key", "text"), [("wind", "2 Hz"), ("field", "2 ms"), ("cardiac", "0.9")])
def test_physiology_of_no_body_is_refused_before_anything_is_simulated(key, text):
    with pytest.raises(InputError, match=r"physiology|shares"):
        prepare(RunRequest(protocol="svs-press-np", physiology={key: text, "respiratory": "0.3"}))


@pytest.fixture(scope="module")
def sphere():
    """A scan of one voxel in a sphere, with ideal pulses in its basis."""
    request = RunRequest(
        protocol="svs-press-np", phantom="mrs-sphere", overrides={"samples": "512"}, without=("slice-profile",)
    )  # fmt: skip
    return prepare(request)


def test_the_water_of_the_scale_is_the_phantoms(sphere):
    timeline = mr.discretize(sphere.sequence)
    water = expected_water(voxel_water(sphere, timeline), timeline, basis(("Lac",)))
    assert water == pytest.approx({"water_content": 1.0, "water_t1": 1.2, "water_t2": 0.3})


def test_water_of_several_tissues_counts_with_what_relaxation_leaves():
    overrides = {"voxel": "30 5 15 mm", "samples": "512"}
    ready = prepare(RunRequest(protocol="svs-press-np", overrides=overrides, without=("slice-profile",)))
    timeline = mr.discretize(ready.sequence)
    found = expected_water(voxel_water(ready, timeline), timeline, basis(("Lac",)))
    fine = replace(timeline.encoding.grid, shape=(1, 1, 1))
    fractions = {name: part.item() for name, part in ready.phantom.truth(fine).fractions.items() if part.item() > 0}
    assert len(fractions) > 1
    pools = {tissue.name: tissue.pools(3.0) for tissue in ready.phantom.tissues}
    sheet = {key: value[0] for key, value in timeline.encoding.contrast.items()}

    def left(t1, t2):
        return np.exp(-sheet["te"] / t2) * (1 - np.exp(-sheet["tr"] / t1))

    total = sum(share * pool.pd * left(pool.t1, pool.t2)
                for name, share in fractions.items() for pool in pools[name] if pool.shift == 0)  # fmt: skip
    assert found["water_content"] * left(found["water_t1"], found["water_t2"]) == pytest.approx(total, rel=5e-3)


@pytest.mark.slow
def test_bounds_of_a_voxel_fall_with_the_root_of_its_averages(sphere):
    rows = {row.metabolite: row for row in voxel_rows(sphere)}
    assert rows["Lac"].value == pytest.approx(10.0, rel=1e-3)
    assert rows["NAcGAG"].value == pytest.approx(12.5, rel=1e-3)
    row = rows["Lac"]
    averages = int(sphere.sequence.encoding.sheet["averages"])
    assert row.averages == pytest.approx(averages * (row.bound / (0.2 * row.value)) ** 2)
    assert row.minutes == pytest.approx(row.averages * sphere.sequence.duration / averages / 60)
    assert max(abs(part) for part in row.displacement) < 0.5
    request = sphere.request
    more = prepare(replace(request, overrides={**request.overrides, "averages": str(4 * averages)}))
    lower = {row.metabolite: row for row in voxel_rows(more)}["Cho"]
    assert 0.45 < lower.bound / rows["Cho"].bound < 0.62  # expectations hold the wider one back


@pytest.mark.slow
def test_a_plan_foretells_what_fits_of_a_voxel_scatter(sphere):
    rows = {row.parameter: row for row in spectral_precision(sphere, 300)}
    strong = rows["NAcGAG"]
    assert strong.truth == pytest.approx(12.5, rel=1e-3)
    assert strong.share > 0.95
    assert strong.mean == pytest.approx(strong.truth, abs=strong.sd)
    # what the fit expects holds it back, but stands in the bound with its whole width; 300 fits know the SD to 4 %
    assert 0.6 < strong.sd / strong.bound < 1.1


def test_the_score_is_weighted_by_the_file_of_the_basis_set(tmp_path):
    shipped = load_basis_set("disc-score")
    assert shipped.weights("acids") == {"Lac": 1.0, "Ala": 1.0, "Prop": 1.0}
    assert load_basis_set("Lac,Ala") is None
    own = tmp_path / "own.toml"
    text = 'metabolites = ["Lac", "Ala", "Cho"]\nacids = ["Lac 2", "Ala"]\nstructure = ["Cho 0.5"]\n'
    own.write_text(text + 'regions = ["methyl of choline 3.1 3.3 ppm"]\n')
    made = basis(("Lac", "Ala", "Cho"))
    found = quantify(voxel(), basis(tuple(AMOUNTS)), {"baseline": 0.0})
    judged = score_of(found, str(own))
    assert judged.value[0] == pytest.approx(np.log10((2 * 9.0 + 2.5) / (0.5 * 4.0)), rel=1e-4)
    assert score_of(found, "Lac,Ala") is None
    part = replace(voxel(), data=voxel().data)
    areas = integrals_of(part, quantify(part, made, {"baseline": 0.0}), str(own))
    table = score_table(judged, areas, "mM")
    assert [row[0] for row in table.rows][-1] == "methyl of choline, integral over water"
    assert score_table(None, {}, "mM") is None
    for wrong, key in (('acids = ["Lac one"]', "no weight"), ('acids = ["Gly 1"]', "not in the set")):
        own.write_text('metabolites = ["Lac"]\nstructure = ["Lac 1"]\n' + wrong)
        with pytest.raises(InputError, match=key):
            score_of(found, str(own))
    own.write_text('metabolites = ["Lac"]\nregions = ["methyl 3.3 3.1 ppm"]\n')
    with pytest.raises(InputError, match="no region"):
        integrals_of(part, found, str(own))


def test_a_voxel_outside_of_the_object_is_refused_with_its_place():
    asked = RunRequest(protocol="svs-press-np", phantom="mrs-sphere", overrides={"centre": "500 0 0 mm"})
    with pytest.raises(InputError, match="500, 0, 0 mm lies outside of the object"):
        bases_of(prepare(asked))


def test_spectra_without_a_water_reference_say_so_and_stand_beside_no_truth():
    found = quantify(spectra(AMOUNTS, noise=1e-3), basis(tuple(AMOUNTS)), {"baseline": 0.0}, threads=1)
    assert any("no water reference" in note for note in found.notes)
    assert {row[1] for row in amount_table(found, dict(AMOUNTS)).rows} == {"–"}

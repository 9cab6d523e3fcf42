"""Contests of fitters: everybody is judged as our own models are, and what goes wrong has the entrant's name."""

import json
import sys

import numpy as np
import pytest

from mrsim.cli import perform
from mrsim.core.errors import InputError
from mrsim.core.grid import Grid
from mrsim.core.images import Images
from mrsim.core.maps import Maps
from mrsim.core.storage import save
from mrsim.evaluate import evaluate
from mrsim.fit.fit import fit
from mrsim.study.contest import contest, ranked
from mrsim.study.entrants import by_function, by_model, by_program

TE = np.array([0.01, 0.03, 0.05, 0.09])
T2 = np.linspace(0.04, 0.12, 24).reshape(2, 3, 4)
GRID = Grid(shape=(2, 3, 4), spacing=(1e-3, 2e-3, 3e-3), centre=(0.01, 0.02, -0.03))
TRUTH = Maps(
    grid=GRID, values={"t2": T2}, errors={"t2": 0 * T2}, units={"t2": "s"}, model="truth",
    status=np.zeros(T2.shape, np.int8), fractions={"left": 1.0 * (T2 < 0.08), "right": 1.0 * (T2 >= 0.08)},
)  # fmt: skip
PROGRAM = """
import json, sys
import nibabel, numpy as np
image = nibabel.load(sys.argv[1])
te = np.array(json.load(open(sys.argv[2]))["contrast"]["te"])
y = image.get_fdata()
t2 = 1e3 * (te[2] - te[0]) / np.log(y[..., 0] / y[..., 2])
nibabel.save(nibabel.Nifti1Image(t2, image.affine, image.header), sys.argv[3] + "/" + sys.argv[4])
"""


def images(sigma=0.0):
    rng = np.random.default_rng(4)
    noise = sigma * (rng.standard_normal((2, 4, *T2.shape)))
    data = np.exp(-TE[:, None, None, None] / T2) + noise[0] + 1j * noise[1]
    return Images(
        data=data, grid=GRID, contrast={"te": TE}, sigma=np.full((4, 1, 1, 1), max(sigma, 1e-9)), noisy=sigma > 0
    )


def two_points(scan):
    a, b = np.abs(scan.data[0]), np.abs(scan.data[2])
    return {"t2": (TE[2] - TE[0]) / np.log(a / b)}


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "two points.py"
    path.write_text(PROGRAM)
    return f"'{sys.executable}' '{path}' {{images}} {{table}} {{maps}}"


def test_function_program_and_model_are_judged_alike(program):
    scan = images(0.002)
    outside = by_program("program", f"{program} t2.nii.gz", {"t2": ("t2.nii.gz", "ms")})
    entrants = (by_function("function", two_points), outside, by_model("t2-mono"))
    function, found, model = contest(scan, TRUTH, entrants)
    # the same arithmetic in and outside of this process: NIfTI keeps doubles, its affine single precision
    np.testing.assert_allclose(found.maps.values["t2"], function.maps.values["t2"], rtol=1e-12)
    own = evaluate(fit(scan, "t2-mono"), TRUTH)
    assert model.evaluation.rows == own.rows
    assert {row.region for row in found.evaluation.rows} == {"left", "right"}
    assert ranked((function, found, model), "t2")[0] is model  # four echoes and not two of them


def test_error_is_the_root_mean_square_of_all_voxels():
    off = by_function("off", lambda scan: {"t2": 1.1 * T2})
    (standing,) = contest(images(), TRUTH, (off,))
    left = T2[T2 < 0.08]
    row = standing.evaluation.rows[0]
    from mrsim.study.contest import root_mean_square

    assert root_mean_square(row) == pytest.approx(np.sqrt(np.mean((0.1 * left) ** 2)), rel=1e-12)
    assert 0.09 < standing.error("t2") < 0.11


def test_values_that_are_not_finite_count_as_rejected():
    def half(scan):
        return {"t2": np.where(T2 < 0.08, np.nan, T2)}

    (standing,) = contest(images(), TRUTH, (by_function("half", half),))
    assert standing.rejected("t2") == pytest.approx(np.mean(T2 < 0.08))


def test_units_of_a_function_are_si_unless_said():
    (standing,) = contest(images(), TRUTH, (by_function("ms", lambda scan: {"t2": 1e3 * T2}, {"t2": "ms"}),))
    assert standing.error("t2") == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("entrant", "problem"),
    [
        (by_function("bad", lambda scan: {"t2": T2[0]}), r"bad: gives 't2' the shape \(3, 4\)"),
        (by_function("bad", lambda scan: {"colour": T2}), "bad: has no unit; say one for 'colour'"),
        (by_function("bad", lambda scan: {"t1": T2}), "bad: makes t1, of which no truth is known; known: t2"),
        (by_program("bad", "no-such-program {images}", {"t2": ("x.nii", "s")}), "bad: there is no program"),
        (by_program("bad", f"{sys.executable} -c 'import sys; sys.exit(\"no luck\")'", {"t2": ("x.nii", "s")}),
         "bad: .* ended with code 1: no luck"),
        (by_program("bad", f"{sys.executable} -c pass", {"t2": ("x.nii", "s")}), "bad: wrote no 'x.nii'"),
        (by_program("bad", f"{sys.executable} {{image}}", {"t2": ("x.nii", "s")}), "bad: cannot read the command"),
        (by_program("bad", f"{sys.executable} -c 'import time; time.sleep(9)'", {"t2": ("x.nii", "s")}, longest=0.2),
         "bad: .* did not finish"),
    ],
)  # fmt: skip
def test_entrant_that_fails_is_named(entrant, problem):
    with pytest.raises(InputError, match=problem):
        contest(images(), TRUTH, (entrant,))


def test_two_entrants_of_one_name_are_refused():
    with pytest.raises(InputError, match="two entrants are called 't2-mono'"):
        contest(images(), TRUTH, (by_model("t2-mono"), by_model("t2-mono")))


def test_command_ranks_programs_functions_and_models(program, tmp_path, capsys):
    result, code = tmp_path / "result.h5", tmp_path / "mine.py"
    save(result, images=images(0.002), truth=TRUTH, rois={"left": T2 < 0.08, "right": T2 >= 0.08})
    code.write_text("import numpy as np\ndef mine(images):\n    a, b = np.abs(images.data[:2])\n"
                    "    return {'t2': 0.02 / np.log(a / b)}\n")  # fmt: skip
    words = ["contest", str(result), "--model", "t2-mono", "--function", f"{code}:mine", "--program",
             f"outside={program} t2.nii.gz", "--map", "t2=t2.nii.gz,ms"]  # fmt: skip
    assert perform([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in found] == ["t2-mono", "mine", "outside"]
    errors = [entry["relative_error"]["t2"] for entry in found]
    assert errors[0] < errors[2] < errors[1]
    assert perform(words) == 0
    assert "outside" in capsys.readouterr().out
    assert perform(["contest", str(result)]) == 2
    assert "nobody takes part" in capsys.readouterr().err

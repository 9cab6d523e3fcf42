"""`mr.plot` and `mr.report`, as a user of the Python interface calls them."""

import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest
from matplotlib.axes import Axes

import mrsim as mr
from mrsim.core.errors import InputError
from mrsim.report.plot import DRAWN
from mrsim.report.style import Drawn


def test_plot_returns_axes_that_a_notebook_shows(run):
    for noun in (run.sequence, run.images, run.maps, run.phantom):
        drawn = mr.plot(noun)
        assert drawn
        assert all(isinstance(one, Axes) and one.figure is drawn.figure for one in drawn)
        drawn[0].axvline(0.0)
        assert drawn._repr_png_().startswith(b"\x89PNG")
    titles = [one.get_title(loc="left") for one in mr.plot(run.maps, run.truth, "t2", run.rois)]
    assert "T2 true, voxels of one tissue" in titles


def test_plot_says_what_it_cannot_draw(run):
    with pytest.raises(InputError, match="did you mean 't2'"):
        mr.plot(run.maps, run.truth, "t22")
    with pytest.raises(InputError, match="no figure of a float; there is one of Sequence, Images"):
        mr.plot(3.0)
    assert {"Maps", "Images", "Spectra", "Waves"} <= {kind.__name__ for kind in DRAWN}


def test_every_figure_of_the_report_is_made_of_axes():
    """What `mrsim.report` names a figure returns the axes."""
    found = 0
    for path in sorted((Path(mr.__file__).parent / "report").glob("*.py")):
        module = import_module(f"mrsim.report.{path.stem}")
        for name, made in inspect.getmembers(module, inspect.isfunction):
            if made.__module__ == module.__name__ and name.endswith("_figure"):
                assert made.__annotations__["return"] == "Drawn", name
                found += 1
    assert found >= 14
    assert issubclass(Drawn, list)


def test_report_of_the_nouns_is_one_page_that_refers_to_nothing_outside(run):
    page = mr.report(run.evaluation, run.maps, run.truth, run.rois, images=run.images, sequence=run.sequence)
    assert page.index("Verdict") < page.index("<img") < page.index("Evaluation</h2>")
    assert "<canvas" in page
    outside = [one for one in re.findall(r'(?:src|href)="([^"]{0,40})', page) if not one.startswith(("data:", "#"))]
    assert outside == []
    with pytest.raises(InputError, match="maps and truth, or neither"):
        mr.report(run.evaluation, run.maps)


def test_the_eight_verbs_stand_at_the_top():
    for verb in ("build", "discretize", "simulate", "add_noise", "reconstruct", "fit", "evaluate", "report"):
        assert inspect.isfunction(getattr(mr, verb)), verb

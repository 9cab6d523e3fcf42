"""The verb: a finished comparison as one self-contained page, from whatever nouns stand at hand."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.evaluation import Evaluation
from ..core.images import Images
from ..core.maps import Maps
from ..sequence.sequence import Sequence
from .agreement import truth_agreement
from .captions import embedded, plain
from .diagram import sequence_diagram
from .html import html_report
from .images import image_series
from .maps import map_comparison
from .page import document, downloads, html_table
from .run import ReportedRun
from .style import Drawn, png
from .table import evaluation_table, table_csv, verdict
from .viewer import sequence_viewer


def report(
    score: Evaluation | ReportedRun,
    maps: Maps | None = None,
    truth: Maps | None = None,
    rois: Mapping[str, NDArray[np.bool_]] | None = None,
    *,
    images: Images | None = None,
    sequence: Sequence | None = None,
    title: str = "mrsim report",
) -> str:
    """Return one HTML page that refers to nothing outside itself: verdicts first, then figures and tables.

    Parameters
    ----------
    score : Evaluation or RunResult
        What `evaluate` returned; or a whole run, which needs nothing else and gets the full page.
    maps, truth : Maps, optional
        What was compared: adds maps beside the truth, and the agreement of each parameter.
    rois : mapping of str to (z, y, x) array of bool, optional
        Regions that the figures outline.
    images : Images, optional
        Adds the series.
    sequence : Sequence, optional
        Adds its diagram, and one that zooms.
    title : str
        Of the page.
    """
    if not isinstance(score, Evaluation):
        return html_report(score)
    if (maps is None) != (truth is None):
        raise InputError("needs maps and truth, or neither", key="report")
    noisy = images is None or images.noisy
    items = "".join(f"<li>{plain(verdict(row, noisy))}</li>" for row in score.rows)
    table = evaluation_table(score)
    body = [
        f"<header><h1>{plain(title)}</h1></header>",
        f'<section><h2>Verdict</h2><ul class="verdicts">{items}</ul></section>',
        *(embedded(name, png(drawn)) for name, drawn in _figures(maps, truth, rois or {}, images).items()),
        html_table(table),
    ]
    if sequence is not None:
        body += [embedded("sequence", png(sequence_diagram(sequence))), sequence_viewer(sequence)]
    return document(plain(title), [*body, downloads({"evaluation.csv": table_csv(table)})])


def _figures(
    maps: Maps | None, truth: Maps | None, rois: Mapping[str, NDArray[np.bool_]], images: Images | None
) -> dict[str, Drawn]:
    made: dict[str, Drawn] = {}
    if maps is not None and truth is not None:
        for name in (one for one in maps.values if one in truth.values):
            made[f"map_{name}"] = map_comparison(maps, truth, name, rois)
            if (scatter := truth_agreement(maps, truth, name, rois)) is not None:
                made[f"agreement_{name}"] = scatter
    return made | ({} if images is None else {"images": image_series(images)})

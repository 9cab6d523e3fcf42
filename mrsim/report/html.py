"""The report of a run: one HTML page that carries its figures and refers to nothing outside itself."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..core.images import Images
from ..core.spectra import Spectra
from ..core.version import __version__
from ..plan.limits import limits
from .agreement import truth_agreement
from .budget import bias_table, budget_figure, spread_table
from .captions import embedded, plain
from .curves import roi_curves
from .diagram import sequence_diagram
from .fitted import fitted_maps
from .images import image_series
from .maps import map_comparison
from .page import document, downloads, html_table
from .quantities import duration, label, number
from .run import ReportedRun
from .sequence_views import VIEWS, sequence_views
from .settings import settings_table
from .spectra import spectra_figure
from .spectral_fit import amount_table, score_table, spectral_fit_figure
from .style import Drawn, png
from .synthetic import can_synthesize, six_contrasts
from .table import (
    DISTINCT,
    Table,
    evaluation_table,
    margin_table,
    silent_regions,
    table_csv,
    timing_table,
    tissue_table,
    verdict,
)
from .viewer import sequence_viewer
from .waves import elastogram, shown_slice, wave_animation

SHOWN_AFTER = ("elastogram", "waves", "quantified", "fitted", "synthetic", "decay", "spectra", "images", "sequence")
"""Figures below the evaluation, in this order."""


def figures(result: ReportedRun) -> dict[str, Drawn]:
    """Return the figures of a run by name; file names are made from these names."""
    made = {
        "sequence": sequence_diagram(result.sequence),
        **sequence_views(result.sequence),
        **_measured(result.images),
    }
    if result.quantified is not None:
        basis = result.quantified.basis
        made["quantified"] = spectral_fit_figure(
            result.quantified.fit, dict(zip(basis.names, basis.kinds, strict=True))
        )
    elif result.maps is not None:
        compared = [name for name in result.maps.values if name in result.truth.values]
        for name in compared:
            made[f"map_{name}"] = map_comparison(result.maps, result.truth, name, result.rois)
            if (scatter := truth_agreement(result.maps, result.truth, name, result.rois)) is not None:
                made[f"agreement_{name}"] = scatter
        if can_synthesize(result.maps):
            made["synthetic"] = six_contrasts(result.maps)
        others = [name for name in result.maps.values if name not in result.truth.values]
        if others:
            made["fitted"] = fitted_maps(result.maps, result.truth, others)
        made["decay"] = roi_curves(result.images, result.maps, result.rois)
    if result.waves is not None and result.maps is not None:
        made["elastogram"] = elastogram(result.waves, result.maps, result.truth)
    if result.budget is not None:
        for name in dict.fromkeys(row.parameter for row in result.budget.rows):
            made[f"budget_{name}"] = budget_figure(result.budget, name)
    return made


def _measured(images: Images | Spectra) -> dict[str, Drawn]:
    """Return the figure of what was measured."""
    if isinstance(images, Spectra):
        return {"spectra": spectra_figure(images)}
    return {"images": image_series(images)}


def pictures(result: ReportedRun) -> dict[str, bytes]:
    """Return the figures of a run by name, drawn as PNG."""
    moving = {}
    if (waves := result.waves) is not None:
        place = None if result.maps is None else shown_slice(waves, result.maps, result.truth)
        moving = {"waves": wave_animation(waves, place)}
    return {name: png(figure) for name, figure in figures(result).items()} | moving


def html_report(result: ReportedRun, drawn: Mapping[str, bytes] | None = None) -> str:
    """Return the report as one self-contained HTML page.

    Parameters
    ----------
    result : ReportedRun
        A finished run.
    drawn : mapping of str to bytes, optional
        What `pictures` returned, where it has been called before.
    """
    drawn = drawn if drawn is not None else pictures(result)
    maps = [name for name in drawn if name.startswith("map_")]
    tables = [
        settings_table(result), timing_table(result.sequence), margin_table(result.sequence, limits(result.sequence)),
    ]  # fmt: skip
    sources = tissue_table(result.phantom)
    compared = [] if result.evaluation is None else [evaluation_table(result.evaluation)]
    body = [
        _header(result),
        _warnings(result.warnings),
        _verdicts(result),
        *(embedded(name, drawn[name]) for name in maps),
        _evaluation(result),
        *(embedded(name, drawn[name]) for name in drawn if name.startswith("agreement_")),
        *_budget(result, drawn),
        *(embedded(name, drawn[name]) for name in SHOWN_AFTER if name in drawn),
        sequence_viewer(result.sequence),
        *(embedded(name, drawn[name]) for name in VIEWS if name in drawn),
        *(html_table(table) for table in tables),
        _numerical(result),
        html_table(sources),
        _provenance(result),
        _taken_away(result, [*compared, *tables, sources]),
    ]
    return document(plain(f"{result.request.protocol}: mrsim report"), body)


def _header(result: ReportedRun) -> str:
    request, sequence, phantom = result.request, result.sequence, result.phantom
    facts = [
        ("field", f"{sequence.scanner.b0:g} T"),
        ("scanner", sequence.scanner.name),
        ("phantom", phantom.name),
        ("Pfirrmann grade", "–" if phantom.grade is None else str(phantom.grade)),
        ("scan time", duration(sequence.duration)),
        ("model", request.model or "none"),
        ("noise", f"seed {request.seed}" if result.raw.noisy else "none"),
    ]
    if request.overrides:
        facts.append(("changed", ", ".join(f"{key} = {value}" for key, value in request.overrides.items())))
    if body := request.physiology:
        facts.append(("pulse and breathing", ", ".join(f"{name} = {text}" for name, text in body.items())))
    if request.without:
        facts.append(("left out", ", ".join(request.without)))
    if request.including:
        facts.append(("taken in", ", ".join(request.including)))
    items = "".join(f"<div><dt>{plain(name)}</dt><dd>{plain(value)}</dd></div>" for name, value in facts)
    return (
        f"<header><h1>{plain(request.protocol)}</h1><p>{plain(result.description)}</p>"
        f'<dl class="facts">{items}</dl></header>'
    )


def _warnings(warnings: tuple[str, ...]) -> str:
    if not warnings:
        return ""
    items = "".join(f"<li>{plain(warning)}</li>" for warning in warnings)
    return f'<section class="warnings" role="note"><h2>Warnings</h2><ul>{items}</ul></section>'


def true_amounts(result: ReportedRun) -> dict[str, float]:
    """Return what the phantom's voxel holds of each metabolite, mM."""
    names = () if result.quantified is None else result.quantified.fit.names
    return {name: float(result.truth.values[name].ravel()[0]) for name in names if name in result.truth.values}


def _verdicts(result: ReportedRun) -> str:
    if result.quantified is not None:
        found = result.quantified
        judged = score_table(found.score, found.integrals, found.fit.unit)
        amounts = html_table(amount_table(found.fit, true_amounts(result)))
        return amounts if judged is None else amounts + html_table(judged)
    if result.evaluation is None or not result.evaluation.rows:
        return "<section><h2>Verdict</h2><p>No map was compared with a truth.</p></section>"
    items = []
    for row in result.evaluation.rows:
        sure = row.n > 0 and result.raw.noisy and row.se > 0 and abs(row.bias) <= DISTINCT * row.se
        items.append(f'<li class="{"good" if sure else "off"}">{plain(verdict(row, result.raw.noisy))}</li>')
    items += [f'<li class="none">{plain(line)}</li>' for line in silent_regions(result)]
    return f'<section><h2>Verdict</h2><ul class="verdicts">{"".join(items)}</ul></section>'


def _evaluation(result: ReportedRun) -> str:
    if result.evaluation is None or result.quantified is not None:
        return ""
    note = (
        "Bias is mean − truth. SD is the spread of fitted − true over the region's voxels, SE = SD/√n; "
        "fit SE is what the fit claims for one voxel: compare it with SD."
    )
    return html_table(evaluation_table(result.evaluation)).replace("</section>", f"<p>{plain(note)}</p></section>")


def _budget(result: ReportedRun, drawn: Mapping[str, bytes]) -> list[str]:
    if result.budget is None:
        if result.evaluation is None:
            return []
        how = f"Not asked for: mrsim run {result.request.protocol} --budget splits bias and spread by cause."
        return [f"<section><h2>Error budget</h2><p>{plain(how)}</p></section>"]
    notes = "".join(f"<li>{plain(note)}</li>" for note in result.budget.notes)
    pictures_of = [embedded(name, drawn[name]) for name in drawn if name.startswith("budget_")]
    said = f"<ul>{notes}</ul>" if notes else ""
    return [*pictures_of, html_table(bias_table(result.budget)), html_table(spread_table(result.budget)), said]


ERRORS = {
    "discretisation_error": "Discretisation error through the slice ≤ {} of M0, from a comparison with a refined run.",
    "rf_step_error": "Length of the RF steps (divided by {split}): error ≤ {} of M0.",
    "far_error": "Pulses and readouts of far slices left out of each section: {} of M0, from a walk with all of them.",
    "in_plane_error": "Cells of the plane: error of a voxel up to about {} of the brightest tissue's signal, at edges; "
    "subsamples makes it smaller.",
    "layer_error": "Layers through the slice: error of a voxel up to about {} of the brightest tissue's signal, at "
    "edges; layers makes it smaller.",
    "motion_error": "Motion to first order: {} of the signal of one column, from spins that travel by themselves.",
    "t2_prime_error": "Sampled T2′ decay: error ≤ {} of M0.",
    "field_error": "Interpolation over the maps of B0 and B1: {} of M0, met between the nodes.",
    "row_error": "Interpolation between rows along which pulses select in the plane: {} of M0, met half-way.",
    "pruning_bound": "Weak configuration states left out: error ≤ {} of M0.",
}
"""What the page says of each error that an engine states about itself."""


def _numerical(result: ReportedRun) -> str:
    """State how far the numbers are from the exact solution, as the engine itself reports it."""
    history = result.raw.history
    lines = [
        said.format(number(history[name], 2), split=history.get("rf_substeps", 1))
        for name, said in ERRORS.items()
        if _finite(history.get(name))
    ]
    if "states" in history:
        lines.append(f"Up to {history['states']:,} configuration states, {history['sub_slices']:,} sub-slices, "
                     f"{history['classes']:,} classes; {history['profile']} slice profiles.")  # fmt: skip
    if "spins" in history:
        slices = f", {history['sub_slices']:,} sub-slices" if "sub_slices" in history else ""
        lines.append(f"{history['spins']:,} spins{slices}, {history.get('classes', '–')} relaxation classes.")
    if "engine" in history:
        reuse = f"; reuse: {history['reuse']}" if "reuse" in history else ""
        lines.append(f"Engine {history['engine']}, {history.get('precision', 'double')} precision{reuse}.")
    steps = ", ".join(f"{name} {duration(seconds)}" for name, seconds in result.timings.items())
    lines.append(f"Computing time: {steps}." if steps else "")
    items = "".join(f"<li>{plain(line)}</li>" for line in lines if line)
    return f"<section><h2>Numerical error and effort</h2><ul>{items}</ul></section>"


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _provenance(result: ReportedRun) -> str:
    """Return versions, seed and request as a table, and every file that went in as text to unfold."""
    rest = {key: value for key, value in result.provenance.items() if key != "files"}
    texts = {key: rest.pop(key) for key, value in [*rest.items()] if isinstance(value, str) and "\n" in value}
    rest.setdefault("mrsim", __version__)
    rest.setdefault("seed", result.request.seed)
    pairs = [(plain(label(key)), plain(_words(value))) for key, value in rest.items()]
    items = "".join(f"<tr><td>{name}</td><td>{words}</td></tr>" for name, words in pairs)
    texts = {label(key): value for key, value in texts.items()} | dict(result.provenance.get("files", {}))
    blocks = "".join(
        f"<details><summary>{plain(name)}</summary><pre>{plain(value.strip())}</pre></details>"
        for name, value in texts.items()
    )
    return f"<section><h2>Provenance</h2><table class='wrapped'><tbody>{items}</tbody></table>{blocks}</section>"


def _taken_away(result: ReportedRun, tables: Sequence[Table]) -> str:
    """Return what a reader may take along: the tables, what was asked for, and how to get the rest."""
    files = {f"{table.title.lower().replace(' ', '-')}.csv": table_csv(table) for table in tables}
    files |= {name.rpartition("/")[2]: text for name, text in result.provenance.get("files", {}).items()}
    if "request" in result.provenance:
        files["request.json"] = json.dumps(result.provenance["request"], default=str, indent=2)
    rest = "Images, maps and raw data lie in result.h5 beside this page; mrsim export result.h5 --to writes bids, "
    return downloads(files, rest + "nifti, dicom, csv (all voxels), seq, mrd, cfl or koma.")


def _words(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)

"""The report is one page that needs nothing else, and says what was found."""

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from mrsim.plan.limits import limits
from mrsim.report.captions import plain
from mrsim.report.html import figures, html_report
from mrsim.report.quantities import duration, fact, number, quantity, signed
from mrsim.report.table import (
    brief_evaluation_table,
    evaluation_table,
    margin_table,
    timing_table,
    tissue_table,
    verdict,
)

VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """Collects text, addresses and unclosed tags."""

    def __init__(self):
        super().__init__()
        self.text, self.addresses, self.open = [], [], []

    def handle_starttag(self, tag, attributes):
        self.addresses += [value for name, value in attributes if name in ("src", "href", "data", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def page(run):
    return html_report(run)


@pytest.fixture(scope="module")
def parsed(page):
    parser = Page()
    parser.feed(page)
    return parser


def test_report_refers_to_nothing_outside_itself(page, parsed):
    assert all(re.match("data:(image/png|text/csv|text/plain|application/json);base64,", a) for a in parsed.addresses)
    assert not re.search(
        r"https?:|//\w|url\(|@import|<script[^>]*src|fetch\(|import\(|<link", re.sub(r"base64,[^\"]+", "", page)
    )


def test_report_is_well_formed_and_escapes_text(page, parsed):
    assert parsed.open == []
    assert "a test of &lt;markup&gt; &amp; words" in page


def test_report_embeds_every_figure_as_png(run, parsed):
    pictures = [base64.b64decode(a.split(",")[1]) for a in parsed.addresses if a.startswith("data:image/png")]
    assert len(pictures) == len(figures(run)) == 9
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)


def test_report_states_the_numbers(parsed):
    text = " ".join(parsed.text)
    for wanted in (
        "43.00", "+3.00", "+7.5", "95.0", "−5.0", "1 voxel odd",  # the evaluation, ms and per cent
        "small-mese", "seed 11", "te = 1 ms", "the object is larger than the field of view",
        "3.2 × 10⁻⁵", "321 sub-slices", "123,456 spins", "0.0028",  # the numerical error
        "not verified", 'family = "x"', "0.0.1",  # provenance
        "RF amplitude", "14 µT",  # hardware
    ):  # fmt: skip
        assert wanted in text, wanted


def test_report_of_a_run_without_maps_still_shows_images(run):
    bare = html_report(replace(run, maps=None, evaluation=None, warnings=()))
    assert bare.count("<img") == 5
    assert "No map was compared" in bare
    assert 'class="warnings"' not in bare


def test_addresses_in_text_lose_their_scheme():
    assert plain("see https" + "://a.b/c?d=1&e <x>") == "see a.b/c?d=1&amp;e &lt;x&gt;"


def test_verdict_judges_the_bias_by_its_standard_error(run):
    short, long = run.evaluation.rows
    assert verdict(short, noisy=True) == (
        "T2 of short reads 43 ms, 7.5 % above the true 40 ms: 1.5 standard errors (n = 16), within what noise explains."
    )
    judged = "5.0 % below the true 100 ms: 2.5 standard errors (n = 16), a significant bias."
    assert judged in verdict(long, noisy=True)
    assert "all of it is systematic" in verdict(short, noisy=False)
    assert "no voxel could be fitted (3 rejected)" in verdict(replace(short, n=0, rejected=3), noisy=True)


def test_evaluation_table_keeps_all_columns_and_converts_seconds(run):
    table = evaluation_table(run.evaluation)
    cells = dict(zip(table.columns, table.rows[0], strict=True))
    assert cells["region"] == "short"
    assert (cells["unit"], cells["truth"], cells["mean"], cells["bias"]) == ("ms", "40.00", "43.00", "+3.00")
    assert (cells["SD"], cells["SE"], cells["fit SE"], cells["n"], cells["rejected"]) == (
        "8.000",
        "2.000",
        "7.000",
        "16",
        "1",
    )
    brief = brief_evaluation_table(run.evaluation)
    assert all(len(row) == len(brief.columns) for row in brief.rows)
    assert brief.rows[1][-1] == "1 rejected; 1 voxel odd"


def test_timing_table_agrees_with_the_sequence(mese):
    rows = dict(timing_table(mese).rows)
    assert rows["TE of the images"] == "12 24 36 48 ms"
    assert rows["TR"] == "500 ms"
    assert rows["scan time"] == "4.0 s"  # 8 repetitions of 0.5 s
    assert rows["voxel"] == "10 × 10 × 4 mm"
    assert rows["Larmor frequency"] == "127.7324 MHz"  # 3 T x 42.577478518 MHz/T


def test_margin_table_has_the_scanners_limits(mese):
    rows = {row[0]: row for row in margin_table(mese, limits(mese)).rows}
    assert rows["RF amplitude"][2] == "14 µT"
    assert rows["slew physical x"][2] == "200 T/m/s"
    assert all(0 <= float(row[3].split()[0]) <= 100 for row in rows.values())


def test_tissue_table_tells_value_and_origin(run):
    rows = {(row[0], row[1]): row for row in tissue_table(run.phantom).rows}
    nucleus = run.phantom.tissues[[t.name for t in run.phantom.tissues].index("nucleus_pulposus")]
    entry = nucleus.property("t2", 3.0)
    assert rows["nucleus pulposus", "T2"][2:5] == (
        quantity(entry.value, "s"),
        quantity(entry.sd, "s"),
        entry.provenance,
    )


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (quantity(0.0126, "s"), "12.6 ms"),
        (quantity(3.14159265, "rad"), "180 deg"),
        (quantity(1000.0, "Hz"), "1000 Hz"),
        (number(float("nan")), "–"),
        (number(-0.012345), "−0.01235"),
        (number(1.5e-7), "1.500 × 10⁻⁷"),
        (signed(-0.04), "−0.0"),
        (duration(0.25), "250 ms"),
        (duration(195.0), "3 min 15 s"),
        (duration(3661.0), "1 h 1 min"),
        (fact("pixel_bandwidth", 195.3125), "195.312 Hz"),
        (fact("scan_time", 192.0), "3 min 12 s"),
        (fact("te", 0.0126), "12.6 ms"),
        (fact("shape", "sinc"), "sinc"),
    ],
)
def test_numbers_read_as_people_write_them(made, wanted):
    assert made == wanted

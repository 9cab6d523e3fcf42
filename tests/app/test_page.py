"""The page in a real Chromium: formulas to 1e-12 of Python, numbers as the command line gives them, all controls."""

import json
import os
import threading

import numpy as np
import pytest

from mrsim.app.equations import equations
from mrsim.app.export import lab_page
from mrsim.app.server import lab_server
from mrsim.app.settings import checked
from mrsim.app.tissue_tables import phantom_tissues, tissue_key
from mrsim.study.bounds import predicted_bounds
from mrsim.study.plan import forecast
from mrsim.study.snr import predicted_snr

from .browser import Browser, chromium

if chromium() is None and os.environ.get("CI") != "true":
    pytest.skip("needs Chromium: apt-get install chromium", allow_module_level=True)
pytestmark = pytest.mark.slow

TISSUES = ("nucleus_pulposus", "annulus_fibrosus_inner")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("lab") / "lab.html"
    path.write_text(lab_page(), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser():
    found = Browser()
    yield found
    found.close()


@pytest.fixture
def page(browser, file):
    browser.events.clear()
    browser.open(file.as_uri())
    yield browser
    assert browser.problems() == []
    foreign = [address for address in browser.requests() if not address.startswith(("file:", "about:", "data:"))]
    assert foreign == []


def test_every_formula_agrees_with_python_to_1e_12(page):
    from sympy import lambdify

    rng = np.random.default_rng(11)
    for equation in equations():
        wanted = lambdify(equation.arguments, [equation.value, *equation.slopes], "numpy")
        points = rng.uniform(0.1, 3.0, (40, len(equation.arguments)))
        if "tr" in equation.arguments:  # TR holds TE and TI
            points[:, equation.arguments.index("tr")] += 8.0
        slopes = f"Formula.{equation.name}_slopes(...p)" if equation.slopes else "[]"
        script = f"{json.dumps(points.tolist())}.map((p) => [Formula.{equation.name}(...p), ...{slopes}])"
        with np.errstate(all="ignore"):
            true = np.array([wanted(*point) for point in points], dtype=float)
        found = np.array(page.run(script), dtype=float)
        scale = np.maximum(np.abs(true), 1e-3 * np.abs(true).max(axis=0))
        assert np.abs((found - true) / scale).max() < 1e-12, equation.name


def computed(page, setting):
    """What the page says of a setting: facts, signals and precision by tissue."""
    script = f"""(() => {{
      const s = {{ ...State.fresh("{setting["sequence"]}"), ...{json.dumps(setting)} }};
      const found = View.computed(Lab.data, s);
      const signals = Object.fromEntries(found.keys.map((key) => [key, found.tissues[key].total]));
      return JSON.stringify({{ s, facts: found.facts, signals, precision: found.precision }});
    }})()"""
    return json.loads(page.run(script))


SETTINGS = (
    ({"sequence": "mese", "field": 3, "grade": 4, "averages": 2, "voxel": 1.3}, 0.015),
    ({"sequence": "mese", "field": 7, "flip": 150, "te": 14, "tr": 2400, "voxel": 2}, 0.015),
    ({"sequence": "se", "field": 1.5, "grade": 2, "te": 72, "tr": 1200, "voxel": 2}, 0.01),
    ({"sequence": "ir", "field": 3, "tr": 5000, "ti": 400, "voxel": 2}, 0.03),
    ({"sequence": "megre", "field": 7, "grade": 2, "voxel": 2}, 0.015),
    ({"sequence": "epi", "field": 3, "voxel": 2.4, "acceleration": 2}, 0.015),
)


@pytest.mark.parametrize(("setting", "within"), SETTINGS, ids=str)
def test_signal_noise_and_time_are_those_of_mrsim_snr(page, setting, within):
    found = computed(page, setting)
    true = predicted_snr(checked(found["s"]).request(), TISSUES)
    assert found["facts"]["minimum"] == []
    assert found["facts"]["time"] == pytest.approx(true.scan_time, rel=1e-3)
    for tissue in TISSUES:
        rows = [row for row in true.rows if row.tissue == tissue]
        signals = found["signals"][f"{tissue}/{setting.get('grade', 3)}"]
        close = 0.02 if setting["sequence"] == "epi" else 1e-6  # the window of a train is interpolated
        assert found["facts"]["sigma"] == pytest.approx(rows[0].sigma, rel=close)
        largest = max(row.signal for row in rows)
        assert signals == pytest.approx([row.signal for row in rows], abs=within * largest)


@pytest.mark.parametrize(("sequence", "parameter"), [("mese", "t2"), ("ir", "t1")])
def test_bias_bound_and_sar_are_those_of_mrsim_crlb_and_plan(page, sequence, parameter):
    setting = {"sequence": sequence, "averages": 4, "voxel": 1.6}
    found = computed(page, setting)
    request = checked(found["s"]).request()
    bounds = {row.tissue: row for row in predicted_bounds(request, TISSUES).rows if row.parameter == parameter}
    plan = forecast(request, (), TISSUES)
    for tissue in TISSUES:
        mine = found["precision"][f"{tissue}/3"]
        assert mine["truth"] == pytest.approx(bounds[tissue].value, rel=1e-6)
        assert mine["bound"] == pytest.approx(bounds[tissue].bound, rel=0.01)
        assert mine["perRootMinute"] == pytest.approx(bounds[tissue].per_root_minute, rel=0.01)
        assert mine["fitted"] == pytest.approx(plan.of(tissue, parameter).mean, rel=0.02)
    limits = {margin.limit_name: margin.value for margin in plan.page.limits.margins}
    assert found["facts"]["sar"] == pytest.approx(limits["SAR whole body, 6 min"], rel=0.03)
    read = next(row for row in plan.page.distortion if row.axis == "read")
    assert found["facts"]["shifts"]["ppmRead"] == pytest.approx(read.pixels, rel=1e-3)


def test_tissue_times_between_the_nodes_are_within_the_stated_error(page):
    data = json.loads(page.run("JSON.stringify({ error: Lab.data.error })"))
    assert data["error"] < 2e-3
    for tissue in phantom_tissues(3):
        if tissue.name not in TISSUES:
            continue
        for field in (1.71, 2.2, 4.4, 6.1):
            pool = tissue.pools(field)[0]
            packed = f"Lab.data.tissues['{tissue_key(tissue)}'].pools.water"
            found = page.run(f"Tables.pool({packed}, Lab.data.fields, {field})")
            assert found == pytest.approx([pool.pd, pool.t1, pool.t2, 1 / pool.t2_prime], rel=data["error"] + 1e-6)


def test_every_control_of_every_sequence_changes_what_is_shown(page):
    for sequence in page.run("Object.keys(Lab.data.sequences)"):
        page.run(f"State.choose('{sequence}'); Lab.draw()")
        shown = "document.getElementById('columns').innerHTML + document.querySelector('canvas').toDataURL()"
        names = page.run("[...document.querySelectorAll('.control:not([hidden]) input[type=range]')].map((e) => e.id)")
        assert len(names) >= 8
        for name in names:
            before = page.run(shown)
            page.run(f"""(() => {{ const e = document.getElementById('{name}');
              e.value = Number(e.value) < (Number(e.min) + Number(e.max)) / 2 ? e.max : e.min;
              e.dispatchEvent(new Event('input')); Lab.draw(); }})()""")
            assert page.run(shown) != before, (sequence, name)
            label = page.run(f"document.querySelector('label[for={name}]')?.textContent")
            assert label
            page.run(f"State.reset(); State.choose('{sequence}'); Lab.draw()")


def test_field_outside_the_known_ones_is_stamped_as_extrapolation(page):
    for field, stamped in ((0.05, True), (1.5, False), (11.7, True)):
        page.run(f"State.set('field', {field}); Lab.draw()")
        text = page.run("document.querySelector('[data-part=stamps]').textContent")
        of_disc = "nucleus" in text or "all tissues" in text
        assert ("EXTRAPOLATION" in text and of_disc) is stamped, (field, text)


def test_every_tissue_value_has_its_source(page):
    page.run("document.getElementById('sources-button').click()")
    cells = "[...document.querySelectorAll('#sources tbody tr')].map((r) => [...r.cells].map((c) => c.textContent))"
    rows = page.run(cells)
    assert len(rows) > 30
    assert all(len(row[3]) > 5 and len(row[4]) > 5 for row in rows)
    page.run("document.getElementById('sources').close()")


def test_all_eight_lessons_open_and_say_a_number(page):
    lessons = page.run("Lessons.LESSONS.map((lesson) => lesson.id)")
    assert len(lessons) == 8
    for lesson in lessons:
        page.run(f"""(() => {{ const e = document.getElementById('lessons'); e.value = '{lesson}';
          e.dispatchEvent(new Event('change')); Lab.draw(); }})()""")
        assert page.run("!document.getElementById('lesson').hidden && document.activeElement.id") == "lesson-title"
        assert page.run("document.querySelectorAll('#lesson-steps li').length") == 3
        facts = page.run("[...document.querySelectorAll('#lesson-fact p')].map((p) => p.textContent)")
        assert len(facts) == page.run("State.now.settings.length") >= 2
        assert all(any(c.isdigit() for c in fact) and "NaN" not in fact and "–" not in fact for fact in facts), facts
        assert page.run("document.querySelectorAll('.wrong').length") == 0, lesson
    page.run("document.getElementById('lesson-close').click()")


def test_link_keeps_the_settings_and_takes_nothing_foreign(page, file):
    page.run("State.set('field', 0.55); State.add(); State.choose('epi'); State.set('acceleration', 3); Lab.draw()")
    text, link = page.run("State.text()"), page.run("State.link()")
    assert link.endswith(text)
    page.run("State.reset()")
    page.open(link)
    assert page.run("State.text()") == text
    page.open(f"{file.as_uri()}#sequence=mese&te=1e9&grade=2.5&field=<img>&x=1;sequence=__proto__;sequence=toString")
    assert page.run("State.text()") == page.run("(State.reset(), State.text())")


def test_keyboard_alone_reaches_everything(page):
    page.run("document.getElementById('slider-te').focus()")
    before = page.run("State.active().te")
    page.press("ArrowRight")
    assert page.run("State.active().te") > before
    page.run("document.activeElement.blur()")
    page.press("c")
    assert page.run("State.now.settings.length") == 2
    page.press("1")
    assert page.run("State.now.active") == 0
    page.press("r")
    assert page.run("State.now.settings.length") == 1
    unnamed = page.run("""[...document.querySelectorAll('button, input, select, [role=img]')].filter((e) =>
      !e.textContent.trim() && !e.getAttribute('aria-label') && !e.labels?.length).map((e) => e.outerHTML)""")
    assert unnamed == []


def test_page_is_interactive_within_a_second_and_a_slider_within_50_ms(page):
    """Others share the machine, which only adds time: the best of three tries counts."""
    ready = []
    for _ in range(3):
        page.open(page.run("location.href"))
        ready.append(page.run("Number(document.body.dataset.ready)"))
    assert min(ready) < 1000
    moves = """(async () => { const times = []; const e = document.getElementById('slider-field');
      for (let k = 0; k < 15; k += 1) { const start = performance.now(); e.value = 200 + 40 * k;
        e.dispatchEvent(new Event('input')); const drawn = document.body.dataset.drawn;
        while (document.body.dataset.drawn === drawn) await new Promise((done) => setTimeout(done, 0));
        times.push(performance.now() - start); } return times; })()"""
    for sequence in page.run("Object.keys(Lab.data.sequences)"):
        page.run(f"State.choose('{sequence}'); Lab.draw()")
        assert min(np.median(page.run(moves)) for _ in range(3)) < 50, sequence


def test_phone_layout_has_no_sideways_scroll(file):
    phone = Browser(width=390, height=844, dark=True, mobile=True)
    try:
        phone.open(file.as_uri())
        assert phone.run("document.documentElement.scrollWidth") <= 390
        assert phone.run("document.querySelector('canvas').getBoundingClientRect().top") < 500
        assert phone.run("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 29)"
        assert phone.problems() == []
    finally:
        phone.close()


def test_run_for_real_shows_image_map_and_errors_and_can_be_cancelled(browser):
    server = lab_server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        browser.events.clear()
        browser.open(server.address)
        browser.run("State.set('voxel', 4); document.getElementById('live-run').click()")
        browser.until("document.getElementById('live-text').textContent")
        browser.run("document.getElementById('live-cancel').click()")
        browser.until("document.getElementById('live-text').textContent === 'cancelled'")
        browser.run("document.getElementById('live-budget').checked = false")
        browser.run("document.getElementById('live-run').click()")
        browser.until("document.getElementById('live-text').textContent === 'done'", seconds=240)
        alts = browser.run("[...document.querySelectorAll('#live-result img')].map((i) => i.naturalWidth)")
        assert len(alts) >= 3
        assert min(alts) > 100
        assert "nucleus" in browser.run("document.getElementById('live-result').textContent")
        assert browser.problems() == []
    finally:
        server.jobs.close()
        server.shutdown()
        server.server_close()

"""What a person waits for, each beside its limit: import, help, the size of the main job's report, the lab page.

    python tests/benchmarks/bench_people.py [--report FOLDER] [--page lab.html]

Without ``--report`` the main job (disc-t2-mese) is run, without ``--page`` the lab page is made. Others share the
machine, which only adds time: of several tries the best counts, for the slider the median of 15 moves. The last line
says whether all limits are kept; the exit code is 1 if not.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "app"))
from browser import Browser, chromium  # noqa: E402

TRIES = 7
MOVES = """(async () => { const times = []; const e = document.getElementById('slider-field');
  for (let k = 0; k < 15; k += 1) { const start = performance.now(); e.value = 200 + 40 * k;
    e.dispatchEvent(new Event('input')); const drawn = document.body.dataset.drawn;
    while (document.body.dataset.drawn === drawn) await new Promise((done) => setTimeout(done, 0));
    times.push(performance.now() - start); } return times; })()"""
"""Moves a slider and waits until the page has drawn, 15 times."""


def called(*words):
    """Return the seconds that a Python process takes, the best of several."""
    times = []
    for _ in range(TRIES):
        start = time.perf_counter()
        subprocess.run([sys.executable, *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return min(times)


def report_size(folder):
    """Return the size of the main job's report, MB."""
    words = ["-m", "mrsim", "run", "disc-t2-mese", "--quiet", "--out", str(folder)]
    if not (folder / "report.html").is_file():
        subprocess.run([sys.executable, *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return (folder / "report.html").stat().st_size / 1e6


def page_times(page):
    """Return after how many s the page can be used, and the median ms of a slider of the slowest sequence."""
    browser = Browser()
    try:
        ready, slow = [], {}
        for _ in range(3):
            browser.open(page.as_uri())
            ready.append(browser.run("Number(document.body.dataset.ready)") / 1e3)
        for sequence in browser.run("Object.keys(Lab.data.sequences)"):
            browser.run(f"State.choose('{sequence}'); Lab.draw()")
            slow[sequence] = min(float(np.median(browser.run(MOVES))) for _ in range(3))
        return min(ready), max(slow.values())
    finally:
        browser.close()


def lines(folder, page):
    """Return (what, measured, limit, unit) of everything."""
    bare = called("-c", "pass")
    yield "import mrsim, beside bare Python", called("-c", "import mrsim") - bare, 0.15, "s"
    yield "mrsim --help, whole process", called("-m", "mrsim", "--help"), 0.3, "s"
    yield "report of disc-t2-mese", report_size(folder), 5.0, "MB"
    if chromium() is None:
        print("no Chromium here: the page is not measured")
        return
    if not page.is_file():
        subprocess.run([sys.executable, "-m", "mrsim", "lab", "--export", str(page)], cwd=ROOT, check=True)
    opened, moved = page_times(page)
    yield "lab page, usable after", opened, 1.0, "s"
    yield "lab page, slider of the slowest sequence", moved, 50.0, "ms"


def main():
    """Print one line per limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", type=Path, help="folder of a finished main job")
    parser.add_argument("--page", type=Path, help="the exported lab page")
    asked = parser.parse_args()
    kept = True
    with tempfile.TemporaryDirectory() as made:
        folder, page = asked.report or Path(made, "run"), asked.page or Path(made, "lab.html")
        for what, measured, limit, unit in lines(folder.resolve(), page.resolve()):
            kept &= measured < limit
            print(f"{what:42} {measured:8.3f} of {limit:g} {unit}{'' if measured < limit else '   MISSED'}", flush=True)
    print("all limits are kept" if kept else "not all limits are kept")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())

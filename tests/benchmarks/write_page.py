"""Write the documentation's benchmark page from what `mrsim bench --json` measured.

``mrsim bench --json > bench.json; python tests/benchmarks/write_page.py bench.json``
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mrsim.cli.bench import facts, peer_table, rate_table

TEXT = """# Benchmarks

Written by `tests/benchmarks/write_page.py` from `mrsim bench --json`; `mrsim bench` prints the same for your machine.
Speeds are work per second of processor time with one thread, the best of several runs. Every spin has its own T1, T2,
offset and B1, gradients play on three axes, and the timed call is the one that a run makes, tables and signal sum
included. Instructions are the multiply-adds, multiplications, additions and roundings of one step or sample; the limit
is what the core would do if each took as long as a multiply-add, timed in the same run. So a goal in absolute numbers
speaks of a processor, a share of the limit of the program. (A processor that adds beside its multiply-adds may pass
it; what happens once per block, pulse or window lowers the share.) The scalar loop carries one spin after the other,
with a sine, a cosine and a square root per step, in the same run. Programs that are compared do not all do the same
work: the table says what they leave out.

`readout smooth` is a spiral; ramp-sampled readouts take the same form. `readout any` is white noise, so that every
sample needs a sine and a cosine of its own: no gradient system plays it, and its goals, which are those of the spiral,
are missed by a quarter in double and a third in single precision.

"""


STORED = """
## Programs measured apart

Not installed here: measured once in an environment of their own, one thread, processor time, beside mrsim's own
dictionaries in the same minutes (2 cores, load 13, 2026-11-29), when those made 2.9e+06 (CPMG, double), 3.2e+06 (CPMG,
single) and 8.3e+04 (FISP, phases 0 and pi, single) atoms/s.

| program | one core | unit | work |
| --- | --: | --- | --- |
| torchsim 0.0.8, torch 2.13.0 | 3.92e+04 | atoms/s | CPMG, 32 echoes, 32 states, single precision |
| torchsim 0.0.8, torch 2.13.0 | 9.56e+04 | atoms/s | CPMG, 32 echoes, 10 states (inexact), single precision |
| torchsim 0.0.8, torch 2.13.0 | 9.98e+02 | atoms/s | FISP, 1,000 repetitions, 10 states (inexact), one call |

## Whole scans

`python tests/benchmarks/bench_road.py`: processor time of the Bloch engine, one thread, over what the work given to its
kernels takes at the rates of those kernels in the same run (2 cores, load 4 to 7, 2026-11-29; the cells of the object
are timed apart; the first three before pulses took a quarter fewer operations). Runs below a second miss a factor of
2: what is left there does not grow with the scan but with the tissue classes, 1.8 to 2 ms for each of 251
(`brain-spiral`) or 137 (`disc-radial`): tables of pulses and intervals, a walk whose arrays are short, weights of
diffusion, errors. In `disc-ir-se` every one of 65 classes walks some twenty repetitions before it is steady, and what
surrounds the kernel costs 9 ms a class. The kernels of the three take 0.09, 0.12 and 0.17 s.

| scan | s | predicted, s | ratio |
| --- | --: | --: | --: |
| disc-t2-mese | 1.8 | 0.9 | 1.9-2.0 |
| disc-spgr | 1.8 | 0.9 | 1.8-2.1 |
| sag-t2w-tse, one slice | 2.4 | 1.3 | 1.9 |
| disc-ir-se | 0.75 | 0.17 | 4.4 |
| disc-radial | 0.40 | 0.12 | 3.4 |
| brain-spiral | 0.55 | 0.09 | 5.9 |
"""


def markdown(table):
    """Return a table in Markdown."""
    rule = ["--:" if i in table.numeric else "---" for i in range(len(table.columns))]
    return "\n".join("| " + " | ".join(row) + " |" for row in (table.columns, rule, *table.rows))


def main():
    found = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    lines = "\n".join(f"- {line}" for line in facts(found))
    kind = "\n- a quick run (`--quick`)" if found["quick"] else ""
    page = (
        f"{TEXT}{lines}{kind}\n\n{markdown(rate_table(found))}\n\n## Other programs\n\n{markdown(peer_table(found))}\n"
        f"{STORED}"
    )
    target = Path(__file__).resolve().parents[2] / "docs" / "reference" / "benchmarks.md"
    target.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()

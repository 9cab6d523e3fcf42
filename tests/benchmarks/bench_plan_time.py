"""How long `mrsim plan` takes for every protocol, from the command to the answer.

    python tests/benchmarks/bench_plan_time.py [protocol ...]

Each is planned twice, in processes of their own; the second time counts, with kernels and bytecode at hand. Processor
time is that of all threads; the wall clock depends on what else the machine does.
"""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

GOAL = 3.0
LONGEST = 90.0
"""Seconds after which a plan is given up."""


def planned(protocol):
    """Return processor time, wall clock and exit code of one plan."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "mrsim", "plan", protocol, "--json"]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    try:
        code = subprocess.run(command, capture_output=True, timeout=LONGEST, env=environment, check=False).returncode
    except subprocess.TimeoutExpired:
        code = "given up"
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall, code


if __name__ == "__main__":
    named = sys.argv[1:] or sorted(path.stem for path in Path("protocols").glob("*.toml"))
    within = 0
    for protocol in named:
        planned(protocol)
        cpu, wall, code = planned(protocol)
        within += cpu <= GOAL
        said = "" if code in (0, 3) else f" exit code {code}"
        print(f"{protocol:28s} {cpu:5.1f} s of processor time, {wall:5.1f} s{said}", flush=True)
    print(f"{within} of {len(named)} within {GOAL:g} s of processor time")

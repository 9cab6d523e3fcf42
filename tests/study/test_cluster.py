"""Studies on a Dask cluster: a real scheduler and worker processes that talk over TCP."""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import cloudpickle
import distributed
import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.study.cluster import Cluster
from mrsim.study.executors import Serial, WorkerError, executor
from mrsim.study.run_study import run_study
from mrsim.study.save_study import summary
from mrsim.study.study_file import load_study

cloudpickle.register_pickle_by_value(sys.modules[__name__])

STUDY = """
description = "small"
question = "does it run?"
experiment = "fit-scatter"
seed = 3
replicates = { full = 60, fast = 60, chunk = 2 }
[settings]
model = "t2-mono"
values = { m0 = "1", t2 = "80 ms" }
contrast = { te = "10 40 90 ms" }
[[arm]]
name = "disc"
[[claim]]
says = "all voxels are fitted"
metric = "share fitted"
region = "disc"
limit = ">= 1"
"""


@contextmanager
def scheduler(folder, workers=2, **environment):
    """Start a scheduler and workers as processes; give its address and the workers."""
    env = {**os.environ, "PYTHONPATH": os.getcwd(), "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1", **environment}
    place = folder / "scheduler.json"
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": env, "cwd": folder}
    options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(place)]
    started = [subprocess.Popen([*dask, *options], **quiet)]
    (folder / "scheduler.pid").write_text(str(started[0].pid))
    try:
        deadline = time.time() + 60
        while not place.exists() and time.time() < deadline:
            time.sleep(0.05)
        worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(place), "--nthreads",
                  "1", "--no-dashboard", "--no-nanny", "--host", "127.0.0.1"]  # fmt: skip
        started += [subprocess.Popen(worker, **quiet) for _ in range(workers)]
        address = json.loads(place.read_text())["address"]
        with distributed.Client(address, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=120)  # alone, a worker that fails has nobody to try again
        yield address, started[1:]
    finally:
        for process in started:
            process.kill()
            process.wait()


def slow_square(number):
    time.sleep(0.05)
    return number**2


def killed_once(task):
    """Kill the worker the first time that the file is not there."""
    number, marker = task
    if number == 3 and not os.path.exists(marker):
        with open(marker, "w") as file:
            file.write("x")
        os._exit(9)
    time.sleep(0.02)
    return number**2


def deadly(task):
    os._exit(9)


def broken_on_one(task):
    """Fail on the first worker that meets the task."""
    from distributed import get_worker

    number, marker = task
    own = get_worker().address
    if number == 1 and not os.path.exists(marker):
        with open(marker, "w") as file:
            file.write(own)
    if os.path.exists(marker) and Path(marker).read_text() == own:
        raise RuntimeError("this machine is broken")
    time.sleep(0.02)
    return number


def wrong(number):
    if number == 5:
        raise ValueError("five is wrong")
    return number


@pytest.mark.slow
def test_cluster_gives_what_serial_gives_though_a_worker_is_killed(tmp_path):
    (tmp_path / "small.toml").write_text(STUDY)
    study = load_study(str(tmp_path / "small.toml"), "fast")
    once = run_study(study, tmp_path / "serial", executor=Serial())
    with scheduler(tmp_path, 3) as (address, workers):
        crew, seen = Cluster(address), []

        def kill_one(step, done, total):
            if step == "replicates" and done >= 1 and not seen:
                seen.append(done)
                workers[0].kill()

        spread = run_study(study, tmp_path / "spread", executor=crew, progress=kill_one)
    assert seen
    assert any("left" in note for note in crew.notes)
    assert summary(once) == summary(spread)
    for name, values in once.outcomes["disc"].data.items():
        np.testing.assert_array_equal(values, spread.outcomes["disc"].data[name])


@pytest.mark.slow
def test_cluster_whose_scheduler_is_lost_says_so_and_does_not_wait(tmp_path):
    with scheduler(tmp_path, 1) as (address, _):
        found = Cluster(address).run(slow_square, range(400))
        next(found)
        os.kill(json.loads((tmp_path / "scheduler.pid").read_text()), 9)
        start = time.monotonic()
        with pytest.raises(WorkerError, match=r"scheduler at .* is lost; .*the same command goes on"):
            list(found)
        assert time.monotonic() - start < 30


@pytest.mark.slow
def test_cluster_does_the_work_of_dead_and_bad_workers_elsewhere_and_names_them(tmp_path):
    with scheduler(tmp_path, 3) as (address, _):
        found = dict(Cluster(address).run(killed_once, [(n, str(tmp_path / "died")) for n in range(20)]))
        assert found == {n: n**2 for n in range(20)}
        crew = Cluster(address)
        found = dict(crew.run(broken_on_one, [(n, str(tmp_path / "broken")) for n in range(20)]))
        assert found == {n: n for n in range(20)}
        bad = (tmp_path / "broken").read_text()
        assert [note for note in crew.notes if bad in note and "this machine is broken" in note]
        with pytest.raises(ValueError, match="five is wrong"):
            list(Cluster(address).run(wrong, range(8)))
        with pytest.raises(WorkerError, match=r"died over 7|no usable worker left"):
            list(Cluster(address).run(deadly, [7]))


@pytest.mark.slow
def test_cluster_refuses_workers_of_another_version(tmp_path, monkeypatch):
    with scheduler(tmp_path, 1) as (address, _):
        monkeypatch.setattr("mrsim.study.cluster.__version__", "0.0")
        with pytest.raises(WorkerError, match=r"no usable worker left.*not 0.0"):
            list(Cluster(address).run(slow_square, [1]))


def asleep(number):
    start = time.time()
    time.sleep(0.2)
    return os.getpid(), start, time.time()


@pytest.mark.slow
def test_cluster_lets_a_worker_wait_less_than_a_twentieth_of_a_chunk(tmp_path):
    rows = np.array([found for _, found in Cluster("local:2").run(asleep, range(40))])
    gaps = []
    for worker in np.unique(rows[:, 0]):
        _, start, end = rows[rows[:, 0] == worker].T
        gaps += [*(np.sort(start)[1:] - np.sort(end)[:-1])]
    assert len(gaps) >= 30
    assert np.median(gaps) < 0.05 * 0.2  # the median: others share the machine


@pytest.mark.slow
def test_cluster_of_slurm_jobs_runs_what_it_submits(tmp_path, monkeypatch):
    """With a stand-in for sbatch that starts each job here: the job scripts are the real ones.

    Each is copied, as sbatch does: the original is deleted as soon as it has been submitted.
    """
    import dask

    (tmp_path / "sbatch").write_text(
        f'#!/bin/sh\ncp "$1" {tmp_path}/job$$.sh\nsetsid sh {tmp_path}/job$$.sh >/dev/null 2>&1 &\n'
        f'echo $! >> {tmp_path}/jobs\necho "Submitted batch job $!"\n'
    )
    (tmp_path / "scancel").write_text('#!/bin/sh\nkill -- -"$1" 2>/dev/null\nexit 0\n')
    for name in ("sbatch", "scancel"):
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    settings = {"cores": 1, "processes": 1, "memory": "1GiB", "walltime": "00:05:00", "interface": "lo",
                "scheduler-options": {"host": "127.0.0.1"}}  # fmt: skip
    with dask.config.set({f"jobqueue.slurm.{key}": value for key, value in settings.items()}):
        found = dict(Cluster("slurm:2", patience=60).run(slow_square, range(6)))
    assert found == {n: n**2 for n in range(6)}
    assert len((tmp_path / "jobs").read_text().split()) == 2
    script = next(tmp_path.glob("job*.sh")).read_text()
    assert "export NUMBA_NUM_THREADS=1" in script
    assert "--nthreads 1" in script


@pytest.mark.parametrize("where", ["local", "local:0", "local:x", "slurm", "node7", "files:a"])
def test_cluster_that_is_none_is_refused(where):
    with pytest.raises(InputError, match="is no cluster; write tcp"):
        executor(1, where)


def test_cluster_without_dask_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"pip install 'mrsim\[cluster\]'"):
        list(executor(1, "local:2").run(wrong, [1]))


def test_scheduler_that_does_not_answer_is_named():
    with pytest.raises(InputError, match=r"no scheduler answers at tcp://127.0.0.1:9"):
        list(Cluster("tcp://127.0.0.1:9", patience=0.5).run(wrong, [1]))

"""Signals end a command within two seconds, with one message, and nothing half-written stays; so do workers alone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mrsim.core.errors import StorageError
from mrsim.core.replacing import replacing, replacing_folder

ROOT = Path(__file__).resolve().parents[2]
BUSY = """
import hashlib, sys
import mrsim.cli as line
from mrsim.core.replacing import replacing, replacing_folder
def work(*a, **k):
    with replacing("result.h5") as part, replacing_folder("folder") as whole:
        part.write_text("half"), (whole / "a").write_text("half")
        print("working", flush=True)
        hashlib.pbkdf2_hmac("sha256", b"", b"", 1 << 30)  # hears no signal, as a kernel does not
line.cli.main = work
line.main()
"""


@pytest.mark.parametrize(("number", "word"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")])
def test_signal_ends_what_does_not_hear_it(tmp_path, number, word):
    process = subprocess.Popen(
        [sys.executable, "-c", BUSY], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert process.stdout.readline() == "working\n"
    start = time.monotonic()
    process.send_signal(number)
    _, said = process.communicate(timeout=50)
    assert time.monotonic() - start < 2.0
    assert process.returncode == 128 + number
    assert said == f"mrsim: {word}; nothing was written\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("heard", [True, False])
def test_stopped_command_names_what_it_had_written(tmp_path, heard):
    """The first file stands, the second is under way; the folder's own files are not named one by one."""
    wait = "import time; time.sleep(50)" if heard else "hashlib.pbkdf2_hmac('sha256', b'', b'', 1 << 30)"
    code = BUSY.replace(
        "def work(*a, **k):\n",
        "def work(*a, **k):\n"
        "    with replacing('first.txt') as one: one.write_text('whole')\n"
        "    with replacing_folder('set') as two, replacing(two / 'b') as three: three.write_text('whole')\n",
    ).replace(
        '        hashlib.pbkdf2_hmac("sha256", b"", b"", 1 << 30)  # hears no signal, as a kernel does not\n',
        f"        {wait}\n",
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "working\n"
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=50)
    assert (process.returncode, said) == (143, "mrsim: terminated; written before: first.txt, set\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first.txt", "set"]


@pytest.mark.parametrize("started", ["by the system", "by a server that forks"])
def test_worker_ends_with_the_process_that_it_works_for(started):
    worker = "import time; from mrsim.core.orphan import end_with_parent; end_with_parent(); time.sleep(50)"
    parent = (
        f"import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', {worker!r}]);"
        "time.sleep(1); print(p.pid, flush=True); time.sleep(50)"
    )
    if started == "by a server that forks":
        parent = (
            "import multiprocessing, time; from mrsim.core.orphan import end_with_parent;"
            "from concurrent.futures import ProcessPoolExecutor as Pool; import os;"
            "pool = Pool(2, multiprocessing.get_context('forkserver'), initializer=end_with_parent);"
            "print(pool.submit(os.getpid).result(), flush=True); pool.submit(time.sleep, 50); time.sleep(50)"
        )
    process = subprocess.Popen([sys.executable, "-c", parent], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with process.stdout as said:
        number = int(said.readline())
    process.kill()
    process.wait()
    for _ in range(100):
        try:
            gone = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except FileNotFoundError:
            gone = True
        if gone:
            return
        time.sleep(0.1)
    os.kill(number, signal.SIGKILL)
    pytest.fail("the worker outlives its parent")


def test_exit_code_holds_where_the_interrupt_passed_through_code_made_from_text(tmp_path):
    """A module's Python would end by the signal, as one that interrupts a dataclass at import does."""
    code = (
        "import os, signal, sys, mrsim.cli as c; from mrsim.cli import stopping; stopping.listen()\n"
        "try: exec('os.kill(os.getpid(), signal.SIGTERM); import time; time.sleep(9)')\n"
        "except KeyboardInterrupt: sys.stderr.write(stopping.message()); sys.exit(stopping.code())"
    )
    (tmp_path / "stopped.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "-m", "stopped"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=50,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (143, "terminated; nothing was written")


def test_folder_is_replaced_whole(tmp_path):
    target = tmp_path / "result"
    with replacing_folder(target) as work:
        (work / "a").write_text("old")
    with pytest.raises(ZeroDivisionError), replacing_folder(target) as work:
        (work / "a").write_text(f"new {1 / 0}")
    assert (target / "a").read_text() == "old"
    with replacing_folder(target) as work:
        (work / "b").write_text("new")
    assert [path.name for path in target.iterdir()] == ["b"]
    assert list(tmp_path.iterdir()) == [target]


def test_refusals_of_the_system_name_the_target(tmp_path):
    with pytest.raises(StorageError, match="cannot be written: No space left"), replacing(tmp_path / "a"):
        raise OSError(28, "No space left on device")
    (tmp_path / "b").write_text("")
    with pytest.raises(StorageError, match="b: is a file"), replacing_folder(tmp_path / "b"):
        pass

"""What HDF5's library meets while it writes: refusals of the system, and the user's Ctrl-C."""

import resource
import signal
import subprocess
import sys

import h5py
import numpy as np
import pytest

from mrsim.core.errors import StorageError
from mrsim.core.hdf5_file import write_hdf5
from mrsim.core.storage import load, save

NEST = {f"part {i}": {"text": "t" * 100, "list": [1, 2, {"x": np.arange(30.0)}]} for i in range(40)}
FULL = """
import resource, signal, sys
import numpy as np
from mrsim.core.errors import StorageError
from mrsim.core.storage import save
nest = {f"part {i}": {"text": "t" * 100, "list": [1, 2, {"x": np.arange(30.0)}]} for i in range(40)}
for limit in (100, 600, 5000, 50_000, 150_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        save(sys.argv[1], nest=nest, array=np.zeros(20_000))
    except StorageError as problem:
        print(problem)
"""


def test_refusal_anywhere_in_a_file_is_one_error_and_the_library_says_nothing_of_its_own(tmp_path):
    """The system refuses bytes beyond a limit, in the header, in the middle of groups and in an array's numbers."""
    target = tmp_path / "a.h5"
    save(target, number=1)
    done = subprocess.run([sys.executable, "-c", FULL, str(target)], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [f"{target}: cannot be written: File too large"] * 5
    assert load(target, "number") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]


def test_file_that_just_fits_is_whole(tmp_path):
    target = tmp_path / "a.h5"
    save(target, nest=NEST)
    size, whole = target.stat().st_size, target.read_bytes()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        save(target, nest=NEST)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size - 1, before[1]))
        with pytest.raises(StorageError, match="File too large"):
            save(target, nest=NEST)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert target.read_bytes() == whole
    assert list(load(target, "nest")) == list(NEST)


def test_interrupt_while_the_library_writes_is_raised_as_such_and_leaves_nothing(tmp_path):
    def fill(file: h5py.File) -> None:
        for number in range(200):
            file[f"{number}"] = np.arange(1000.0)
            if number == 50:
                signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        write_hdf5(tmp_path / "a.h5", fill)
    assert list(tmp_path.iterdir()) == []


def test_error_of_what_is_written_comes_as_it_is(tmp_path):
    with pytest.raises(TypeError, match="cannot be stored"):
        save(tmp_path / "a.h5", thing=object())
    assert list(tmp_path.iterdir()) == []

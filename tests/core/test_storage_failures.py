"""Files that cannot be read, places that cannot be written, processes that die half-way."""

import os
import signal
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest

from mrsim.core.errors import StorageError
from mrsim.core.grid import Grid
from mrsim.core.replacing import replacing
from mrsim.core.storage import BLOCK, load, save


@pytest.fixture
def good(tmp_path):
    path = tmp_path / "good.h5"
    save(path, images=np.arange(10_000.0), note={"a": "b"})
    return path


@contextmanager
def unsealed(path):
    """Give a file's content to be changed, without the block that holds its checksum."""
    with h5py.File(path) as old, h5py.File(path.with_suffix(".new"), "w") as file:
        file.attrs.update(old.attrs)
        for name in old:
            old.copy(name, file)
        yield file
    path.with_suffix(".new").replace(path)


def test_storage_notices_every_bit_that_turns(good):
    whole = good.read_bytes()
    for at in np.linspace(8, len(whole) - 1, 80).astype(int):
        good.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        if 20 <= at < BLOCK:
            load(good)  # nothing stands there
        else:
            with pytest.raises(StorageError, match=r"good\.h5: is truncated or damaged"):
                load(good)


@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.99])
def test_storage_truncated_file_is_named_as_such(good, part):
    whole = good.read_bytes()
    good.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(StorageError, match=r"good\.h5: is truncated or damaged"):
        load(good)


def test_storage_every_truncation_is_an_error_of_ours(good):
    whole = good.read_bytes()
    for length in np.linspace(0, len(whole) - 1, 60).astype(int):
        good.write_bytes(whole[:length])
        with pytest.raises(StorageError, match=r"good\.h5"):
            load(good)


def test_storage_damaged_structure_never_escapes_as_a_foreign_exception(tmp_path):
    """Small arrays make a file that is mostly structure; damage there is either harmless or a StorageError."""
    path = tmp_path / "a.h5"
    save(path, images=np.arange(3.0), note={"a": "b", "c": (1, 2), "d": [None, {"e": 2**70}]}, grid=Grid(
        shape=(1, 1, 1), spacing=(1.0, 1.0, 1.0)))  # fmt: skip
    whole = path.read_bytes()
    rng = np.random.default_rng(3)
    refused = 0
    for _ in range(200):
        broken = bytearray(whole)
        at = int(rng.integers(0, len(broken) - 8))
        broken[at : at + 8] = rng.bytes(8)
        path.write_bytes(broken)
        try:
            load(path)
        except StorageError:
            refused += 1
    assert refused > 20


@pytest.mark.parametrize(("content", "words"), [(b"", "is empty"), (b"hello, this is text", "not an HDF5 file")])
def test_storage_foreign_file_is_refused(tmp_path, content, words):
    path = tmp_path / "x.h5"
    path.write_bytes(content)
    with pytest.raises(StorageError, match=words):
        load(path)


def test_storage_foreign_hdf5_is_refused(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["data"] = [1, 2]
    with pytest.raises(StorageError, match="mrsim did not write it"):
        load(tmp_path / "x.h5")


def test_storage_newer_layout_is_refused_with_both_versions(good):
    with unsealed(good) as file:
        file.attrs.update({"schema": 99, "mrsim_version": "9.9"})
    with pytest.raises(StorageError, match=r"layout 99, written by mrsim 9\.9; this is mrsim .*update mrsim"):
        load(good)


def test_storage_unknown_node_type_is_refused(good):
    with unsealed(good) as file:
        file["note"].attrs["type"] = "Hologram"
    with pytest.raises(StorageError, match="Hologram"):
        load(good)


def test_storage_missing_object_names_its_neighbours(good):
    with pytest.raises(StorageError, match=r"holds no 'image'; did you mean 'images'\?"):
        load(good, "image")


def test_storage_missing_file_and_folder_are_told_apart(tmp_path):
    with pytest.raises(StorageError, match="no such file"):
        load(tmp_path / "absent.h5")
    with pytest.raises(StorageError, match="is a folder; name a file"):
        load(tmp_path)


@pytest.mark.parametrize("place", ["absent/a.h5", "file/a.h5", "folder"])
def test_storage_unwritable_place_is_refused(tmp_path, place):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match=r"cannot be written|is a folder"):
        save(tmp_path / place, x=1)


def test_storage_never_takes_the_place_of_a_pipe_or_device(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for name in ("pipe", "link"):
        with pytest.raises(StorageError, match="is a device, a pipe or a socket; name a file"):
            save(tmp_path / name, x=1)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_storage_folder_without_permission_is_refused():
    """/proc takes no files, whoever asks."""
    with pytest.raises(StorageError, match=r"/proc/a\.h5: cannot be written"):
        save("/proc/a.h5", x=1)


def test_storage_failed_write_keeps_the_old_file_and_nothing_else(good):
    before = good.read_bytes()
    with pytest.raises(TypeError):
        save(good, x=1, y=object())
    assert good.read_bytes() == before
    assert [p.name for p in good.parent.iterdir()] == ["good.h5"]


FULL_DISK = """
import resource, signal, sys
import numpy as np
from mrsim.core.errors import StorageError
from mrsim.core.storage import save
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    save(sys.argv[1], x=np.ones(int(sys.argv[2])))
except StorageError as problem:
    print(problem)
"""


@pytest.mark.parametrize("size", [12_400, 13_000, 1_000_000])
def test_storage_full_disk_keeps_the_old_file(good, size):
    """A limit on file size fails the same system calls as a full disk, some of them only when the file closes."""
    before = good.read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(good), str(size)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "good.h5: cannot be written" in done.stdout
    assert done.stderr == ""
    assert good.read_bytes() == before
    assert [p.name for p in good.parent.iterdir()] == ["good.h5"]


ENDLESS = """
import sys
import numpy as np
from mrsim.core.storage import save
n = 0
while True:
    n += 1
    save(sys.argv[1], value=np.full(300_000, float(n)), n=n)
    if n == 1:
        print("started", flush=True)
"""


@pytest.mark.slow
def test_storage_killed_process_leaves_a_whole_file(tmp_path):
    """Killed at 20 moments of an endless save, the file is always whole, and the next save clears the rest away."""
    path = tmp_path / "a.h5"
    rng = np.random.default_rng(5)
    for _ in range(20):
        worker = subprocess.Popen([sys.executable, "-c", ENDLESS, str(path)], stdout=subprocess.PIPE, text=True)
        assert worker.stdout is not None
        worker.stdout.readline()
        time.sleep(float(rng.uniform(0.0, 0.03)))
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        worker.stdout.close()
        found = load(path)
        assert np.all(found["value"] == found["n"])
    save(path, n=0)
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


def test_storage_leaves_the_unfinished_file_of_a_living_process_alone(tmp_path):
    with replacing(tmp_path / "a.h5") as unfinished:
        save(tmp_path / "a.h5", n=1)
        assert unfinished.exists()
        unfinished.write_text("later")
    assert (tmp_path / "a.h5").read_text() == "later"


def interrupted_write(path):
    with replacing(path) as unfinished:
        unfinished.write_text("half")
        raise KeyboardInterrupt


def test_storage_interrupt_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        interrupted_write(tmp_path / "a.txt")
    assert list(tmp_path.iterdir()) == []


def test_storage_follows_a_link_and_keeps_usual_permissions(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "a.h5"
    link.symlink_to(Path("real") / "a.h5")
    save(link, n=1)
    assert link.is_symlink()
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "real" / "a.h5").stat().st_mode & 0o777 == 0o666 & ~mask

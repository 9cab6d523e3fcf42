"""Disks that fill up while a folder is written, folders that may not be written, clocks that go wrong: by injection.

A real disk that is too small is tried by `python -m tests.robustness.full_disk`, which needs a name space for it.
"""

import errno
import os
import time
from pathlib import Path

import numpy as np
import pytest

from mrsim.core import replacing as places
from mrsim.core.errors import StorageError
from mrsim.core.grid import Grid
from mrsim.core.images import Images
from mrsim.core.replacing import replacing, replacing_folder
from mrsim.core.storage import load, save


def images(count=3):
    grid = Grid(shape=(2, 4, 5), spacing=(1e-3, 1e-3, 4e-3))
    data = np.random.default_rng(1).normal(size=(count, 2, 4, 5)) + 3.0
    te = 0.01 * np.arange(1, count + 1)
    return Images(data=data.astype(complex), grid=grid, contrast={"te": te}, sigma=np.full((1, 1, 1, 1), 0.1))


def bids(folder):
    from mrsim.exchange.bids import write_bids

    write_bids(folder, images())


def dicom(folder):
    from mrsim.exchange.dicom import write_dicom

    write_dicom(folder, images(), None, "phantom")


def basis(folder):
    from mrsim.exchange.basis_files import write_fsl
    from tests.exchange.test_basis_files import basis

    write_fsl(basis(16), folder)


def several(folder):
    with replacing_folder(folder) as work:
        for number in range(3):
            save(work / f"{number}.h5", number=number)


@pytest.mark.parametrize("write", [bids, dicom, basis, several])
def test_disk_that_fills_up_leaves_no_part_of_a_folder(tmp_path, monkeypatch, write):
    """The n-th flush fails, for the first few n: whatever was in the folder's place stays, and nothing else."""
    write(tmp_path / "whole")
    whole = sorted(path.name for path in (tmp_path / "whole").rglob("*"))
    assert len(whole) >= 2
    kept = places._flush
    for fails in range(1, 1 + min(3, len(whole))):
        count = [0]

        def full(path, count=count, fails=fails):
            count[0] += 1
            if count[0] == fails:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            kept(path)

        monkeypatch.setattr(places, "_flush", full)
        with pytest.raises(StorageError, match="cannot be written: No space left on device"):
            write(tmp_path / "new")
        assert [path.name for path in tmp_path.iterdir()] == ["whole"]
    monkeypatch.setattr(places, "_flush", kept)
    write(tmp_path / "new")
    assert sorted(path.name for path in (tmp_path / "new").rglob("*")) == whole


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EDQUOT])
def test_place_that_may_not_be_written_is_named_with_the_reason(tmp_path, monkeypatch, number):
    """Root may write everywhere, so the refusal is injected where the system would give it."""
    target = tmp_path / "result"

    def refused(self, *given, **more):
        raise OSError(number, os.strerror(number), str(self))

    monkeypatch.setattr(Path, "mkdir", refused)
    monkeypatch.setattr(Path, "touch", refused)
    for way in (replacing, replacing_folder):
        with pytest.raises(StorageError, match=f"result: cannot be written: {os.strerror(number)}"), way(target):
            pass
    assert list(tmp_path.iterdir()) == []


def test_clock_that_goes_back_or_ahead_changes_nothing(tmp_path):
    """What a killed process left is known by its process, not by its age."""
    path = tmp_path / "a.h5"
    save(path, number=1)
    left = tmp_path / f".a.h5.{places.socket.gethostname()}.{2**22 + 7}.00000000.part"
    for moment in (0.0, time.time() + 10 * 365 * 86400):
        left.write_text("half")
        os.utime(left, (moment, moment))
        os.utime(path, (moment, moment))
        save(path, number=2)
        assert load(path, "number") == 2
        assert [one.name for one in tmp_path.iterdir()] == ["a.h5"]


@pytest.mark.slow
def test_study_resumes_where_clocks_disagree(tmp_path):
    """Finished chunks whose files lie in the future or at the beginning of time are taken as what they hold."""
    from mrsim.study.run_study import run_study
    from mrsim.study.study_file import load_study
    from tests.robustness.kills import STUDY

    (tmp_path / "small.toml").write_text(STUDY)
    study = load_study(str(tmp_path / "small.toml"), "fast")
    first = run_study(study, tmp_path / "work")
    for number, path in enumerate(sorted((tmp_path / "work").rglob("*"))):
        moment = 0.0 if number % 2 else time.time() + 1e9
        os.utime(path, (moment, moment))
    again = run_study(study, tmp_path / "work")
    assert (first.made, again.made) == (40, 0)
    for name, outcome in first.outcomes.items():
        for key, values in outcome.data.items():
            np.testing.assert_array_equal(again.outcomes[name].data[key], values)

"""The audit of what is installed finds what it is there to find."""

from importlib.metadata import PathDistribution

from tests.robustness.audit import ROOT, changed, locked


def test_every_package_of_the_lock_files_has_a_hash():
    for name in ("requirements.lock", "requirements-dev.lock"):
        versions, bare = locked(ROOT / name)
        assert bare == []
        assert {"numpy", "scipy", "numba", "h5py"} <= set(versions)


def test_lock_without_a_hash_is_told(tmp_path):
    lock = tmp_path / "some.lock"
    lock.write_text("Some_Thing==1.2 \\\n    --hash=sha256:00\nother==3 ; python_version < '3.12'\n")
    assert locked(lock) == ({"some-thing": {"1.2"}, "other": {"3"}}, ["other"])


def test_changed_and_missing_files_are_found(tmp_path):
    facts = tmp_path / "thing-1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Name: thing\nVersion: 1\n")
    kept = "sha256=ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"  # of abc
    (facts / "RECORD").write_text(f"good.py,{kept},3\nbad.py,{kept},3\ngone.py,{kept},3\nfree.py,,\n")
    (tmp_path / "good.py").write_text("abc")
    (tmp_path / "bad.py").write_text("abd")
    assert changed(PathDistribution(facts)) == ["bad.py was changed", "gone.py is missing"]

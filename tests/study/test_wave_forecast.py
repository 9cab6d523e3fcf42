"""What a plan says of an elastogram before anything is shaken."""

import pytest

from mrsim.study.plan import forecast
from mrsim.study.request import RunRequest
from mrsim.study.wave_forecast import motion_notes


def told(protocol, tissue, **overrides):
    notes = forecast(RunRequest(protocol=protocol, overrides=overrides)).notes
    return next(note for note in notes if note.startswith(f"elastogram of {tissue}"))


def test_a_plan_tells_voxels_that_are_too_large_for_the_wave_and_which_would_do():
    # c = 5.18 m/s: a wave of 5.18 mm at 1 kHz, 2.6 voxels of 2 mm and 6 of 0.86 mm
    assert "2.6 voxels per wavelength of 5.18 mm" in told("ax-mre-1000hz", "nucleus")
    assert "0.864 mm or less" in told("ax-mre-1000hz", "nucleus")


def test_a_plan_tells_a_tissue_that_is_shorter_than_its_wave():
    # a rod of 28 mm against a wave of 47 mm
    assert "shorter than its wavelength of 47.1 mm" in told("ax-mre-gre-60hz", "rod")
    assert "nothing else speaks against" in told("ax-mre-gre-60hz", "gel")


def test_slices_that_all_lie_at_a_boundary_are_told():
    assert "takes 5 slices" in told("exvivo-mre-gre-1000hz", "nucleus", slices="3")


@pytest.mark.parametrize(("far", "count"), [("90", 0), ("110", 1)])
def test_a_drive_above_a_twentieth_of_a_voxel_is_told_to_be_slow(far, count):
    assert len(motion_notes((f"-x=0 0 {far} um",), 2e-3)) == count

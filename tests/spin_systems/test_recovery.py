"""What is in front of the excitation in the steady state, and what of each place is selected: against other engines."""

from dataclasses import replace

import numpy as np
import pytest

import mrsim as mr
from mrsim.core.basis import Basis
from mrsim.core.errors import InputError
from mrsim.core.metabolites import Recovery, Relaxation
from mrsim.phantom.metabolite import load_metabolites
from mrsim.sequence.families.press import Press
from mrsim.sequence.families.semi_laser import SemiLaser
from mrsim.sequence.families.steam import Steam
from mrsim.sequence.timeline import RF
from mrsim.simulate.pulse_response import pulse_response
from mrsim.simulate.spin_systems import SpinSystem
from mrsim.simulate.spin_systems.profiles import middles, reach, selected
from mrsim.simulate.spin_systems.recovery import in_front
from mrsim.simulate.spin_systems.shot import reference, shot, without_slices

VOXEL = (16e-3, 5e-3, 15e-3)
PLAIN = {"voxel": VOXEL, "samples": 16, "tr": 2.0, "shift": -2.3e-6}
SLABS = {"outer_band": 25e-3, "outer_gap": 2e-3}
T1 = 1.2


def timeline_of(protocol):
    return mr.discretize(protocol.build(mr.Scanner.preset("3T")))


def walked(timeline, offset, places):
    """Return Mz in front of the last excitation at (place, 3) places, spoiled behind each pulse."""
    mz, last, seen = np.ones(len(places)), 0.0, None
    for i in np.flatnonzero(timeline.kind == RF):
        pulse = timeline.pulses[timeline.event[i]]
        at = 1e-9 * timeline.start[i] + pulse.centre
        mz = 1 - (1 - mz) * np.exp(-(at - last) / T1)
        seen, last = (mz if pulse.use == "excitation" else seen), at
        start = np.stack([0 * mz, 0 * mz, mz], axis=-1)
        mz = pulse_response(pulse, timeline.gamma_bar, position=places, offset=offset, start=start)[:, 2]
    return seen


@pytest.mark.parametrize(
    "protocol",
    [Press(**PLAIN, **SLABS, averages=1, dummies=5), Steam(**PLAIN, averages=1, dummies=5),
     SemiLaser(**PLAIN, te=60e-3, averages=1, dummies=5, suppression="chess")],
    ids=lambda p: p.name,
)  # fmt: skip
def test_the_steady_state_is_that_of_the_bloch_kernel_pulse_by_pulse(protocol):
    timeline = timeline_of(protocol)
    x, y, z = (np.linspace(-h, h, 7) + 1e-4 for h in VOXEL)
    places = np.stack(np.meshgrid(x, y, z, indexing="ij"), axis=-1).reshape(-1, 3)
    for offset in (0.0, -426.0):
        found = in_front(shot(timeline), offset, np.array([T1]), (x, y, z))[0]
        np.testing.assert_allclose(found.ravel(), walked(timeline, offset, places), atol=1e-4)
    assert found.max() - found.min() > 0.05


@pytest.mark.parametrize(
    "protocol", [Press(**PLAIN), Steam(**PLAIN), SemiLaser(**PLAIN, te=60e-3)], ids=lambda p: p.name
)
def test_shares_add_up_to_the_signal_of_a_density_matrix(protocol):
    """Sizes alone would not: the edges of an excitation are out of phase with its slice, 3 % of it."""
    timeline = timeline_of(protocol)
    played = reference(shot(timeline))
    places = tuple(middles(400, half) for half in reach(played, [0.0]))
    total = np.prod([s.sum() * 2 * p[-1] / (len(p) - 1) / v
                     for s, p, v in zip(selected(played, 0.0, places), places, VOXEL, strict=True)])  # fmt: skip
    made = mr.basis(load_metabolites("Ace"), timeline, SpinSystem(pulses="shaped"), cached=False)
    assert total == pytest.approx(made.conditions["water"], rel=3e-3)
    assert abs(total.imag) < 1e-6 * total.real


@pytest.mark.slow
@pytest.mark.parametrize(
    ("protocol", "tr"),
    [(Press(**{**PLAIN, "tr": 20.0}, **SLABS), 20.0), (Steam(**{**PLAIN, "tr": 20.0}, **SLABS), 20.0)],
    ids=lambda p: getattr(p, "name", ""),
)
def test_the_water_of_a_sphere_is_what_the_basis_knows_of_it(protocol, tr):
    """By pathways through the whole object; behind a long TR nothing that was stored meets its crushers again."""
    bare = replace(protocol, suppression="none", averages=1, water_averages=1, dummies=0)
    timeline = timeline_of(bare)
    sphere = mr.load_phantom("mrs-sphere", field=3.0)
    raw = mr.simulate(timeline, sphere, mr.Bloch())
    water = raw.groups["water_reference"].data[0, 0, 0]
    made = mr.basis(load_metabolites("Ace"), timeline, SpinSystem(pulses="shaped"), cached=False)
    sheet = {key: float(value[0]) for key, value in timeline.encoding.contrast.items()}
    expected = np.prod(VOXEL) * made.conditions["water"] * made.left(None, Relaxation(t1=1.2, t2=0.3), sheet)
    assert abs(water) == pytest.approx(expected, rel=3e-3)
    assert made.recovery.at(None, 1.2) < 0.99  # slabs reach into the voxel


def test_ideal_pulses_leave_what_nominal_angles_leave():
    protocol = Press(**PLAIN, **SLABS, te=35e-3)
    played = without_slices(shot(timeline_of(protocol)))
    assert [turn.play.pulse.use for turn in played.cycle] == ["excitation", "refocusing", "refocusing"]
    found = in_front(played, 0.0, np.array([T1]), (np.zeros(1), np.zeros(1), np.zeros(1)))[0]
    first, second = played.cycle[1].at, played.cycle[2].at
    mz = -(1 - np.exp(-first / T1))
    mz = -(1 - (1 - mz) * np.exp(-(second - first) / T1))
    assert found.item() == pytest.approx(1 - (1 - mz) * np.exp(-(2.0 - second) / T1), abs=1e-6)


def test_a_basis_tells_recovery_by_t1_and_refuses_what_it_does_not_know(tmp_path):
    timeline = timeline_of(Press(**PLAIN))
    made = mr.basis("Lac", timeline, SpinSystem(pulses="ideal"), cached=False)
    mr.save(tmp_path / "b.h5", basis=made)
    kept = mr.load(tmp_path / "b.h5", "basis")
    assert isinstance(kept, Basis)
    assert isinstance(kept.recovery, Recovery)
    assert kept.recovery.at("Lac", 1.3) == made.recovery.at("Lac", 1.3)
    # between the table's T1 by a spline that is good to 5e-5
    t1 = 0.777
    exact = in_front(without_slices(shot(timeline)), 0.0, np.array([t1]), (np.zeros(1),) * 3).item()
    assert made.recovery.at(None, t1) == pytest.approx(exact, abs=5e-5)
    with pytest.raises(InputError, match=r"50 s.*0\.02 to 20 s"):
        made.recovery.at(None, 50.0)
    sheet = {"te": 0.03, "tr": 2.0}
    relax = Relaxation(t1=1.0, t2=0.1)
    assert replace(made, recovery=None).left("Lac", relax, sheet) == relax.left(sheet)

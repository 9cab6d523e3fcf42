"""Metabolites of a phantom's tissues in the signals of a voxel: amount, selection, frequency, relaxation."""

from dataclasses import replace

import numpy as np
import pytest

from mrsim.core.acquisition import Acquisition, Encoding, Readouts
from mrsim.core.basis import Basis
from mrsim.core.errors import InputError
from mrsim.core.grid import Grid
from mrsim.core.metabolites import relaxation_at
from mrsim.core.nuclei import PROTON
from mrsim.phantom.metabolite import load_metabolites
from mrsim.phantom.phantom_file import load_phantom
from mrsim.sequence.discretize import discretize
from mrsim.sequence.families.press import Press
from mrsim.sequence.scanner import Scanner
from mrsim.simulate.spin_systems.in_phantom import PURE, concentrations, content_of, with_metabolites
from mrsim.simulate.spin_systems.profiles import displacements, main_offset, selected
from mrsim.simulate.spin_systems.recovery import recovery
from mrsim.simulate.spin_systems.shot import Shot, shot

DWELL, POINTS, VOXEL = 4e-4, 256, (4e-3, 4e-3, 4e-3)
TE, TR = 0.035, 2.0
BARE = Shot(
    events=(), dwell=DWELL, samples=POINTS, phase=0.0, frequency=0.0, gamma_bar=PROTON.gamma_bar, b0=3.0, voxel=VOXEL
)
"""A shot without selective pulses: the voxel is a box."""


def one_basis() -> Basis:
    """Return a basis of one flat signal of four protons: lactate without its shifts."""
    return Basis(
        names=("Lac",),
        fids=np.full((1, POINTS), 4.0 + 0j),
        dwell=DWELL,
        frequency=127.7e6,
        kinds=("metabolite",),
        protons=np.array([4.0]),
        widths=np.zeros((1, 2)),
    )


def empty(centre=(0.0, 0.0, 0.0)) -> Acquisition:
    """Return the raw data of a voxel in the nucleus, all zero, of two averages."""
    readouts = Readouts(
        data=np.zeros((2, 1, POINTS), dtype=complex),
        k=np.zeros((2, POINTS, 3)),
        t=np.tile(np.arange(POINTS) * DWELL, (2, 1)),
        labels={"contrast": np.zeros(2, dtype=np.int64), "average": np.arange(2)},
    )
    encoding = Encoding(
        grid=Grid(shape=(1, 1, 1), spacing=VOXEL, centre=centre),
        frequency=127.7e6,
        dwell=DWELL,
        contrast={"te": np.array([TE]), "tr": np.array([TR])},
        kind="spectrum",
    )
    return Acquisition(groups={"imaging": readouts}, encoding=encoding, noise_density=np.eye(1, dtype=complex))


@pytest.fixture(scope="module")
def press_shot() -> Shot:
    """Return PRESS as it is played around the same voxel."""
    press = Press(te=TE, voxel=VOXEL, samples=64, suppression="none", crusher_cycles=4.0)
    return shot(discretize(press.build(Scanner.preset("3T"))))


def content(phantom, raw, shot=BARE):
    return content_of(phantom, shot, raw.encoding.grid, load_metabolites("Lac"), None, POINTS)


def test_amount_frequency_and_relaxation_are_those_of_the_tissue() -> None:
    phantom = replace(load_phantom("lumbar-disc", field=3.0, grade=3), offset=7.0)
    raw = empty()
    inside = content(phantom, raw)
    made = with_metabolites(raw, phantom, one_basis(), inside)
    amount = concentrations(phantom, ("Lac",))["nucleus_pulposus"]["Lac"]
    assert inside.amounts["Lac"] == pytest.approx(amount, rel=1e-6)
    assert made.history["metabolites"]["concentrations"]["Lac"] == pytest.approx(amount, rel=1e-6)
    relax = relaxation_at(3.0)
    expected = amount * 4 / PURE * np.prod(VOXEL) * np.exp(-TE / relax.t2)  # no pulse saturates
    signal = made.imaging.data[1, 0]
    assert signal[0] == pytest.approx(expected, rel=1e-6)
    time = np.arange(POINTS) * DWELL
    water = next(t for t in phantom.tissues if t.name == "nucleus_pulposus").pools(3.0)[0]
    decay = np.exp(-time / relax.t2 - time / water.t2_prime)
    np.testing.assert_allclose(signal, expected * decay * np.exp(-2j * np.pi * 7.0 * time), rtol=1e-6)


def test_what_an_imperfect_receiver_does_to_water_it_does_to_metabolites() -> None:
    phantom, raw = load_phantom("lumbar-disc", field=3.0, grade=3), empty()
    inside = content(phantom, raw)
    drift = np.exp(-2j * np.pi * np.array([[0.0], [3.0]]) * np.arange(POINTS) * DWELL)
    plain = with_metabolites(raw, phantom, one_basis(), inside).imaging.data
    made = with_metabolites(raw, phantom, one_basis(), inside, received={"imaging": drift}).imaging.data
    np.testing.assert_allclose(made[:, 0], plain[:, 0] * drift, atol=1e-12 * np.abs(plain).max())
    assert np.abs(made[1] - plain[1]).max() > 0.1 * np.abs(plain).max()


def test_a_mixing_time_costs_t1() -> None:
    relax = relaxation_at(3.0)
    without, with_it = (relax.left({"te": TE, "tr": TR, "tm": tm}) for tm in (0.0, 0.1))
    assert with_it / without == pytest.approx(np.exp(-0.1 / relax.t1), rel=1e-12)


def test_tissues_without_concentrations_add_nothing() -> None:
    raw = empty(centre=(0.0, 0.06, 0.0))
    phantom = load_phantom("lumbar-disc", field=3.0, grade=3)
    inside = content(phantom, raw)
    assert phantom.truth(raw.encoding.grid).fractions["nucleus_pulposus"].item() == 0
    assert inside.amounts["Lac"] == 0
    assert not with_metabolites(raw, phantom, one_basis(), inside).imaging.data.any()


def test_a_voxel_with_soft_displaced_edges_holds_less_than_its_box(press_shot: Shot) -> None:
    """Beside the nucleus the selection reaches into the annulus, which states no lactate."""
    phantom = load_phantom("lumbar-disc", field=3.0, grade=3)
    raw = empty()
    played = press_shot
    soft = content(phantom, raw, played)
    box = content(phantom, raw)
    assert 0.5 * box.amounts["Lac"] < soft.amounts["Lac"] <= box.amounts["Lac"] * (1 + 1e-9)


def test_displacement_is_the_offset_over_the_bandwidth(press_shot: Shot) -> None:
    played = press_shot
    (lactate,) = load_metabolites("Lac")
    offset = main_offset(lactate, PROTON, 3.0)
    assert offset == pytest.approx((1.3142 - 4.65) * 127.73, rel=1e-3)
    for axis, _, share in displacements(played, offset):
        pulse = next(
            e.pulse for e in played.events if hasattr(e, "pulse") and np.any(np.abs(e.pulse.gradient[:, axis]) > 1e-9)
        )
        gradient = pulse.gradient[:, axis][np.argmax(np.abs(pulse.gradient[:, axis]))]
        expected = -(offset - pulse.frequency) / (played.gamma_bar * gradient) / VOXEL[axis]
        assert share == pytest.approx(expected, abs=0.01)


def test_profiles_are_bounded_and_centred_for_a_line_at_the_carrier(press_shot: Shot) -> None:
    played = press_shot
    carrier = next(e.pulse.frequency for e in played.events if hasattr(e, "pulse"))
    line = (np.arange(200) + 0.5 - 100) * 1e-4
    for share in selected(played, carrier, (line, line, line)):
        assert np.abs(share).max() <= 1 + 1e-9
        assert np.abs(share[np.abs(line) < 0.6e-3].real - 1).max() < 0.05
        assert abs(np.sum(line * share.real) / share.real.sum()) < 0.02 * 4e-3


def test_metabolites_are_saturated_as_their_places_are(press_shot: Shot) -> None:
    """In a uniform object by the mean over what is selected, which the basis knows as well."""
    phantom, raw = load_phantom("mrs-sphere", field=3.0), empty()
    seen = content(phantom, raw, press_shot).lines["Lac"][0, 0]
    rested = content(phantom, raw, replace(press_shot, tr=60.0)).lines["Lac"][0, 0]
    (lactate,) = load_metabolites("Lac")
    known = recovery(press_shot, {"Lac": main_offset(lactate, PROTON, 3.0)}, press_shot)
    t1 = relaxation_at(3.0).t1
    assert abs(seen / rested) == pytest.approx(known.at("Lac", t1), rel=2e-3)
    assert abs(seen / rested) > 1.01 * (1 - np.exp(-TR / t1))


def test_relaxation_beyond_the_table_is_refused() -> None:
    with pytest.raises(InputError, match=r"1\.5 to 7 T"):
        relaxation_at(9.4)

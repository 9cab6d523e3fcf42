"""What no molecule has, what no memory holds, and sequences without spectra."""

import numpy as np
import pytest

import mrsim as mr
from mrsim.core.errors import InputError
from mrsim.phantom.metabolite import CoupledSpins, Metabolite, load_metabolite, load_metabolites
from mrsim.sequence.families.press import Press
from mrsim.sequence.families.pulse_acquire import PulseAcquire
from mrsim.sequence.families.spin_echo import SpinEcho


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"couplings": ("1-1 7 Hz",)}, "itself"),
        ({"couplings": ("1-3 7 Hz",)}, "outside"),
        ({"couplings": ("1-2 7 Hz", "2-1 7 Hz")}, "twice"),
        ({"couplings": ("1-2 4000 Hz",)}, "unphysical"),
        ({"couplings": ("1-2 nan Hz",)}, "finite"),
        ({"couplings": ("1-2 7",)}, "no unit"),
        ({"couplings": ("7 Hz",)}, "is no coupling"),
        ({"nuclei": ("1H",)}, "2 spins"),
        ({"nuclei": ("1H", "4He")}, "unknown nucleus"),
        ({"t1": (1.0,)}, "together"),
        ({"t1": (0.1,), "t2": (0.5,)}, "twice t1"),
        ({"shifts": (1e-6, 1.0)}, "no chemical shift"),
    ],
)
def test_a_part_that_no_molecule_has_is_refused(entry, words):
    with pytest.raises(InputError, match=words):
        CoupledSpins(**({"shifts": (1e-6, 2e-6)} | entry))


def timeline(protocol=None):
    return mr.discretize((protocol or Press(samples=16)).build(mr.Scanner.preset("3T")))


def test_eleven_different_coupled_spins_are_refused_with_their_memory():
    chain = tuple(f"{i}-{i + 1} 7 Hz" for i in range(1, 11))
    part = CoupledSpins(shifts=tuple(1e-6 * (1 + 0.1 * i) for i in range(11)), couplings=chain)
    with pytest.raises(InputError, match=r"chain\.couplings: 11 strongly coupled spins .* 2048 states.* 0\.375 GiB"):
        mr.basis([Metabolite(name="chain", spins=(part,))], timeline(), cached=False)


def test_unknown_metabolite_names_the_nearest():
    with pytest.raises(InputError, match="'Lac'"):
        load_metabolites("Lacc")


def test_a_sequence_without_spectra_is_refused():
    with pytest.raises(InputError, match="no spectrum"):
        mr.basis("Lac", timeline(SpinEcho()))


def test_a_metabolite_without_the_observed_nucleus_is_refused():
    from dataclasses import replace

    phosphorus = replace(mr.Scanner.preset("3T"), nucleus="31P")
    with pytest.raises(InputError, match="no spins of 31P"):
        mr.basis("Lac", mr.discretize(PulseAcquire(samples=16, excitation_duration=2e-3).build(phosphorus)))


@pytest.mark.parametrize("option", [{"pulses": "soft"}, {"points": -1}, {"extent": 0.5}, {"temperature": 20.0}])
def test_options_that_mean_nothing_are_refused(option):
    with pytest.raises(InputError):
        mr.SpinSystem(**option)


def test_a_damaged_cache_file_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv("MRSIM_CACHE", str(tmp_path))
    first = mr.basis("Lac", timeline())
    (kept,) = (tmp_path / "spin-systems").glob("*.h5")
    kept.write_bytes(b"nothing")
    assert np.array_equal(mr.basis("Lac", timeline()).fids, first.fids)
    assert np.array_equal(mr.basis("Lac", timeline()).fids, first.fids)


def test_water_moves_with_its_temperature():
    pulse = timeline()
    cold, warm = (mr.basis("H2O", pulse, mr.SpinSystem(temperature=t), cached=False).fids[0] for t in (300.15, 310.15))
    turned = np.angle(cold[10] / warm[10]) / (2 * np.pi * 10 * 5e-4)
    assert abs(-turned - 0.1e-6 * 42.577e6 * 3) < 0.1
    assert load_metabolite("H2O").kind == "water"

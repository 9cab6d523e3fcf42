"""Other programs at the same kind of work, where they are installed; each says what of the work it leaves out."""

from __future__ import annotations

import importlib.util
import resource
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import partial

import numpy as np

from ...core.nuclei import PROTON
from .clock import shortest
from .scans import STEP, STEPS, bench_pulse


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    """One program's speed."""

    name: str
    work: str
    """What of the mrsim task it does."""
    unit: str
    per_second: float | None
    """None if it is not installed."""


def peers() -> list[Peer]:
    """Time every program that is found."""
    return [_sigpy(), _bart(), _torchsim(), _sycomore()]


def _sigpy() -> Peer:
    work = f"{STEPS} RF steps, one gradient axis; no relaxation, no B1, no offset (abrm)"
    if importlib.util.find_spec("sigpy") is None:
        return Peer(name="sigpy", work=work, unit="spin steps", per_second=None)
    from sigpy.mri.rf.sim import abrm

    count = 2048
    turns = 2 * np.pi * PROTON.gamma_bar * STEP * bench_pulse().b1
    place = np.linspace(-8, 8, count)
    seconds = shortest(partial(abrm, turns, place), 1).cpu
    return Peer(name="sigpy", work=work, unit="spin steps", per_second=count * STEPS / seconds)


def _bart() -> Peer:
    work = "1,000 RF steps in each of 200 repetitions of balanced SSFP for 20 T1, with relaxation (sim --ROT)"
    program = shutil.which("bart")
    if program is None:
        return Peer(name="bart", work=work, unit="spin steps", per_second=None)
    with tempfile.TemporaryDirectory() as folder:
        sequence = "BSSFP,TR=0.004,TE=0.002,Nrep=200,Trf=0.001,FA=40,BWTP=4"
        command = [program, "sim", "--ROT", "-1", "0.5:2:20", "-2", "0.1:0.1:1", "--seq", sequence]
        start = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [*command, "--other", "sampling-rate=1e6", "signal"], cwd=folder, check=True, capture_output=True
        )
        end = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime
    return Peer(name="bart", work=work, unit="spin steps", per_second=20 * 200 * 1000 / seconds)


def _torchsim() -> Peer:
    work = "CPMG dictionary of 32 echoes with 32 states, single precision (fse_sim)"
    if importlib.util.find_spec("torchsim") is None:
        return Peer(name="torchsim", work=work, unit="atoms", per_second=None)
    importlib.import_module("torch").set_num_threads(1)
    rng, atoms = np.random.default_rng(2), 20_000
    t1, t2, b1 = (
        rng.uniform(*bounds, atoms).astype(np.float32) for bounds in ((300.0, 3e3), (20.0, 200.0), (0.8, 1.2))
    )
    train = partial(
        importlib.import_module("torchsim").fse_sim,
        flip=np.full(32, 180.0, np.float32), ESP=10.0, T1=t1, T2=t2, B1=b1, states=32,
    )  # fmt: skip
    return Peer(name="torchsim", work=work, unit="atoms", per_second=atoms / shortest(train, 2).cpu)


def _sycomore() -> Peer:
    work = "CPMG of 32 echoes, one atom after the other from Python, double precision (epg.Regular)"
    if importlib.util.find_spec("sycomore") is None:
        return Peer(name="sycomore", work=work, unit="atoms", per_second=None)
    sycomore, units = importlib.import_module("sycomore"), importlib.import_module("sycomore.units")
    rng, atoms = np.random.default_rng(2), 500
    t1, t2, b1 = (rng.uniform(*bounds, atoms) for bounds in ((0.3, 3.0), (0.02, 0.2), (0.8, 1.2)))
    quarter, half, phase = 90 * units.deg, 5 * units.ms, 90 * units.deg

    def train() -> None:
        for atom in range(atoms):
            model = sycomore.epg.Regular(sycomore.Species(t1[atom] * units.s, t2[atom] * units.s))
            model.apply_pulse(b1[atom] * quarter, phase)
            for _ in range(32):
                model.relaxation(half)
                model.shift()
                model.apply_pulse(2 * b1[atom] * quarter)
                model.relaxation(half)
                model.shift()
                _ = model.echo

    return Peer(name="sycomore", work=work, unit="atoms", per_second=atoms / shortest(train, 2).cpu)

"""What is fed with damaged input: every file that mrsim reads, and its command line; good input and readers."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from mrsim.core.grid import Grid
from mrsim.core.spectra import Spectra
from mrsim.core.storage import load, save
from mrsim.core.streamlines import Streamlines
from mrsim.core.toml import available, data_root

Files = dict[str, bytes]
ROOT = Path(__file__).resolve().parents[2]
SMALL = ("disc-se", "disc-spgr", "svs-press-np", "b1-afi", "disc-t2star-megre", "ax-mre-gre-60hz", "sag-dwi")
MATRIX = re.compile(rb"(?m)^matrix = \[\d+, \d+")
GRID = Grid(shape=(4, 5, 6), spacing=(1e-3, 1e-3, 2e-3))


@dataclass(frozen=True, slots=True)
class Target:
    """Good inputs, each some files of which one is damaged, and what reads them from a folder."""

    name: str
    seeds: Callable[[], list[Files]]
    read: Callable[[Path], object]
    text: bool = False
    share: float = 1.0
    """Of a count of inputs, how much falls on this target: slow readers get less."""


def files_of(folder: Path) -> Files:
    """Return name -> content of a folder's files."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@contextlib.contextmanager
def _made() -> Iterator[Path]:
    with TemporaryDirectory() as name:
        yield Path(name)


def _shipped(folder: str, *names: str) -> Callable[[], list[Files]]:
    """Return shipped TOML files as seeds, all by default."""

    def seeds() -> list[Files]:
        found = available(folder)
        return [{"a.toml": found[name].read_bytes()} for name in (names or found)]

    return seeds


def _written(write: Callable[[Path], object]) -> Callable[[], list[Files]]:
    """Return what a writer leaves in a folder as the only seed."""

    def seeds() -> list[Files]:
        with _made() as folder:
            write(folder)
            return [files_of(folder)]

    return seeds


def _protocols() -> list[Files]:
    """Return shipped protocols of all kinds of builders, with few lines: what is wrong with one does not need many."""
    found = available("protocols")
    return [{"a.toml": MATRIX.sub(b"matrix = [8, 8", found[name].read_bytes())} for name in SMALL]


def _protocol(folder: Path) -> object:
    from mrsim.sequence.protocol import load_protocol
    from mrsim.sequence.scanner import load_scanner

    return load_protocol(str(folder / "a.toml")).build(load_scanner("3T"))


def _phantom(folder: Path) -> object:
    from mrsim.study.import_phantom import open_phantom

    return open_phantom(str(folder / "a.toml"), 3.0).truth(Grid(shape=(8, 8, 1), spacing=(10e-3, 10e-3, 4e-3)))


def _study(folder: Path) -> object:
    from mrsim.study.study_file import load_study

    return load_study(str(folder / "a.toml"), "fast")


def _tissue(folder: Path) -> object:
    from mrsim.phantom.tissue import load_tissue

    return load_tissue(str(folder / "a.toml"))


def _cohort(folder: Path) -> object:
    from mrsim.phantom.cohort import load_cohort

    return list(load_cohort(str(folder / "a.toml")).subjects(2, seed=1))


def _scanner(folder: Path) -> object:
    from mrsim.sequence.scanner import load_scanner

    return load_scanner(str(folder / "a.toml"))


def _metabolite(folder: Path) -> object:
    from mrsim.phantom.metabolite import load_metabolite

    return load_metabolite(str(folder / "a.toml"))


def _make_seq(folder: Path) -> None:
    from mrsim.exchange.pulseq import pulseq_text
    from mrsim.sequence.protocol import load_protocol
    from mrsim.sequence.scanner import load_scanner

    small = load_protocol("disc-se", {"matrix": "8 4"})
    (folder / "a.seq").write_text(pulseq_text(small.build(load_scanner("3T"))))


def _seq(folder: Path) -> object:
    from mrsim.exchange.pulseq import read_pulseq
    from mrsim.sequence.scanner import load_scanner

    return read_pulseq(folder / "a.seq", load_scanner("3T"))


def _raw() -> object:
    from mrsim.phantom.phantom_file import load_phantom
    from mrsim.sequence.discretize import discretize
    from mrsim.sequence.protocol import load_protocol
    from mrsim.sequence.scanner import load_scanner
    from mrsim.simulate import Bloch, add_noise, simulate

    sequence = load_protocol("disc-se", {"matrix": "8 4"}).build(load_scanner("3T"))
    return add_noise(simulate(discretize(sequence), load_phantom("ellipse", field=3.0), Bloch(), threads=1), rng=3)


def _make_mrd(folder: Path) -> None:
    from mrsim.exchange.mrd import write_mrd

    write_mrd(_raw(), folder / "a.mrd")  # type: ignore[arg-type]


def _mrd(folder: Path) -> object:
    from mrsim.exchange.mrd import read_mrd
    from mrsim.recon import reconstruct

    return reconstruct(read_mrd(folder / "a.mrd"))


def _make_hdf5(folder: Path) -> None:
    save(folder / "a.h5", images=np.arange(30.0), note={"a": "b"}, grid=GRID)


def _hdf5(folder: Path) -> object:
    return load(folder / "a.h5")


def _make_nifti(folder: Path) -> None:
    from mrsim.exchange.nifti import write_volume

    labels = np.zeros(GRID.shape, np.int16)
    labels[1:3, 1:4, 1:5] = 1
    write_volume(folder / "labels.nii", labels, GRID)
    (folder / "a.toml").write_text('[voxels]\nlabels = "labels.nii"\n[voxels.tissues]\n1 = "csf"\n')


def _maps() -> dict[str, np.ndarray]:
    ones = np.ones(GRID.shape)
    return {"t1": ones, "t2": 0.1 * ones, "t2_star": 0.05 * ones, "pd": ones, "offset": 0 * ones}


def _make_jemris(folder: Path) -> None:
    from mrsim.exchange.spin_files import write_jemris

    write_jemris(folder / "a.h5", _maps(), GRID)


def _make_koma(folder: Path) -> None:
    from mrsim.exchange.spin_files import SpinTable, write_koma

    values = {name: values.ravel() for name, values in _maps().items()}
    z, y, x = np.meshgrid(*(GRID.coordinates(axis) for axis in (2, 1, 0)), indexing="ij")
    position = np.stack([x.ravel(), y.ravel(), z.ravel()], axis=-1)
    write_koma(folder / "a.phantom", SpinTable(position=position, values=values), "spins")


def _foreign(name: str) -> Callable[[Path], object]:
    def read(folder: Path) -> object:
        from mrsim.study.import_phantom import open_phantom

        return open_phantom(str(folder / name), 3.0)

    return read


def _basis_seeds(writer: str, name: str) -> Callable[[], list[Files]]:
    def write(folder: Path) -> None:
        from mrsim.exchange import basis_files
        from tests.exchange.test_basis_files import basis

        getattr(basis_files, writer)(basis(64), folder / name)

    return _written(write)


def _basis(name: str) -> Callable[[Path], object]:
    def read(folder: Path) -> object:
        from mrsim.exchange.basis_files import read_basis

        return read_basis(folder / name)

    return read


def _make_nifti_mrs(folder: Path) -> None:
    from mrsim.exchange.nifti_mrs import write_nifti_mrs

    data = np.exp(-20 * np.arange(64) * 4e-4)[None, None] * np.ones((2, 1, 64), complex)
    grid = Grid(shape=(1, 1, 1), spacing=(0.01, 0.012, 0.02))
    made = Spectra(
        data=data, dwell=4e-4, frequency=127.7e6, grid=grid, sigma=np.full((2, 1, 1), 0.7),
        contrast={"te": np.full(2, 0.035), "tr": np.full(2, 2.0)},
    )  # fmt: skip
    write_nifti_mrs(made, folder / "a.nii")


def _nifti_mrs(folder: Path) -> object:
    from mrsim.exchange.nifti_mrs import read_nifti_mrs

    return read_nifti_mrs(folder / "a.nii")


def _table() -> dict[str, np.ndarray]:
    x, y, z = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0.6, 0.8]], float).T
    return {"b": np.array([0, 1e9, 1e9, 5e8]), "direction_x": x, "direction_y": y, "direction_z": z}


def _make_fsl_table(folder: Path) -> None:
    from mrsim.exchange.gradient_tables import write_fsl

    write_fsl(folder / "a", _table())


def _fsl_table(folder: Path) -> object:
    from mrsim.exchange.gradient_tables import read_fsl

    return read_fsl(folder / "a.bval", folder / "a.bvec")


def _make_mrtrix(folder: Path) -> None:
    from mrsim.exchange.gradient_tables import write_mrtrix

    write_mrtrix(folder / "a.b", _table(), GRID)


def _mrtrix(folder: Path) -> object:
    from mrsim.exchange.gradient_tables import read_mrtrix

    return read_mrtrix(folder / "a.b", GRID)


def _make_lines(folder: Path) -> None:
    from mrsim.exchange.streamline_files import write_streamlines

    rng = np.random.default_rng(3)
    lines = Streamlines(points=1e-3 * rng.normal(size=(30, 3)), offsets=np.array([0, 10, 30]),
                        ends=np.zeros((2, 2), np.int8), grid=GRID)  # fmt: skip
    for suffix in (".trk", ".tck"):
        write_streamlines(folder / f"a{suffix}", lines)


def _lines(folder: Path) -> object:
    from mrsim.exchange.streamline_files import read_streamlines

    return [read_streamlines(folder / f"a{suffix}", GRID) for suffix in (".trk", ".tck")]


def _commands() -> list[Files]:
    return [{"arguments": line.encode()} for line in (ROOT / "tests/robustness/commands.txt").read_text().splitlines()]


class DefectError(Exception):
    """A command ended with another code than those of users' errors."""


def _command(folder: Path) -> object:
    from mrsim.cli import perform

    try:
        arguments = shlex.split((folder / "arguments").read_bytes().decode(errors="replace"))
    except ValueError:
        return None
    arguments = [word.replace("\x00", "") for word in arguments]
    before = os.getcwd()
    os.chdir(folder)
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = perform(arguments)
    except SystemExit as left:
        code = int(left.code or 0)
    finally:
        os.chdir(before)
    if code not in (0, 2, 3):
        raise DefectError(f"exit code {code}: {said.getvalue()[-300:]}")
    return code


HEAD = "Host: 127.0.0.1:8000\r\nOrigin: http://127.0.0.1:8000\r\nX-Mrsim-Token: token\r\n"
SETTINGS = (
    '{"setting": {"sequence": "se", "field": 3, "te": 60, "tr": 2000, "voxel": 1.0, "averages": 2}, "budget": false}',
    '{"setting": {"sequence": "epi", "field": 1.7, "grade": 4}, "budget": true}',
)  # fmt: skip


def _requests() -> list[Files]:
    """Return what the lab's page sends, as it comes from the wire."""
    bare = [f"{line} HTTP/1.1\r\n{HEAD}\r\n" for line in
            ("GET /?token=token", "GET /api/jobs/0123456789abcdef", "DELETE /api/jobs/0123456789abcdef")]  # fmt: skip
    json = "Content-Type: application/json\r\n"
    posts = [f"POST /api/jobs HTTP/1.1\r\n{HEAD}{json}Content-Length: {len(b)}\r\n\r\n{b}" for b in SETTINGS]
    return [{"request": text.encode()} for text in (*bare, *posts, *posts)]


def _api(folder: Path) -> object:
    """Answer a request as the lab's server does; a run is not started but asked for, and its sequence built."""
    from types import SimpleNamespace

    from mrsim.app.server import Handler
    from mrsim.app.settings import checked
    from mrsim.sequence.protocol import load_protocol
    from mrsim.sequence.scanner import load_scanner

    def start(table: dict[str, object], *, budget: bool) -> str:
        asked = checked(table).request(folder, budget=budget)
        load_protocol(asked.protocol, asked.overrides).build(load_scanner(asked.scanner))
        return "0123456789abcdef"

    class Asked(Handler):
        def setup(self) -> None:
            self.rfile, self.wfile = io.BytesIO((folder / "request").read_bytes()), io.BytesIO()
            self.patient = SimpleNamespace(end=0.0)  # nothing is waited for

        def finish(self) -> None:
            pass

    jobs = SimpleNamespace(start=start, state=lambda name: {"state": "queued"}, cancel=lambda name: True)
    server = SimpleNamespace(token="token", page=b"<p>", jobs=jobs, server_port=8000)
    answer = Asked(None, ("127.0.0.1", 1), server).wfile.getvalue()
    if b" 500 " in answer[:40]:
        raise DefectError(answer[:300].decode(errors="replace"))
    return answer


TARGETS = {
    target.name: target
    for target in (
        Target("protocol", _protocols, _protocol, True, 0.5),
        Target("phantom", _shipped("phantoms"), _phantom, True, 0.25),
        Target("study", _shipped("protocols/studies"), _study, True),
        Target("tissue", _shipped("phantoms/tissues"), _tissue, True),
        Target("cohort", _shipped("phantoms/cohorts"), _cohort, True, 0.5),
        Target("scanner", _shipped("protocols/scanners"), _scanner, True),
        Target("metabolite", _shipped("phantoms/metabolites"), _metabolite, True),
        Target("seq", _written(_make_seq), _seq, True, 0.5),
        Target("mrd", _written(_make_mrd), _mrd, False, 0.25),
        Target("hdf5", _written(_make_hdf5), _hdf5),
        Target("labels", _written(_make_nifti), _foreign("a.toml"), False, 0.5),
        Target("jemris", _written(_make_jemris), _foreign("a.h5"), False, 0.5),
        Target("koma", _written(_make_koma), _foreign("a.phantom"), False, 0.5),
        Target("lcmodel", _basis_seeds("write_lcmodel", "a.basis"), _basis("a.basis"), True),
        Target("fsl-basis", _basis_seeds("write_fsl", "a"), _basis("a"), True),
        Target("jmrui", _basis_seeds("write_jmrui", "a.txt"), _basis("a.txt"), True),
        Target("nifti-mrs", _written(_make_nifti_mrs), _nifti_mrs),
        Target("bvec", _written(_make_fsl_table), _fsl_table, True),
        Target("mrtrix", _written(_make_mrtrix), _mrtrix, True),
        Target("streamlines", _written(_make_lines), _lines),
        Target("command", _commands, _command, True, 0.5),
        Target("api", _requests, _api, True, 0.5),
    )
}  # fmt: skip
"""Every target by its name."""

assert data_root() == ROOT, "the targets are the files of this checkout"

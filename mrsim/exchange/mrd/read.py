"""An MRD file as an `Acquisition`: ours, or any other program's Cartesian or freely sampled data.

Sizes are checked against the file before anything is read, so that a corrupt header cannot ask for more memory than
the file can fill.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.acquisition import Acquisition, Encoding, Readouts
from ...core.errors import InputError, StorageError
from ...core.grid import Grid
from ...sequence.nominal import cartesian_k
from .header import COUNTERS, SERIES, known_noise, lacking, sheet_of, user_words
from .short_lines import padded
from .write import FLAGS, LPS, REVERSE, UNUSED

LARGEST_HEADER = 10_000_000
"""Bytes of XML."""
MOST_PER_BYTE = 1000
"""Unpacked bytes per byte of a compressed file."""


def read_mrd(path: Path | str) -> Acquisition:
    """Return the raw data of an MRD file (version 1, HDF5).

    Lines are counted so that the limits' centre falls on n // 2. Without a noise measurement or our own header the
    noise density is unknown and zero, and ``history`` says so.
    """
    header, heads, trajectories, data = _contents(Path(path))
    words = user_words(header)
    if not len(heads):
        raise InputError("holds no acquisition", file=path, key="dataset/data")
    bad = [i for i in range(len(heads)) if len(data[i]) != 2 * _size(heads[i])]
    if bad:
        problem = f"acquisition {bad[0]}: {len(data[bad[0]])} numbers for {_size(heads[bad[0]])} complex samples"
        raise InputError(problem, file=path, key="dataset/data")
    kept = (heads["flags"] & np.uint64(UNUSED)) == 0
    purposes = _purposes(heads, words)
    cartesian = header.encoding[0].trajectory.value in ("cartesian", "epi")
    cartesian = words.get("mrsim_k_from", "labels" if cartesian else "trajectory") == "labels"
    reader = _Reader(Path(path), header, words, heads, trajectories, data, cartesian)
    encoding = reader.encoding(np.flatnonzero(kept & (purposes == "imaging")))
    groups = {
        str(name): reader.group(np.flatnonzero(kept & (purposes == name)), encoding, str(name))
        for name in dict.fromkeys(purposes[kept].tolist())
    }
    if "imaging" not in groups:
        raise InputError("holds no imaging acquisition, only noise, calibration or navigators", file=path)
    coils = groups["imaging"].data.shape[1]
    known = known_noise(words, coils, path)
    raw = Acquisition(
        groups=groups, encoding=encoding, noisy=words.get("noisy", "true") == "true",
        noise_density=np.zeros((coils, coils), dtype=np.complex128) if known is None else known,
        history={"engine": "mrd file", "file": Path(path).name, "warnings": ()},
    )  # fmt: skip
    if known is not None:
        return raw
    measured = raw.measured_noise()
    if measured is None or measured.shape != (coils, coils):
        notes = ("the file has no noise measurement: noise is unknown",)
        return replace(raw, history=raw.history | {"warnings": notes})
    return replace(raw, noise_density=measured)


def _size(head: Any) -> int:
    return int(head["number_of_samples"]) * int(head["active_channels"])


def _contents(path: Path) -> tuple[Any, NDArray[Any], list[NDArray[np.float32]], list[NDArray[np.float32]]]:
    """Return header, acquisition headers, trajectories and data."""
    import ismrmrd

    if not path.is_file():
        raise StorageError(f"{path}: no such file")
    try:
        with ismrmrd.File(str(path), "r") as file:
            container = _container(path, file)
            table = container.acquisitions.data
            _check_storage(path, table)
            header = _header(path, container)
            rows = table[()]
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, MemoryError) as error:
        said = " ".join(str(error).split())[:200]
        raise StorageError(f"{path} cannot be read as an MRD file: {said or type(error).__name__}") from None
    if rows.dtype.names is None or not {"head", "traj", "data"} <= set(rows.dtype.names):
        raise StorageError(f"{path}: dataset/data has no table of acquisitions (head, traj, data)")
    heads = rows["head"]
    missing = lacking(heads.dtype, ismrmrd.hdf5.acquisition_header_dtype)
    if missing:
        raise StorageError(f"{path}: the acquisitions' headers lack {', '.join(sorted(missing))}")
    return header, heads, list(rows["traj"]), list(rows["data"])


def _container(path: Path, file: Any) -> Any:
    names = [name for name in file if file[name].has_header() and file[name].has_acquisitions()]
    if not names:
        found = ", ".join(file) or "nothing"
        raise InputError(f"holds no MRD dataset (a group with xml and data); it holds {found}", file=path)
    return file["dataset" if "dataset" in names else names[0]]


def _check_storage(path: Path, table: Any) -> None:
    """Refuse a table that claims to be larger than its bytes in the file."""
    claimed = int(np.prod(table.shape, dtype=np.float64)) * table.dtype.itemsize
    stored = table.id.get_storage_size()
    allowed = MOST_PER_BYTE * stored if table.compression else stored
    if claimed > allowed + 65536:
        problem = f"claims {claimed:,} bytes of acquisitions and stores {stored:,}: it is truncated or corrupt"
        raise InputError(problem, file=path, key="dataset/data")


def _header(path: Path, container: Any) -> Any:
    import ismrmrd

    text = container._contents["xml"][0]
    text = text if isinstance(text, bytes) else str(text).encode()
    if len(text) > LARGEST_HEADER or b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise InputError(
            "the header is too long or defines entities; it is no MRD header", file=path, key="dataset/xml"
        )
    try:
        header = ismrmrd.xsd.CreateFromDocument(text)
    except Exception as error:  # xsdata and the XML parsers raise many kinds
        said = " ".join(str(error).split())[:200]
        raise InputError(f"the header is no valid MRD header: {said}", file=path, key="dataset/xml") from None
    if not header.encoding:
        raise InputError("the header has no <encoding>", file=path, key="dataset/xml")
    return header


def _purposes(heads: NDArray[Any], words: dict[str, str]) -> NDArray[np.str_]:
    """Return what each acquisition is for."""
    own = [name for name in words.get("mrsim_purposes", "").split(",") if name]
    index = heads["user_int"][:, 0]
    if own and index.min() >= 0 and index.max() < len(own):
        return np.asarray(np.array(own)[index])
    result = np.full(len(heads), "imaging", dtype="<U11")
    for name, flag in FLAGS.items():
        result[(heads["flags"] & np.uint64(1 << (flag - 1))) != 0] = name
    result[(heads["flags"] & np.uint64(1 << 23)) != 0] = "navigator"  # phase correction
    return result


class _Reader:
    """The file's tables, and what the header says about them."""

    def __init__(
        self, path: Path, header: Any, words: dict[str, str], heads: NDArray[Any],
        trajectories: list[NDArray[np.float32]], data: list[NDArray[np.float32]], cartesian: bool,
    ) -> None:  # fmt: skip
        self.path, self.header, self.words, self.heads = path, header, words, heads
        self.trajectories, self.data, self.cartesian = trajectories, data, cartesian

    def encoding(self, imaging: NDArray[np.int64]) -> Encoding:
        """Return the encoding header."""
        if not len(imaging):
            raise InputError("holds no imaging acquisition", file=self.path, key="dataset/data")
        space = self.header.encoding[0].encodedSpace
        size, fov = space.matrixSize, space.fieldOfView_mm
        values = (size.x, size.y, size.z, fov.x, fov.y, fov.z)
        if not all(np.isfinite(v) and v > 0 for v in values) or max(values[:3]) > 65535 or values[2] * values[1] > 1e8:
            raise InputError(f"encodedSpace is {values}; matrix and field of view must be positive", file=self.path)
        heads = self.heads[imaging]
        slices = int(heads["idx"]["slice"].max()) + 1
        volume = size.z > 1
        dwell = float(heads["sample_time_us"][0]) * 1e-6
        if not (np.isfinite(dwell) and dwell > 0):
            raise InputError(f"sample_time_us is {dwell * 1e6}; it must be positive", file=self.path)
        contrasts = int(heads["idx"]["contrast"].max()) + 1
        return Encoding(
            grid=self._own_grid() or self._grid(heads, size, fov, slices, volume),
            frequency=float(
                self.words.get("mrsim_frequency", self.header.experimentalConditions.H1resonanceFrequency_Hz)
            ),
            dwell=float(self.words.get("mrsim_dwell", dwell)),
            contrast=self._contrast(contrasts),
            kind=self.words.get("mrsim_kind", "3d" if volume else "2d"),
            k_from="labels" if self.cartesian else "trajectory",
            sheet=sheet_of(self.header, self.words),
        )

    def _own_grid(self) -> Grid | None:
        words = self.words.get("mrsim_grid", "").split()
        if len(words) != 19:
            return None
        v = [float(word) for word in words]
        return Grid(
            shape=(int(v[0]), int(v[1]), int(v[2])), spacing=(v[3], v[4], v[5]), centre=(v[6], v[7], v[8]),
            axes=np.array(v[9:18]).reshape(3, 3), gap=v[18],
        )  # fmt: skip

    def _grid(self, heads: NDArray[Any], size: Any, fov: Any, slices: int, volume: bool) -> Grid:
        directions = [heads[0][key].astype(np.float64) for key in ("read_dir", "phase_dir", "slice_dir")]
        axes = LPS @ np.stack(directions, axis=1)
        if not np.allclose(axes.T @ axes, np.eye(3), atol=1e-3):
            axes = np.eye(3)  # many converters leave the directions empty
        middle = {int(h["idx"]["slice"]): LPS @ h["position"].astype(np.float64) * 1e-3 for h in heads}
        along = sorted(float(axes[:, 2] @ place) for place in middle.values())
        apart = float(np.median(np.diff(along))) if len(along) > 1 else 0.0
        thick = fov.z * 1e-3
        spacing = thick / size.z if volume else max(apart, thick)
        index = 0 if volume else slices // 2
        x, y, z = (float(c) for c in middle.get(index, next(iter(middle.values()))))
        return Grid(
            shape=(size.z if volume else slices, size.y, size.x), centre=(x, y, z), axes=axes,
            spacing=(fov.x * 1e-3 / size.x, fov.y * 1e-3 / size.y, spacing), gap=0.0 if volume else spacing - thick,
        )  # fmt: skip

    def _contrast(self, contrasts: int) -> dict[str, NDArray[np.float64]]:
        """Return the contrast table; a list that is shorter than the series repeats its last value."""
        parameters = self.header.sequenceParameters
        table: dict[str, NDArray[np.float64]] = {}
        for entry, (key, scale) in SERIES.items():
            values = [float(v) / scale for v in getattr(parameters, key, [])] if parameters is not None else []
            if values:
                table[entry] = np.array((values + values[-1:] * contrasts)[:contrasts])
        for name, text in self.words.items():
            if name.startswith("mrsim_contrast_"):
                table[name.removeprefix("mrsim_contrast_")] = np.array([float(word) for word in text.split()])
        return table or {"te": np.zeros(contrasts)}

    def group(self, chosen: NDArray[np.int64], encoding: Encoding, name: str) -> Readouts:
        """Return the acquisitions of one purpose."""
        heads = self.heads[chosen]
        coils, samples = int(heads["active_channels"][0]), int(heads["number_of_samples"][0])
        if np.any(heads["active_channels"] != coils) or np.any(heads["number_of_samples"] != samples):
            problem = f"{name} acquisitions differ in channels or samples; they cannot be held in one array"
            raise InputError(problem, file=self.path, key="dataset/data")
        if samples == 0 or coils == 0:
            raise InputError(f"{name} acquisitions have no samples", file=self.path, key="dataset/data")
        pre, post = int(heads["discard_pre"][0]), int(heads["discard_post"][0])
        if pre + post >= samples:
            raise InputError(f"{name} acquisitions discard all {samples} samples", file=self.path)
        flat = np.stack([self.data[i] for i in chosen.tolist()]).astype(np.float32)
        kept = slice(pre, samples - post)
        data = flat.view(np.complex64).reshape(len(chosen), coils, samples)[:, :, kept].astype(np.complex128)
        labels = self._labels(heads, encoding)
        cartesian = self.cartesian and name != "noise" and not heads["trajectory_dimensions"][0]
        if cartesian and data.shape[2] < encoding.grid.shape[2]:
            return padded(data, heads, labels, encoding, self.path)
        first = heads["user_float"][:, :1].astype(np.float64) * 1e-3
        t = first + np.arange(data.shape[2]) * heads["sample_time_us"][:, None].astype(np.float64) * 1e-6
        dwell = float(np.median(heads["sample_time_us"])) * 1e-6
        own = abs(dwell - encoding.dwell) > 1e-6 * encoding.dwell
        k = self._k(chosen, heads, labels, encoding, name)[:, kept]
        return Readouts(data=data, k=k, t=t, labels=labels, dwell=dwell if own else None)

    def _labels(self, heads: NDArray[Any], encoding: Encoding) -> dict[str, NDArray[np.int64]]:
        labels = {label: heads["idx"][counter].astype(np.int64) for label, counter in COUNTERS.items()}
        labels["reverse"] = ((heads["flags"] >> np.uint64(REVERSE - 1)) & np.uint64(1)).astype(np.int64)
        names = [name for name in self.words.get("mrsim_labels", "").split(",") if name][:8]
        labels |= {name: heads["idx"]["user"][:, i].astype(np.int64) for i, name in enumerate(names)}
        limits = self.header.encoding[0].encodingLimits
        nz, ny, _ = encoding.grid.shape
        middles = {"line": ny // 2, "partition": nz // 2 if encoding.kind == "3d" else 0}
        for label, middle in middles.items():
            key = COUNTERS[label].replace("encode", "encoding")
            limit = getattr(limits, key)
            if limit is not None and self.cartesian:
                labels[label] = labels[label] + middle - int(limit.center)
        return labels

    def _k(
        self, chosen: NDArray[np.int64], heads: NDArray[Any], labels: dict[str, NDArray[np.int64]],
        encoding: Encoding, name: str,
    ) -> NDArray[np.float64]:  # fmt: skip
        samples, dimensions = int(heads["number_of_samples"][0]), int(heads["trajectory_dimensions"][0])
        grid = encoding.grid
        if self.cartesian and name != "noise" and dimensions == 0:
            wide = Grid(
                shape=(*grid.shape[:2], samples), spacing=(grid.shape[2] * grid.spacing[0] / samples, *grid.spacing[1:])
            )
            return cartesian_k(wide, labels, len(chosen), encoding.kind)
        k = np.zeros((len(chosen), samples, 3))
        if name == "noise" and dimensions == 0:
            return k
        rows = [self.trajectories[i] for i in chosen.tolist()]
        if dimensions not in (2, 3) or any(len(row) != samples * dimensions for row in rows):
            problem = f"{name} acquisitions need a trajectory of 2 or 3 dimensions and {samples} samples"
            raise InputError(problem, file=self.path, key="dataset/data")
        nz, ny, nx = grid.shape
        extent = np.array([nx, ny, nz]) * np.array(grid.spacing)
        k[:, :, :dimensions] = np.stack(rows).reshape(len(rows), samples, dimensions)
        return np.asarray(k / extent)

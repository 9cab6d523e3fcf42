"""DICOM: images as classic MR series, one file per image and slice, and maps as parametric maps of floating point.

Magnitudes are stored as 16-bit numbers with one slope for the whole series; parametric maps hold the values themselves.
Pictures are turned so that rows run to the left or back and columns down, as radiologists look at them; DICOM's world
is left, posterior, superior. Nobody was scanned: names and the manufacturer say that the data are simulated, the
dates of patient and study are empty, and the same data get the same identifiers. Times are in ms, angles in degrees.
"""

from __future__ import annotations

import hashlib
import importlib
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.grid import Grid
from ..core.images import Images
from ..core.maps import VALUED, Maps
from ..core.replacing import replacing_folder
from ..core.version import __version__
from ..core.written import scale
from .dicom_plane import LPS, Plane, plane_of

Array = NDArray[np.float64]
MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
PARAMETRIC_MAP = "1.2.840.10008.5.1.4.1.1.30"
FULL = 4095
"""Stored number of the brightest voxel, as of a 12-bit scanner."""
PLAYED = {"gradient-echo": "GR", "spgr": "GR", "bssfp": "GR", "epi": "EP", "inversion": "IR", "mp-rage": "GR"}
"""Part of a family's name -> DICOM's scanning sequence; spin echo for all others."""
UCUM = {
    "": ("1", "no units"), "ms": ("ms", "millisecond"), "deg": ("deg", "degree"), "kPa": ("kPa", "kilopascal"),
    "µm²/ms": ("um2/ms", "square micrometer per millisecond"), "Hz": ("Hz", "hertz"), "1/s": ("/s", "per second"),
    "mM": ("mmol/L", "millimole per liter"), "ppm": ("[ppm]", "parts per million"), "mm": ("mm", "millimeter"),
}  # fmt: skip
"""Shown unit -> code and meaning in the Unified Code for Units of Measure."""


def write_dicom(folder: Path, images: Images, maps: Maps | None, name: str, field: float | None = None) -> list[Path]:
    """Write the magnitudes of a series and each map; return the files.

    Parameters
    ----------
    folder : path
        New, or replaced as a whole.
    images : Images
    maps : Maps, optional
        Fitted to them.
    name : str
        Of the study.
    field : float, optional
        T, where it is known.
    """
    uids = _Identifiers(name, images.data, *([] if maps is None else maps.values.values()))
    with replacing_folder(folder) as work:
        made = _write_series(work, images, uids, field)
        made += [] if maps is None else _write_maps(work, maps, uids)
    return [folder / path.name for path in made]


def _write_series(folder: Path, images: Images, uids: _Identifiers, field: float | None) -> list[Path]:
    """Write one file per image and slice."""
    plane, magnitude = plane_of(images.grid), np.abs(images.data)
    brightest = float(magnitude.max(initial=0.0)) or 1.0
    made = []
    for number, volume in enumerate(magnitude):
        for z, values in enumerate(volume):
            count = number * len(volume) + z
            data = _general(MR_IMAGE, uids, count)
            _series_facts(data, images, number, field)
            data.SeriesInstanceUID, data.SeriesNumber = uids("series"), 1
            data.SeriesDescription = f"{images.encoding.get('family', 'images')}, magnitude"[:64]
            data.InstanceNumber = count + 1
            data.ImagePositionPatient = _texts(plane.positions[z])
            data.ImageOrientationPatient, data.PixelSpacing = _texts(plane.orientation), _texts(plane.spacing)
            data.SliceLocation = _text(float(np.dot(images.grid.axes[:, 2] * LPS, plane.positions[z])))
            pixels = plane.stored(np.rint(values * (FULL / brightest)).astype(np.uint16))
            _pixels(data, pixels, 16)
            data.PixelRepresentation, data.BitsStored, data.HighBit = 0, 12, 11
            data.PixelData = pixels.tobytes()
            data.RescaleSlope, data.RescaleIntercept, data.RescaleType = _text(brightest / FULL), "0", "US"
            data.WindowCenter, data.WindowWidth = _text(brightest / 2), _text(brightest)
            data.VOILUTFunction = "LINEAR_EXACT"
            made.append(_saved(data, folder / f"IM{count + 1:05}.dcm"))
    return made


def _series_facts(data: Any, images: Images, number: int, field: float | None) -> None:
    """Write what is known of one image of a series."""
    contrast, encoding = images.contrast, images.encoding
    family = str(encoding.get("family", ""))
    value = {key: float(column[number]) for key, column in contrast.items()}
    data.ImageType = ["ORIGINAL", "PRIMARY", "M", "NONE"]
    played = [code for part, code in PLAYED.items() if part in family] or ["SE"]
    inverted = ["IR"] if np.isfinite(value.get("ti", np.nan)) else []
    data.ScanningSequence = [*dict.fromkeys(played + inverted)]
    data.SequenceVariant, data.ScanOptions = "NONE", ""
    data.MRAcquisitionType = "3D" if encoding.get("kind") == "3d" else "2D"
    data.SequenceName = family[:16]
    data.SliceThickness = _text(1e3 * images.grid.thickness)
    data.SpacingBetweenSlices = _text(1e3 * images.grid.spacing[2])
    data.RepetitionTime = _text(1e3 * value["tr"]) if "tr" in value else ""
    data.EchoTime = _text(1e3 * value["te"]) if "te" in value else ""
    echoes = list(dict.fromkeys(contrast["te"].tolist())) if "te" in contrast else [0.0]
    data.EchoNumbers = echoes.index(value["te"]) + 1 if "te" in value else 1
    data.EchoTrainLength = str(max(1, len(np.atleast_1d(encoding.get("refocusing_flips", 1)))))
    if np.isfinite(value.get("ti", np.nan)):
        data.InversionTime = _text(1e3 * value["ti"])
    data.FlipAngle = _text(np.degrees(value["flip"])) if "flip" in value else ""
    data.NumberOfAverages = _text(float(encoding.get("averages", 1)))
    data.AcquisitionNumber = number + 1
    if "frequency" in encoding:
        data.ImagingFrequency, data.ImagedNucleus = _text(1e-6 * float(encoding["frequency"])), "1H"
    if field is not None:
        data.MagneticFieldStrength = _text(field)
    if "b" in value:
        data.DiffusionBValue = 1e-6 * value["b"]
        axis = np.array([value.get(f"direction_{along}", 0.0) for along in "xyz"])
        data.DiffusionDirectionality = "DIRECTIONAL" if np.any(axis) else "NONE"
        if np.any(axis):
            data.DiffusionGradientOrientation = list(map(float, images.grid.axes @ axis * LPS))


def _write_maps(folder: Path, maps: Maps, uids: _Identifiers) -> list[Path]:
    """Write every map as a parametric map of all slices, NaN where there is no value."""
    plane, made = plane_of(maps.grid), []
    for count, (parameter, values) in enumerate(maps.values.items()):
        factor, unit = scale(maps.units[parameter])
        shown = np.where(np.isin(maps.status, VALUED), factor * values, np.nan)
        data = _general(PARAMETRIC_MAP, uids, count)
        data.SeriesInstanceUID, data.SeriesNumber = uids(f"series {parameter}"), 100 + count
        data.SeriesDescription = f"{parameter}{f' / {unit}' if unit else ''}, {maps.model}"[:64]
        data.InstanceNumber = 1
        _map_header(data, parameter, maps.model)
        _frames(data, maps.grid, plane, uids, _meaning(parameter, unit, shown))
        pixels = np.stack([plane.stored(volume) for volume in shown]).astype("<f4")
        _pixels(data, pixels[0], 32)
        data.NumberOfFrames = str(len(pixels))
        data.FloatPixelData = pixels.tobytes()
        made.append(_saved(data, folder / f"map_{parameter}.dcm"))
    return made


def _map_header(data: Any, parameter: str, model: str) -> None:
    data.ImageType = ["DERIVED", "PRIMARY", "OTHER", "QUANTITY"]
    data.ContentLabel, data.ContentDescription = (
        parameter.upper().replace("-", "_")[:16],
        f"{parameter} by {model}"[:64],
    )
    data.ContentCreatorName, data.ContentQualification = "mrsim^", "RESEARCH"
    data.BurnedInAnnotation, data.RecognizableVisualFeatures = "NO", "NO"
    data.LossyImageCompression, data.PresentationLUTShape = "00", "IDENTITY"
    data.AcquisitionContextSequence = []
    now = datetime.now()
    data.ContentDate, data.ContentTime = f"{now:%Y%m%d}", f"{now:%H%M%S}"


def _meaning(parameter: str, unit: str, values: Array) -> Any:
    """Return what the numbers of a map mean: unit and quantity."""
    item, code, quantity = _dataset(), _dataset(), _dataset()
    code.CodeValue, code.CodeMeaning = UCUM.get(unit, (unit, unit))
    code.CodingSchemeDesignator, code.CodingSchemeVersion = "UCUM", "1.4"
    item.LUTExplanation, item.LUTLabel = f"{parameter}{f' / {unit}' if unit else ''}"[:64], parameter[:16]
    item.MeasurementUnitsCodeSequence = [code]
    known = values[np.isfinite(values)]
    item.DoubleFloatRealWorldValueFirstValueMapped = float(known.min()) if known.size else 0.0
    item.DoubleFloatRealWorldValueLastValueMapped = float(known.max()) if known.size else 0.0
    item.RealWorldValueSlope, item.RealWorldValueIntercept = 1.0, 0.0
    quantity.CodeValue, quantity.CodingSchemeDesignator = parameter[:16], "99MRSIM"
    quantity.CodeMeaning = parameter.replace("_", " ")[:64]
    entry, concept = _dataset(), _dataset()
    concept.CodeValue, concept.CodingSchemeDesignator, concept.CodeMeaning = "246205007", "SCT", "Quantity"
    entry.ValueType, entry.ConceptNameCodeSequence, entry.ConceptCodeSequence = "CODE", [concept], [quantity]
    item.QuantityDefinitionSequence = [entry]
    return item


def _frames(data: Any, grid: Grid, plane: Plane, uids: _Identifiers, meaning: Any) -> None:
    """Write where the frames of a map lie and what they hold."""
    organisation, index = _dataset(), _dataset()
    organisation.DimensionOrganizationUID = index.DimensionOrganizationUID = uids("dimensions")
    index.DimensionIndexPointer, index.FunctionalGroupPointer = 0x00200032, 0x00209113
    data.DimensionOrganizationSequence, data.DimensionIndexSequence = [organisation], [index]
    shared, sizes, direction, kind = _dataset(), _dataset(), _dataset(), _dataset()
    sizes.PixelSpacing, sizes.SliceThickness = _texts(plane.spacing), _text(1e3 * grid.thickness)
    sizes.SpacingBetweenSlices = _text(1e3 * grid.spacing[2])
    direction.ImageOrientationPatient = _texts(plane.orientation)
    kind.FrameType = ["DERIVED", "PRIMARY", "OTHER", "QUANTITY"]
    identity = _dataset()
    identity.RescaleIntercept, identity.RescaleSlope, identity.RescaleType = "0", "1", "US"
    shared.PixelValueTransformationSequence = [identity]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [sizes], [direction]
    shared.ParametricMapFrameTypeSequence, shared.RealWorldValueMappingSequence = [kind], [meaning]
    frames = []
    for z, position in enumerate(plane.positions):
        frame, content, place = _dataset(), _dataset(), _dataset()
        content.DimensionIndexValues, place.ImagePositionPatient = [z + 1], _texts(position)
        frame.FrameContentSequence, frame.PlanePositionSequence = [content], [place]
        frames.append(frame)
    data.SharedFunctionalGroupsSequence, data.PerFrameFunctionalGroupsSequence = [shared], frames


class _Identifiers:
    """Unique identifiers that follow from the data: 2.25 and a number of 128 bits, as the standard allows."""

    def __init__(self, name: str, *arrays: NDArray[Any]) -> None:
        held = hashlib.sha256(name.encode())
        for values in arrays:
            held.update(np.ascontiguousarray(values).tobytes())
        self.source, self.name = held.digest(), name

    def __call__(self, what: str) -> str:
        """Return the identifier of a thing."""
        digest = hashlib.sha256(self.source + what.encode()).digest()
        return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def _general(kind: str, uids: _Identifiers, count: int) -> Any:
    """Return a file with what all of a study's files say."""
    pydicom = _pydicom()
    data = _dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = kind
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = uids(f"{kind} {count}")
    data.SpecificCharacterSet = "ISO_IR 192"
    data.StudyInstanceUID = uids("study")
    data.FrameOfReferenceUID = uids("frame")
    data.Modality, data.StudyDescription, data.StudyID = "MR", f"{uids.name}, simulated"[:64], "1"
    data.PatientName, data.PatientID = "Simulated^Phantom", f"mrsim-{uids.name}"[:64]
    data.Manufacturer, data.ManufacturerModelName = "mrsim", "simulated"
    data.SoftwareVersions, data.DeviceSerialNumber = __version__, "0"
    for empty in ("PatientBirthDate", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName",
                  "PositionReferenceIndicator", "Laterality"):  # fmt: skip
        setattr(data, empty, "")
    data.PatientSex, data.PatientPosition, data.BodyPartExamined = "O", "HFS", ""
    return data


def _pixels(data: Any, picture: NDArray[Any], bits: int) -> None:
    data.Rows, data.Columns = picture.shape
    data.SamplesPerPixel, data.PhotometricInterpretation, data.BitsAllocated = 1, "MONOCHROME2", bits


def _saved(data: Any, path: Path) -> Path:
    data.save_as(path, enforce_file_format=True)
    return path


def _text(value: float) -> str:
    """Return a number as a decimal string of at most 16 characters."""
    return f"{value + 0.0:.10g}"[:16]


def _texts(values: tuple[float, ...]) -> list[str]:
    return [_text(value if abs(value) > 1e-12 else 0.0) for value in values]


def _dataset() -> Any:
    return _pydicom().dataset.Dataset()


def _pydicom() -> Any:
    try:
        return importlib.import_module("pydicom")
    except ImportError:
        raise InputError("DICOM files need the library pydicom: pip install pydicom", key="--to dicom") from None

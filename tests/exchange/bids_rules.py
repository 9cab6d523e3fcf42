"""Rules of the BIDS specification 1.9 for names and sidecars of quantitative MRI, to check data sets without a network.

Order of the entities: appendix "Entities"; suffixes with their required
entities and fields: appendix "Quantitative MRI".
"""

import json
import re

ORDER = (
    "sub", "ses", "sample", "task", "tracksys", "acq", "ce", "trc", "stain", "rec", "dir", "run", "mod", "echo", "flip",
    "inv", "mt", "part", "proc", "hemi", "space", "split", "recording", "chunk", "seg", "res", "den", "label", "desc",
)  # fmt: skip
INDEXED = {"echo", "flip", "inv", "run", "split", "chunk"}
LEVELS = {"mt": {"on", "off"}, "part": {"mag", "phase", "real", "imag"}}
SERIES = {
    "MESE": ("anat", {"echo"}, {"part"}, {"EchoTime"}),
    "MEGRE": ("anat", {"echo"}, {"part"}, {"EchoTime"}),
    "VFA": ("anat", {"flip"}, {"echo", "part"}, {"FlipAngle", "RepetitionTimeExcitation"}),
    "IRT1": ("anat", {"inv"}, {"part"}, {"InversionTime"}),
    "MP2RAGE": (
        "anat", {"inv"}, {"echo", "flip", "part"},
        {"FlipAngle", "InversionTime", "RepetitionTimeExcitation", "RepetitionTimePreparation", "NumberShots"},
    ),
    "MTR": ("anat", {"mt"}, {"part"}, {"MTState"}),
    "MTS": ("anat", {"flip", "mt"}, {"echo", "part"}, {"FlipAngle", "MTState", "RepetitionTimeExcitation"}),
    "TB1DAM": ("fmap", {"flip"}, {"inv", "mt", "part"}, {"FlipAngle"}),
    "TB1AFI": ("fmap", {"acq"}, {"inv", "mt", "part"}, {"RepetitionTimeExcitation"}),
}  # fmt: skip
"""Suffix -> folder, required and allowed entities besides sub and ses, required fields."""
MAPS = {
    "T1map": "s", "T2map": "s", "T2starmap": "s", "R1map": "1/s", "R2map": "1/s", "R2starmap": "1/s", "PDmap": None,
    "M0map": None, "MTRmap": None, "MTsat": None, "MWFmap": None, "TB1map": None, "RB1map": None, "Chimap": "ppm",
}  # fmt: skip
"""Suffix of a map -> its unit; None for any."""


def violations(root):
    """Return what a data set breaks, one line each."""
    found = [*_description(root)]
    for path in sorted(root.rglob("*.nii.gz")):
        found += [f"{path.relative_to(root)}: {text}" for text in _file(path, "derivatives" in path.parts)]
    return found


def _description(root):
    for folder in (root, *root.glob("derivatives/*")):
        file = folder / "dataset_description.json"
        if not file.exists():
            yield f"{folder.name}: no dataset_description.json"
            continue
        held = json.loads(file.read_text())
        missing = {"Name", "BIDSVersion"} - held.keys()
        derived = folder != root
        if derived and not held.get("GeneratedBy"):
            missing |= {"GeneratedBy"}
        if missing or held.get("DatasetType") != ("derivative" if derived else "raw"):
            yield f"{file.relative_to(root)}: lacks {missing or 'its type'}"


def _file(path, derived):
    stem = path.name.removesuffix(".nii.gz")
    *pairs, suffix = stem.split("_")
    if not all(re.fullmatch(r"[a-z]+-[A-Za-z0-9]+", pair) for pair in pairs):
        yield "entities are not key-label"
        return
    keys = [pair.split("-")[0] for pair in pairs]
    labels = dict(pair.split("-") for pair in pairs)
    if [k for k in ORDER if k in keys] != keys:
        yield f"entities {keys} are unknown, repeated or out of order"
    for key, label in labels.items():
        if key in INDEXED and not re.fullmatch(r"\d+", label):
            yield f"{key}-{label} is no index"
        if key in LEVELS and label not in LEVELS[key]:
            yield f"{key}-{label} is not one of {LEVELS[key]}"
    if labels.get("sub") != path.parents[1].name.removeprefix("sub-"):
        yield "its folder is another subject's"
    side = path.with_name(f"{stem}.json")
    if not side.exists():
        yield "no sidecar"
        return
    yield from _content(
        suffix, path.parent.name, set(keys) - {"sub", "ses"}, labels, json.loads(side.read_text()), derived
    )


def _content(suffix, folder, keys, labels, held, derived):
    if not derived:
        if suffix not in SERIES:
            yield f"'{suffix}' is no suffix of raw data"
            return
        place, required, allowed, fields = SERIES[suffix]
        if folder != place or not required <= keys <= required | allowed | {"acq", "run", "rec"}:
            yield f"{suffix} in {folder} with {keys}"
        if fields - held.keys():
            yield f"lacks {fields - held.keys()}"
        if labels.get("part") == "phase" and held.get("Units") not in ("rad", "arbitrary"):
            yield "phase without unit"
        return
    if "Sources" in held and (held.get("SkullStripped") is None or not held.get("Units")):
        yield "a derived map lacks SkullStripped or Units"
    if "desc" not in keys and suffix not in MAPS:
        yield f"'{suffix}' is no suffix of a map, and there is no desc"
    if MAPS.get(suffix) and held.get("Units") != MAPS[suffix]:
        yield f"{suffix} in {held.get('Units')}"

"""What a notebook gives a verb that is none of its nouns: one error that names the parameter and how to get it."""

import numpy as np
import pytest

import mrsim as mr
from mrsim.core.errors import InputError
from mrsim.core.grid import Grid
from mrsim.core.images import Images


@pytest.fixture(scope="module")
def known():
    scanner, protocol = mr.Scanner.preset("3T"), mr.load_protocol("disc-se", {"matrix": "8 8"})
    te = np.array([0.02, 0.04, 0.08])
    images = Images(
        data=np.exp(-te / 0.05).reshape(3, 1, 1, 1) * np.ones((1, 1, 2, 2), complex),
        grid=Grid(shape=(1, 2, 2), spacing=(1e-3,) * 3), contrast={"te": te}, sigma=np.full((1, 1, 1, 1), 0.01),
    )  # fmt: skip
    sequence = mr.build(protocol, scanner)
    return {
        "scanner": scanner, "protocol": protocol, "sequence": sequence, "timeline": mr.discretize(sequence),
        "phantom": mr.load_phantom("ellipse"), "images": images, "maps": mr.fit(images, "t2-mono"),
    }  # fmt: skip


WRONG = [
    ("protocol", "is a str; expected Protocol: mr.load_protocol", lambda k: mr.build("disc-se", k["scanner"])),
    ("scanner", "expected Scanner: mr.Scanner.preset", lambda k: mr.build(k["protocol"], "3T")),
    ("sequence", "expected Sequence: mr.build", lambda k: mr.discretize(k["protocol"])),
    ("protocol", "is a int; expected str or Path", lambda k: mr.load_protocol(3)),
    ("--set te", "is a float; expected str", lambda k: mr.load_protocol("disc-se", {"te": 0.02})),
    ("overrides", "is a list", lambda k: mr.load_protocol("disc-se", ["te"])),
    ("field", "is a str", lambda k: mr.load_phantom("ellipse", field="3T")),
    ("timeline", "is a Sequence; expected Timeline", lambda k: mr.simulate(k["sequence"], k["phantom"])),
    ("phantom", "expected Phantom: mr.load_phantom", lambda k: mr.simulate(k["timeline"], "ellipse")),
    ("engine", "expected Bloch or Pathways or None", lambda k: mr.simulate(k["timeline"], k["phantom"], "bloch")),
    ("coils", "is a int", lambda k: mr.simulate(k["timeline"], k["phantom"], coils=3)),
    ("threads", "is '2'", lambda k: mr.simulate(k["timeline"], k["phantom"], threads="2")),
    ("raw", "is a Images; expected Acquisition", lambda k: mr.add_noise(k["images"], rng=1)),
    ("raw", "is a Images; expected Acquisition", lambda k: mr.reconstruct(k["images"])),
    ("images", "is a ndarray; expected Images or Waves or Spectra", lambda k: mr.fit(k["images"].data, "t2-mono")),
    ("threads", "is 0", lambda k: mr.fit(k["images"], "t2-mono", threads=0)),
    ("mask", "other than 0 and 1", lambda k: mr.fit(k["images"], "t2-mono", mask=np.full((1, 2, 2), np.nan))),
    ("truth", "is a Images; expected Maps", lambda k: mr.evaluate(k["maps"], k["images"])),
    ("rois", "is a list; expected Mapping", lambda k: mr.evaluate(k["maps"], k["maps"], rois=[1])),
    ("truth", "is a int; expected Maps", lambda k: mr.plot(k["maps"], truth=3)),
    ("parameter", "leave them out, or give truth", lambda k: mr.plot(k["maps"], parameter="t2")),
    ("path", "is a NoneType; expected str or PathLike", lambda k: mr.save(None, images=k["images"])),
    ("path", "is a int", lambda k: mr.load(3)),
    ("study", "is a str; expected Study", lambda k: mr.run_study("vx1", "out")),
    ("mode", "is 'quick'; it is one of full, fast", lambda k: mr.load_study("vx1", "quick")),
    ("protocol", "is a SpinEcho", lambda k: mr.RunRequest(protocol=k["protocol"])),
    ("field", "is a str", lambda k: mr.RunRequest(protocol="disc-se", field="3")),
    ("overrides", "is a int", lambda k: mr.RunRequest(protocol="disc-se", overrides=3)),
]


@pytest.mark.parametrize(("key", "said", "call"), WRONG, ids=[f"{key}-{n}" for n, (key, _, _) in enumerate(WRONG)])
def test_wrong_kind_is_one_error_that_names_the_parameter(known, key, said, call):
    with pytest.raises(InputError) as found:
        call(known)
    assert str(found.value).startswith(key)
    assert said in str(found.value)


def test_one_image_of_a_series_may_be_selected_by_its_number(known):
    with pytest.raises(InputError, match="t2-mono"):  # one is too few for a decay, which is what is said
        mr.fit(known["images"], "t2-mono", select=1)

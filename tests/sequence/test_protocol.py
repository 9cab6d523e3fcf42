"""Protocol files and overrides from the command line."""

from __future__ import annotations

import re

import pytest

from mrsim.core.errors import InputError
from mrsim.core.toml import available
from mrsim.sequence.families.multi_echo_spin_echo import MultiEchoSpinEcho
from mrsim.sequence.protocol import load_protocol, read_protocol_file


@pytest.mark.parametrize("name", sorted(available("protocols")))
def test_shipped_protocol_loads_with_description_and_run(name):
    description, protocol, run = read_protocol_file(available("protocols")[name])
    assert len(description) > 20
    assert protocol.name
    assert "scanner" in run
    # What a fit runs on must be named too.
    assert "fit" not in run or "phantom" in run


def test_overrides_reach_every_kind_of_field():
    changes = {
        "echo_spacing": "14 ms",
        "matrix": "64 48",
        "fov": "128 96 mm",
        "echoes": "6",
        "pulse": "slr",
        "refocusing_width": "1.2",
        "tr": "minimum",
        "flip": "80deg",
    }
    protocol = load_protocol("disc-t2-mese", changes)
    assert isinstance(protocol, MultiEchoSpinEcho)
    assert (protocol.echo_spacing, protocol.matrix, protocol.echoes) == (0.014, (64, 48), 6)
    assert (protocol.pulse, protocol.refocusing_width, protocol.tr) == ("slr", 1.2, "minimum")
    assert protocol.fov == pytest.approx((0.128, 0.096))
    assert protocol.slice_thickness == pytest.approx(4e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ecoes": "3"}, "--set ecoes: unknown key of family multi-echo-spin-echo; did you mean 'echoes'?"),
        ({"tr": "1500"}, "--set tr: '1500' has no unit; write for example '1500 ms'"),
        ({"tr": "3 mm"}, "--set tr: '3 mm' is a length; expected a time"),
        ({"tr": "nan s"}, "--set tr: 'nan s' is not finite"),
        ({"fov": "160 mm"}, "--set fov: has 1 values; expected 2"),
        ({"pulse": "gauss"}, "--set pulse: Input should be 'sinc', 'slr' or 'hard'"),
        ({"echoes": "0"}, "--set echoes: is 0; it must lie between 1 and 4096"),
        ({"echoes": "x"}, "--set echoes: needs a whole number"),
    ],
)
def test_bad_override_names_the_key_and_the_remedy(change, message):
    with pytest.raises(InputError, match=re.escape(message)):
        load_protocol("disc-t2-mese", change)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('tr = "1500 ms"', "tr = 1500", "sequence.tr: '1500' has no unit"),
        ("echoes = 8", "ecoes = 8", "sequence.ecoes: unknown key; did you mean 'echoes'?"),
        ("echoes = 8", "echoes = -8", "sequence.echoes: is -8; it must lie between 1 and 4096"),
        ('family = "multi-echo-spin-echo"', 'family = "multi-echo-spin"', "family: unknown family 'multi-echo-spin'"),
        ("[run]", "[runs]", "runs: unknown key; did you mean 'run'?"),
        ("[sequence]", "[sequence", "is not valid TOML"),
    ],
)
def test_bad_file_names_line_key_and_remedy(tmp_path, old, new, message):
    text = available("protocols")["disc-t2-mese"].read_text()
    assert old in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new))
    line = text[: text.index(old)].count("\n") + 1
    with pytest.raises(InputError) as caught:
        load_protocol(str(path))
    assert f"mine.toml:{line}: " in str(caught.value)
    assert message in str(caught.value)


def test_overriding_mends_nothing_in_the_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('description = "x"\nfamily = "spin-echo"\n[sequence]\nte = "20"\n')
    with pytest.raises(InputError, match=re.escape("mine.toml:4: sequence.te")):
        load_protocol(str(path), {"tr": "1 s"})
    with pytest.raises(InputError, match="unknown protocol 'disk-t2-mese'; did you mean 'disc-t2-mese'"):
        load_protocol("disk-t2-mese")


@pytest.mark.parametrize(
    ("name", "key", "value", "said"),
    [
        ("disc-t2-mese", "averages", "true", r"needs a number \(got true\)"),
        ("disc-t2-mese", "time_bandwidth", "true", r"needs a number \(got true\)"),
        ("sag-dwi", "volumes", "1e9", "nothing in a scan is played more than 1000000 times"),
        (
            "sag-dwi",
            "navigator_lines",
            "123456789012345678901234567890",
            "nothing in a scan is played more than 1000000 times",
        ),
        ("sag-mre-gre-80hz", "cycles", "1e9", "it must lie between 1 and 10000"),
        ("sag-mre-gre-80hz", "offsets", "1e9", "it must lie between 1 and 1000"),
    ],
)
def test_counts_are_numbers_that_a_scan_can_have(name, key, value, said):
    with pytest.raises(InputError, match=f"--set {key}: .*{said}"):
        load_protocol(name, {key: value})


def test_a_switch_is_no_number_in_a_file_either(tmp_path):
    text = available("protocols")["disc-t2-mese"].read_text()
    broken = tmp_path / "broken.toml"
    broken.write_text(text.replace("dummies = 2", "dummies = true"))
    with pytest.raises(InputError, match=r"broken.toml:\d+: sequence.dummies: needs a number \(got true\)"):
        load_protocol(str(broken))

"""What is read from TOML is what TOML promises and somebody writes; all else is refused by its reason, and soon."""

import time

import pytest

from mrsim.core.errors import InputError
from mrsim.core.toml import parsed, read_toml
from mrsim.core.units import parse_quantity


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"x = {'[' * 100_000}{']' * 100_000}", "nested too deeply"),
        (f"x = {'{a=' * 20_000}1{'}' * 20_000}", "nested too deeply"),
        (f"x = {'3' * 5000}", "beyond 64 bits"),
        (f"x = {'3' * 4000}", "beyond 64 bits"),
        (f"a = 1\nx = {{ y = [1, 0x{'f' * 9000}] }}", "beyond 64 bits"),
        (f"x = {1 << 63}", "beyond 64 bits"),
        (f"a = 1\n{'.'.join(['a'] * 50_000)} = 1", "more than 100 parts.*line 2"),
        (f"[{' . '.join(['a-1'] * 50_000)}]", "more than 100 parts"),
        ("x = { " + ".".join(['"a b"'] * 50_000) + " = 1 }", "more than 100 parts"),
    ],
    ids=lambda value: value[:20],
)
def test_toml_beyond_what_anybody_writes_is_refused_soon(tmp_path, text, said):
    file = tmp_path / "own.toml"
    file.write_text(text)
    start = time.process_time()
    with pytest.raises(InputError, match=f"own.toml.*is not valid TOML.*{said}"):
        read_toml(file)
    assert time.process_time() - start < 3


def test_toml_at_the_limits_is_read():
    assert parsed(f"x = [{(1 << 63) - 1}, -{(1 << 63) - 1}]")["x"][0] == (1 << 63) - 1
    table = parsed(f"{'.'.join(['a'] * 100)} = 1")
    for _ in range(100):
        table = table["a"] if isinstance(table, dict) else table
    assert table == 1


def test_long_texts_take_no_longer_than_they_must():
    """The search for long keys looks at every letter a few times."""
    start = time.process_time()
    for filling in ("a" * 5_000_000, "a." * 90 + " " * 5_000_000, "a b " * 1_000_000):
        parsed(f'x = "{filling}"')
    assert time.process_time() - start < 5


def test_byte_order_mark_of_an_editor_is_no_error(tmp_path):
    file = tmp_path / "own.toml"
    file.write_bytes(b"\xef\xbb\xbfa = 1\r\n")
    assert read_toml(file) == {"a": 1}


@pytest.mark.parametrize("text", ["1e308 mm", "1 1e-320 m", "-2e61 m"])
def test_a_quantity_that_cannot_be_is_refused(text):
    """Its square would be no number."""
    with pytest.raises(ValueError, match="is no length that can be"):
        parse_quantity(text, "length")
    assert parse_quantity("0 1e-3 mm", "length") == (0.0, 1e-6)

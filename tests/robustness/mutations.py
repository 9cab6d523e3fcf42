"""Damage for files and texts: what broken disks, wrong programs and hurried fingers make of good input."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

Random = np.random.Generator

NUMBERS = (
    "0", "-1", "1", "2", "-0.0", "1e308", "-1e308", "1e-320", "nan", "inf", "-inf", "1e400", "0x10", "1_000",
    "99999999999", "9" * 40, "1e9", "-5", "0.5", "3.14159", "1,2", "1e-9", "2147483648", "--3", "+", "1.2.3",
)  # fmt: skip
WORDS = (
    "", " ", "true", "[]", "{}", "[[]]", '""', "'", '"', "\\", "#", "=", "ms", "furlong", "T", "mT/m", "µs", "%",
    "\u202e", "\x00", "é", "../x", "nowhere/a.toml", "NaN", "null", "[1, 2]", "[a]", "[[a]]", "a.b = 1",
    "1979-05-27", "{x = 1}",
)  # fmt: skip
NUMBER = re.compile(rb"[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?")
WORD = re.compile(rb"[A-Za-z_][A-Za-z_0-9]*")


def damaged(whole: bytes, rng: Random, text: bool) -> bytes:
    """Return `whole` with one to four changes; of a text, mostly such as leave it a text."""
    kinds: Sequence[Callable[[bytes, Random], bytes]] = (*TEXT * 3, *BINARY) if text else BINARY
    for _ in range(int(rng.choice((1, 1, 1, 2, 3, 4)))):
        whole = kinds[int(rng.integers(len(kinds)))](whole, rng)
    return whole


def _place(whole: bytes, rng: Random) -> int:
    return int(rng.integers(len(whole) + 1))


def _span(whole: bytes, rng: Random) -> tuple[int, int]:
    start = _place(whole, rng)
    return start, min(len(whole), start + int(rng.choice((1, 4, 16, 64, 1024))))


def _flip(whole: bytes, rng: Random) -> bytes:
    if not whole:
        return b"\xff"
    changed = bytearray(whole)
    changed[int(rng.integers(len(whole)))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _overwrite(whole: bytes, rng: Random) -> bytes:
    start, end = _span(whole, rng)
    return whole[:start] + rng.bytes(end - start) + whole[end:]


def _extreme(whole: bytes, rng: Random) -> bytes:
    """Write an extreme number in binary."""
    kind = str(rng.choice(("<f4", "<f8", "<i2", "<i4", "<i8")))
    value = float(rng.choice((0, -1, 1, 1e30, -1e30, np.nan, np.inf, 2**31 - 1)))
    with np.errstate(all="ignore"):
        number = np.nan_to_num(value) if kind[1] == "i" else value
        one = np.array(np.clip(number, -(2.0**14), 2.0**14) if kind[1] == "i" else number).astype(kind).tobytes()
    start = _place(whole, rng)
    return whole[:start] + one + whole[start + len(one) :]


def _cut(whole: bytes, rng: Random) -> bytes:
    return whole[: _place(whole, rng)]


def _delete(whole: bytes, rng: Random) -> bytes:
    start, end = _span(whole, rng)
    return whole[:start] + whole[end:]


def _double(whole: bytes, rng: Random) -> bytes:
    start, end = _span(whole, rng)
    return whole[:end] + whole[start:end] * int(rng.choice((1, 2, 50))) + whole[end:]


def _insert(whole: bytes, rng: Random) -> bytes:
    start = _place(whole, rng)
    return whole[:start] + rng.bytes(int(rng.choice((1, 2, 8)))) + whole[start:]


def _replaced(pattern: re.Pattern[bytes], choices: Sequence[str]) -> Callable[[bytes, Random], bytes]:
    def change(whole: bytes, rng: Random) -> bytes:
        found = list(pattern.finditer(whole))
        if not found:
            return whole
        one = found[int(rng.integers(len(found)))]
        return whole[: one.start()] + choices[int(rng.integers(len(choices)))].encode() + whole[one.end() :]

    return change


def _swapped(pattern: re.Pattern[bytes]) -> Callable[[bytes, Random], bytes]:
    def change(whole: bytes, rng: Random) -> bytes:
        found = list(pattern.finditer(whole))
        if len(found) < 2:
            return whole
        first, second = (found[i] for i in sorted(rng.choice(len(found), 2, replace=False)))
        between = whole[first.end() : second.start()]
        return whole[: first.start()] + second[0] + between + first[0] + whole[second.end() :]

    return change


def _lines(whole: bytes, rng: Random) -> bytes:
    """Leave out, double or move a line."""
    lines = whole.split(b"\n")
    taken = lines.pop(int(rng.integers(len(lines))))
    for _ in range(int(rng.integers(3))):
        lines.insert(int(rng.integers(len(lines) + 1)), taken)
    return b"\n".join(lines)


def _scaled(whole: bytes, rng: Random) -> bytes:
    """Make a number larger or smaller by powers of ten, or whole."""
    found = list(NUMBER.finditer(whole))
    if not found:
        return whole
    one = found[int(rng.integers(len(found)))]
    value = float(one[0]) * float(rng.choice((-1, 1e-6, 1e-3, 0.1, 3, 10, 1e3, 1e6)))
    return whole[: one.start()] + f"{value:.6g}".encode() + whole[one.end() :]


BINARY = (_flip, _overwrite, _extreme, _cut, _delete, _double, _insert)
TEXT = (
    _replaced(NUMBER, NUMBERS), _replaced(WORD, WORDS), _swapped(NUMBER), _swapped(WORD), _lines, _scaled, _scaled,
)  # fmt: skip

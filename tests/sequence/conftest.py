"""What the sequence tests share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mrsim.sequence.scanner import Scanner

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def scanner() -> Scanner:
    """The 3 T preset."""
    return Scanner.preset("3T")

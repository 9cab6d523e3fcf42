"""Preparation modules: one file each, listed here; any family plays them before its excitations."""

from __future__ import annotations

from .preparation import Preparation

PREPARATIONS: tuple[type[Preparation], ...] = ()
"""Every module that a protocol file can name."""

"""Compiled kernels. Importing any of them first lets numba use the processor's widest vectors."""

from ...core.vectors import widen

widen()

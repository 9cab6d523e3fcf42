"""Compiled arithmetic of plans."""

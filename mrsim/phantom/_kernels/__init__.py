"""Compiled arithmetic of the phantom."""

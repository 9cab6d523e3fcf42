"""Kernels that serve studies."""

"""Sequences: the scanner and its limits, pulses, gradients, families, checks, and the timeline for simulators."""

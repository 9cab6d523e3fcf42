"""Waves in viscoelastic bodies: time-harmonic motion by finite elements."""

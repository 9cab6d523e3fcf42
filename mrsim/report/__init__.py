"""Figures, tables and the HTML report: the only floor that plots."""

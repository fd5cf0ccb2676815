"""Judges: samples and series in, an analysis out. Pure: no I/O, no clock, no randomness without a given seed."""

"""Measure the server side of a run: the series of indicators, and the hops that explain a difference."""

"""pytest's door: options, fixtures, markers and hooks of a few lines."""

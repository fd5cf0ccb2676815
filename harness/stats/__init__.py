"""Arrays in, numbers out; the only door to scipy."""

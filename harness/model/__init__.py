"""Frozen values that the other rooms pass to each other: no behaviour beyond their own invariants, no I/O."""

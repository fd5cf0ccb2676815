"""Sums do not depend on the version of Python."""

from harness.model.sums import plain_sum


def test_numbers_are_added_from_left_to_right() -> None:
    """Each step is rounded: sum() of Python 3.12 and later would return 2.0."""
    assert 0.0 == plain_sum([1.0, 1e100, 1.0, -1e100])
    assert 0.0 == plain_sum([])

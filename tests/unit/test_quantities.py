"""Quantities of Kubernetes are read exactly, and nothing else is taken for one."""

from __future__ import annotations

from fractions import Fraction

import pytest

from harness.errors import UsageError
from harness.model.quantities import parse_quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("50m", Fraction(1, 20)), ("0.05", Fraction(1, 20)), (".5", Fraction(1, 2)), ("2", Fraction(2)),
        ("64Mi", Fraction(67_108_864)), ("67108864", Fraction(67_108_864)), ("65536Ki", Fraction(67_108_864)),
        ("1.5Gi", Fraction(1_610_612_736)), ("1k", Fraction(1000)), ("1e3", Fraction(1000)), ("2E", Fraction(2 * 10**18)),
    ],
)  # fmt: skip
def test_a_quantity_is_read_exactly(text: str, value: Fraction) -> None:
    """The same amount is equal however it is written."""
    assert value == parse_quantity(text, "limit")


@pytest.mark.parametrize("text", ["", "m", "50 m", "50mi", "64MB", "-1", "1e", "1e999", "nan", "0x1", "٣"])
def test_anything_else_is_refused(text: str) -> None:
    """With what was expected."""
    with pytest.raises(UsageError, match="limit: expected a quantity such as 50m"):
        parse_quantity(text, "limit")

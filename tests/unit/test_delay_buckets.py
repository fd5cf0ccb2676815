"""Delays share the requests out among themselves by the last digits of the request's id."""

from __future__ import annotations

import re

import pytest

from harness.routing.istio.delay_buckets import BUCKETS, buckets
from harness.routing.port import DelayShare

IDS = [f"6c6fbd0c-1b2f-4d2a-9a3c-9d0f3a1b2c{number:02x}" for number in range(BUCKETS)]


@pytest.mark.parametrize(
    "shares", [(1.0,), (0.5, 0.5), (0.3, 0.05), (0.2, 0.01, 0.0001), (0.9, 0.05, 0.05), (1 / 16,) * 16], ids=str
)
def test_each_delay_gets_its_share_of_the_requests(shares: tuple[float, ...]) -> None:
    """No request has two delays, and no share is wrong by more than rounding to 1/256 costs."""
    found = list(buckets([DelayShare(delay_s=index + 1.0, share=share) for index, share in enumerate(shares)]))
    assert [index + 1.0 for index in range(len(shares))] == [one.delay_s for one in found]
    matches = [[one for one in found if re.fullmatch(one.regex, text)] for text in IDS]
    assert all(len(mine) <= 1 for mine in matches)
    for wanted, one in zip(shares, found, strict=True):
        assert 0 < one.share <= 1
        got = one.share * sum(mine == [one] for mine in matches) / BUCKETS
        assert wanted == pytest.approx(got, abs=len(shares) / BUCKETS if sum(shares) > 0.99 else 1e-9)

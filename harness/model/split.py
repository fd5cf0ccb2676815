"""The ways to divide requests between the arms."""

from __future__ import annotations

from enum import StrEnum

CHOICE_HEADER = "x-harness-choose"
"""The request header by which the load generator chooses the arm, if requests are split by header."""


class SplitBy(StrEnum):
    """A way to divide requests.

    weight: the proxy draws. header: the load generator chooses; the requests of others keep their route.
    mirror: the baseline answers, and the canary gets copies whose answers are discarded.
    """

    WEIGHT = "weight"
    HEADER = "header"
    MIRROR = "mirror"

"""How requests are shared out between the arms."""

from __future__ import annotations

from enum import StrEnum

CHOICE_HEADER = "x-harness-choose"
"""The request header by which load chooses its arm, where it is split by header."""


class SplitBy(StrEnum):
    """weight: the proxy draws. header: the load chooses; others' requests go where they went.

    mirror: the baseline answers, the canary gets copies whose answers nobody sees.
    """

    WEIGHT = "weight"
    HEADER = "header"
    MIRROR = "mirror"

"""The objection that a safeguard returns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """A reason why a run cannot pass.

    text: what was seen, what was expected and what would settle it. no_reference: the baseline cannot be compared
    with, so even a failed comparison says nothing. decides: whether a pass is forbidden; otherwise it is only told.
    """

    text: str
    no_reference: bool = False
    decides: bool = True

"""The results of a search as sentences."""

from __future__ import annotations

from harness.explore.exploration import Exploration
from harness.model.samples import ARMS


def summary(found: Exploration) -> str:
    """Return what was found in one sentence, such as ``canary breaks at 380 ms (baseline: withstands 5 s)``."""
    if found.unproven:
        return f"nothing is proven: {found.unproven}"
    said = "; ".join(f"{arm} {of_arm(found, arm)}" for arm in reversed(ARMS))
    return f"{said} (the search ended early: {found.ended})" if found.ended else said


def of_arm(found: Exploration, arm: str) -> str:
    """Return what is known of one arm, and why it is not more if probes were not believed."""
    said = found.point(arm).said(found.searched.show)
    doubts = found.doubts(arm)
    if not doubts:
        return said
    probes = "1 probe is" if len(doubts) == 1 else f"{len(doubts)} probes are"
    return f"{said}, and not closer because {probes} not believed: {doubts[-1]}"

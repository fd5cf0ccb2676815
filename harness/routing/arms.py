"""Check the two arms of a split, whatever the routing API."""

from __future__ import annotations

from harness.errors import UsageError
from harness.model.split import SplitBy
from harness.routing.port import Split


def require_different_arms(split: Split) -> None:
    """Raise UsageError unless the arms have labels, and different ones."""
    baseline, canary = split.baseline, split.canary
    if baseline == canary or not baseline or not canary:
        raise UsageError(
            f"split of {split.host}: expected different labels for the arms, found {dict(baseline)!r} for the baseline "
            f"and {dict(canary)!r} for the canary"
        )


def weights_of(canary_share: float, by: SplitBy) -> tuple[float, float]:
    """Return the weights of baseline and canary, exact for shares with up to six digits; for copies, the percentage."""
    if by is SplitBy.MIRROR:
        percent = round(canary_share * 100, 4)
        if not 0.0001 <= percent <= 100:
            raise UsageError(f"split by mirror: expected a share above 0 and at most 1, found {canary_share!r}")
        return 0, int(percent) if percent == int(percent) else percent
    if not 0 < canary_share < 1:
        raise UsageError(f"split: expected a canary share between 0 and 1, found {canary_share!r}")
    for scale in (100, 1_000, 10_000, 100_000):
        canary = round(canary_share * scale)
        if abs(canary / scale - canary_share) < 1e-9 and 0 < canary < scale:
            return scale - canary, canary
    canary = min(max(round(canary_share * 1_000_000), 1), 999_999)
    return 1_000_000 - canary, canary

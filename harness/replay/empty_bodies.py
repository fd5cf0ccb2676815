"""Say which stand-ins answer without the bodies of the real service, and with what instead."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from harness.model.formatting import number
from harness.replay.answers import Recorded
from harness.replay.sampling import quantile


def empty_bodies(played: Collection[Recorded], *, known: Collection[str], from_cluster: bool) -> Iterator[str]:
    """Yield a sentence for each stand-in whose bodies nobody knows. known: services with recorded or written bodies."""
    for recorded in played:
        if recorded.service in known:
            continue
        why = "the proxies of its mesh record none" if from_cluster else "record-bytes in harness.yaml asks for them"
        yield (
            f"{recorded.service}: no bodies were recorded ({why}): its stand-in answers with empty JSON "
            f"(application/json) {_sizes(recorded)}"
        )


def _sizes(recorded: Recorded) -> str:
    sizes = next((one.size_bytes for one in recorded.overall if not (one.phase or one.arm)), ())
    if not sizes:
        return "of 2 bytes, because no sizes were recorded either"
    return f"of the recorded sizes, {number(quantile(sizes, 0.5))} bytes in the median"

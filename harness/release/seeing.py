"""Count a service's requests by build, from what its proxies counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from harness.model.counts import RequestCount
from harness.model.release import ARM_VERSIONS
from harness.release.ports import Seen


def seen_in(counts: Iterable[RequestCount], service: str) -> Seen:
    """Return the requests that callers sent to a service, and those that failed: with a 5xx or without an answer."""
    builds = {version: arm for arm, version in ARM_VERSIONS.items()}
    requests, failed = Counter[str](), Counter[str]()
    for count in counts:
        if count.reporter == "source" and count.destination_service.partition(".")[0] == service:
            build = builds.get(count.destination_version, "stable")
            requests[build] += count.total
            failed[build] += count.total if count.response_code == "0" or count.response_code.startswith("5") else 0
    return Seen(requests=dict(requests), failed=dict(failed))

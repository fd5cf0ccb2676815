"""Count in sidecars how often data had to wait because of a bandwidth limit."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

from harness.model.counts import RequestCount, count_of_caller
from harness.model.step import Edit, Step
from harness.routing.istio.outbound import ENFORCED, LIMITED, is_bandwidth_limit

PATH = f"/stats?filter={quote(rf'^{re.escape(LIMITED)}.*_enforced$')}"
_COUNTER = re.compile(
    rf"^{re.escape(LIMITED)}(?P<host>\S+){re.escape(ENFORCED)}\w+_enforced: (?P<total>[0-9]{{1,20}})$", re.MULTILINE
)


def counts_limits(steps: Iterable[Step]) -> bool:
    """Return whether one of the steps limits bandwidth, so that sidecars have these counters."""
    return any(isinstance(step, Edit) and step.create and is_bandwidth_limit(step.create) for step in steps)


def limited_rows(text: str, counted: Iterable[Mapping[str, str]]) -> Iterator[RequestCount]:
    """Yield a row for each host whose calls are limited by a sidecar.

    text: what it shows at ``PATH``. counted: the labels of what it counted as a caller, which tell whose sidecar it is.
    """
    own = next((one for one in counted if one.get("reporter") == "source"), None)
    if own is None:  # it has made no call, so there is nothing that could have waited
        return
    totals: Counter[str] = Counter()
    for found in _COUNTER.finditer(text):
        totals[found["host"]] += int(found["total"])
    workload, version = own.get("source_workload", ""), own.get("source_version", "")
    for host, total in totals.items():
        yield count_of_caller("limited", workload, version, host=host, total=total)

"""Count requests with Envoy's own counters, for proxies without Istio's metrics (telemetry switched off).

Envoy counts answers by cluster, whose name contains destination and subset. It counts injected faults by outbound
listener, which does not tell the destination. They are attributed to the host that was under such a fault at that time.
With several such hosts at once the destination is unknown, so the counts are left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from harness.model.counts import RequestCount
from harness.model.step import Step
from harness.routing.hosts import full_name
from harness.routing.port import Destination

COUNTERS = (
    r"^(cluster\.outbound\|.*\.upstream_rq_(completed|tx_reset|cancelled|timeout|per_try_timeout)"
    r"|http\.outbound.*\.(downstream_rq_rx_reset|fault\.(aborts_injected|delays_injected|active_faults)))$"
)
PATH = f"/stats?filter={quote(COUNTERS)}"
FLAGS = ("FI", "DI")
"""The response flags that Envoy's fault filter gives, which its own counters tell apart."""
_ABANDONED = "given up"
"""Calls that the caller gave up while they were delayed. Without delays there is nowhere else to give them up."""
_ANSWERS = re.compile(
    r"cluster\.outbound\|\d+\|(?P<subset>[^|]*)\|(?P<host>.+?);?\.upstream_rq_completed: (?P<total>[0-9]{1,20})\b"
)
_AGAIN = re.compile(r"\.(external|internal|canary|retry)$|\.zone\.")
"""Where Envoy counts answers a second time, by where they came from."""
_GIVEN_UP = re.compile(r"http\.outbound.*\.downstream_rq_rx_reset: (?P<total>[0-9]{1,20})\b")
"""Calls that the caller gave up, wherever they were then."""
_CUT_OFF = re.compile(r"cluster\.outbound\|.*\.upstream_rq_(?P<why>\w+): (?P<total>[0-9]{1,20})\b")
_PASSED_ON = {"tx_reset": 1, "cancelled": 1, "timeout": -1, "per_try_timeout": -1}
"""Calls given up on their way to the service: Envoy resets these, and also those whose time-out it keeps itself."""
_FAULTS = re.compile(r"http\.outbound.*\.fault\.(?P<name>\w+): (?P<total>[0-9]{1,20})\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The owner of a proxy: a name that no other proxy has, its workload and its version."""

    proxy: str
    workload: str
    version: str


class EnvoyCounters:
    """Remembers the hosts that injected faults were meant for, so that totals only grow."""

    def __init__(self) -> None:
        """Start without any counts."""
        self._seen: Counter[tuple[str, str]] = Counter()
        self._hit: Counter[tuple[str, str, str]] = Counter()
        self._under: dict[str, str] = {}

    def look(self, steps: Sequence[Step], namespace: str) -> None:
        """Tell which steps are live; faults counted until the next call are attributed to the hosts of these steps."""
        for flag in FLAGS:
            hosts = {host for host, kind in _faulted(steps, namespace) if kind == flag}
            if hosts:  # requests that end after the fault is gone were still hit by it
                self._under[flag] = hosts.pop() if len(hosts) == 1 else ""

    def rows(self, text: str, caller: Caller, versions: Mapping[tuple[str, str], str]) -> Iterator[RequestCount]:
        """Yield what the proxy of ``caller`` shows at ``PATH``. versions: the version label of each (host, subset).

        Envoy counts a delayed call among the answers of its cluster, with its version, and once more as delayed. A row
        with a negative total and no version corrects that. A call that its caller gives up before the delay ends never
        gets to a cluster, so it is counted as delayed only.
        """
        for match in _ANSWERS.finditer(text):
            host = match["host"]
            if _AGAIN.search(host):
                continue
            yield _row(caller, host, int(match["total"]), version=versions.get((host, match["subset"]), ""))
        injected: Counter[str] = Counter()
        for match in _FAULTS.finditer(text):
            injected[match["name"]] += int(match["total"])
        delayed = injected["delays_injected"] - injected["active_faults"]  # requests that still wait have no answer yet
        for flag, total in (("FI", injected["aborts_injected"]), ("DI", delayed)):
            self._attribute(caller.proxy, flag, total)
        self._attribute(caller.proxy, _ABANDONED, _abandoned(text))
        for (proxy, host, kind), hit in self._hit.items():
            if proxy == caller.proxy and kind in FLAGS:
                yield _row(caller, host, hit, flags=kind)
            if proxy == caller.proxy and kind == "DI":
                # A caller may also give up a call that it made before the fault, so no more than the delayed ones.
                yield _row(caller, host, min(max(0, self._hit[proxy, host, _ABANDONED]), hit) - hit)

    def _attribute(self, proxy: str, flag: str, total: int) -> None:
        """Attribute new faults to a host; the first total of a proxy counts faults from before our run."""
        first = (proxy, flag) not in self._seen
        new, self._seen[proxy, flag] = total - self._seen[proxy, flag], total
        if not first and new and (host := self._under.get("DI" if flag == _ABANDONED else flag)):
            self._hit[proxy, host, flag] += new


def _abandoned(text: str) -> int:
    """Return how many calls were given up by their callers before they were sent to any service."""
    given_up = sum(int(match["total"]) for match in _GIVEN_UP.finditer(text))
    cut_off = ((match["why"], int(match["total"])) for match in _CUT_OFF.finditer(text))
    return given_up - max(0, sum(_PASSED_ON.get(why, 0) * total for why, total in cut_off))


def versions_of(destinations: Iterable[Destination]) -> dict[tuple[str, str], str]:
    """Return the version label of each (full host name, subset)."""
    return {(one.name, one.subset): one.version for one in destinations}


def _faulted(steps: Sequence[Step], namespace: str) -> Iterator[tuple[str, str]]:
    """Yield the full host and the response flag of each fault that the callers' proxies carry out."""
    for step in steps:
        said = step.declared
        if said is not None and said.is_fault and said.flag and said.scope.side == "caller":
            yield full_name(said.host, namespace), said.flag


def _row(caller: Caller, host: str, total: int, *, version: str = "", flags: str = "-") -> RequestCount:
    return RequestCount(
        source_workload=caller.workload,
        source_version=caller.version,
        destination_service=host,
        destination_version=version,
        response_code="",
        response_flags=flags,
        total=total,
    )

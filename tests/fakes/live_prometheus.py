"""A Prometheus that has scraped the proxies of two versions while real users sent requests to them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from odd_prometheus import Asked, Said, result

NOW, SCRAPE_S = 1_700_000_000.0, 5
_LONG_AGO_S = NOW - 10**6
_MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')


def usual(errors: float = 0.01) -> dict[int, float]:
    """Fifty requests a second, of which a share fails."""
    return {200: 50 * (1 - errors), 503: 50 * errors}


@dataclass(kw_only=True)
class Users:
    """Users, and what they get.

    versions: answers a second by version and status. ended_s: when a version got its last request. same: how many
    series the selectors of both arms find.
    """

    versions: Mapping[str, Mapping[int, float]] = field(default_factory=lambda: {"v1": usual(), "v2": usual()})
    ended_s: Mapping[str, float] = field(default_factory=dict)
    now: Callable[[], float] = lambda: NOW
    same: int = 0

    def __call__(self, asked: Asked) -> Said:
        """Answer one request."""
        query = asked.params.get("query", asked.params.get("match[]", ""))
        if asked.path.endswith("/values"):
            return Said(body=self._values(asked.path.split("/")[-2], query))
        if query == "time()":
            return result(self.now(), str(self.now()), kind="scalar")
        if query.startswith("count("):
            return result(*([{"metric": {}, "value": [NOW, str(self.same)]}] if self.same else []), kind="vector")
        start, end, step = (float(asked.params[name]) for name in ("start", "end", "step"))
        instants = [start + step * index for index in range(math.floor((end - start) / step + 1e-9) + 1)]
        return self._ranged(query, instants)

    def _ranged(self, query: str, instants: list[float]) -> Said:
        conditions = {label: (operator, value) for label, operator, value in _MATCHER.findall(query)}
        version = conditions.get("destination_version", ("=", ""))[1]
        rate = self._rate(version, conditions.get("response_code"))
        scraped = [math.floor(min(at, self.ended_s.get(version, at)) / SCRAPE_S) * SCRAPE_S for at in instants]
        if not self.versions.get(version):
            return result()
        if "timestamp(" in query:
            return self._series({}, instants, [math.floor(at / SCRAPE_S) * SCRAPE_S for at in instants])
        counts = [rate * (at - _LONG_AGO_S) for at in scraped]
        if "_bucket" in query:
            return result(
                *(
                    {
                        "metric": {"instance": "a", "le": edge},
                        "values": [[at, str(round(part * one))] for at, one in zip(instants, counts, strict=True)],
                    }
                    for edge, part in (("50", 0.0), ("100", 1.0), ("+Inf", 1.0))
                )
            )
        if "duration" in query or "grpc" in query or not rate:
            return result()
        return self._series({}, instants, [round(one) for one in counts])

    def _series(self, labels: Mapping[str, str], instants: list[float], values: list[float]) -> Said:
        pairs = [[at, str(value)] for at, value in zip(instants, values, strict=True)]
        return result({"metric": {"instance": "a", **labels}, "values": pairs})

    def _rate(self, version: str, condition: tuple[str, str] | None) -> float:
        operator, value = condition or ("=~", ".*")
        return sum(
            rate
            for status, rate in self.versions.get(version, {}).items()
            if (re.fullmatch(value, str(status)) is not None) == (operator in {"=", "=~"})
        )

    def _values(self, label: str, match: str) -> str:
        version = {name: value for name, _, value in _MATCHER.findall(match)}.get("destination_version", "")
        statuses = self.versions.get(version, {})
        found = {"reporter": ["destination"], "response_code": [str(one) for one in statuses]}.get(label, [])
        return '{"status": "success", "data": [' + ",".join(f'"{one}"' for one in (found if statuses else [])) + "]}"

"""Definitions of server-side indicators over counters, histograms and gauges of Prometheus.

A definition names metrics and labels, not PromQL, so that the same one can be evaluated by a Prometheus server and on
Envoy's own page. ``harness.metrics.promql`` writes it as PromQL. ``harness.model.server_table`` has the built-in ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from harness.model.indicator import Direction
from harness.model.objective import Objective
from harness.model.phase import PhaseKind


class Kind(StrEnum):
    """How values are computed from what the server has.

    RATIO: the share of events among all, both counters. QUOTIENT: one counter by another, may exceed 1. RATE: a counter
    by time. COUNT: how much a counter has grown since the run began. QUANTILE: of a histogram. GAUGE: as it is.
    """

    RATIO = "ratio"
    QUOTIENT = "quotient"
    RATE = "rate"
    COUNT = "count"
    QUANTILE = "histogram"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Matcher:
    """A condition on a label, as in PromQL. value: may contain placeholders such as ``{version}``."""

    label: str
    operator: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Some series of a metric. also: other names of the same metric, such as Envoy's own."""

    metric: str
    matchers: tuple[Matcher, ...] = ()
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerIndicator:
    """One indicator of the server side.

    name: as objectives write it; a quantile's name ends with ``_pNN``. events: what is counted or read; of: the counter
    that it is divided by. query, of_query: PromQL templates instead of them, for indicators of harness.yaml.
    scale: from the server's unit to ``unit``. labels: the labels that objectives may give, with the metric's label and
    its default (empty: every value). mean: whether the instances are averaged instead of added. phase: the only kind of
    phase that it is judged in, if there is one. at_end: whether only the end of a phase counts.
    """

    name: str
    kind: Kind
    meaning: str
    unit: str
    worse: tuple[Direction, ...]
    events: Selector | None = None
    of: Selector | None = None
    query: str = ""
    of_query: str = ""
    scale: float = 1.0
    labels: Mapping[str, str] = field(default_factory=dict)
    mean: bool = False
    phase: PhaseKind | None = None
    at_end: bool = False

    @property
    def by_proxy(self) -> bool:
        """Whether a proxy counts it for all of its calls together, so that arms need proxies of their own."""
        return self.events is not None and self.events.metric.startswith("envoy_cluster_")


def series_key(objective: Objective) -> str:
    """Return the name of the series that an objective is judged on: the indicator, and labels that select series."""
    chosen = [
        f"{name}={value}" for name, value in sorted(objective.labels.items()) if name not in {"phase", "endpoint"}
    ]
    return objective.plain_name + (f"{{{','.join(chosen)}}}" if chosen else "")


NATIVE = "native"
"""The unit of the series that count the observations in the narrow buckets of a native histogram."""
EVENTS, OF = "#events", "#of"
"""What the names of the counters behind a series end with. Reports leave out names with a number sign."""


STATUS, GRPC_STATUS = "response_code", "grpc_response_status"
"""The labels by which the answers of live traffic are counted."""


def answers_key(label: str, value: str) -> str:
    """Return the name of the series with the share of the answers that have a status."""
    return f"answers{{{label}={value}}}"


def answered_with(name: str) -> tuple[str, str] | None:
    """Return the label and the status of a series that counts answers with a status; None for any other series."""
    if not (name.startswith("answers{") and name.endswith(f"}}{EVENTS}")):
        return None
    label, _, value = name.removeprefix("answers{").removesuffix(f"}}{EVENTS}").partition("=")
    return label, value


def bucket_key(key: str, low: float, high: float) -> str:
    """Return the name of the series that counts the observations between two values."""
    return f"{key}#{low:.9g}..{high:.9g}"


def bucket_of(name: str) -> tuple[float, float]:
    """Return the two values of a name that ``bucket_key`` made."""
    low, _, high = name.rpartition("#")[2].partition("..")
    return float(low), float(high)

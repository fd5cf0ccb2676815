"""Read counters and gauges: from a Prometheus server, or from pages that were polled during the run.

Both give the readings of each instance at the same instants, so everything that is computed from them is the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from harness.clients.prometheus import Histogram, Prometheus, RangeResult
from harness.clients.prometheus_text import Sample, parse_samples
from harness.errors import MetricsError
from harness.metrics.increases import Floats, Readings, in_step
from harness.metrics.promql import INSTANCES, matches, selector, summed
from harness.model.server_indicator import Selector

Words = Mapping[str, str]
Buckets = Mapping[tuple[float, float], Readings]
"""The cumulative counts of a histogram by bucket: its two ends in the unit of the metric."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Instants at equal distances in epoch seconds of the source's clock. interval_s: between two scrapes."""

    start_s: float
    end_s: float
    step_s: float
    interval_s: float

    @property
    def instants(self) -> Floats:
        """Every instant, shape (n,)."""
        count = math.floor((self.end_s - self.start_s) / self.step_s + 1e-9) + 1
        return np.asarray(self.start_s + self.step_s * np.arange(count), np.float64)


class Source(Protocol):
    """See the module."""

    def readings(self, which: Selector, words: Words, span: Span) -> Readings:
        """Return the sums of the selected series by instance, at the instants of the span."""
        ...

    def asked(self, query: str, span: Span) -> Readings:
        """Return the readings of each series of a PromQL expression. Raises MetricsError where there is no PromQL."""
        ...

    def buckets(self, which: Selector, words: Words, span: Span) -> tuple[Buckets, bool]:
        """Return a histogram, and whether its buckets are so narrow (native) that quantiles can be interpolated."""
        ...

    def asked_buckets(self, query: str, span: Span) -> tuple[Buckets, bool]:
        """Return the histogram that a PromQL expression gives, as ``buckets``."""
        ...

    def values_of(self, label: str, which: Selector, words: Words, span: Span) -> tuple[str, ...]:
        """Return the values that a label of the selected series has."""
        ...

    def metrics(self, stem: str, span: Span) -> tuple[str, ...]:
        """Return the names of metrics that begin with ``stem``, with or without Envoy's prefix."""
        ...

    def text(self, which: Selector, words: Words) -> str:
        """Return how the readings were asked for."""
        ...


@dataclass(slots=True, kw_only=True)
class PrometheusSource:
    """Asks a Prometheus server, each question once."""

    server: Prometheus
    _answers: dict[tuple[str, Span], tuple[RangeResult, ...]] = field(default_factory=dict)

    def prefetch(self, queries: Sequence[str], span: Span) -> None:
        """Ask several questions at the same time, to be used later."""
        missing = [query for query in dict.fromkeys(queries) if (query, span) not in self._answers]
        if missing:
            asks = [self._ask(query, span) for query in missing]
            self._answers.update(
                {(query, span): found for query, found in zip(missing, self.server.at_once(asks), strict=True)}
            )

    def readings(self, which: Selector, words: Words, span: Span) -> Readings:
        """See ``Source``."""
        return self.asked(summed(which, words), span)

    def asked(self, query: str, span: Span) -> Readings:
        """See ``Source``."""
        instants = span.instants
        return {
            tuple(f"{name}={value}" for name, value in sorted(one.labels.items())): in_step(
                one.times_s, one.values, instants
            )
            for one in self._answer(query, span)
        }

    def buckets(self, which: Selector, words: Words, span: Span) -> tuple[Buckets, bool]:
        """See ``Source``. Prefers native histograms."""
        native, is_native = self.asked_buckets(summed(which, words), span)
        if is_native:
            return native, True
        return self.asked_buckets(summed(which, words, suffix="_bucket", by=(*INSTANCES, "le")), span)

    def asked_buckets(self, query: str, span: Span) -> tuple[Buckets, bool]:
        """See ``Source``."""
        answer, instants = self._answer(query, span), span.instants
        if any(one.histograms for one in answer):
            return _native(answer, span), True
        return _split(
            [(_instance(one.labels), _edge(one.labels), in_step(one.times_s, one.values, instants)) for one in answer]
        ), False

    def values_of(self, label: str, which: Selector, words: Words, span: Span) -> tuple[str, ...]:
        """See ``Source``."""
        return self.server.label_values(label, start_s=span.start_s, end_s=span.end_s, match=selector(which, words))

    def metrics(self, stem: str, span: Span) -> tuple[str, ...]:
        """See ``Source``. A server may have a hundred thousand names, so not all of them are asked for."""
        match = f'{{__name__=~"(envoy_)?{stem}.*"}}'
        return self.server.label_values("__name__", start_s=span.start_s, end_s=span.end_s, match=match)

    def text(self, which: Selector, words: Words) -> str:
        """See ``Source``."""
        return summed(which, words)

    def _ask(self, query: str, span: Span) -> Callable[[], tuple[RangeResult, ...]]:
        return lambda: self.server.query_range(query, start_s=span.start_s, end_s=span.end_s, step_s=span.step_s)

    def _answer(self, query: str, span: Span) -> tuple[RangeResult, ...]:
        if (query, span) not in self._answers:
            self._answers[query, span] = self._ask(query, span)()
        return self._answers[query, span]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The metrics that a page showed at an epoch time."""

    at_s: float
    samples: tuple[Sample, ...]


def page(at_s: float, text: str) -> Page:
    """Return the metrics of a page in Prometheus's text format."""
    return Page(at_s=at_s, samples=tuple(parse_samples(text)))


@dataclass(slots=True, kw_only=True)
class PageSource:
    """Evaluates the same definitions on pages that were polled during the run."""

    pages: Sequence[Page]

    def readings(self, which: Selector, words: Words, span: Span) -> Readings:
        """See ``Source``."""
        return {key: row for (key, _), row in self._rows(which, words, span, "", by=()).items()}

    def asked(self, query: str, span: Span) -> Readings:
        """See ``Source``: Envoy's page does not understand PromQL."""
        del span
        raise MetricsError(
            f"expected a Prometheus to ask {query!r}, found only the pages of the proxies: install prometheus "
            "(apt-get install prometheus) or name a server in harness.yaml"
        )

    def asked_buckets(self, query: str, span: Span) -> tuple[Buckets, bool]:
        """See ``Source``: Envoy's page does not understand PromQL."""
        return {}, bool(self.asked(query, span))

    def buckets(self, which: Selector, words: Words, span: Span) -> tuple[Buckets, bool]:
        """See ``Source``. Pages have classic buckets only."""
        rows = self._rows(which, words, span, "_bucket", by=("le",))
        return _split([(key, _number(le), row) for (key, (le,)), row in rows.items()]), False

    def values_of(self, label: str, which: Selector, words: Words, span: Span) -> tuple[str, ...]:
        """See ``Source``."""
        names = {which.metric, *which.also}
        return tuple(
            sorted(
                {
                    sample.name if label == "__name__" else sample.labels.get(label, "")
                    for one in self._until(span)
                    for sample in one.samples
                    if sample.name in names and all(matches(each, sample.labels, words) for each in which.matchers)
                }
                - {""}
            )
        )

    def metrics(self, stem: str, span: Span) -> tuple[str, ...]:
        """See ``Source``."""
        names = {sample.name for one in self._until(span) for sample in one.samples}
        return tuple(sorted(name for name in names if name.removeprefix("envoy_").startswith(stem)))

    def text(self, which: Selector, words: Words) -> str:
        """See ``Source``."""
        return f"{summed(which, words)}, on the proxies' own page"

    def _until(self, span: Span) -> list[Page]:
        """Return the last page of the span, in a list that is empty without one."""
        return [one for one in self.pages if one.at_s <= span.end_s][-1:]

    def _rows(
        self, which: Selector, words: Words, span: Span, suffix: str, *, by: tuple[str, ...]
    ) -> dict[tuple[tuple[str, ...], tuple[str, ...]], Floats]:
        """Return the sums by instance and further labels: those of the last page before each instant."""
        names = {f"{name}{suffix}" for name in (which.metric, *which.also)}
        instants = span.instants
        found: dict[tuple[tuple[str, ...], tuple[str, ...]], Floats] = {}
        times = np.array([one.at_s for one in self.pages])
        for place, last in enumerate(np.searchsorted(times, instants, side="right") - 1):
            if last < 0 or instants[place] - times[last] > 3 * span.interval_s:
                continue
            for sample in self.pages[int(last)].samples:
                if sample.name not in names or not all(matches(one, sample.labels, words) for one in which.matchers):
                    continue
                key = (_instance(sample.labels), tuple(sample.labels.get(label, "") for label in by))
                row = found.setdefault(key, np.full(len(instants), np.nan))
                row[place] = sample.value + (0.0 if math.isnan(row[place]) else row[place])
        return found


def _instance(labels: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"{name}={labels[name]}" for name in INSTANCES if labels.get(name))


def _edge(labels: Mapping[str, str]) -> float:
    return _number(labels.get("le", ""))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _split(rows: Sequence[tuple[tuple[str, ...], float, Floats]]) -> Buckets:
    """Return buckets from cumulative counts by upper edge. rows: instance, edge and readings."""
    by_instance: dict[tuple[str, ...], dict[float, Floats]] = {}
    for key, edge, row in rows:
        if not math.isnan(edge):
            by_instance.setdefault(key, {})[edge] = row
    found: dict[tuple[float, float], dict[tuple[str, ...], Floats]] = {}
    for key, edges in by_instance.items():
        low, below = 0.0, 0.0 * next(iter(edges.values()))
        for edge in sorted(edges):
            found.setdefault((low, edge), {})[key] = edges[edge] - below
            low, below = edge, edges[edge]
    return found


def _native(series: Sequence[RangeResult], span: Span) -> Buckets:
    """Return the buckets of native histograms; a bucket that a histogram does not list has no observation.

    A histogram that changes the width of its buckets counts as another instance from then on.
    """
    count, found = len(span.instants), dict[tuple[float, float], dict[tuple[str, ...], Floats]]()
    for one in series:
        widths: dict[int, list[tuple[int, Histogram]]] = {}
        for at, histogram in zip(one.histogram_times_s, one.histograms, strict=True):
            place = round((at - span.start_s) / span.step_s)
            if 0 <= place < count:
                widths.setdefault(_width(histogram), []).append((place, histogram))
        for width, placed in widths.items():
            key = (*_instance(one.labels), f"width={width}")
            known = np.full(count, np.nan)
            known[[place for place, _ in placed]] = 0.0
            for place, histogram in placed:
                for bucket in histogram.buckets:
                    row = found.setdefault((bucket.low, bucket.high), {}).setdefault(key, known.copy())
                    row[place] += bucket.count
    return found


def _width(histogram: Histogram) -> int:
    """Return how many buckets a factor of two has, 0 for a histogram without regular ones."""
    ratios = [bucket.high / bucket.low for bucket in histogram.buckets if bucket.low > 0]
    return round(math.log(2) / math.log(max(ratios))) if ratios else 0

"""The results of queries as values: series of numbers and of native histograms."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TypedDict

from harness.errors import MetricsError


class RawHistogram(TypedDict, total=False):
    """A native histogram as Prometheus writes it: a bucket is [boundary rule, low, high, count]."""

    count: str
    sum: str
    buckets: list[tuple[int, str, str, str]]


class RawSeries(TypedDict, total=False):
    """One series of a result: an instant query gives ``value`` or ``histogram``, a range ``values``, ``histograms``."""

    metric: dict[str, str]
    value: tuple[float, str]
    values: list[tuple[float, str]]
    histogram: tuple[float, RawHistogram]
    histograms: list[tuple[float, RawHistogram]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistogramBucket:
    """The number of observations between two values."""

    low: float
    high: float
    count: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """A native histogram: its buckets in order, the number of observations and their sum."""

    count: float
    sum: float
    buckets: tuple[HistogramBucket, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeResult:
    """One series of a result: labels, times in epoch seconds and as many values (NaN where the server sent NaN).

    histograms: the native histograms at ``histogram_times_s``; a series has values or histograms, or both.
    """

    labels: Mapping[str, str]
    times_s: tuple[float, ...]
    values: tuple[float, ...]
    histogram_times_s: tuple[float, ...] = ()
    histograms: tuple[Histogram, ...] = ()


def series_list(found: object, query: str) -> tuple[RangeResult, ...]:
    """Return the series of a result. Raises MetricsError for anything else, and for a series that comes twice."""
    if not isinstance(found, list):
        raise MetricsError(f"expected a list of series for {query}, found {str(found)[:200]}")
    made = tuple(series_of(one, query) for one in found)
    seen: set[tuple[tuple[str, str], ...]] = set()
    for one in made:
        key = tuple(sorted(one.labels.items()))
        if key in seen:
            raise MetricsError(
                f"expected each series once for {query}, found two with the labels {dict(key)}: do two servers answer?"
            )
        seen.add(key)
    return made


def series_of(raw: RawSeries, query: str) -> RangeResult:
    """Return one series of a result. Raises MetricsError for a result that has no numbers, or no order in time."""
    try:
        values = list(raw.get("values") or ([raw["value"]] if "value" in raw else []))
        histograms = list(raw.get("histograms") or ([raw["histogram"]] if "histogram" in raw else []))
        made = RangeResult(
            labels={str(name): str(value) for name, value in (raw.get("metric") or {}).items()},
            times_s=tuple(float(at) for at, _ in values),
            values=tuple(float(value) for _, value in values),
            histogram_times_s=tuple(float(at) for at, _ in histograms),
            histograms=tuple(_histogram(one) for _, one in histograms),
        )
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise MetricsError(f"expected pairs of time and number for {query}, found {str(raw)[:200]}") from error
    for times in (made.times_s, made.histogram_times_s):
        if not all(map(math.isfinite, times)) or any(later <= at for at, later in pairwise(times)):
            raise MetricsError(f"expected readings in the order of time for {query}, found {str(times)[:200]}")
    return made


def joined(parts: Iterable[Iterable[RangeResult]]) -> tuple[RangeResult, ...]:
    """Return the series of consecutive chunks of a range, joined by their labels."""
    found: dict[tuple[tuple[str, str], ...], list[RangeResult]] = {}
    for part in parts:
        for series in part:
            found.setdefault(tuple(sorted(series.labels.items())), []).append(series)
    return tuple(one[0] if len(one) == 1 else _chained(one) for one in found.values())


def _chained(chunks: list[RangeResult]) -> RangeResult:
    return RangeResult(
        labels=chunks[0].labels,
        times_s=tuple(at for one in chunks for at in one.times_s),
        values=tuple(value for one in chunks for value in one.values),
        histogram_times_s=tuple(at for one in chunks for at in one.histogram_times_s),
        histograms=tuple(each for one in chunks for each in one.histograms),
    )


def _histogram(raw: RawHistogram) -> Histogram:
    buckets = (
        sorted(
            (
                HistogramBucket(low=float(low), high=float(high), count=float(count))
                for _, low, high, count in raw["buckets"]
            ),
            key=lambda bucket: bucket.low,
        )
        if raw.get("buckets")
        else []
    )
    return Histogram(count=float(raw["count"]), sum=float(raw["sum"]), buckets=tuple(buckets))

"""Collect the series of indicators for both arms: readings at the same instants, as growth over aligned blocks of time.

A block counts for a phase only if it lies inside it, and begins at least one scrape after its start: the reading at an
instant may be as old as a scrape. Other blocks are gaps, and gaps stay gaps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.errors import MetricsError
from harness.metrics.absence import absent
from harness.metrics.increases import Floats, averaged, increase, summed, total
from harness.metrics.promql import filled
from harness.metrics.sources import Source, Span, Words
from harness.model.phase import Phase
from harness.model.record import Series
from harness.model.server_indicator import EVENTS, NATIVE, OF, Kind, Matcher, Selector, ServerIndicator, bucket_key

_CLASSIC = "bucket"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An indicator with the labels that an objective gives it. key: the name of its series."""

    key: str
    indicator: ServerIndicator
    labels: Mapping[str, str]
    quantile: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """The series of an indicator, and why there are none, if so."""

    series: tuple[Series, ...]
    missing: tuple[str, ...] = ()


def collected(
    wanted: Sequence[Wanted],
    source: Source,
    *,
    arms: Mapping[str, Words],
    span: Span,
    zero_s: float,
    phases: Sequence[Phase],
) -> Collected:
    """Return the series of every indicator for both arms.

    arms: the placeholders of each arm. zero_s: the epoch time, on the source's clock, that the times of the series
    count from. phases: as they were, in seconds since then. Raises MetricsError if the source does not answer.
    """
    series: list[Series] = []
    missing: list[str] = []
    for one in wanted:
        for arm, words in arms.items():
            collector = _Collector(source=source, words=words, span=span, arm=arm, zero_s=zero_s, phases=tuple(phases))
            found = list(collector.series(one))
            series += found
            if not any(np.isfinite(values.values).any() for values in found):
                missing.append(f"{one.key}: no reading of the {arm}: {collector.why(one)}")
    return Collected(series=tuple(series), missing=tuple(missing))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Collector:
    """Makes the series of one arm."""

    source: Source
    words: Words
    span: Span
    arm: str
    zero_s: float
    phases: tuple[Phase, ...]

    @property
    def _blocks(self) -> int:
        return max(len(self.span.instants) - 1, 0)

    def series(self, wanted: Wanted) -> Iterator[Series]:
        """Yield the series that an indicator is shown by, and then the counters that it is judged on."""
        match wanted.indicator.kind:
            case Kind.QUANTILE:
                yield from self._quantile(wanted)
            case Kind.GAUGE:
                yield self._made(wanted.key, wanted.indicator.unit, self._gauge(wanted), wanted)
            case Kind.RATE | Kind.COUNT:
                yield self._made(wanted.key, wanted.indicator.unit, self._growth(wanted), wanted)
            case _:
                yield from self._share(wanted)

    def why(self, wanted: Wanted) -> str:
        """Return why there are no readings."""
        for which in (wanted.indicator.events, wanted.indicator.of):
            if which is None:
                continue
            chosen = self._selector(which, wanted)
            suffix = "_bucket" if wanted.indicator.kind is Kind.QUANTILE else ""
            if which is wanted.indicator.of or wanted.indicator.of is None:
                return absent(self.source, chosen, self.words, self.span, suffix=suffix)
        return f"no series for {filled(wanted.indicator.query, self.words)}"

    def _share(self, wanted: Wanted) -> Iterator[Series]:
        """Yield the quotient of two counters, and both counters by block."""
        indicator = wanted.indicator
        among, own = self._readings(wanted, of=True), self._readings(wanted)
        part = indicator.kind is Kind.RATIO
        events = summed(own, among=among if part else None, blocks=self._blocks) * indicator.scale
        trials = summed(among, blocks=self._blocks)
        values = np.divide(events, trials, out=np.full(self._blocks, np.nan), where=trials > 0)
        yield self._made(wanted.key, indicator.unit, values, wanted)
        yield self._made(wanted.key + EVENTS, "events", events, wanted)
        yield self._made(wanted.key + OF, "events", trials, wanted, of=True)

    def _growth(self, wanted: Wanted) -> Floats:
        """Return a counter by time, or its growth since the first reading."""
        rows = [increase(row) for row in self._readings(wanted).values()]
        mean = wanted.indicator.mean
        growth = (averaged if mean else total)(rows, self._blocks) * wanted.indicator.scale
        if wanted.indicator.kind is Kind.COUNT:
            return np.where(np.isfinite(growth), np.nancumsum(growth), np.nan)
        return growth / self.span.step_s

    def _gauge(self, wanted: Wanted) -> Floats:
        """Return the readings in the middle of the blocks: the mean of both ends, over or of the instances."""
        found = self._readings(wanted)
        if wanted.indicator.events is None and len(found) > 1:
            raise MetricsError(
                f"{wanted.key}: expected one series of the {self.arm}, found {len(found)} for "
                f"{filled(wanted.indicator.query, self.words)}: put sum(...), max(...) or avg(...) around it"
            )
        rows = [(row[1:] + row[:-1]) / 2 for row in found.values()]
        return (averaged if wanted.indicator.mean else total)(rows, self._blocks) * wanted.indicator.scale

    def _quantile(self, wanted: Wanted) -> Iterator[Series]:
        """Yield the quantile of each block, and the growth of every bucket that has any."""
        which = wanted.indicator.events
        if which is None:
            buckets, native = self.source.asked_buckets(filled(wanted.indicator.query, self.words), self.span)
        else:
            buckets, native = self.source.buckets(self._selector(which, wanted), self.words, self.span)
        growth = {edge: summed(rows, blocks=self._blocks) for edge, rows in sorted(buckets.items())}
        scale = wanted.indicator.scale
        used = {(low * scale, high * scale): row for (low, high), row in growth.items() if np.nansum(row) > 0}
        values = _quantiles(used, wanted.quantile or 0.5, self._blocks)
        yield self._made(wanted.key, wanted.indicator.unit, values, wanted)
        for (low, high), row in used.items():
            yield self._made(bucket_key(wanted.key, low, high), NATIVE if native else _CLASSIC, row, wanted)

    def _readings(self, wanted: Wanted, *, of: bool = False) -> Mapping[tuple[str, ...], Floats]:
        indicator = wanted.indicator
        which, template = (indicator.of, indicator.of_query) if of else (indicator.events, indicator.query)
        if which is None:
            return self.source.asked(filled(template, self.words), self.span)
        return self.source.readings(self._selector(which, wanted), self.words, self.span)

    def _selector(self, which: Selector, wanted: Wanted) -> Selector:
        return labelled(which, wanted)

    def _made(self, key: str, unit: str, values: Floats, wanted: Wanted, *, of: bool = False) -> Series:
        """Return a series with its times in the middle of the blocks, and gaps outside of the phases."""
        instants = self.span.instants - self.zero_s
        start, end = instants[:-1], instants[1:]
        inside = np.zeros(self._blocks, np.bool_)
        for phase in self.phases:
            inside |= (start - self.span.interval_s >= phase.start_s - 1e-6) & (end <= phase.end_s + 1e-6)
        which = wanted.indicator.of if of else wanted.indicator.events
        template = wanted.indicator.of_query if of else wanted.indicator.query
        asked = (
            filled(template, self.words)
            if which is None
            else self.source.text(self._selector(which, wanted), self.words)
        )
        return Series(
            name=key,
            arm=self.arm,
            unit=unit,
            source=asked,
            at_s=tuple(np.round((start + end) / 2, 3).tolist()),
            values=tuple(np.where(inside, values, np.nan).tolist()),
        )


def labelled(which: Selector, wanted: Wanted) -> Selector:
    """Return a selector of Istio's metrics with the labels of the objective, unless it fixes the same label already."""
    if not which.metric.startswith("istio_"):
        return which
    fixed = {one.label for one in which.matchers}
    added = tuple(
        Matcher(label=wanted.indicator.labels[name], operator="=", value=value)
        for name, value in sorted(wanted.labels.items())
        if name in wanted.indicator.labels and wanted.indicator.labels[name] not in fixed
    )
    return replace(which, matchers=(*which.matchers, *added))


def _quantiles(buckets: Mapping[tuple[float, float], Floats], quantile: float, blocks: int) -> Floats:
    """Return the quantile of each block, interpolated inside its bucket; NaN in a block without observations."""
    if not buckets:
        return np.full(blocks, np.nan)
    edges = np.array(list(buckets))
    counts = np.nan_to_num(np.stack(list(buckets.values())))
    below = np.cumsum(counts, axis=0)
    found = np.full(blocks, np.nan)
    for block in np.flatnonzero(below[-1] > 0):
        wanted = quantile * below[-1, block]
        index = int(np.searchsorted(below[:, block], wanted))
        low, high = edges[index]
        part = (wanted - (below[index, block] - counts[index, block])) / counts[index, block]
        found[block] = low + (high - low) * part if np.isfinite(high) else low
    return found

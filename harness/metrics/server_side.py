"""Collect what the server side measured during a run: the indicators of its objectives, and those that reports show.

The clock of the server is asked for, because its readings bear its times. The interval between two scrapes is found in
the readings, and blocks of time are two of them long.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.clients.prometheus import Prometheus
from harness.errors import UsageError
from harness.metrics.answers import answers_by_status
from harness.metrics.collecting import Wanted, collected, labelled
from harness.metrics.hop_series import HopReader
from harness.metrics.promql import INSTANCES, filled, selector, summed
from harness.metrics.sources import PageSource, PrometheusSource, Source, Span, Words
from harness.model.config import Config
from harness.model.hops import Hop
from harness.model.objective import Objective
from harness.model.phase import Phase
from harness.model.record import DOUBT, Event, Series
from harness.model.server_indicator import Kind, Selector, ServerIndicator, series_key
from harness.model.server_table import SERVER_INDICATORS, server_indicator
from harness.model.units import format_duration

SHOWN = ("server:request_rate", "server:error_rate", "server:latency_p99")
"""The indicators that reports show of every run with server-side metrics."""
_REQUESTS = next(one.of for one in SERVER_INDICATORS if one.name == "server:error_rate")
_REPORTERS = ("destination", "waypoint", "source")
_LOOKS = ((0.25, 15.0), (1.0, 120.0), (10.0, 1800.0))
"""The steps and lengths, in seconds, of the looks that find the interval between two scrapes."""
_USUAL_INTERVAL_S, _SKEW_S = 15.0, 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The series of a run, and lines for its timeline: skewed clocks, what is missing and why.

    doubts: warnings of the server, after which nobody knows whether its answers are complete. hops: what each arm
    answered and called, if that was asked for.
    """

    series: tuple[Series, ...]
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    hops: tuple[Hop, ...] = ()

    def events(self, at_s: float) -> tuple[Event, ...]:
        """Return the notes and doubts as events."""
        return (
            *(Event(at_s=at_s, kind="note", text=text) for text in self.notes),
            *(Event(at_s=at_s, kind=DOUBT, text=f"Prometheus warns: {text}") for text in self.doubts),
        )


def arm_words(config: Config) -> dict[str, Words]:
    """Return the values of the placeholders for each arm."""
    return {
        arm: {
            "namespace": config.namespace,
            "service": config.service,
            "workload": f"{config.service}-{version}",
            "version": config.workload(config.service, version).labels.get("version", version),
            "arm": arm,
        }
        for arm, version in (("baseline", config.baseline), ("canary", config.canary))
    }


def wanted_of(objectives: Sequence[Objective], config: Config, *, shown: Sequence[str] = SHOWN) -> tuple[Wanted, ...]:
    """Return the indicators that objectives, reports and the section ``gauges`` need, each once."""
    found: dict[str, Wanted] = {}
    for objective in objectives:
        indicator = server_indicator(objective.plain_name) or _own(config, objective.argument)
        if indicator is not None:
            key = objective.argument if objective.kind == "gauge" else series_key(objective)
            labels = {name: value for name, value in objective.labels.items() if name not in {"phase", "endpoint"}}
            found[key] = Wanted(key=key, indicator=indicator, labels=labels, quantile=objective.quantile)
    for name in shown:
        built_in = server_indicator(name)
        if built_in is not None and name not in found:
            percent = re.search(r"_p([\d.]+)$", name)
            quantile = float(percent[1]) / 100 if percent else None
            found[name] = Wanted(key=name, indicator=built_in, labels={}, quantile=quantile)
    for gauge in config.gauges:
        own = _own(config, gauge.name)
        if own is not None and gauge.name not in found:
            found[gauge.name] = Wanted(key=gauge.name, indicator=own, labels={})
    return tuple(found.values())


def _own(config: Config, name: str) -> ServerIndicator | None:
    return next((one for one in config.indicators if one.name == name), None) or next(
        (
            ServerIndicator(name=one.name, kind=Kind.GAUGE, meaning="", unit=one.unit, worse=(), query=one.query)
            for one in config.gauges
            if one.name == name
        ),
        None,
    )


def from_prometheus(
    server: Prometheus,
    wanted: Sequence[Wanted],
    *,
    arms: Mapping[str, Words],
    zero_s: float,
    phases: Sequence[Phase],
    interval_s: float | None = None,
    live_traffic: bool = False,
    with_hops: bool = False,
    clock: Callable[[], float] = time.time,
) -> Measured:
    """Return the series of a run from a Prometheus.

    zero_s: when the first request was due, in our epoch time. interval_s: between two scrapes, if it is known.
    live_traffic: whether the answers to users are counted by status too. with_hops: whether hops are read.
    Raises MetricsError if the server does not answer, or rejects a query.
    """
    began = clock()
    skew_s = server.now_s() - (began + clock()) / 2
    source = PrometheusSource(server=server)
    end_s = max((phase.end_s for phase in phases), default=0.0)
    between_s = interval_s or scrape_interval(server, arms, until_s=zero_s + skew_s + end_s)
    span = aligned(zero_s + skew_s, end_s, between_s)
    if live_traffic and _REQUESTS is not None:
        both = {arm: selector(_REQUESTS, words) for arm, words in arms.items()}
        require_apart(server, both, start_s=span.start_s, end_s=span.end_s)
        counted = answers_by_status(source, dict.fromkeys(arms, _REQUESTS), arms, span)
        wanted = (*wanted, *next(iter(counted.values())))
    chosen = _reported(wanted, source, arms, span)
    source.prefetch(queries(chosen, arms, span), span)
    found = collected(chosen, source, arms=_timed(arms, span), span=span, zero_s=zero_s + skew_s, phases=phases)
    notes = [f"Prometheus says: {text}" for text in server.infos]
    if abs(skew_s) > _SKEW_S:
        ahead = "ahead of" if skew_s > 0 else "behind"
        notes.append(f"Prometheus's clock is {format_duration(abs(skew_s))} {ahead} ours; its times were shifted")
    requests = {} if _REQUESTS is None else {arm: selector(_REQUESTS, words) for arm, words in arms.items()}
    fresh = without_stale(found.series, server, requests, span, zero_s=zero_s + skew_s)
    hops = _hops(source, arms, span, zero_s=zero_s + skew_s, phases=phases) if with_hops else ()
    return Measured(series=fresh, notes=(*notes, *found.missing), doubts=tuple(server.warnings), hops=hops)


def _hops(
    source: PrometheusSource, arms: Mapping[str, Words], span: Span, *, zero_s: float, phases: Sequence[Phase]
) -> tuple[Hop, ...]:
    if _REQUESTS is None:
        return ()
    reader = HopReader(source=source, arms=_timed(arms, span), span=span, zero_s=zero_s)
    return reader.hops(phases, _best_reporter(source, _REQUESTS, arms, span, order=_REPORTERS))


def from_pages(
    pages: PageSource,
    wanted: Sequence[Wanted],
    *,
    arms: Mapping[str, Words],
    zero_s: float,
    phases: Sequence[Phase],
    interval_s: float,
) -> Measured:
    """Return the series of a run from pages that were polled on our own clock."""
    span = aligned(zero_s, max((phase.end_s for phase in phases), default=0.0), interval_s)
    chosen = _reported(wanted, pages, arms, span)
    found = collected(chosen, pages, arms=_timed(arms, span), span=span, zero_s=zero_s, phases=phases)
    return Measured(series=found.series, notes=found.missing)


def aligned(zero_s: float, end_s: float, interval_s: float) -> Span:
    """Return the instants of a run: from its first request on, two scrapes apart."""
    return Span(start_s=zero_s, end_s=zero_s + end_s, step_s=2 * interval_s, interval_s=interval_s)


def scrape_interval(server: Prometheus, arms: Mapping[str, Words], *, until_s: float) -> float:
    """Return the time between two scrapes of the arms' requests in seconds, from the times of their readings."""
    if _REQUESTS is None:
        return _USUAL_INTERVAL_S
    return scrape_interval_of(server, _REQUESTS, next(iter(arms.values())), until_s=until_s)


def scrape_interval_of(server: Prometheus, which: Selector, words: Words, *, until_s: float) -> float:
    """Return the time between two scrapes of a selector in seconds; the usual one if there are too few readings."""
    query = f"max by ({','.join(INSTANCES)}) (timestamp({selector(which, words)}))"
    for step_s, length_s in _LOOKS:
        steps = [
            gap
            for one in server.query_range(query, start_s=until_s - length_s, end_s=until_s, step_s=step_s)
            for gap in np.diff(np.unique(one.values)).tolist()
        ]
        if len(steps) >= 3:
            return float(max(round(float(np.median(steps)), 2), 0.1))
    return _USUAL_INTERVAL_S


def _reported(wanted: Sequence[Wanted], source: Source, arms: Mapping[str, Words], span: Span) -> list[Wanted]:
    """Return the indicators with a reporter: where an objective names none, the best that both arms have.

    Source and destination count the same request, so never both. In ambient mode waypoints count requests, and ztunnels
    the bytes of TCP, so each metric has its own.
    """
    chosen: dict[tuple[bool, str], str] = {}
    found = []
    for one in wanted:
        if "reporter" not in one.indicator.labels or "reporter" in one.labels:
            found.append(one)
            continue
        which = next(
            (each for each in (one.indicator.events, one.indicator.of) if each and each.metric[:6] == "istio_"), None
        )
        calls = one.indicator.name.startswith("calls:")
        kind = calls, "" if which is None else which.metric
        if which is not None and kind not in chosen:
            order = tuple(reversed(_REPORTERS)) if calls else _REPORTERS
            chosen[kind] = _best_reporter(source, _plain(which), arms, span, order=order)
        found.append(replace(one, labels={**one.labels, "reporter": chosen[kind]}))
    return found


def _best_reporter(
    source: Source, which: Selector, arms: Mapping[str, Words], span: Span, *, order: tuple[str, ...]
) -> str:
    """Return the first reporter of the order that has readings of both arms, or else of one."""
    known = [set(source.values_of("reporter", which, words, span)) for words in arms.values()]
    common = set.intersection(*known) or set.union(*known)
    return next((name for name in order if name in common), order[0])


def _plain(which: Selector) -> Selector:
    """Return the selector of all requests of an arm, without conditions on their outcome."""
    return replace(which, matchers=which.matchers[: 1 if which.matchers[0].label == "source_workload" else 2])


def _timed(arms: Mapping[str, Words], span: Span) -> dict[str, Words]:
    """Return the words with the range of rates: two blocks, so that a lost scrape leaves two readings in it."""
    return {arm: {**words, "window": f"{2 * span.step_s:g}s"} for arm, words in arms.items()}


def queries(wanted: Sequence[Wanted], arms: Mapping[str, Words], span: Span) -> list[str]:
    """Return everything that will be asked, to be asked at once."""
    found = []
    for one in wanted:
        for words in _timed(arms, span).values():
            for which, template in (
                (one.indicator.events, one.indicator.query),
                (one.indicator.of, one.indicator.of_query),
            ):
                if which is not None:
                    found.append(summed(labelled(which, one), words))
                elif template:
                    found.append(filled(template, words))
    return found


def without_stale(
    series: Sequence[Series], server: Prometheus, requests: Mapping[str, str], span: Span, *, zero_s: float
) -> tuple[Series, ...]:
    """Return the series with gaps where the newest reading of an arm is too old.

    Prometheus repeats the last reading for five minutes when it could not write that a series ended, as after its own
    restart. Such a reading is none. requests: by arm, the selector of its requests.
    """
    old: dict[str, list[tuple[float, float]]] = {}
    for arm, chosen in requests.items():
        query = f"max(timestamp({chosen}))"
        for one in server.query_range(query, start_s=span.start_s, end_s=span.end_s, step_s=span.step_s):
            old[arm] = [
                (at - zero_s - span.step_s, at - zero_s + span.step_s)
                for at, newest in zip(one.times_s, one.values, strict=True)
                if at - newest > 3 * span.interval_s
            ]
    return tuple(_with_gaps(one, old.get(one.arm, [])) for one in series)


def require_apart(server: Prometheus, requests: Mapping[str, str], *, start_s: float, end_s: float) -> None:
    """Raise UsageError if a series belongs to both arms. requests: the selectors of their requests."""
    selectors = list(requests.values())
    window = f"[{max(end_s - start_s, 1.0):.0f}s]"
    both = " and ".join(f"last_over_time({one}{window})" for one in selectors)
    shared = sum(value for one in server.query(f"count({both})", at_s=end_s) for value in one.values)
    if shared:
        raise UsageError(
            f"expected two different sets of requests, found {shared:.0f} series of istio_requests_total in both: "
            f"{selectors[0]} and {selectors[1]}"
        )


def _with_gaps(series: Series, gaps: Sequence[tuple[float, float]]) -> Series:
    if not gaps:
        return series
    values = tuple(
        float("nan") if any(low < at < high for low, high in gaps) else value
        for at, value in zip(series.at_s, series.values, strict=True)
    )
    return replace(series, values=values)

"""Add what the server side measured to the record of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from harness.clients.prometheus import Prometheus
from harness.errors import MetricsError
from harness.judge.indicators import indicator_of
from harness.mesh.port import Mesh, ServesMetrics
from harness.metrics.connection import connected
from harness.metrics.server_side import Measured, arm_words, from_pages, from_prometheus, wanted_of
from harness.metrics.sources import PageSource, page
from harness.model.config import Config
from harness.model.indicator import Source
from harness.model.objective import Objective
from harness.model.record import Record
from harness.model.server_side import ServerSide


def watch(mesh: Mesh, config: Config, objectives: Sequence[Objective]) -> None:
    """Let the mesh measure its server side if the objectives need that, and the configuration names no server.

    Raises MetricsError if it cannot.
    """
    needed = any(indicator_of(one).spec.source is Source.SERIES for one in objectives)
    if needed and config.prometheus is None and isinstance(mesh, ServesMetrics):
        mesh.watch_metrics()


def with_server_side(record: Record, config: Config, mesh: Mesh | None = None) -> Record:
    """Return the record with the series of the configured Prometheus, or of the one that the mesh runs.

    It also tells the hops if the proxies themselves did not. A Prometheus that does not answer becomes an event of the
    record; the proof of the series fails then.
    """
    own = mesh.server_side() if config.prometheus is None and isinstance(mesh, ServesMetrics) else None
    if record.load is None or (config.prometheus is None and own is None):
        return record
    try:
        measured = _measured(record, config, own)
    except MetricsError as error:
        measured = Measured(series=(), notes=(str(error),))
    end_s = record.phases[-1].end_s if record.phases else 0.0
    return replace(
        record,
        series=measured.series or record.series,
        hops=record.hops or measured.hops,
        events=(*record.events, *measured.events(end_s)),
    )


def _measured(record: Record, config: Config, own: ServerSide | None) -> Measured:
    zero_s = record.load.started_at if record.load is not None else 0.0
    wanted, arms = wanted_of(record.plan.objectives, config), arm_words(config)
    if own is not None and own.url is None:
        pages = PageSource(pages=tuple(page(at_s, text) for at_s, text in own.pages))
        return from_pages(pages, wanted, arms=arms, zero_s=zero_s, phases=record.phases, interval_s=_interval_s(own))
    with connected(config) if own is None else Prometheus(str(own.url)) as server:
        return from_prometheus(
            server, wanted, arms=arms, zero_s=zero_s, phases=record.phases, with_hops=not record.hops
        )


def _interval_s(own: ServerSide) -> float:
    """Return the time between two pages in seconds; half a second if there are too few to tell."""
    times = [at_s for at_s, _ in own.pages]
    gaps = sorted(after - before for before, after in pairwise(times))
    return max(round(gaps[len(gaps) // 2], 2), 0.1) if gaps else 0.5

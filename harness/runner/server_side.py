"""Add what a Prometheus server measured to the record of a run."""

from __future__ import annotations

from dataclasses import replace

from harness.errors import MetricsError
from harness.metrics import connected, server_side_series
from harness.model.config import Config
from harness.model.record import Event, Record


def with_server_side(record: Record, config: Config) -> Record:
    """Return the record with the series of the Prometheus that the configuration names, if it names one.

    A Prometheus that does not answer becomes an event of the record; the proof of the series fails then.
    """
    if config.prometheus is None or record.load is None:
        return record
    zero_s, end_s = record.load.started_at, record.load.started_at + record.phases[-1].end_s
    try:
        with connected(config) as server:
            series = server_side_series(
                server,
                service=config.service,
                versions={"baseline": config.baseline, "canary": config.canary},
                zero_s=zero_s,
                end_s=end_s,
                gauges=config.gauges,
                namespace=config.namespace,
            )
    except MetricsError as error:
        event = Event(at_s=record.phases[-1].end_s, kind="note", text=str(error))
        return replace(record, events=(*record.events, event))
    return replace(record, series=series)

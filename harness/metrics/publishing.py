"""Tell Grafana and Prometheus about a run: annotations, and metrics of the harness itself.

A run that is over is never changed by this: whatever goes wrong becomes a warning.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from harness.clients.http import http_send_body
from harness.errors import MeshError
from harness.metrics.own_text import began_s, own_metrics
from harness.model.json import JsonObject
from harness.model.publish import PublishSettings
from harness.model.record import Record
from harness.model.verdict import Analysis
from harness.userinfo import without_userinfo

_TIMEOUT_S = 5.0
_TAG = "canary-harness"
_ACCEPTED = range(200, 300)
_SHOWN = frozenset({"phase", "fault", "rollback", "guard", "step", "drift"})


class _Mark(NamedTuple):
    """An annotation: when it is in seconds since the first request, its text, and when it ends, if it does."""

    at_s: float
    text: str
    tag: str
    end_s: float | None = None


def publish(
    record: Record, analysis: Analysis, settings: PublishSettings, environ: Mapping[str, str] = os.environ
) -> tuple[str, ...]:
    """Publish a run wherever the settings say, and return a warning for each place that could not be reached."""
    warnings = []
    if settings.textfile is not None:
        warnings += written(settings.textfile, own_metrics(record, analysis))
    if settings.pushgateway is not None:
        warnings += pushed(settings.pushgateway, record.plan.service, own_metrics(record, analysis))
    if settings.grafana is not None:
        warnings += _annotated(record, analysis, settings, environ)
    return tuple(warnings)


def annotation_documents(record: Record, analysis: Analysis) -> Iterator[JsonObject]:
    """Yield what Grafana's API takes for each phase, fault, step and the verdict."""
    zero_ms = int(1000 * began_s(record))
    for mark in _marks(record, analysis):
        document: JsonObject = {
            "time": zero_ms + int(1000 * mark.at_s),
            "tags": [_TAG, mark.tag, record.plan.service, record.plan.scenario],
            "text": mark.text,
        }
        if mark.end_s is not None:
            document["timeEnd"] = zero_ms + int(1000 * mark.end_s)
        yield document


def _marks(record: Record, analysis: Analysis) -> Iterator[_Mark]:
    for phase in record.phases:
        text = f"{record.plan.scenario}: {phase.name}" + (f": {', '.join(phase.faults)}" if phase.faults else "")
        yield _Mark(at_s=phase.start_s, text=text, tag="fault" if phase.faults else "phase", end_s=phase.end_s)
    for event in record.events:
        if event.kind in _SHOWN - {"phase"}:
            yield _Mark(at_s=event.at_s, text=event.text, tag=event.kind)
    end_s = record.phases[-1].end_s if record.phases else 0.0
    yield _Mark(at_s=end_s, text=f"{record.plan.scenario}: {analysis.verdict}: {analysis.reason}", tag="verdict")


def written(file: Path, text: str) -> list[str]:
    """Replace the file at once, as the textfile collector of node_exporter needs it; return what went wrong."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        with os.fdopen(handle, "w") as out:
            out.write(text)
        Path(partial).chmod(0o644)
        Path(partial).replace(file)
    except OSError as error:
        return [f"the metrics of this run were not written to {file}: {error.strerror or error}"]
    return []


def pushed(url: str, service: str, text: str, *, method: str = "PUT") -> list[str]:
    """Push metrics to a Pushgateway: PUT replaces those of the service, POST the ones with the same names.

    Return what went wrong.
    """
    group = f"{url.rstrip('/')}/metrics/job/canary_harness/service/{quote(service or 'none', safe='')}"
    return _sent(method, group, "the metrics of this run were not pushed", body=text.encode())


def _annotated(record: Record, analysis: Analysis, settings: PublishSettings, environ: Mapping[str, str]) -> list[str]:
    token = environ.get(settings.grafana_token_env or "", "")
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    url = f"{str(settings.grafana).rstrip('/')}/api/annotations"
    for document in annotation_documents(record, analysis):
        failed = _sent("POST", url, "this run was not annotated", body=json.dumps(document).encode(), headers=headers)
        if failed:
            return failed
    return []


def _sent(method: str, url: str, what: str, *, body: bytes, headers: Mapping[str, str] | None = None) -> list[str]:
    try:
        status, text = http_send_body(method, url, body=body, headers=headers or {}, timeout_s=_TIMEOUT_S)
    except MeshError as error:
        return [f"{what}: {error}"]
    if status in _ACCEPTED:
        return []
    return [f"{what}: {without_userinfo(url)} answered {status}: {' '.join(text[:200].split())}"]

"""Record the bodies with which services answer traced requests, for replays: Envoy's tap filter writes them to files.

A file has the headers of its request too, so the folder of these files must not outlive the mesh.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from harness.model.bodies import MOST_OF_A_KIND, MOST_RECORDED, DependencyBody
from harness.model.json import JsonObject, object_at, objects_at, parse_json, text_at
from harness.model.masking import redacted_body
from harness.model.operations import operation_of

_ARM_MARK = "x-harness-arm"
_FILTER = "type.googleapis.com/envoy.extensions.filters.http.tap.v3.Tap"


def tap_filter(folder: Path, service: str, most_bytes: int) -> JsonObject:
    """Return the filter that writes a file to ``folder`` for each traced request of a service.

    most_bytes: of a body; the rest of a longer one is left out.
    """
    traced: JsonObject = {"name": "traceparent", "string_match": {"suffix": "-01"}}
    sink: JsonObject = {"format": "JSON_BODY_AS_STRING", "file_per_tap": {"path_prefix": str(folder / service)}}
    config: JsonObject = {
        "match": {"http_request_headers_match": {"headers": [traced]}},
        "output_config": {"max_buffered_rx_bytes": 1, "max_buffered_tx_bytes": most_bytes, "sinks": [sink]},
    }
    return {
        "name": "envoy.filters.http.tap",
        "typed_config": {"@type": _FILTER, "common_config": {"static_config": config}},
    }


def tapped_bodies(folder: Path) -> Iterator[DependencyBody]:
    """Yield the whole bodies in a folder, without secrets; some different ones of each operation and status."""
    seen: set[DependencyBody] = set()
    kinds: Counter[tuple[str, str, int]] = Counter()
    for file in sorted(folder.glob("*.json")):
        body = _body(file)
        if body is None or body in seen or len(seen) >= MOST_RECORDED:
            continue
        kind = (body.service, operation_of(body.method, body.path), body.status)
        kinds[kind] += 1
        if kinds[kind] <= MOST_OF_A_KIND:
            seen.add(body)
            yield body


def _body(file: Path) -> DependencyBody | None:
    """Return the body in a file; None if it is cut off, no text, the canary's, or still being written."""
    try:
        document = parse_json(file.read_bytes())
    except ValueError:
        return None
    trace = object_at(document if isinstance(document, dict) else {}, "http_buffered_trace")
    asked, answered = _headers(object_at(trace, "request")), _headers(object_at(trace, "response"))
    body = object_at(trace, "response", "body")
    text, status = body.get("as_string"), answered.get(":status", "")
    if not isinstance(text, str) or body.get("truncated") or not status.isdecimal():
        return None
    if answered.get(_ARM_MARK) == "canary":  # a stand-in plays the baseline, never the canary
        return None
    return DependencyBody(
        service=file.name.rpartition("_")[0],
        method=asked.get(":method", ""),
        path=asked.get(":path", "").partition("?")[0],
        status=int(status),
        content_type=answered.get("content-type", ""),
        text=redacted_body(text),
    )


def _headers(message: JsonObject) -> dict[str, str]:
    return {text_at(one, "key"): text_at(one, "value", default="") for one in objects_at(message, "headers")}

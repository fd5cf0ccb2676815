"""Record the bodies with which services answer traced requests, for replays: Envoy's tap filter writes them to files.

A file has the headers of its request too, so the folder of these files must not outlive the mesh.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from harness.model.bodies import DependencyBody
from harness.model.json import JsonObject, JsonValue, object_at, objects_at, parse_json, text_at
from harness.model.masking import redacted, redacted_json
from harness.model.operations import operation_of

_FILTER = "type.googleapis.com/envoy.extensions.filters.http.tap.v3.Tap"
_MOST_OF_A_KIND, _MOST = 5, 500


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
        if body is None or body in seen or len(seen) >= _MOST:
            continue
        kind = (body.service, operation_of(body.method, body.path), body.status)
        kinds[kind] += 1
        if kinds[kind] <= _MOST_OF_A_KIND:
            seen.add(body)
            yield body


def _body(file: Path) -> DependencyBody | None:
    """Return the body in a file; None if it is cut off, is no text, or is still being written."""
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
    return DependencyBody(
        service=file.name.rpartition("_")[0],
        method=asked.get(":method", ""),
        path=asked.get(":path", "").partition("?")[0],
        status=int(status),
        content_type=answered.get("content-type", ""),
        text=_without_secrets(text),
    )


def _headers(message: JsonObject) -> dict[str, str]:
    return {text_at(one, "key"): text_at(one, "value", default="") for one in objects_at(message, "headers")}


def _without_secrets(text: str) -> str:
    try:
        value: JsonValue = parse_json(text.encode())
    except ValueError:
        return redacted(text)
    return json.dumps(redacted_json(value), ensure_ascii=False)

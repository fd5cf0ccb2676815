"""Find the file and line of the value that Envoy rejected: Envoy's reason quotes the value but names no file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from harness.errors import EnvoyRejection, ResourceError
from harness.model.json import JsonObject, JsonValue
from harness.routing.edits import key
from harness.routing.istio.check_references import Found
from harness.routing.istio.checks import raise_problems
from harness.routing.istio.reading import sources_of
from harness.routing.istio.shapes import At, Problem

_SHORTEST = 3
"""A shorter quotation, in characters, could match a value by coincidence."""


@contextmanager
def rejections_located(resources: Sequence[JsonObject], namespace: str) -> Iterator[None]:
    """Turn an EnvoyRejection into a ResourceError with file and line where Envoy's reason quotes a value of a file."""
    try:
        yield
    except EnvoyRejection as error:
        found = list(_quoted(resources, namespace, error))
        if found:
            try:
                raise_problems(resources, found[:1], namespace=namespace)
            except ResourceError as placed:
                raise placed from error
        raise


def _quoted(resources: Sequence[JsonObject], namespace: str, error: EnvoyRejection) -> Iterator[Found]:
    piece = error.reason.rpartition(": ")[2].strip()
    for resource in resources:
        if key(resource, namespace) not in sources_of(resources):
            continue
        for at, text in _texts(resource.get("spec"), ("spec",)):
            if (len(piece) >= _SHORTEST and piece in text) or (len(text) > _SHORTEST and text in piece):
                yield resource, Problem(at=at, message=str(error))


def _texts(value: JsonValue, at: At) -> Iterator[tuple[At, str]]:
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(inner, (*at, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, (*at, index))

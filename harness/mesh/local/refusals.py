"""Where in the files stands what Envoy refused: its reason quotes a piece of some value, but knows no files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from harness.errors import EnvoyError
from harness.model.json import Json
from harness.routing.istio.check_references import Found
from harness.routing.istio.checks import raise_problems
from harness.routing.istio.edits import key
from harness.routing.istio.reading import sources_of
from harness.routing.istio.shapes import At, Problem

_SHORTEST = 3
"""Characters of a piece or value that are no coincidence."""


@contextmanager
def refusals_placed(resources: Sequence[Json], namespace: str) -> Iterator[None]:
    """Raise ResourceError with file and line instead of an EnvoyError whose reason quotes a value of a file."""
    try:
        yield
    except EnvoyError as error:
        found = list(_quoted(resources, namespace, str(error)))
        if found and "refused the configuration" in str(error):
            try:
                raise_problems(resources, found[:1], namespace=namespace)
            except Exception as placed:
                raise placed from error
        raise


def _quoted(resources: Sequence[Json], namespace: str, reason: str) -> Iterator[Found]:
    piece = reason.rpartition(": ")[2].strip()
    for resource in resources:
        if key(resource, namespace) not in sources_of(resources):
            continue
        for at, text in _texts(resource.get("spec"), ("spec",)):
            if (len(piece) >= _SHORTEST and piece in text) or (len(text) > _SHORTEST and text in piece):
                yield resource, Problem(at=at, message=reason)


def _texts(value: Json, at: At) -> Iterator[tuple[At, str]]:
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(inner, (*at, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, (*at, index))

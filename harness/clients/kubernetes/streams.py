"""Read answers that the API server sends piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import urllib3

from harness.errors import ClusterUnreachable, ShapeError
from harness.model.json import JsonValue, parse_json


@contextmanager
def released(answer: urllib3.BaseHTTPResponse) -> Iterator[None]:
    """Close the connection of an answer on exit."""
    try:
        yield
    finally:
        answer.close()


def lines(answer: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    """Yield the lines of a streamed answer as they arrive. Raises ClusterUnreachable when the stream breaks."""
    rest = b""
    try:
        for chunk in answer.stream(None):
            *whole, rest = (rest + chunk).split(b"\n")
            yield from (line for line in whole if line.strip())
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise ClusterUnreachable(f"watch: the connection broke ({type(error).__name__}); read again") from error


def document(line: bytes) -> JsonValue:
    """Return the JSON of a line. Raises ShapeError for anything else."""
    try:
        return parse_json(line)
    except ValueError as error:
        raise ShapeError(f"expected JSON, found something else: {error}", path="") from error

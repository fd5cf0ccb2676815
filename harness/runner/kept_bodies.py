"""Read the bodies of failed answers that the workers of the load generator have kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from harness.load.protocol.sample_files import BODIES
from harness.model.bodies import Body
from harness.model.record import Record


def with_bodies(record: Record, folder: Path) -> Record:
    """Return the record with the bodies of its loads in ``folder``, in the order of their times."""
    if record.load is None:
        return record
    zero_s = record.load.started_at
    found = [body for path in folder.glob(f"load*/**/*{BODIES}") for body in _bodies(path)]
    in_order = sorted(found, key=lambda body: body.at_s)
    return replace(record, bodies=tuple(replace(body, at_s=round(body.at_s - zero_s, 3)) for body in in_order))


def _bodies(path: Path) -> Iterator[Body]:
    """Yield the bodies of complete lines, with their times since the epoch; a killed worker may leave half a line."""
    for line in path.read_bytes().splitlines():
        try:
            yield _adapter().validate_json(line)
        except ValidationError:
            return


@cache
def _adapter() -> TypeAdapter[Body]:
    return TypeAdapter(Body)

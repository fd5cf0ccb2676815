"""Read the bodies of answers that the workers of the load generator have kept."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from harness.load.protocol.sample_files import ANSWERS, BODIES
from harness.model.bodies import Body, DependencyBody
from harness.model.record import Record

_Kind = TypeVar("_Kind", Body, DependencyBody)


def with_bodies(record: Record, folder: Path) -> Record:
    """Return the record with the bodies of its loads in ``folder``: failed ones in the order of their times."""
    if record.load is None:
        return record
    zero_s = record.load.started_at
    found = _read(folder, BODIES, TypeAdapter(Body))
    in_order = sorted(found, key=lambda body: body.at_s)
    answers = dict.fromkeys(_read(folder, ANSWERS, TypeAdapter(DependencyBody)))
    return replace(
        record,
        bodies=tuple(replace(body, at_s=round(body.at_s - zero_s, 3)) for body in in_order),
        dependency_bodies=(*record.dependency_bodies, *answers),
    )


def _read(folder: Path, suffix: str, adapter: TypeAdapter[_Kind]) -> list[_Kind]:
    """Return the bodies in the files of all workers; a killed worker may leave half a line."""
    found: list[_Kind] = []
    for path in sorted(folder.glob(f"load*/**/*{suffix}")):
        with suppress(ValidationError):
            found.extend(adapter.validate_json(line) for line in path.read_bytes().splitlines())
    return found

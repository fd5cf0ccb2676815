"""The ``stand-ins`` section: what services answer that ``harness replay`` plays instead of running them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeAlias

from pydantic import Field, model_validator

from harness.config.mistakes import require_known
from harness.config.section import Section
from harness.config.values import Count, Shaped, Text, expected
from harness.model.stand_in import Body
from harness.yaml_files import Document

Method: TypeAlias = Annotated[str, Shaped(r"[A-Z]+", "an HTTP method such as GET")]


class BodyKeys(Section):
    """The body of answers to requests of one path."""

    path: Annotated[str, Shaped("/.*", "a path that starts with /")]
    """The path, or the beginning of one that ends with *."""

    body: Text
    """What answers contain."""

    content_type: Text = Body(path="/", text="").content_type
    """The content type of the answers."""

    method: Method = "GET"
    """The method of the requests."""

    status: Annotated[int, Count(200, 599)] = 200
    """The status of the answers that have this body. How often it is answered is recorded."""


class StandInKeys(Section):
    """What one service answers while it is played."""

    answers: list[BodyKeys] = Field(default_factory=list)
    """The bodies of its answers; the first one that fits is sent. Without one that fits, a recorded body is."""

    record_bytes: Annotated[int, Count(0, 65536)] = 0
    """Up to how many bytes bodies of its answers are recorded, without secrets; 0: none.

    On the local mesh these are answers to traced requests (trace_share of the load profile), if they are not longer. On
    a cluster only answers that the load itself gets can be recorded: those of the entry.
    """

    @model_validator(mode="after")
    def _says_something(self) -> StandInKeys:
        if not self.answers and not self.record_bytes:
            raise expected("answers, record-bytes or both")
        return self


def stand_ins_of(
    keys: Mapping[str, StandInKeys], services: Mapping[str, object], document: Document
) -> dict[str, tuple[Body, ...]]:
    """Return the bodies by service. Raises ConfigError for a service that the file does not have."""
    for name in keys:
        require_known(document, ("stand-ins", name), name, services)
    return {
        name: tuple(
            Body(path=one.path, text=one.body, content_type=one.content_type, method=one.method, status=one.status)
            for one in stand_in.answers
        )
        for name, stand_in in keys.items()
    }

"""Keep whole answers of the entry for replays, if ``harness.yaml`` asks for them: a few different ones of each kind.

``worker-N.answers`` has one JSON object on each line, with the fields of ``DependencyBody``. A stand-in plays the
baseline or another service, never the canary, so answers of the canary are left out.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness.load.protocol.sample_files import answers_file
from harness.model.bodies import MOST_OF_A_KIND, MOST_RECORDED, DependencyBody
from harness.model.masking import redacted_body

_LOOKED_AT = 50
"""Answers of a kind that are read: reading all of them would make the load generator slow."""


class AnswerKeeper:
    """Listens to the request events of one worker."""

    def __init__(self, folder: Path, *, worker: int, service: str, most_bytes: int, arm_header: str) -> None:
        """Write nothing yet. service: that answers. most_bytes: a longer body is not kept."""
        self._file, self._service, self._most_bytes = answers_file(folder, worker), service, most_bytes
        self._arm_header = arm_header
        self._seen: Counter[tuple[str, int]] = Counter()
        self._kept: dict[tuple[str, int], set[DependencyBody]] = {}

    def keep(self, name: str = "", response: Any = None, **_: object) -> None:
        """Handle Locust's request event."""
        kind = (name, getattr(response, "status_code", 0) or 0)
        if not kind[1] or self._seen[kind] >= _LOOKED_AT or self._seen.total() >= MOST_RECORDED * _LOOKED_AT:
            return
        try:
            body = self._body(response)
        except (AttributeError, UnicodeDecodeError):  # not an HTTP answer, or not text: nor will the next ones be
            self._seen[kind] += 1
            return
        if body is None:
            return
        self._seen[kind] += 1
        kept = self._kept.setdefault(kind, set())
        if body not in kept and len(kept) < MOST_OF_A_KIND and len(self._kept) <= MOST_RECORDED // MOST_OF_A_KIND:
            kept.add(body)
            with self._file.open("a", encoding="utf-8") as file:
                file.write(f"{json.dumps(asdict(body))}\n")

    def _body(self, response: Any) -> DependencyBody | None:
        """Return the body of an answer; None for one of the canary, and for one that is too long."""
        content, headers = response.content or b"", response.headers
        if headers.get(self._arm_header, "") == "canary" or len(content) > self._most_bytes:
            return None
        return DependencyBody(
            service=self._service,
            method=response.request.method,
            path=urlsplit(response.request.url).path,
            status=response.status_code,
            content_type=headers.get("content-type", ""),
            text=redacted_body(content.decode()),
        )

"""Keep the bodies of failed answers, if the profile asks for them: the first ones of each kind, cut and redacted.

``worker-N.bodies`` has one JSON object on each line. Only answers that failed are looked at, so that a run without
failures costs nothing; and only a few of each kind are kept, so that a run in which everything fails stays fast.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

from harness.load.protocol.sample_files import bodies_file
from harness.model.masking import redacted

_MOST_OF_A_KIND, _MOST = 3, 100
_LARGEST = 256 * 1024
"""Bytes of a body that are searched for secrets; what is kept is a part of them."""


class BodyKeeper:
    """Listens to the request events of one worker. keep_bytes: of each body."""

    def __init__(self, folder: Path, *, worker: int, keep_bytes: int, arm_header: str, arms: tuple[str, ...]) -> None:
        """Write nothing yet."""
        self._file, self._keep, self._arm_header, self._arms = bodies_file(folder, worker), keep_bytes, arm_header, arms
        self._kept: Counter[tuple[str, str, int, str]] = Counter()

    def keep(self, name: str = "", response: Any = None, exception: object = None, **_: object) -> None:
        """Handle Locust's request event."""
        status = getattr(response, "status_code", 0) or 0
        if response is None or (status < 500 and exception is None) or self._kept.total() >= _MOST:
            return
        try:
            arm, content = response.headers.get(self._arm_header, ""), response.content or b""
        except AttributeError:  # not an answer of HTTP
            return
        arm = arm if arm in self._arms else ""
        error = "" if exception is None or status >= 500 else f"{type(exception).__name__}: {exception}"[:200]
        kind = (arm, name, status, error)
        if self._kept[kind] >= _MOST_OF_A_KIND:
            return
        self._kept[kind] += 1
        text = redacted(content[:_LARGEST].decode(errors="replace"))
        kept = text.encode()[: self._keep].decode(errors="ignore")
        line = {
            "at_s": time.time(), "arm": arm, "operation": name, "status": status, "error": redacted(error),
            "text": kept, "size": len(content),
        }  # fmt: skip
        with self._file.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(line)}\n")

"""The journal of changes: each change is on disk before it is made, so that it can be undone after a crash."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import MeshError
from harness.model.json import JsonObject
from harness.model.step import Step
from harness.model.step_json import step_to_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """A file of JSON lines: one line before a change is made, with its steps, and one line when it has been undone."""

    file: Path

    def will_make(self, change: str, steps: Sequence[Step]) -> None:
        """Record the steps of a change; they are on disk when this returns.

        Raises MeshError when the file cannot be written.
        """
        self._append({"change": change, "steps": [step_to_json(step) for step in steps]})

    def was_undone(self, change: str, *, verified: bool) -> None:
        """Record that a change has been undone; ``verified`` says whether a check found nothing left of it."""
        self._append({"undone": change, "verified": verified})

    def _append(self, line: JsonObject) -> None:
        try:
            with self.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise MeshError(f"cannot write the journal {self.file}, so no change is made: {error.strerror}") from error

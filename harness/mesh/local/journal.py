"""What has been changed and not yet been undone, on disk before it happens."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import MeshError
from harness.model.json import Json
from harness.routing.istio.edits import Edit, edit_to_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """A file of JSON lines: a change with its edits before it is made, and a line when it has been undone."""

    file: Path

    def will_make(self, change: str, edits: Sequence[Edit]) -> None:
        """Note the edits of a change; they are on disk when this returns. Raises MeshError when they cannot be."""
        self._append({"change": change, "edits": [edit_to_json(edit) for edit in edits]})

    def was_undone(self, change: str, *, verified: bool) -> None:
        """Note that nothing of a change is left."""
        self._append({"undone": change, "verified": verified})

    def _append(self, line: Json) -> None:
        try:
            with self.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise MeshError(
                f"expected to write the journal {self.file} before a change is made: {error.strerror}"
            ) from error

"""The journal: every change and its undo are written down before the change is made, on disk and in the cluster.

The ConfigMap of a change is created before its first step and deleted after its undo has been verified. A ConfigMap
that exists therefore stands for a change that has to be reverted, whatever happened to the run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.clients.kubernetes.api import Kubernetes
from harness.clients.kubernetes.times import stamp
from harness.clients.kubernetes.types import labels_of, metadata_of
from harness.errors import MeshError, ShapeError
from harness.model.json import JsonObject, JsonValue, object_at, parse_json, text_at
from harness.model.step import Edit, Step
from harness.model.step_json import step_from_json, step_to_json
from harness.printable import shown
from harness.routing.edits import MANAGED_BY, OWNER_LABEL, prefix
from harness.routing.istio.format_1 import edit_of_format_1

JOURNAL_LABEL = "canary-harness/journal"
FORMAT = "2"
"""Since 2 there are actions, and every step carries its declaration. A reader of format 1 leaves such entries alone."""
READ_FORMATS = ("1", FORMAT)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """A change in the journal.

    number: the order in which the changes were made. expires_at: when the reaper undoes it although its run is alive,
    in epoch seconds of the API server's clock. ends_at: when its run means to undo it; None where that depends on the
    run.
    """

    owner: str
    number: int
    name: str
    steps: tuple[Step, ...]
    expires_at: float
    made_by: str = ""
    ends_at: float | None = None

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The steps that are edits."""
        return tuple(step for step in self.steps if isinstance(step, Edit))

    @property
    def config_map(self) -> str:
        """The name of its ConfigMap."""
        return f"{prefix(self.owner)}journal-{self.number}"

    def to_json(self) -> JsonObject:
        """Return the change as the journal stores it."""
        return {
            "format": FORMAT,
            "owner": self.owner,
            "number": self.number,
            "name": self.name,
            "steps": [step_to_json(step) for step in self.steps],
            "expires_at": self.expires_at,
            "made_by": self.made_by,
            **({} if self.ends_at is None else {"ends_at": self.ends_at}),
        }


def change_from_json(value: JsonValue) -> JournalEntry:
    """Return the change that ``to_json`` stored, in this format or the one before.

    Raises MeshError for any other format, and for a journal that lacks something.
    """
    try:
        return _change(object_at(value))
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise MeshError(
            f"journal: expected a change, found something else ({type(error).__name__}: {error}); "
            "look at it, revert by hand what it describes, and delete it"
        ) from error


def _change(value: JsonObject) -> JournalEntry:
    if value.get("format") not in READ_FORMATS:
        raise MeshError(
            f"journal: expected format {' or '.join(READ_FORMATS)}, found {shown(value.get('format'))}: "
            "it is left alone; undo it with the version of the harness that wrote it"
        )
    steps: list[Step]
    if value["format"] == FORMAT:
        steps = [step_from_json(step) for step in _objects(value["steps"])]
    else:
        steps = [edit_of_format_1(edit) for edit in _objects(value["edits"])]
    return JournalEntry(
        owner=text_at(value, "owner"),
        number=round(_number(value["number"])),
        name=text_at(value, "name"),
        steps=tuple(steps),
        expires_at=_number(value["expires_at"]),
        made_by=text_at(value, "made_by"),
        ends_at=None if value.get("ends_at") is None else _number(value["ends_at"]),
    )


def _objects(value: JsonValue) -> list[JsonObject]:
    """Return a list of objects, which must be there: a journal without its steps would look like one without any."""
    if not isinstance(value, list):
        raise TypeError(f"expected a list of steps, found {value!r:.100}")
    return [object_at(item) for item in value]


def _number(value: JsonValue) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"expected a number, found {value!r:.100}")
    return value


class Journal:
    """Both copies of the journal: a line on disk, then a ConfigMap in the cluster."""

    def __init__(self, kube: Kubernetes, *, namespace: str, file: Path | None) -> None:
        """file: JSON lines are appended to it; None keeps no local copy, as in the reaper."""
        self._kube, self._namespace, self._file = kube, namespace, file

    def will_make(self, change: JournalEntry) -> None:
        """Record a change; it is on disk and in the cluster when this returns.

        Raises MeshError or ClusterError if it cannot be recorded.
        """
        self._append({"will_make": change.to_json(), "namespace": self._namespace, "context": self._kube.context})
        self._kube.create(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {
                    "name": change.config_map,
                    "namespace": self._namespace,
                    "labels": {**MANAGED_BY, OWNER_LABEL: change.owner, JOURNAL_LABEL: "true"},
                    "annotations": {"canary-harness/expires-at": stamp(change.expires_at)},
                },
                "data": {"change": json.dumps(change.to_json())},
            }
        )

    def still_there(self, change: JournalEntry) -> bool:
        """Return whether nobody has reverted the change meanwhile."""
        return self._kube.get("ConfigMap", self._namespace, change.config_map) is not None

    def was_undone(self, change: JournalEntry, *, patience_s: float) -> None:
        """Record that nothing of the change is left."""
        self._kube.change("ConfigMap", self._namespace, change.config_map, _none, patience_s=patience_s)
        self._append({"was_undone": change.config_map})

    def _append(self, line: JsonObject) -> None:
        if self._file is None:
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise MeshError(f"expected to write the journal {self._file} before a change: {error.strerror}") from error


def _none(_: JsonObject | None) -> None:
    return None


def journalled(
    kube: Kubernetes, namespace: str, *, unreadable: Callable[[str], None] | None = None
) -> tuple[JournalEntry, ...]:
    """Return the changes of all runs in the namespace that have not been reverted, the last one first.

    unreadable: receives a message about each journal that cannot be read, so that the others can be reverted; without
    it such a journal raises MeshError.
    """
    changes = []
    for item in kube.list("ConfigMap", namespace, labels={JOURNAL_LABEL: "true"}):
        try:
            changes.append(_read(item))
        except MeshError as error:
            if unreadable is None:
                raise
            unreadable(str(error))
    return tuple(sorted(changes, key=lambda change: (change.owner, -change.number)))


def owners_left(kube: Kubernetes, namespace: str) -> set[str]:
    """Return the runs that have a journal in the namespace, including journals that cannot be read."""
    items = kube.list("ConfigMap", namespace, labels={JOURNAL_LABEL: "true"})
    return {labels_of(metadata_of(item)).get(OWNER_LABEL, "") for item in items}


def _read(config_map: JsonObject) -> JournalEntry:
    name = metadata_of(config_map)["name"]
    try:
        return change_from_json(parse_json(text_at(config_map, "data", "change")))
    except MeshError as error:
        raise MeshError(f"ConfigMap {name}: {error}") from error
    except ValueError as error:
        raise MeshError(
            f"ConfigMap {name}: expected the journal of a change, found something else ({type(error).__name__}: "
            f"{error}); "
            "look at it, revert by hand what it describes, and delete it"
        ) from error


def left_on_disk(file: Path) -> tuple[tuple[str, JournalEntry], ...]:
    """Return the changes of a journal file that were not reverted, with their namespaces, the last one first.

    An incomplete last line is ignored.
    """
    left: dict[str, tuple[str, JournalEntry]] = {}
    try:
        texts = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MeshError(f"{file}: expected a journal, found a file that cannot be read: {error}") from error
    for number, text in enumerate(texts, 1):
        try:
            line = object_at(parse_json(text))
        except ValueError as error:
            if number == len(texts):
                continue
            raise MeshError(f"{file}:{number}: expected a line of a journal, found something else: {error}") from error
        try:
            if "will_make" in line:
                change = change_from_json(line["will_make"])
                left[change.config_map] = (text_at(line, "namespace"), change)
            else:
                left.pop(text_at(line, "was_undone"), None)
        except MeshError as error:
            raise MeshError(f"{file}:{number}: {error}") from error
        except ShapeError as error:
            raise MeshError(f"{file}:{number}: expected a line of a journal, found {shown(line)}") from error
    return tuple(reversed(left.values()))

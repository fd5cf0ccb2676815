"""The steps of a change as values: edits of resources, and actions.

A step is known completely before anything is sent, so that it can be journalled first. An edit contains what its undo
needs; an action names its undo, or the time after which it has reverted itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from harness.errors import UsageError
from harness.model.declared import Declared, Scalar
from harness.model.json import JsonObject, JsonValue, text_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Insertion:
    """An entry with a name of ours, and the entry that it is placed before, as that was when the edit was planned.

    ``before`` None means at the end.
    """

    entry: JsonObject
    before: JsonObject | None = None

    @property
    def name(self) -> str:
        """The name of the entry. Raises ShapeError if it has none, because no undo would find it."""
        return text_at(self.entry, "name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A value at ``path``: from ``before`` to ``after``; None means that the key is absent.

    path: keys of mappings; ``subsets[v3]`` leads to the entry named v3 of the list ``subsets``.
    existing: how many of the path's keys led to values that were there, so that the undo drops the mappings it made.
    """

    path: tuple[str, ...]
    before: JsonValue
    after: JsonValue
    existing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One change of one resource.

    kind, namespace, name: the resource. owner: the run's mark, part of the name of all that is inserted.
    declared: what the edit does to requests. An edit without it is refused when it is to be made; journals of the
    first format hold such edits, which can still be undone.
    create: the whole resource where there is none, or None (then nothing else is set).
    list_at: the path of the list whose entries have names; empty when the resource has none.
    insert: entries for that list. bare: the list was absent, so the undo drops it when it is left empty.
    keeps: the name of the created entry that stays, without its name, when others have put entries into what we made.
    settings: single values.
    """

    kind: str
    namespace: str
    name: str
    owner: str
    declared: Declared | None = None
    create: JsonObject | None = None
    list_at: tuple[str, ...] = ()
    insert: tuple[Insertion, ...] = ()
    bare: bool = False
    keeps: str = ""
    settings: tuple[Setting, ...] = ()

    def __post_init__(self) -> None:
        if self.insert and not self.list_at:
            raise UsageError(f"{self.label}: expected the path of the list to insert into (list_at), found none")

    @property
    def label(self) -> str:
        """The resource as people write it: ``VirtualService shop/reviews``."""
        return f"{self.kind} {self.namespace}/{self.name}"

    @property
    def place(self) -> tuple[str, str, str]:
        """Kind, namespace and name of the resource."""
        return self.kind, self.namespace, self.name


class Verb(StrEnum):
    """What an action does. pause, resume, stop, start and restart act on processes, the others on a cluster's objects.

    A process is stopped at once, as by a crash.
    """

    EVICT = "evict"
    DELETE = "delete"
    SCALE = "scale"
    RESIZE = "resize"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    START = "start"
    RESTART = "restart"


PROCESS = "Process"
"""The kind of a target that is a process of this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """The target of an action.

    uid: of the object, or the process id with its start time; empty if it may be any.
    """

    kind: str
    namespace: str
    name: str
    uid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One thing that is done to one target."""

    verb: Verb
    target: Ref
    args: Mapping[str, Scalar] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """As people write it: ``scale Deployment shop/ratings-v1``."""
        return f"{self.verb} {self.target.kind} {self.target.namespace}/{self.target.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A step that is no edit.

    undo: what reverts it. heals_within_s: seconds after which it has reverted itself. Raises UsageError unless exactly
    one of the two is given, because every change must be reverted.
    """

    owner: str
    declared: Declared | None
    act: Act
    undo: Act | None = None
    heals_within_s: float | None = None

    def __post_init__(self) -> None:
        if (self.undo is None) == (self.heals_within_s is None):
            raise UsageError(f"{self.label}: expected an undo or the time in which it heals, found both or neither")

    @property
    def label(self) -> str:
        """As people write it."""
        return self.act.label


Step: TypeAlias = Edit | Action


def require_declared(step: Step) -> Declared:
    """Return what the step does. Raises UsageError if it does not declare that, because no limit could be checked."""
    if step.declared is None:
        raise UsageError(
            f"{step.label}: expected a step that declares what it does to requests, found none: no limit could be "
            "checked; give it declared=Declared(...)"
        )
    return step.declared

"""Edits of Istio resources, each with its surgical undo.

An edit is a plain value, known whole before anything is sent, so that it can be journalled first. The
undo removes what carries the edit's names and restores a value only while it is still the edit's; what
others changed meanwhile stays theirs. Applying twice and undoing twice are the same as once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass

from harness.errors import MeshError, UsageError
from harness.model.declared import Declared, Scope
from harness.model.json import Json

OWNER_LABEL = "canary-harness/owner"
HOST_LABEL = "canary-harness/host"
"""On what is made for a host that the object itself does not name."""
MANAGED_BY = {"app.kubernetes.io/managed-by": "canary-harness"}
LISTS: Mapping[str, str] = {"VirtualService": "http", "DestinationRule": "subsets"}
"""The list under ``spec`` that insertions go into, by kind; its entries are told apart by ``name``. Resources of other kinds are created as a whole or have values set."""

_OWNER = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Insertion:
    """An entry with a name of ours, and the entry it stands before, as that was when it was planned.

    ``before`` None means at the end.
    """

    entry: Json
    before: Json | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A value at ``path`` (keys of mappings): from ``before`` to ``after``; None means that the key is absent.

    ``existing``: how many of the path's keys led to mappings that were there, so that the undo drops those it made.
    """

    path: tuple[str, ...]
    before: Json | None
    after: Json | None
    existing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One change of one resource.

    kind, namespace, name: the resource. owner: the run's mark, part of the name of all that is inserted.
    create: the whole resource where none is, else None (then nothing else is set).
    insert: entries of the kind's list. bare: the list was absent, so the undo drops it when it is left empty.
    settings: single values. declared: what the edit does to requests; None is refused when the edit is to be made, and
    is found only in journals of the format before this field.
    """

    kind: str
    namespace: str
    name: str
    owner: str
    create: Json | None = None
    insert: tuple[Insertion, ...] = ()
    bare: bool = False
    settings: tuple[Setting, ...] = ()
    declared: Declared | None = None

    @property
    def label(self) -> str:
        """The resource as people write it: ``VirtualService shop/reviews``."""
        return f"{self.kind} {self.namespace}/{self.name}"


def prefix(owner: str) -> str:
    """What every name made by ``owner`` starts with. Raises UsageError unless it can be part of a resource's name."""
    if not _OWNER.fullmatch(owner):
        raise UsageError(f"owner: expected up to 40 small letters, digits and inner dashes, found {owner!r}")
    return f"harness-{owner}-"


def setting(resource: Json, path: Sequence[str], after: Json | None) -> Setting:
    """The setting that brings ``path`` of ``resource`` to ``after``."""
    node, existing = resource, 0
    for key in path[:-1]:
        if not isinstance(node.get(key), dict):
            break
        node, existing = node[key], existing + 1
    before = node.get(path[-1]) if existing == len(path) - 1 else None
    return Setting(path=tuple(path), before=deepcopy(before), after=deepcopy(after), existing=existing)


def applied(edit: Edit, resource: Json | None) -> Json:
    """``resource`` (None where there is none) with the edit made; the argument is left as it was.

    Raises MeshError when the resource is not as it was when the edit was planned.
    """
    if edit.create is not None:
        return _created(edit, resource)
    if resource is None:
        raise MeshError(f"{edit.label}: expected the resource to be there, found none: it was deleted; plan again")
    changed = deepcopy(resource)
    for insertion in edit.insert:
        _insert(edit, changed, insertion)
    for item in edit.settings:
        _set(edit, changed, item)
    return changed


def undone(edit: Edit, resource: Json | None) -> Json | None:
    """``resource`` without anything of the edit; None says that it is to be deleted, or is not there."""
    if resource is None:
        return None
    changed = deepcopy(resource)
    if edit.create is not None:
        return _uncreated(edit, changed)
    _remove(edit, changed, {insertion.entry["name"] for insertion in edit.insert})
    for item in reversed(edit.settings):
        _restore(changed, item)
    return changed


def traces(edit: Edit, resource: Json | None) -> tuple[str, ...]:
    """What of the edit is still in ``resource``, in words; empty when it is undone."""
    if resource is None:
        return ()
    if edit.create is not None:
        return (f"{edit.label} exists",) if _owner_of(resource) == edit.owner else ()
    names = {insertion.entry["name"] for insertion in edit.insert}
    there = [f"{edit.label}: {name}" for name in _names(edit, resource) if name in names]
    values = [
        f"{edit.label}: {'.'.join(item.path)} is {item.after!r}"
        for item in edit.settings
        if item.after != item.before and _value(resource, item.path) == item.after
    ]
    return (*there, *values)


def applied_all(edits: Iterable[Edit], resources: Sequence[Json], *, namespace: str) -> tuple[Json, ...]:
    """All resources with the edits made one after the other; ``namespace`` is that of resources that name none."""
    changed = {key(resource, namespace): resource for resource in resources}
    for edit in edits:
        place = (edit.kind, edit.namespace, edit.name)
        changed[place] = applied(edit, changed.get(place))
    return tuple(changed.values())


def undone_all(edits: Sequence[Edit], resources: Sequence[Json], *, namespace: str) -> tuple[Json, ...]:
    """All resources with the edits undone, the last one first."""
    changed: dict[tuple[str, str, str], Json | None] = {key(resource, namespace): resource for resource in resources}
    for edit in reversed(edits):
        place = (edit.kind, edit.namespace, edit.name)
        if place in changed:
            changed[place] = undone(edit, changed[place])
    return tuple(resource for resource in changed.values() if resource is not None)


def key(resource: Json, namespace: str) -> tuple[str, str, str]:
    """Kind, namespace and name of a resource; ``namespace`` where it names none."""
    metadata = resource["metadata"]
    return resource["kind"], metadata.get("namespace") or namespace, metadata["name"]


def edit_to_json(edit: Edit) -> Json:
    """The edit as a mapping that JSON can hold."""
    return asdict(edit)


def edit_from_json(value: Json) -> Edit:
    """The edit that ``edit_to_json`` made ``value`` of, in this format or the one before, which declared nothing."""
    insert = tuple(Insertion(**item) for item in value["insert"])
    settings = tuple(Setting(**{**item, "path": tuple(item["path"])}) for item in value["settings"])
    said = value.get("declared")
    declared = None if said is None else Declared(**{**said, "scope": Scope(**said["scope"])})
    return Edit(**{**value, "insert": insert, "settings": settings, "declared": declared})


def require_declared(edit: Edit) -> Declared:
    """What the edit does. Raises UsageError when it does not say, because no limit could be checked."""
    if edit.declared is None:
        raise UsageError(
            f"{edit.label}: expected an edit that declares what it does to requests, found none: no limit could be checked; "
            "give it declared=Declared(...)"
        )
    return edit.declared


def _created(edit: Edit, resource: Json | None) -> Json:
    if resource is None:
        return deepcopy(edit.create)
    if _owner_of(resource) == edit.owner:
        return deepcopy(resource)
    raise MeshError(f"{edit.label}: expected none, found one that somebody else made meanwhile: plan again")


def _uncreated(edit: Edit, resource: Json) -> Json | None:
    """None, unless others put entries of theirs into what we made: then it becomes theirs, without our entries.

    The last entry that we made answers whatever no other entry matches; without it those requests would
    get 404, so it stays, without our name.
    """
    if _owner_of(resource) != edit.owner:
        return resource
    if edit.kind not in LISTS:
        return None
    entries, ours = _entries(edit, resource), prefix(edit.owner)
    made = [entry["name"] for entry in _entries(edit, edit.create)]
    if all(_name(entry).startswith(ours) for entry in entries):
        return None
    kept = [entry for entry in entries if not _name(entry).startswith(ours) or _name(entry) == made[-1]]
    if edit.kind != "VirtualService":
        kept = [entry for entry in kept if not _name(entry).startswith(ours)]
    resource["spec"][LISTS[edit.kind]] = [
        {field: value for field, value in entry.items() if field != "name"} if _name(entry) in made else entry
        for entry in kept
    ]
    for label in (OWNER_LABEL, *MANAGED_BY):
        resource["metadata"]["labels"].pop(label, None)
    return resource


def _insert(edit: Edit, resource: Json, insertion: Insertion) -> None:
    if insertion.entry["name"] in _names(edit, resource):
        return
    spec = resource.setdefault("spec", {})
    entries = spec.setdefault(LISTS[edit.kind], [])
    if insertion.before is None:
        entries.append(deepcopy(insertion.entry))
        return
    if insertion.before not in entries:
        raise MeshError(
            f"{edit.label}: expected the entry {_name(insertion.before) or insertion.before!r} as it was planned, "
            "found it changed or gone: somebody else edited it meanwhile; plan again"
        )
    entries.insert(entries.index(insertion.before), deepcopy(insertion.entry))


def _remove(edit: Edit, resource: Json, names: set[str]) -> None:
    if not names:
        return
    entries = _entries(edit, resource)
    kept = [entry for entry in entries if _name(entry) not in names]
    if len(kept) == len(entries):
        return
    if kept or not edit.bare:
        resource["spec"][LISTS[edit.kind]] = kept
    else:
        del resource["spec"][LISTS[edit.kind]]


def _set(edit: Edit, resource: Json, item: Setting) -> None:
    found = _value(resource, item.path)
    if found not in (item.before, item.after):
        raise MeshError(
            f"{edit.label}: expected {'.'.join(item.path)} to be {item.before!r}, found {found!r}: "
            "somebody else changed it meanwhile; plan again"
        )
    if item.after is None:
        _drop(resource, item.path, keep=len(item.path) - 1)
        return
    node = resource
    for part in item.path[:-1]:
        node = node.setdefault(part, {})
    node[item.path[-1]] = deepcopy(item.after)


def _restore(resource: Json, item: Setting) -> None:
    if _value(resource, item.path) != item.after:
        return
    if item.before is None:
        _drop(resource, item.path, keep=item.existing)
        return
    node = resource
    for part in item.path[:-1]:
        node = node.get(part)
        if not isinstance(node, dict):
            return
    node[item.path[-1]] = deepcopy(item.before)


def _drop(resource: Json, path: tuple[str, ...], *, keep: int) -> None:
    """Remove the key at ``path``, and the mappings on the way that are empty then, but for the first ``keep``."""
    nodes = [resource]
    for part in path[:-1]:
        if not isinstance(nodes[-1].get(part), dict):
            return
        nodes.append(nodes[-1][part])
    nodes[-1].pop(path[-1], None)
    for depth in range(len(path) - 1, keep, -1):
        if nodes[depth]:
            return
        del nodes[depth - 1][path[depth - 1]]


def _value(resource: Json, path: tuple[str, ...]) -> Json | None:
    node = resource
    for part in path:
        if not isinstance(node, dict):
            return None
        node = node.get(part)
    return node


def _entries(edit: Edit, resource: Json) -> list[Json]:
    entries = (resource.get("spec") or {}).get(LISTS[edit.kind])
    return entries if isinstance(entries, list) else []


def _names(edit: Edit, resource: Json) -> list[str]:
    return [_name(entry) for entry in _entries(edit, resource)] if edit.kind in LISTS else []


def _name(entry: Json) -> str:
    return str(entry.get("name") or "") if isinstance(entry, dict) else ""


def _owner_of(resource: Json) -> str | None:
    labels = resource.get("metadata", {}).get("labels") or {}
    owner = labels.get(OWNER_LABEL)
    return owner if isinstance(owner, str) else None


def routes_in(edit: Edit) -> Iterator[Json]:
    """The HTTP routes that an edit brings in."""
    if edit.kind == "VirtualService":
        yield from edit.create["spec"]["http"] if edit.create is not None else (item.entry for item in edit.insert)

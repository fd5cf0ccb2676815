"""Make edits of resources and undo them: pure functions, the same for every routing API.

The undo removes what has the edit's names. It restores a value only while that is still the edit's value, so that what
others changed meanwhile stays. Applying twice has the same result as applying once, and so has undoing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from copy import deepcopy

from harness.errors import MeshError, UsageError
from harness.model.json import JsonObject, JsonValue, object_at, text_at
from harness.model.step import Edit, Insertion, Setting

OWNER_LABEL = "canary-harness/owner"
HOST_LABEL = "canary-harness/host"
"""On what is made for a host that the object itself does not name."""
MANAGED_BY = {"app.kubernetes.io/managed-by": "canary-harness"}

_OWNER = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_ENTRY = re.compile(r"(?P<key>[^\[\]]+)\[(?P<name>[^\[\]]+)\]")
"""A part of a path that leads to a named entry of a list: ``subsets[v3]``."""


def prefix(owner: str) -> str:
    """Return what every name made by ``owner`` starts with.

    Raises UsageError unless it can be part of a resource's name.
    """
    if not _OWNER.fullmatch(owner):
        raise UsageError(f"owner: expected up to 40 small letters, digits and inner dashes, found {owner!r}")
    return f"harness-{owner}-"


def setting(resource: JsonObject, path: Sequence[str], after: JsonValue) -> Setting:
    """Return the setting that changes ``path`` of ``resource`` to ``after``.

    Raises UsageError for a path that ends at a list entry, or that leads through a missing one: entries are inserted,
    never set.
    """
    node, existing = resource, 0
    for part in path[:-1]:
        inner = _follow(node, part)
        if not isinstance(inner, dict):
            break
        node, existing = inner, existing + 1
    missing = [part for part in path[existing:] if _ENTRY.fullmatch(part)]
    if missing:
        raise UsageError(f"{'.'.join(path)}: expected the entry {missing[0]} to be there, found none")
    before = node.get(path[-1]) if existing == len(path) - 1 else None
    return Setting(path=tuple(path), before=deepcopy(before), after=deepcopy(after), existing=existing)


def applied(edit: Edit, resource: JsonObject | None) -> JsonObject:
    """Return ``resource`` (None if it does not exist) with the edit made; the argument is not changed.

    Raises MeshError if the resource is not as it was when the edit was planned.
    """
    if edit.create is not None:
        return _created(edit, edit.create, resource)
    if resource is None:
        raise MeshError(f"{edit.label}: expected the resource to be there, found none: it was deleted; plan again")
    changed = deepcopy(resource)
    for insertion in edit.insert:
        _insert(edit, changed, insertion)
    for item in edit.settings:
        _set(edit, changed, item)
    return changed


def undone(edit: Edit, resource: JsonObject | None) -> JsonObject | None:
    """Return ``resource`` without anything of the edit; None means that it is to be deleted or does not exist."""
    if resource is None:
        return None
    changed = deepcopy(resource)
    if edit.create is not None:
        return _uncreated(edit, changed)
    _remove(edit, changed, {insertion.name for insertion in edit.insert})
    for item in reversed(edit.settings):
        _restore(changed, item)
    return changed


def traces(edit: Edit, resource: JsonObject | None) -> tuple[str, ...]:
    """Return what of the edit is still in ``resource``, in words; empty when it is undone."""
    if resource is None:
        return ()
    if edit.create is not None:
        return (f"{edit.label} exists",) if _owner_of(resource) == edit.owner else ()
    names = {insertion.name for insertion in edit.insert}
    there = [f"{edit.label}: {name}" for name in _names(edit, resource) if name in names]
    values = [
        f"{edit.label}: {'.'.join(item.path)} is {item.after!r}"
        for item in edit.settings
        if item.after != item.before and _value(resource, item.path) == item.after
    ]
    return (*there, *values)


def applied_all(edits: Iterable[Edit], resources: Sequence[JsonObject], *, namespace: str) -> tuple[JsonObject, ...]:
    """Return all resources with the edits made one after the other.

    namespace: of resources that name none.
    """
    changed = {key(resource, namespace): resource for resource in resources}
    for edit in edits:
        changed[edit.place] = applied(edit, changed.get(edit.place))
    return tuple(changed.values())


def undone_all(edits: Sequence[Edit], resources: Sequence[JsonObject], *, namespace: str) -> tuple[JsonObject, ...]:
    """Return all resources with the edits undone, the last one first."""
    changed: dict[tuple[str, str, str], JsonObject | None] = {
        key(resource, namespace): resource for resource in resources
    }
    for edit in reversed(edits):
        if edit.place in changed:
            changed[edit.place] = undone(edit, changed[edit.place])
    return tuple(resource for resource in changed.values() if resource is not None)


def key(resource: JsonObject, namespace: str) -> tuple[str, str, str]:
    """Return kind, namespace and name of a resource; ``namespace`` if it names none."""
    return (
        text_at(resource, "kind"),
        text_at(resource, "metadata", "namespace", default=namespace),
        text_at(resource, "metadata", "name"),
    )


def _created(edit: Edit, create: JsonObject, resource: JsonObject | None) -> JsonObject:
    if resource is None:
        return deepcopy(create)
    if _owner_of(resource) == edit.owner:
        return deepcopy(resource)
    raise MeshError(f"{edit.label}: expected none, found one that somebody else made meanwhile: plan again")


def _uncreated(edit: Edit, resource: JsonObject) -> JsonObject | None:
    """Return None, unless others put entries into the resource that we made: it becomes theirs, without our entries.

    The entry that ``keeps`` names stays, without its name, because it takes the requests that no other entry matches.
    """
    if _owner_of(resource) != edit.owner:
        return resource
    entries, ours = _entries(edit, resource), prefix(edit.owner)
    if all(_name(entry).startswith(ours) for entry in entries):
        return None
    kept = [
        entry for entry in entries if not _name(entry).startswith(ours) or (edit.keeps and _name(entry) == edit.keeps)
    ]
    _parent(edit, resource)[edit.list_at[-1]] = [
        _without_name(entry) if _name(entry) == edit.keeps else entry for entry in kept
    ]
    for label in (OWNER_LABEL, *MANAGED_BY):
        object_at(resource, "metadata", "labels").pop(label, None)
    return resource


def _without_name(entry: JsonValue) -> JsonObject:
    return {field: value for field, value in object_at(entry).items() if field != "name"}


def _insert(edit: Edit, resource: JsonObject, insertion: Insertion) -> None:
    if insertion.name in _names(edit, resource):
        return
    node = resource
    for part in edit.list_at[:-1]:
        node = _mapping(edit, node.setdefault(part, {}), part)
    entries = node.setdefault(edit.list_at[-1], [])
    if not isinstance(entries, list):
        raise _replaced(edit, ".".join(edit.list_at), "a list", entries)
    if insertion.before is None:
        entries.append(deepcopy(insertion.entry))
        return
    if insertion.before not in entries:
        raise MeshError(
            f"{edit.label}: expected the entry {_name(insertion.before) or insertion.before!r} as it was planned, "
            "found it changed or gone: somebody else edited it meanwhile; plan again"
        )
    entries.insert(entries.index(insertion.before), deepcopy(insertion.entry))


def _remove(edit: Edit, resource: JsonObject, names: set[str]) -> None:
    if not names:
        return
    entries = _entries(edit, resource)
    kept = [entry for entry in entries if _name(entry) not in names]
    if len(kept) == len(entries):
        return
    if kept or not edit.bare:
        _parent(edit, resource)[edit.list_at[-1]] = kept
    else:
        del _parent(edit, resource)[edit.list_at[-1]]


def _set(edit: Edit, resource: JsonObject, item: Setting) -> None:
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
        inner = _follow(node, part)
        if inner is None and _ENTRY.fullmatch(part):
            raise MeshError(f"{edit.label}: expected the entry {part}, found none: it was deleted; plan again")
        node = _mapping(edit, node.setdefault(part, {}) if inner is None else inner, part)
    node[item.path[-1]] = deepcopy(item.after)


def _mapping(edit: Edit, found: JsonValue, part: str) -> JsonObject:
    if not isinstance(found, dict):
        raise _replaced(edit, part, "a mapping", found)
    return found


def _replaced(edit: Edit, part: str, what: str, found: JsonValue) -> MeshError:
    return MeshError(
        f"{edit.label}: expected {part} to be {what}, found {found!r}: somebody else changed it meanwhile; plan again"
    )


def _restore(resource: JsonObject, item: Setting) -> None:
    if _value(resource, item.path) != item.after:
        return
    if item.before is None:
        _drop(resource, item.path, keep=item.existing)
        return
    node = _value(resource, item.path[:-1])
    if isinstance(node, dict):
        node[item.path[-1]] = deepcopy(item.before)


def _drop(resource: JsonObject, path: tuple[str, ...], *, keep: int) -> None:
    """Remove the key at ``path``, and the mappings on the way that are empty then, except the first ``keep``."""
    nodes = [resource]
    for part in path[:-1]:
        inner = _follow(nodes[-1], part)
        if not isinstance(inner, dict):
            return
        nodes.append(inner)
    nodes[-1].pop(path[-1], None)
    for depth in range(len(path) - 1, keep, -1):
        if nodes[depth]:
            return
        del nodes[depth - 1][path[depth - 1]]


def _value(resource: JsonObject, path: tuple[str, ...]) -> JsonValue:
    node: JsonValue = resource
    for part in path:
        node = _follow(node, part)
    return node


def _follow(node: JsonValue, part: str) -> JsonValue:
    """Return what one part of a path leads to, or None."""
    if not isinstance(node, dict):
        return None
    found = _ENTRY.fullmatch(part)
    if found is None:
        return node.get(part)
    entries = node.get(found["key"])
    named = entries if isinstance(entries, list) else ()
    return next((entry for entry in named if _name(entry) == found["name"]), None)


def _parent(edit: Edit, resource: JsonObject) -> JsonObject:
    """Return what contains the list of entries, or is to contain it."""
    return _mapping(edit, _value(resource, edit.list_at[:-1]), ".".join(edit.list_at[:-1]))


def _entries(edit: Edit, resource: JsonObject) -> list[JsonValue]:
    entries = _value(resource, edit.list_at) if edit.list_at else None
    return entries if isinstance(entries, list) else []


def _names(edit: Edit, resource: JsonObject) -> list[str]:
    return [_name(entry) for entry in _entries(edit, resource)]


def _name(entry: JsonValue) -> str:
    return str(entry.get("name") or "") if isinstance(entry, dict) else ""


def _owner_of(resource: JsonObject) -> str | None:
    owner = object_at(resource, "metadata", "labels").get(OWNER_LABEL)
    return owner if isinstance(owner, str) else None

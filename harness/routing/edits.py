"""Make edits of resources and undo them: pure functions, the same for every routing API.

The undo removes what has the edit's names. It restores a value only while that is still the edit's value, so that what
others changed meanwhile stays. Applying twice has the same result as applying once, and so has undoing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from copy import deepcopy

from harness.errors import MeshError, UsageError
from harness.model.json import Json
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


def setting(resource: Json, path: Sequence[str], after: Json | None) -> Setting:
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


def applied(edit: Edit, resource: Json | None) -> Json:
    """Return ``resource`` (None if it does not exist) with the edit made; the argument is not changed.

    Raises MeshError if the resource is not as it was when the edit was planned.
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
    """Return ``resource`` without anything of the edit; None means that it is to be deleted or does not exist."""
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
    """Return what of the edit is still in ``resource``, in words; empty when it is undone."""
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
    """Return all resources with the edits made one after the other.

    namespace: of resources that name none.
    """
    changed = {key(resource, namespace): resource for resource in resources}
    for edit in edits:
        changed[edit.place] = applied(edit, changed.get(edit.place))
    return tuple(changed.values())


def undone_all(edits: Sequence[Edit], resources: Sequence[Json], *, namespace: str) -> tuple[Json, ...]:
    """Return all resources with the edits undone, the last one first."""
    changed: dict[tuple[str, str, str], Json | None] = {key(resource, namespace): resource for resource in resources}
    for edit in reversed(edits):
        if edit.place in changed:
            changed[edit.place] = undone(edit, changed[edit.place])
    return tuple(resource for resource in changed.values() if resource is not None)


def key(resource: Json, namespace: str) -> tuple[str, str, str]:
    """Return kind, namespace and name of a resource; ``namespace`` if it names none."""
    metadata = resource["metadata"]
    return resource["kind"], metadata.get("namespace") or namespace, metadata["name"]


def _created(edit: Edit, resource: Json | None) -> Json:
    if resource is None:
        return deepcopy(edit.create)
    if _owner_of(resource) == edit.owner:
        return deepcopy(resource)
    raise MeshError(f"{edit.label}: expected none, found one that somebody else made meanwhile: plan again")


def _uncreated(edit: Edit, resource: Json) -> Json | None:
    """Return None, unless others put entries into the resource that we made: it becomes theirs, without our entries.

    The entry that ``keeps`` names stays, without its name, because it answers whatever no other entry matches.
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
        {field: value for field, value in entry.items() if field != "name"} if _name(entry) == edit.keeps else entry
        for entry in kept
    ]
    for label in (OWNER_LABEL, *MANAGED_BY):
        resource["metadata"]["labels"].pop(label, None)
    return resource


def _insert(edit: Edit, resource: Json, insertion: Insertion) -> None:
    if insertion.entry["name"] in _names(edit, resource):
        return
    node = resource
    for part in edit.list_at[:-1]:
        node = node.setdefault(part, {})
    entries = node.setdefault(edit.list_at[-1], [])
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
        _parent(edit, resource)[edit.list_at[-1]] = kept
    else:
        del _parent(edit, resource)[edit.list_at[-1]]


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
        inner = _follow(node, part)
        if inner is None and _ENTRY.fullmatch(part):
            raise MeshError(f"{edit.label}: expected the entry {part}, found none: it was deleted; plan again")
        node = node.setdefault(part, {}) if inner is None else inner
    node[item.path[-1]] = deepcopy(item.after)


def _restore(resource: Json, item: Setting) -> None:
    if _value(resource, item.path) != item.after:
        return
    if item.before is None:
        _drop(resource, item.path, keep=item.existing)
        return
    node = resource
    for part in item.path[:-1]:
        node = _follow(node, part)
        if not isinstance(node, dict):
            return
    node[item.path[-1]] = deepcopy(item.before)


def _drop(resource: Json, path: tuple[str, ...], *, keep: int) -> None:
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


def _value(resource: Json, path: tuple[str, ...]) -> Json | None:
    node = resource
    for part in path:
        node = _follow(node, part)
    return node


def _follow(node: Json, part: str) -> Json | None:
    """Return what one part of a path leads to, or None."""
    if not isinstance(node, dict):
        return None
    found = _ENTRY.fullmatch(part)
    if found is None:
        return node.get(part)
    entries = node.get(found["key"])
    named = entries if isinstance(entries, list) else ()
    return next((entry for entry in named if _name(entry) == found["name"]), None)


def _parent(edit: Edit, resource: Json) -> Json:
    return _value(resource, edit.list_at[:-1])


def _entries(edit: Edit, resource: Json) -> list[Json]:
    entries = _value(resource, edit.list_at) if edit.list_at else None
    return entries if isinstance(entries, list) else []


def _names(edit: Edit, resource: Json) -> list[str]:
    return [_name(entry) for entry in _entries(edit, resource)]


def _name(entry: Json) -> str:
    return str(entry.get("name") or "") if isinstance(entry, dict) else ""


def _owner_of(resource: Json) -> str | None:
    labels = resource.get("metadata", {}).get("labels") or {}
    owner = labels.get(OWNER_LABEL)
    return owner if isinstance(owner, str) else None

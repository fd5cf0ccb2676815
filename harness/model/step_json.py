"""Write steps as JSON and read them again, for journals.

A field that this version does not know is an error: a step that is only half understood must not be undone. pydantic
cannot do this, because it does not accept the recursive alias ``JsonValue`` that steps contain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields

from harness.errors import ShapeError
from harness.model.declared import Declared, Scalar, Scope, StringMatch
from harness.model.json import JsonObject, JsonValue, object_at, objects_at, text_at, texts_at
from harness.model.step import Act, Action, Edit, Insertion, Ref, Setting, Step, Verb


def step_to_json(step: Step) -> JsonObject:
    """Return the step as a JSON object."""
    return {"edit" if isinstance(step, Edit) else "action": asdict(step)}


def step_from_json(value: JsonObject) -> Step:
    """Return the step that ``step_to_json`` stored. Raises ShapeError, KeyError or ValueError for anything else."""
    return edit_from_json(_object(value, "edit")) if "edit" in value else _action(_object(value, "action"))


def edit_from_json(value: JsonObject) -> Edit:
    """Return the edit of a JSON object."""
    _require_known(value, Edit)
    return Edit(
        kind=text_at(value, "kind"),
        namespace=text_at(value, "namespace"),
        name=text_at(value, "name"),
        owner=text_at(value, "owner"),
        declared=_declared(value["declared"]),
        create=_object_or_none(value, "create"),
        list_at=_path(value, "list_at"),
        insert=tuple(_insertion(item) for item in _objects(value, "insert")),
        bare=_flag(value, "bare"),
        keeps=text_at(value, "keeps", default=""),
        settings=tuple(_setting(item) for item in _objects(value, "settings")),
    )


def _insertion(value: JsonObject) -> Insertion:
    _require_known(value, Insertion)
    return Insertion(entry=_object(value, "entry"), before=_object_or_none(value, "before"))


def _setting(value: JsonObject) -> Setting:
    _require_known(value, Setting)
    existing = value["existing"]
    if not isinstance(existing, int):
        raise ShapeError(f"expected a count, found {existing!r}", path="existing")
    return Setting(path=_path(value, "path"), before=value["before"], after=value["after"], existing=existing)


def _action(value: JsonObject) -> Action:
    _require_known(value, Action)
    undo = value["undo"]
    return Action(
        owner=text_at(value, "owner"),
        declared=_declared(value["declared"]),
        act=_act(_object(value, "act")),
        undo=None if undo is None else _act(_object(value, "undo")),
        heals_within_s=_number_or_none(value, "heals_within_s"),
    )


def _act(value: JsonObject) -> Act:
    _require_known(value, Act)
    target = _object(value, "target")
    _require_known(target, Ref)
    return Act(
        verb=Verb(text_at(value, "verb")),
        target=Ref(
            kind=text_at(target, "kind"),
            namespace=text_at(target, "namespace"),
            name=text_at(target, "name"),
            uid=text_at(target, "uid", default=""),
        ),
        args=_scalars(value, "args"),
    )


def _declared(value: JsonValue) -> Declared | None:
    if value is None:
        return None
    said = object_at(value)
    _require_known(said, Declared)
    return Declared(
        id=text_at(said, "id"),
        kind=text_at(said, "kind"),
        host=text_at(said, "host"),
        text=text_at(said, "text"),
        params=_scalars(said, "params"),
        dose=_number_or_none(said, "dose"),
        flag=text_at(said, "flag", default=""),
        scope=_scope(_object(said, "scope")),
        arms="canary" if _chosen(said, "arms", default="both", other="canary") else "both",
    )


def _scope(value: JsonObject) -> Scope:
    _require_known(value, Scope)
    return Scope(
        caller=_text_or_none(value, "caller"),
        labels=None if value.get("labels") is None else texts_at(value, "labels"),
        namespace=_text_or_none(value, "namespace"),
        headers=_headers(value),
        side="host" if _chosen(value, "side", default="caller", other="host") else "caller",
        every_caller=_flag(value, "every_caller"),
    )


def _headers(value: JsonObject) -> Mapping[str, StringMatch] | None:
    headers = _object_or_none(value, "headers")
    return None if headers is None else {name: texts_at(headers, name) for name in headers}


def _require_known(
    value: JsonObject, kind: type[Edit | Insertion | Setting | Action | Act | Ref | Declared | Scope]
) -> None:
    unknown = sorted(value.keys() - {field.name for field in fields(kind)})
    if unknown:
        raise ShapeError(f"expected the fields of {kind.__name__}, found {unknown[0]!r} too", path="")


def _object_or_none(value: JsonObject, name: str) -> JsonObject | None:
    return None if value.get(name) is None else object_at(value, name)


def _text_or_none(value: JsonObject, name: str) -> str | None:
    return None if value.get(name) is None else text_at(value, name)


def _number_or_none(value: JsonObject, name: str) -> float | None:
    found = value[name]
    if found is not None and not isinstance(found, (int, float)):
        raise ShapeError(f"expected a number, found {found!r}", path=name)
    return found


def _flag(value: JsonObject, name: str) -> bool:
    found = value.get(name, False)
    if not isinstance(found, bool):
        raise ShapeError(f"expected true or false, found {found!r}", path=name)
    return found


def _chosen(value: JsonObject, name: str, *, default: str, other: str) -> bool:
    """Return whether a field with two possible values has the other one."""
    found = text_at(value, name, default=default)
    if found not in (default, other):
        raise ShapeError(f"expected {default} or {other}, found {found!r}", path=name)
    return found == other


def _scalars(value: JsonObject, name: str) -> Mapping[str, Scalar]:
    scalars: dict[str, Scalar] = {}
    for key, found in _object(value, name).items():
        if isinstance(found, (list, dict)):
            raise ShapeError(f"expected a plain value, found {found!r}", path=f"{name}.{key}")
        scalars[key] = found
    return scalars


def _path(value: JsonObject, name: str) -> tuple[str, ...]:
    return tuple(text_at(part) for part in _list(value, name))


def _objects(value: JsonObject, name: str) -> list[JsonObject]:
    _list(value, name)
    return objects_at(value, name)


def _list(value: JsonObject, name: str) -> list[JsonValue]:
    """Return a list that must be there: a step without its entries would look like one that has none."""
    found = value[name]
    if not isinstance(found, list):
        raise ShapeError(f"expected a list, found {found!r}", path=name)
    return found


def _object(value: JsonObject, name: str) -> JsonObject:
    found = value[name]
    if not isinstance(found, dict):
        raise ShapeError(f"expected an object, found {found!r}", path=name)
    return found

"""Edits as journals of format 1 hold them: without a declaration, and with the list's path known only by the kind."""

from __future__ import annotations

from harness.model.json import Json
from harness.model.step import Edit, edit_from_json
from harness.routing.istio.kinds import LISTS, VIRTUAL_SERVICE


def edit_of_format_1(value: Json) -> Edit:
    """The edit that a harness of that format journalled. It can be undone, and is refused if it is to be made."""
    kind, created = value["kind"], value["create"]
    keeps = created["spec"]["http"][-1]["name"] if kind == VIRTUAL_SERVICE and created is not None else ""
    return edit_from_json({**value, "list_at": LISTS.get(kind, ()), "keeps": keeps, "declared": None})

"""Read edits from journals of format 1: they have no declaration, and the kind implies the path of the list."""

from __future__ import annotations

from harness.model.json import Json
from harness.model.step import Edit, edit_from_json
from harness.routing.istio.kinds import LISTS, VIRTUAL_SERVICE


def edit_of_format_1(value: Json) -> Edit:
    """Return the edit that a harness of that format journalled. It can be undone, but not made."""
    kind, created = value["kind"], value["create"]
    keeps = created["spec"]["http"][-1]["name"] if kind == VIRTUAL_SERVICE and created is not None else ""
    return edit_from_json({**value, "list_at": LISTS.get(kind, ()), "keeps": keeps, "declared": None})

"""Read edits from journals of format 1: they have no declaration, and the kind implies the path of the list."""

from __future__ import annotations

from harness.model.json import JsonObject, objects_at, text_at
from harness.model.step import Edit
from harness.model.step_json import edit_from_json
from harness.routing.istio.kinds import LISTS, VIRTUAL_SERVICE


def edit_of_format_1(value: JsonObject) -> Edit:
    """Return the edit that a harness of that format journalled. It can be undone, but not made."""
    kind, created = text_at(value, "kind"), value["create"]
    is_route = kind == VIRTUAL_SERVICE and created is not None
    keeps = text_at(objects_at(created, "spec", "http")[-1], "name") if is_route else ""
    return edit_from_json({**value, "list_at": [*LISTS.get(kind, ())], "keeps": keeps, "declared": None})

"""Proof by behaviour: requests to the entry whose answers carry our marks, or no longer do.

For routes bound to a gateway, whose proxy lives in another namespace and cannot be asked. Replicas of a
gateway get a change at different times, so several answers in a row must agree.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from harness.clients.http import answer_headers
from harness.errors import MeshError
from harness.istio.edits import Edit

IN_A_ROW = 10
_PAUSE_S, _ASK_WITHIN_S = 0.05, 5.0


def require_marks(
    edit: Edit, *, there: bool, url: str, headers: Mapping[str, str], within_s: float, sleep: Callable[[float], None]
) -> None:
    """Wait until ten answers in a row carry a mark of the edit (or none does). Raises MeshError after ``within_s`` seconds."""
    marks = _marks(edit)
    give_up, agreeing, found = time.monotonic() + within_s, 0, "no answer"
    while agreeing < IN_A_ROW:
        if time.monotonic() > give_up:
            state = "carry" if there else "no longer carry"
            raise MeshError(
                f"{edit.label}: expected {IN_A_ROW} answers of {url} in a row to {state} {' or '.join(sorted(marks))} "
                f"within {within_s:g} s; the last one: {found}; does this URL pass the route (cluster.url, cluster.probe)?"
            )
        try:
            said = answer_headers(url, headers, timeout_s=_ASK_WITHIN_S)
        except MeshError as error:
            agreeing, found = 0, str(error)
            sleep(_PAUSE_S)
            continue
        marked = bool(marks & set(said))
        agreeing, found = (
            (agreeing + 1, "as expected") if marked is there else (0, "marked" if marked else "not marked")
        )
        if not agreeing:
            sleep(_PAUSE_S)


def _marks(edit: Edit) -> set[str]:
    """Names of the response headers that the edit's routes set, in small letters."""
    routes = [item.entry for item in edit.insert]
    places = [part for route in routes for part in (route, *(route.get("route") or ()))]
    return {
        name.lower()
        for part in places
        for name in (((part.get("headers") or {}).get("response") or {}).get("set") or {})
        if name.lower().startswith("x-harness-")
    }

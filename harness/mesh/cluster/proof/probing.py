"""Prove a change by behaviour: answers of the entry carry our marks, or no longer do.

This is the only proof for routes bound to a gateway, because its proxy is in another namespace and cannot be asked.
Replicas receive a change at different times, so several answers in a row must agree.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from harness.clients.http import response_headers
from harness.errors import MeshError
from harness.model.cluster import ClusterSettings

IN_A_ROW = 10
ARM_MARK = "x-harness-arm"
_PAUSE_S, _ASK_WITHIN_S, _LOOK_WITHIN_S = 0.05, 5.0, 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Requests to ``url``, sent as the run sends them."""

    url: str
    headers: Mapping[str, str]

    def require(
        self,
        label: str,
        marks: AbstractSet[str],
        *,
        there: bool,
        within_s: float,
        still: Callable[[], None] | None = None,
    ) -> str:
        """Wait until ten answers in a row carry a mark of an edit (or none does), and say so.

        label, marks: of the edit. still: raises when the change is no longer wanted. Raises MeshError after
        ``within_s`` seconds.
        """
        give_up, agreeing, found = time.monotonic() + within_s, 0, "no answer"
        while agreeing < IN_A_ROW:
            if time.monotonic() > give_up:
                state = "carry" if there else "no longer carry"
                raise MeshError(
                    f"{label}: expected {IN_A_ROW} answers of {self.url} in a row to {state} "
                    f"{' or '.join(sorted(marks))} "
                    f"within {within_s:g} s; the last one: {found}; does this URL pass the route (cluster.url, "
                    f"cluster.probe)?"
                )
            if still is not None:
                still()
            try:
                marked = bool(marks & set(response_headers(self.url, self.headers, timeout_s=_ASK_WITHIN_S)))
            except MeshError as error:
                agreeing, found = 0, str(error)
                time.sleep(_PAUSE_S)
                continue
            agreeing, found = agreeing + 1, "marked" if marked else "not marked"
            if marked is not there:
                agreeing = 0
                time.sleep(_PAUSE_S)
        return f"{IN_A_ROW} answers of {self.url} in a row {'carry' if there else 'no longer carry'} its mark"

    def look(self, label: str, marks: AbstractSet[str]) -> tuple[bool, str]:
        """Return whether ten answers in a row carry a mark of an edit, and what was seen, in words.

        The sidecars have been asked before. It is therefore no failure if the entry cannot be reached from here, or is
        reached without passing a proxy of the mesh; the text then says why it was not probed.
        """
        try:
            response_headers(self.url, self.headers, timeout_s=_ASK_WITHIN_S)
            return True, self.require(label, marks, there=True, within_s=_LOOK_WITHIN_S)
        except MeshError as error:
            return False, f"not probed: {error}"


def probe_of(settings: ClusterSettings, owner: str) -> Probe | None:
    """Return the probe of a run of ``owner``, or None if the settings name no entry."""
    if settings.url is None:
        return None
    # If only test traffic is changed, the run's baggage identifies it.
    headers = {**settings.headers, "baggage": f"harness.run={owner}"}
    return Probe(url=f"{settings.url.rstrip('/')}{settings.probe}", headers=headers)

"""Collect the spans of the traced requests of one run, and say which arm worked on each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.mesh.port import Mesh, TracesRequests
from harness.model.spans import Span
from harness.runner.sent_load import SentLoad


def spans_of_run(mesh: Mesh, loads: Sequence[SentLoad], *, app: str, arms: Mapping[str, str]) -> tuple[Span, ...]:
    """Return the spans since the first load, in the order of time; none if the mesh exports no spans.

    app: the app label of the service under test. arms: the arm of each of its versions.
    """
    if not loads or not isinstance(mesh, TracesRequests):
        return ()
    since_ns = min(load.report.started_at for load in loads) * 1e9
    found = (span for span in mesh.spans() if span.start_ns >= since_ns)
    return tuple(sorted((_attributed(span, app, arms) for span in found), key=lambda span: span.start_ns))


def _attributed(span: Span, app: str, arms: Mapping[str, str]) -> Span:
    if span.service != app:
        return span
    return replace(span, arm=arms.get(str(span.attributes.get("version", "")), ""))

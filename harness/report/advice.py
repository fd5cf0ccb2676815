"""Name what might have kept a fault from failing requests, as far as the record shows. Only a replay can test it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from harness.errors import RecordError, ResourceError
from harness.faults.elsewhere import LOCAL, why_not_on
from harness.faults.recorded import fault_of_document
from harness.model.record import Record
from harness.model.verdict import Analysis, Verdict
from harness.routing.istio.timeouts import longest_wait_s


def waits(record: Record, analysis: Analysis) -> Mapping[str, float | None]:
    """Return how long routes let calls wait, for each host whose fault hit calls when an objective failed.

    None means that nothing limits it.
    """
    failed = {finding.phase for finding in analysis.findings if finding.verdict is Verdict.FAIL}
    hit = (count for count in record.fault_counts if count.phase in failed and count.hit)
    namespace = str(record.config.get("namespace") or "default")
    found = {}
    for host in dict.fromkeys(count.host for count in hit):
        with suppress(ResourceError):  # which resource routes its calls is not certain
            found[host] = longest_wait_s(record.resources.get("before", ()), host=host, namespace=namespace)
    return found


def not_on_a_laptop(record: Record) -> Iterator[str]:
    """Yield the faults of a run that the local mesh cannot make, each with what comes closest there."""
    asked = record.manifest.get("scenario")
    documents = asked.get("faults") if isinstance(asked, dict) else None
    for document in documents if isinstance(documents, list) else ():
        with suppress(RecordError):  # a kind that is not installed here
            fault = fault_of_document(document if isinstance(document, dict) else {})
            if why := why_not_on(LOCAL, fault):
                yield f"{fault.words().text}: {why}"


def replay_command(record: Record, bundle: str) -> str:
    """Return the command that replays a run, which works in every folder; empty if the run cannot be replayed.

    bundle: the folder of the run; empty if it is not known.
    """
    if not bundle or record.plan.live_traffic or next(not_on_a_laptop(record), None):
        return ""
    return f"harness replay {shlex.quote(str(Path(bundle).absolute()))}"

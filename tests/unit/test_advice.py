"""Advice after a fail: a dependency without a timeout is named; only a replay tells what would have helped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from recorded import fault_count, record, samples

from harness import wiring
from harness.model.record import Record
from harness.report.advice import without_timeout
from harness.runner.deciding import decide


def routed(**fields: Any) -> Any:
    """Ratings with one route."""
    http = [{"route": [{"destination": {"host": "ratings"}}], **fields}]
    metadata = {"name": "ratings", "namespace": "default"}
    return {"kind": "VirtualService", "metadata": metadata, "spec": {"hosts": ["ratings"], "http": http}}


def failed(*resources: Any, hit: int = 150, share: float = 0.6) -> Record:
    """A run whose canary fails a share of its requests in the fault phase."""
    made = samples()
    bad = (made.due_s >= 12) & (made.due_s < 22) & (made.arm == 1)
    status = np.where(bad & (np.random.default_rng(1).random(len(made)) < share), 503, made.status).astype(np.int16)
    counts = (fault_count("baseline", hit=hit), fault_count("canary", hit=hit))
    return record(
        samples=replace(made, status=status), fault_counts=counts, resources={"before": resources, "after": resources}
    )


@pytest.mark.parametrize(
    ("made", "hosts"),
    [
        (failed(routed()), ("ratings",)),
        (failed(), ("ratings",)),
        (failed(routed(timeout="400ms")), ()),
        (failed(routed(), hit=0), ()),
        (failed(routed(), share=0.0), ()),
    ],
    ids=["a route without a timeout", "no route", "a timeout", "no call was hit", "nothing failed"],
)
def test_a_dependency_without_a_timeout_is_named_after_a_fail(made: Record, hosts: tuple[str, ...]) -> None:
    """Only if its fault hit calls in the phase in which the canary failed."""
    assert hosts == without_timeout(made, decide(made, wiring.judge("sequential")))

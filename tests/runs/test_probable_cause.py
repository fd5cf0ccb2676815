"""Real runs on the demo: what is planted in the canary is named, and equal builds are not blamed."""

from __future__ import annotations

import json

import pytest

from harness.bundle import read_bundle

SCENARIO = """
def test_it(canary):
    canary.run(load="browse", faults=[delay("ratings", "300ms", percent=40)])
"""


@pytest.mark.alone
@pytest.mark.parametrize(("kind", "begins"), [("slow", "reviews-v3 itself takes "), ("good", "")])
def test_a_cause_is_named_if_there_is_one(gate, kind: str, begins: str) -> None:
    """The hops are in the bundle, with both arms, their calls to ratings and histograms."""
    gate.configure(phases={"warm-up": "1s", "steady": "5s", "fault": "4s", "recovery": "1s"})
    gate.canary(kind)
    gate.scenario(SCENARIO)
    gate.run()
    (folder,) = gate.bundles()
    hops = read_bundle(folder).hops
    called = {(hop.phase, hop.arm) for hop in hops if hop.destination.startswith("ratings") and hop.latency_ms}
    assert {("steady", "baseline"), ("steady", "canary"), ("fault", "baseline"), ("fault", "canary")} <= called
    cause = json.loads((folder / "analysis.json").read_text())["probable_cause"]
    assert (cause[: len(begins)], bool(cause)) == (begins, bool(begins))

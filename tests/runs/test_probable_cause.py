"""Real runs on the demo: what is planted in the canary is named, and equal builds are not blamed."""

from __future__ import annotations

import json

import pytest
from gates import WIDE

from harness.bundle import read_bundle

SCENARIO = """
def test_it(canary):
    canary.run(load="browse", faults=[delay("ratings", "300ms", percent=40)])
"""


@pytest.mark.alone
@pytest.mark.parametrize(("kind", "begins"), [("slow", "reviews-v3 itself takes "), ("good", "")])
def test_a_cause_is_named_if_there_is_one(gate, kind: str, begins: str) -> None:
    """The hops are in the bundle, with both arms, their calls to ratings and histograms; so is what each arm ran."""
    objectives = [*WIDE, "server:error_rate < +10pp", "memory < +900%"] if kind == "good" else WIDE
    gate.configure(phases={"warm-up": "1s", "steady": "7s", "fault": "4s", "recovery": "1s"}, objectives=objectives)
    gate.canary(kind)
    gate.scenario(SCENARIO)
    gate.run()
    (folder,) = gate.bundles()
    record = read_bundle(folder)
    hops, arms = record.hops, record.manifest["arms"]
    assert {"baseline", "canary"} == set(arms)
    assert all(arm["command"] and arm["files"] for arm in arms.values())
    called = {(hop.phase, hop.arm) for hop in hops if hop.destination.startswith("ratings") and hop.latency_ms}
    assert {("steady", "baseline"), ("steady", "canary"), ("fault", "baseline"), ("fault", "canary")} <= called
    analysis = json.loads((folder / "analysis.json").read_text())
    cause = analysis["probable_cause"]
    assert (cause[: len(begins)], bool(cause)) == (begins, bool(begins))
    if kind == "good":  # the local mesh has measured its server side, by its own Prometheus or by its pages
        found = {one["objective"]["name"]: one["baseline"] for one in analysis["findings"] if one["phase"] == "steady"}
        assert found["memory"]["value"] > 1e6
        assert 0 == found["server:error_rate"]["value"] <= found["server:error_rate"]["n"]

"""A real run on the demo names what is planted in the canary; test_verdicts has the run that finds nothing to blame."""

from __future__ import annotations

import json

from gates import WIDE, hops_measured

PHASES = {"warm-up": "1s", "steady": "9s", "fault": "4s", "recovery": "1s"}
"""The steady phase has time for several readings of the memory, also on a busy machine."""
SCENARIO = """
def test_it(canary):
    canary.run(faults=[delay("ratings", "300ms", percent=40)])
"""


def test_the_cause_of_a_slow_canary_is_named(gate) -> None:
    """The hops are in the bundle, with both arms, their calls to ratings and histograms."""
    objectives = [*WIDE, "server:error_rate < +10pp", "memory < +900%"]
    gate.configure(phases=PHASES, objectives=objectives, rate=60)
    gate.canary("slow")
    gate.scenario(SCENARIO)
    gate.run()
    (folder,) = gate.bundles()
    hops_measured(folder)
    analysis = json.loads((folder / "analysis.json").read_text())
    assert analysis["probable_cause"].startswith("reviews-v3 itself takes ")
    # The local mesh has measured its server side, by its own Prometheus or by its pages.
    found = {one["objective"]["name"]: one["baseline"] for one in analysis["findings"] if one["phase"] == "steady"}
    assert found["memory"]["value"] > 1e6
    assert 0 == found["server:error_rate"]["value"] <= found["server:error_rate"]["n"]

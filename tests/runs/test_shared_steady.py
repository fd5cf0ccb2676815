"""Parametrised faults share one load, and each has a row, a bundle and a report of its own."""

from __future__ import annotations

import pytest
from gates import BUSY, Gate

from harness import bundle

pytestmark = [pytest.mark.alone, pytest.mark.slow]
PHASES = {"warm-up": "0.5s", "steady": "2s", "fault": "1.5s", "recovery": "1s"}
MATRIX = """
@pytest.mark.harness_matrix
@pytest.mark.parametrize("fault", [delay("ratings", "1s", percent=30), abort("ratings", 503, percent=50)], ids=str)
def test_ratings(canary, fault):
    canary.run(faults=[fault])
"""


def test_two_faults_share_a_steady_phase(gate: Gate) -> None:
    """One run, two tests, two bundles: each has the phases and the proofs of a run with its fault alone."""
    gate.configure(phases=PHASES)
    gate.scenario(MATRIX)
    said, _ = gate.run("--harness-seed=3", "-v")
    folders = gate.bundles()
    assert 2 == len(folders), said
    records = [bundle.read_bundle(folder) for folder in folders]
    assert 1 == len({record.manifest["run"] for record in records})
    texts = {record.plan.phases[2].faults[0] for record in records}
    assert {"delay(ratings, 1 s, 30 %)", "abort(ratings, 503, 50 %)"} == texts
    for folder, record in zip(folders, records, strict=True):
        assert ["warm-up", "steady", "fault", "recovery"] == [phase.name for phase in record.phases]
        assert record.plan.phases[2].faults[0] in record.plan.scenario
        proofs = bundle.read_analysis(folder).proofs
        assert {proof.name for proof in proofs if not proof.held} <= BUSY
        assert 2 == sum(proof.name.startswith("dose of") for proof in proofs)
        assert (folder / "report.html").stat().st_size > 1000
    assert [] == gate.left_behind()

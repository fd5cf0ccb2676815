"""Attempts to compare a build with itself: one process under two names, or a route that leads to the other arm."""

from __future__ import annotations

from dataclasses import replace

import pytest
from recorded import record

from harness.judge.sequential import SequentialJudge
from harness.model.verdict import Verdict
from harness.runner.deciding import decide
from harness.runner.proofs import proofs


def with_endpoints(baseline: dict[str, int], canary: dict[str, int]):
    """A recorded run in which the proxies sent this many requests to each address."""
    return replace(record(), endpoint_requests={"baseline": baseline, "canary": canary})


def held(run) -> bool:
    """Whether every proof about the arms' identity holds."""
    found = [proof for proof in proofs(run) if proof.name.startswith("arms differ")]
    assert found
    return all(proof.held for proof in found)


def answers(run) -> tuple[int, int]:
    """Answers of baseline and canary."""
    arm, status = run.samples.arm, run.samples.status
    return int(((arm == 0) & (status > 0)).sum()), int(((arm == 1) & (status > 0)).sum())


def test_two_endpoints_that_got_their_own_requests_are_two_things():
    """The proof holds for an ordinary run."""
    baseline, canary = answers(record())
    assert held(with_endpoints({"127.0.0.1:1": baseline}, {"127.0.0.1:2": canary}))


def test_one_process_under_two_names_proves_nothing():
    """After resolution localhost and 127.0.0.1 are one address."""
    baseline, canary = answers(record())
    run = with_endpoints({"127.0.0.1:1": baseline + canary}, {"127.0.0.1:1": baseline + canary})
    assert not held(run)
    analysis = decide(run, SequentialJudge())
    assert analysis.verdict is not Verdict.PASS
    assert "arms differ" in " ".join(proof.name for proof in analysis.proofs if not proof.held)


@pytest.mark.parametrize("swapped", ["baseline", "canary"])
def test_a_cluster_that_leads_to_the_other_arm_proves_nothing(swapped):
    """The mark of the route says canary, but the baseline answered, or the other way round."""
    baseline, canary = answers(record())
    reached = {"baseline": (0, baseline + canary), "canary": (baseline + canary, 0)}[swapped]
    assert not held(with_endpoints({"127.0.0.1:1": reached[0]}, {"127.0.0.1:2": reached[1]}))

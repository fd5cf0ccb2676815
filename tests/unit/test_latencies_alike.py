"""Client and proxies time the same answers: a difference has a name, or the run proves nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from recorded import fault_count, record, samples

from harness.model.declared import Declared
from harness.model.hops import Hop
from harness.model.record import Record
from harness.model.samples import ARMS
from harness.runner.latencies_alike import timed_alike


def timed(
    *, faster_s: dict[str, float] | None = None, calls: float = 1.0, attempts: float = 1.0, **changed: Any
) -> Record:
    """A run whose proxies timed each answer ``faster_s`` seconds shorter than the client, in bins of a millisecond."""
    made = record(**changed)
    hops = []
    for phase in made.phases:
        for number, arm in enumerate(ARMS):
            due, own = made.samples.due_s, made.samples.arm == number
            seconds = made.samples.latency_s[own & (due >= phase.start_s) & (due < phase.end_s)]
            low, counts = np.unique(
                np.floor(1000 * (seconds - (faster_s or {}).get(arm, 0.0)).clip(0)), return_counts=True
            )
            bins = tuple((float(edge), 1.0, int(count)) for edge, count in zip(low, counts, strict=True))
            hops.append(
                Hop(
                    phase=phase.name, arm=arm, caller="loadgenerator", destination="reviews.shop.svc.cluster.local",
                    version=arm, calls=round(calls * len(seconds)), attempts=round(attempts * calls * len(seconds)),
                    latency_ms=bins,
                )
            )  # fmt: skip
    return replace(made, hops=tuple(hops))


def shifted(arm: int, seconds: float, share: float = 1.0) -> Any:
    """Samples of which a share of one arm's takes longer."""
    made = samples()
    slow = (made.arm == arm) & (np.random.default_rng(3).random(len(made)) < share)
    return replace(made, latency_s=made.latency_s + np.where(slow, seconds, 0.0))


@pytest.mark.parametrize(
    "made",
    [timed(), timed(faster_s={"baseline": 0.004, "canary": 0.004}), timed(samples=shifted(1, 0.3, share=0.1))],
    ids=["alike", "a little slower", "a tenth is slow"],
)
def test_answers_that_were_timed_alike_need_no_reason(made: Record) -> None:
    """Latencies on both sides of a jump are no difference either."""
    (proof,) = timed_alike(made)
    assert proof.held, proof
    assert "explained" not in proof.observed


def test_a_delay_of_one_arm_before_the_proxies_proves_nothing() -> None:
    """The canary's answers took the client 80 ms longer than the proxies say."""
    (proof,) = timed_alike(timed(faster_s={"canary": 0.08}, samples=shifted(1, 0.08)))
    assert not proof.held
    assert "quantile of the canary in the steady phase: client 1" in proof.observed
    assert "delays one arm only" in proof.remedy


def test_the_way_to_the_proxies_takes_both_arms_as_long() -> None:
    """A remote load generator is named, and no reason to doubt."""
    made = replace(samples(), latency_s=samples().latency_s + 0.08)
    (proof,) = timed_alike(timed(faster_s={"baseline": 0.08, "canary": 0.08}, samples=made))
    assert proof.held
    assert "explained by the way to the proxies" in proof.observed


def test_retries_faults_and_other_callers_are_named() -> None:
    """Each of them explains why the proxies timed something else than the client."""
    late: dict[str, Any] = {"faster_s": {"canary": 0.08}, "samples": shifted(1, 0.08)}
    (proof,) = timed_alike(timed(**late, attempts=1.3))
    assert "retries of the proxies" in proof.observed
    (proof,) = timed_alike(timed(**late, calls=1.5))
    assert "other callers or retries" in proof.observed
    declared = Declared(id="1", kind="abort", text="abort(reviews, 503, 30 %)", host="reviews", dose=0.3)
    count = replace(fault_count("canary"), host="reviews", declared=declared)
    (proof,) = timed_alike(
        timed(**late, fault_counts=(count, replace(count, phase="steady"), replace(count, phase="recovery")))
    )
    assert "a fault before the router" in proof.observed
    assert proof.held


def test_without_the_proxies_latencies_nothing_is_said() -> None:
    """Old bundles and meshes without Istio's metrics have none."""
    assert [] == list(timed_alike(record()))


@pytest.mark.parametrize(("times", "compared"), [(1, False), (10, True)])
def test_histograms_of_sidecars_lag_behind_short_phases(times: int, compared: bool) -> None:
    """They are flushed every five seconds, so phases of ten are not compared on a cluster, and those of a hundred are."""
    made = shifted(1, 0.08)
    made = replace(made, due_s=made.due_s * times)
    longer = tuple(replace(one, start_s=one.start_s * times, end_s=one.end_s * times) for one in record().phases)
    on_a_cluster = replace(record().plan, target="cluster")
    found = timed(faster_s={"canary": 0.08}, samples=made, phases=longer, plan=on_a_cluster)
    assert [False] * compared == [proof.held for proof in timed_alike(found)]

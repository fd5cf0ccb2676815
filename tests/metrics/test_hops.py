"""The hop that explains a difference: planted causes are named, and equal builds are not blamed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from simulated_hops import PHASES, PLANTS, Build, baseline_of, run

from harness.metrics.hops import Cause, cause_of
from harness.model.hops import Hop


def found(baseline: Build, canary: Build, seed: int) -> Cause | None:
    """The cause that is named for a simulated run."""
    return cause_of(run(baseline, canary, seed=seed), service="reviews", phases=PHASES)


def test_planted_causes_are_named_by_hop_and_kind() -> None:
    """Of 60 runs with a plant at least 54 name both; each plant is found in most of its ten runs."""
    named: Counter[str] = Counter()
    others = []
    for number, (plant, (canary, hop, kind)) in enumerate(PLANTS.items()):
        for seed in range(10):
            cause = found(baseline_of(plant), canary, 1000 * number + seed)
            if cause is not None and (cause.hop, cause.kind) == (hop, kind):
                named[plant] += 1
            else:
                others.append((plant, seed, cause and (cause.kind, cause.hop)))
    assert named.total() >= 54, others
    assert min(named[plant] for plant in PLANTS) >= 8, others


def test_equal_builds_are_not_blamed() -> None:
    """Of 100 runs of equal builds, with a machine that drifts, at most 2 name a cause."""
    causes = [found(Build(), Build(), 90_000 + seed) for seed in range(100)]
    assert 2 >= sum(cause is not None for cause in causes), [cause for cause in causes if cause]


def stalled(hop: Hop) -> Hop:
    """The answers of reviews with some that a stall of the machine made long."""
    if not hop.destination.startswith("reviews"):
        return hop
    return replace(hop, calls=hop.calls + 8, latency_ms=(*hop.latency_ms, (3000.0, 100.0, 8)))


def test_slower_code_is_named_on_a_machine_that_stalls() -> None:
    """A hundredth of the requests takes seconds in both arms, which hides no difference of the other ones."""
    for build, expected in ((Build(), None), (Build(own_ms=30.0), ("reviews", "slower code"))):
        hops = tuple(map(stalled, run(Build(), build, seed=3)))
        cause = cause_of(hops, service="reviews", phases=PHASES)
        assert expected == (cause and (cause.hop, cause.kind))


def test_the_sentence_has_both_rates_and_both_counts() -> None:
    """A person reads who calls whom how often, and where."""
    cause = found(Build(), Build(retries=2), 7)
    assert cause is not None
    assert cause.sentence.startswith("reviews-v3 calls ratings 1.39 ")
    assert "times per request (reviews-v2: 1.00): " in cause.sentence
    assert "in the fault phase; it retries under the fault" in cause.sentence

"""Measure the default judge on streams made to deceive it: ``python benchmarks/adversarial.py``.

Equal arms with noise that resembles harm must not fail beyond tolerance; harm must be found soon, wherever it begins. The
exit code is 1 if an equal stream fails beyond tolerance, or if an outage takes more than ten seconds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from streams import FAMILIES, Harm, Stream, stream
from watched_runs import TOLERATED, plan_of

from harness.judge.port import Evidence
from harness.judge.sequential import FailOn, SequentialJudge, block_seconds
from harness.model.samples import BASELINE, CANARY, Samples
from harness.model.verdict import Verdict
from harness.stats.table import reduce_samples

Mask = NDArray[np.bool_]
Deceive = Callable[[Samples, np.random.Generator], Samples]
PLAIN = FAMILIES[0]
ONSETS_S = (0, 65, 95, 150, 245, 280)
SUDDEN = (
    Harm(name="outage 20 %", errors=0.2),
    Harm(name="all requests fail", errors=1.0),
    Harm(name="errors +3 pp", errors=0.03),
    Harm(name="all x2", scale=2.0),
    Harm(name="all +30 %", scale=1.3),
    Harm(name="p50 +10 %", scale=1.1),
    Harm(name="errors x3", errors_factor=3.0),
)
LONGEST_OUTAGE_S = 10.0


def slower(samples: Samples, where: Mask, factor: float) -> Samples:
    """Return samples of which some take ``factor`` times as long."""
    return replace(samples, latency_s=np.where(where, samples.latency_s * factor, samples.latency_s))


def failing(samples: Samples, where: Mask, share: float, rng: np.random.Generator) -> Samples:
    """Return samples of which a ``share`` of some fail."""
    failed = where & (rng.random(len(samples)) < share)
    return replace(samples, status=np.where(failed, np.int16(503), samples.status))


def moments(samples: Samples, arm: int, length_s: float, gap_s: float, rng: np.random.Generator) -> Mask:
    """Return the requests of an arm in stretches of this length, one every ``gap_s`` seconds on average."""
    inside = np.zeros(len(samples), np.bool_)
    for start_s in rng.random(rng.poisson(PLAIN.duration_s / gap_s)) * PLAIN.duration_s:
        inside |= (samples.due_s >= start_s) & (samples.due_s < start_s + length_s)
    found: Mask = inside & (samples.arm == arm)
    return found


def alternating(samples: Samples, every_s: float) -> Mask:
    """Return the requests of one arm in even stretches and of the other in odd ones: blocks are anti-correlated."""
    found: Mask = (samples.due_s // every_s).astype(np.int64) % 2 == samples.arm
    return found


def _slow_noise(samples: Samples, rng: np.random.Generator) -> Samples:
    log = np.zeros(len(samples))
    for arm in (BASELINE, CANARY):
        steps = rng.standard_normal(int(PLAIN.duration_s) + 2)
        path = np.empty(len(steps))
        path[0] = steps[0]
        for second in range(1, len(steps)):
            path[second] = 0.99 * path[second - 1] + np.sqrt(1 - 0.99**2) * steps[second]
        log += np.where(samples.arm == arm, 0.02 * path[samples.due_s.astype(np.int64)], 0.0)
    return replace(samples, latency_s=samples.latency_s * np.exp(log))


def _in_each_arm(change: Callable[[Samples, int], Samples], samples: Samples) -> Samples:
    return change(change(samples, BASELINE), CANARY)


EQUAL: dict[str, Deceive] = {
    "10 s of +-5 % in turns": lambda s, _: slower(s, alternating(s, 10.0), 1.1),
    "5 s of +-8 % in turns": lambda s, _: slower(s, alternating(s, 5.0), 1.17),
    "10 s of 2 % errors in turns": lambda s, rng: failing(s, alternating(s, 10.0), 0.02, rng),
    "noise with phi 0.99": _slow_noise,
    "3 s of errors, each arm": lambda s, rng: _in_each_arm(
        lambda one, arm: failing(one, moments(one, arm, 3.0, 60.0, rng), 0.2, rng), s
    ),
    "7 s of errors, each arm": lambda s, rng: _in_each_arm(
        lambda one, arm: failing(one, moments(one, arm, 7.0, 60.0, rng), 0.05, rng), s
    ),
    "5 s at x1.5, each arm": lambda s, rng: _in_each_arm(
        lambda one, arm: slower(one, moments(one, arm, 5.0, 60.0, rng), 1.5), s
    ),
    "1 s at x20, each arm": lambda s, rng: _in_each_arm(
        lambda one, arm: slower(one, moments(one, arm, 1.0, 30.0, rng), 20.0), s
    ),
    "three latencies": lambda s, _: replace(s, latency_s=np.digitize(s.latency_s, (0.03, 0.06)) * 0.04 + 0.02),
    "both arms in trouble": lambda s, rng: failing(
        slower(s, (s.due_s > 100) & (s.due_s < 110), 3.0), (s.due_s > 100) & (s.due_s < 110), 0.5, rng
    ),
    "a step in both arms": lambda s, _: slower(s, s.due_s > 150, 1.4),
    "a host 3 % slower": lambda s, _: slower(s, s.arm == CANARY, 1.03),
    "hardly an error": lambda s, rng: failing(
        replace(s, status=np.full(len(s), 200, np.int16)), s.due_s >= 0, 3e-4, rng
    ),
}


def failed_s(run: Stream, samples: Samples, looks_s: Iterable[float], rule: FailOn) -> float | None:
    """Return when the judge fails a run, or None."""
    plan = plan_of(PLAIN, run, TOLERATED, 1)
    table = reduce_samples(samples, run.phases, block_s=block_seconds(plan))
    judge = SequentialJudge(fail_on=rule)
    for now_s in looks_s:
        evidence = Evidence(samples=samples, phases=(replace(run.phases[0], end_s=now_s),), table=table)
        final = now_s >= PLAIN.duration_s
        if judge.judge(evidence, plan, now_s=now_s, final=final).verdict is Verdict.FAIL:
            return now_s
    return None


def equal_failed(deceive: Deceive, runs: int, seed: int) -> tuple[int, int]:
    """Return how many runs with equal arms failed: by any harm, and beyond tolerance."""
    by_rule = dict.fromkeys(FailOn, 0)
    for number in range(seed, seed + runs):
        run = stream(PLAIN, Harm(), number)
        samples = deceive(run.samples, np.random.default_rng(number))
        for rule in FailOn:
            by_rule[rule] += failed_s(run, samples, range(10, 301, 10), rule) is not None
    return by_rule[FailOn.ANY_HARM], by_rule[FailOn.BEYOND_TOLERANCE]


def delay_s(harm: Harm, onset_s: int, runs: int, seed: int) -> float:
    """Return the median of seconds from the onset to a fail (any harm), with a look every two seconds."""
    found = []
    for number in range(seed, seed + runs):
        run = stream(PLAIN, replace(harm, onset=onset_s / PLAIN.duration_s), number)
        at_s = failed_s(run, run.samples, (*range(onset_s + 1, 300, 2), 300), FailOn.ANY_HARM)
        found.append(np.inf if at_s is None else at_s - onset_s)
    return float(np.median(found))


def main() -> int:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20, help="runs of each stream (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=700_000, help="first seed (default: %(default)s)")
    args = parser.parse_args()
    held = True
    for name, deceive in EQUAL.items():
        strict, beyond = equal_failed(deceive, args.runs, args.seed)
        held &= beyond == 0
        print(f"equal: {name:<30}{args.runs:4d} runs  failed {strict} (beyond tolerance {beyond})", flush=True)
    print(f"seconds to detect, by onset    {''.join(f'{onset:>7d} s' for onset in ONSETS_S)}")
    for harm in SUDDEN:
        delays = [delay_s(harm, onset, max(args.runs // 5, 3), args.seed) for onset in ONSETS_S]
        held &= harm.errors < 0.2 or max(delays) <= LONGEST_OUTAGE_S
        print(f"  {harm.name:<29}{''.join(f'{delay:>9.0f}' for delay in delays)}", flush=True)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())

"""Record runs of the demo and replay them with a stand-in: ``nice -n 10 python benchmarks/replay.py --runs 20``.

The runs differ in the canary's defect, the fault, the rate and the seed. As on a cluster, the latencies of the
dependency are known by the buckets of Istio's histograms only (``--fine`` keeps Envoy's bins). The verdict of each
replay is compared with the recorded one; runs that decide nothing are recorded again, up to three times. Each pair takes
about a minute and a half. The exit code is 1 if fewer than nine of ten verdicts are the same.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from harness import bundle, gate, wiring
from harness.config import Config, read_config, with_environment
from harness.console import silent
from harness.demo import PROJECT
from harness.demo.kinds import Kind
from harness.faults import Fault, abort, delay, retry_storm
from harness.model.hops import Hop
from harness.model.phase import PhaseLength
from harness.model.record import Record
from harness.model.verdict import Verdict
from harness.replay.answers import recorded_answers
from harness.replay.asked import read_asked
from harness.replay.comparing import Answer, compared
from harness.replay.running import replayed
from harness.replay.sampling import quantile
from harness.replay.staging import Options, by_what_failed, longer, staged

EDGES_MS = (0.0, 0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000)
"""The buckets of Istio's ``istio_request_duration_milliseconds``."""
SLOW, BROKEN = delay("ratings", "2s", percent=30), abort("ratings", 503, percent=30)
KINDS: tuple[tuple[str, Kind, tuple[Fault, ...]], ...] = (
    ("slow", Kind.SLOW, (SLOW,)),
    ("errors", Kind.ERRORS, (SLOW,)),
    ("fragile", Kind.FRAGILE, (SLOW,)),
    ("retry storm", Kind.FRAGILE, (retry_storm("ratings", 3, per_try="14ms"),)),
    ("pass", Kind.GOOD, (BROKEN,)),
)
RATES_RPS = (100.0, 150.0, 80.0, 120.0)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One recorded run and its replay."""

    name: str
    rate_rps: float
    recorded: Verdict
    replay: Verdict
    answer: str
    why: str
    off: float


def coarse(hops: Sequence[Hop]) -> tuple[Hop, ...]:
    """The same hops with the buckets of a classic histogram."""
    return tuple(replace(hop, latency_ms=tuple(_buckets(hop))) for hop in hops)


def _buckets(hop: Hop) -> Iterator[tuple[float, float, int]]:
    for low, high in pairwise(EDGES_MS):
        count = sum(n for at, width, n in hop.latency_ms if low <= at + width / 2 < high)
        if count:
            yield low, high - low, count


def recorded(
    config: Config, faults: Sequence[Fault], *, name: str, rate_rps: float, seed: int, folder: Path
) -> gate.Outcome:
    """Run the demo and return what was recorded."""
    scenario = wiring.scenario(
        config, name=name, seed=seed, faults=faults, rate_rps=rate_rps, warm_up_s=3.0, recovery_s=6.0,
        steady_s=PhaseLength(25.0, least_s=8.0), fault_s=PhaseLength(25.0, least_s=8.0),
    )  # fmt: skip
    with gate.open_mesh(config, target="local", folder=folder / "logs") as mesh:
        return gate.judge_scenario(scenario, config, mesh, folder=folder, again="", notify=silent)


def pair(number: int, scratch: Path, *, fine: bool) -> Pair:
    """Record one run and replay it."""
    name, kind, faults = KINDS[number % len(KINDS)]
    rate_rps = RATES_RPS[number // len(KINDS) % len(RATES_RPS)]
    plain = replace(read_config(PROJECT / "harness.yaml"), out=scratch)
    config = with_environment(plain, plain.service, plain.canary, {"REVIEWS_KIND": kind})
    for attempt in range(3):
        folder = scratch / f"recorded-{number}-{attempt}"
        outcome = recorded(config, faults, name=name, rate_rps=rate_rps, seed=number + 100 * attempt, folder=folder)
        if outcome.analysis.verdict is not Verdict.INCONCLUSIVE:
            break
    if not fine:
        folder = scratch / f"cluster-{number}"
        bundle.write_bundle(replace(outcome.record, hops=coarse(outcome.record.hops)), folder)
        bundle.write_analysis(outcome.analysis, folder)
    asked = read_asked(folder)
    stage = staged(asked, config, Options(stand_ins=("ratings",)))
    played = replayed(stage, scratch / f"replay-{number}", again="", notify=silent)
    comparison = compared(asked, played.outcome, cannot=stage.cannot)
    if comparison.late:  # as harness replay does, here and below
        played = replayed(stage, scratch / f"again-{number}", again="", notify=silent)
        comparison = compared(asked, played.outcome, cannot=stage.cannot)
    if comparison.undecided:
        played = replayed(longer(stage), scratch / f"longer-{number}", again="", notify=silent)
        comparison = compared(asked, played.outcome, cannot=stage.cannot)
    if comparison.elsewhere:
        played = replayed(by_what_failed(stage), scratch / f"alone-{number}", again="", notify=silent)
        comparison = compared(asked, played.outcome, cannot=stage.cannot)
    return Pair(
        name=name,
        rate_rps=rate_rps,
        recorded=outcome.analysis.verdict,
        replay=played.outcome.analysis.verdict,
        answer=str(comparison.answer),
        why=comparison.why,
        off=furthest(outcome.record, played.outcome.record),
    )


def furthest(recorded: Record, replay: Record) -> float:
    """By how much a quantile of ratings in the steady phase differs, as a share, in the worst of three."""
    bins = [
        next(one.latency_ms for one in found.answers if (one.phase, one.arm, one.operation) == ("steady", "", ""))
        for found in (recorded_answers(record, "ratings") for record in (recorded, replay))
        if found is not None
    ]
    pairs = [tuple(quantile(one, q) for one in bins) for q in (0.1, 0.5, 0.9)] if len(bins) == 2 else []
    return max((abs(now / then - 1) for then, now in pairs if then), default=0.0)


def main() -> int:
    """Record and replay, print a line for each pair, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument(
        "--start", type=int, default=0, help="leave out so many runs, to go on where another call ended"
    )
    parser.add_argument("--fine", action="store_true", help="keep Envoy's bins instead of classic buckets")
    args = parser.parse_args()
    same = alike = 0
    with tempfile.TemporaryDirectory(prefix="harness-replays-") as scratch:
        for number in range(args.start, args.start + args.runs):
            began = time.monotonic()
            one = pair(number, Path(scratch), fine=args.fine)
            same += one.recorded is one.replay
            alike += one.answer == Answer.REPRODUCED
            print(
                f"{number + 1:3} {one.name:12} {one.rate_rps:4g} req/s  {one.recorded:12} then, {one.replay:12} here: "
                f"{one.answer} ({time.monotonic() - began:.0f} s, load {os.getloadavg()[0]:.0f}; stand-in off by {one.off:.1%}) {'' if one.answer == Answer.REPRODUCED else one.why}",
                flush=True,
            )
    print(f"{same} of {args.runs} replays have the same verdict, {alike} are called reproduced")
    return 0 if same >= 0.9 * args.runs else 1


if __name__ == "__main__":
    sys.exit(main())

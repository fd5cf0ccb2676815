"""Check that the load generator measures known slow periods correctly.

A delay of 1 s during one sixth of a run must give 16.7 % slow requests, and a stall of 2 s in 24 s must give 8.3 %. A
canary that is 500 ms slower and has a weight of 10 % must not change the load of the baseline.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from load_tables import Row, finish, table
from load_target import EnvoyTarget, envoy_target

from harness.clients.processes.child import wait_until
from harness.load.parent.locust import LocustLoad
from harness.model.load import LoadPlan, Stage
from harness.model.samples import BASELINE, CANARY, Samples

PROFILE = """
from itertools import count

from locust import FastHttpUser, constant, task

draws = count()


class Visitor(FastHttpUser):
    wait_time = constant(0)

    @task
    def visit(self):
        self.client.get("/", name="/", headers={"x-draw": str(next(draws))})
"""
RUN_S, RATE_RPS, SLOW_S = 24.0, 200.0, 0.1


def main() -> int:
    """Run all three checks and print the results."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        profile = folder / "visit.py"
        profile.write_text(PROFILE)
        with envoy_target(folder, core=None) as target:
            return finish([table("truth", list(rows(target, profile, folder)))])


def rows(target: EnvoyTarget, profile: Path, folder: Path) -> Iterator[Row]:
    """Yield the results of the three checks."""
    share = _slow_share(_during(target, profile, folder / "delay", delay_s=4.0))
    yield _share_row("1 s delay during 4 of 24 s", share, 4 / 24)
    share = _slow_share(_during(target, profile, folder / "stall", stall_s=2.0))
    yield _share_row("2 s stall in 24 s", share, 2 / 24)
    before = _arm_rates(_split_run(target, profile, folder / "even"))
    target.slow_canary(100)
    after = _arm_rates(_split_run(target, profile, folder / "slow"))
    target.slow_canary(0)
    change = after[BASELINE] / before[BASELINE] - 1
    yield Row("baseline's rate next to a slow canary", f"{change:+.2%}", "at most 1 %", abs(change) <= 0.01)
    change = after[CANARY] / before[CANARY] - 1
    yield Row("the slow canary's own rate", f"{change:+.2%}", "at most 1 %", abs(change) <= 0.01)


def _during(target: EnvoyTarget, profile: Path, folder: Path, *, delay_s: float = 0.0, stall_s: float = 0.0) -> Samples:
    """Run load with a delay or a stall in the middle."""
    with LocustLoad().start(_plan(target.url, profile, RUN_S), folder) as run:
        time.sleep(max(0.0, run.started_at + 8 - time.time()))
        if delay_s:
            target.delay(100)
            time.sleep(max(0.0, run.started_at + 8 + delay_s - time.time()))
            target.delay(0)
        else:
            with target.stalled():
                time.sleep(max(0.0, run.started_at + 8 + stall_s - time.time()))
        wait_until(lambda: not run.running(), timeout_s=60)
        run.finish()
        return run.samples()


def _split_run(target: EnvoyTarget, profile: Path, folder: Path) -> Samples:
    with LocustLoad().start(_plan(target.split_url, profile, 10.0), folder) as run:
        wait_until(lambda: not run.running(), timeout_s=60)
        run.finish()
        return run.samples()


def _plan(url: str, profile: Path, seconds: float) -> LoadPlan:
    stage = Stage(duration_s=seconds, start_rps=RATE_RPS, end_rps=RATE_RPS)
    return LoadPlan(profile=profile, url=url, stages=(stage,), trace_share=0)


def _slow_share(samples: Samples) -> float:
    return float((samples.latency_s > SLOW_S).mean())


def _arm_rates(samples: Samples) -> dict[int, float]:
    return {arm: float((samples.arm == arm).sum()) for arm in (BASELINE, CANARY)}


def _share_row(what: str, share: float, expected: float) -> Row:
    return Row(f"slow requests, {what}", f"{share:.2%}", f"{expected:.2%} ± 0.5 points", abs(share - expected) <= 0.005)


if __name__ == "__main__":
    raise SystemExit(main())

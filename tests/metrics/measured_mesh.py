"""A real mesh under load with faults, measured by its Prometheus, by polled pages and by the callers themselves."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mesh_world import SUBSETS, World, routes, running_world

from harness.clients.prometheus import Prometheus
from harness.config import Config
from harness.judge.objectives import parse_objective
from harness.mesh.local.local_metrics import INTERVAL_S, LocalMetrics
from harness.metrics.server_side import Measured, from_pages, from_prometheus, wanted_of
from harness.metrics.sources import PageSource, page
from harness.model.phase import Phase, PhaseKind
from harness.model.record import Series

LOAD_S = 7.0
ARMS = {
    arm: {
        "namespace": "default",
        "service": "reviews",
        "workload": f"reviews-{version}",
        "version": version,
        "arm": arm,
    }
    for arm, version in (("baseline", "v2"), ("canary", "v3"))
}
ROUTES = """
- match: [{headers: {x-arm: {exact: v3}}}]
  route: [{destination: {host: reviews, subset: v3}}]
- route: [{destination: {host: reviews, subset: v2}}]
"""
RATINGS = """
- fault:
    delay: {fixedDelay: 50ms, percentage: {value: 30}}
    abort: {httpStatus: 503, percentage: {value: 20}}
  route: [{destination: {host: ratings}}]
"""


@dataclass(kw_only=True)
class Seen:
    """What the callers saw: latencies in seconds and statuses, by arm, of answers and of calls."""

    answers: dict[str, list[tuple[float, int]]] = field(default_factory=lambda: {"baseline": [], "canary": []})
    calls: dict[str, list[tuple[float, int]]] = field(default_factory=lambda: {"baseline": [], "canary": []})


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A run that is over, and everything that measured it."""

    seen: Seen
    url: str
    pages: PageSource
    zero_s: float
    phases: tuple[Phase, ...]

    def by_prometheus(self, *texts: str, config: object = None) -> Measured:
        """The indicators of some objectives, from Prometheus."""
        with Prometheus(self.url) as server:
            return from_prometheus(server, wanted(texts, config), arms=ARMS, zero_s=self.zero_s, phases=self.phases)

    def by_pages(self, *texts: str) -> Measured:
        """The same from the pages."""
        return from_pages(
            self.pages, wanted(texts), arms=ARMS, zero_s=self.zero_s, phases=self.phases, interval_s=INTERVAL_S
        )


class NoIndicators:
    """A configuration without own indicators."""

    gauges = indicators = ()


def wanted(texts: Sequence[str], config: object = None):
    """What these objectives need, and nothing else."""
    chosen: Config = config or NoIndicators
    return wanted_of([parse_objective(text) for text in texts], chosen, shown=())


def of(measured: Measured, name: str, arm: str) -> Series:
    """One series."""
    (found,) = [one for one in measured.series if (one.name, one.arm) == (name, arm)]
    return found


@contextmanager
def lab(folder: Path) -> Iterator[Lab]:
    """Run the load; Prometheus stays up for questions."""
    with ExitStack() as stack:
        world = stack.enter_context(running_world(folder))
        world.serve(SUBSETS, routes(ROUTES), routes(RATINGS, host="ratings"))
        meters = [
            LocalMetrics(
                world.mesh._envoy.admin, lambda: {"reviews-v2": os.getpid(), "reviews-v3": os.getppid()},
                folder / ("own" if program else "pages"), namespace="default", program=program,
            )
            for program in (shutil.which("prometheus"), None)
        ]  # fmt: skip
        for meter in meters:
            stack.callback(meter.close)
            meter.watch()
        zero_s = time.time()
        seen = _load(world, zero_s)
        end_s = time.time() - zero_s
        time.sleep(2 * INTERVAL_S)
        polled = meters[1].server_side()
        prometheus = meters[0].server_side()
        assert polled is not None
        assert prometheus is not None
        yield Lab(
            seen=seen, url=str(prometheus.url), zero_s=zero_s,
            pages=PageSource(pages=tuple(page(at_s, text) for at_s, text in polled.pages)),
            phases=(Phase(name="steady", kind=PhaseKind.STEADY, start_s=0.0, end_s=end_s),),
        )  # fmt: skip


def _load(world: World, zero_s: float) -> Seen:
    """Requests to both arms and calls of both arms; a tenth of the canary's answers fail, and it takes 30 ms longer."""
    seen = Seen()

    def client(arm: str, version: str) -> None:
        number = 0
        while time.time() - zero_s < LOAD_S:
            number += 1
            status = "500" if arm == "canary" and number % 10 == 0 else "200"
            headers = {"x-arm": version, "x-want-status": status, "x-want-delay": "0.03" if arm == "canary" else "0"}
            answer = world.get("reviews", headers=headers)
            seen.answers[arm].append((answer.seconds, answer.status))
            call = world.get("ratings", caller=f"reviews-{version}")
            seen.calls[arm].append((call.seconds, call.status))

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(client, arm, words["version"]) for arm, words in ARMS.items() for _ in range(2)]:
            future.result()
    return seen

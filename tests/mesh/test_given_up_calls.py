"""The dose of a delay by Envoy's own counters, when callers have less patience than the delay lasts."""

from __future__ import annotations

import http.client
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from mesh_world import SUBSETS, World, routes
from test_envoy_counters import faulting, grown, read

from harness.clients.processes.child import wait_until
from harness.mesh.cluster.proof.envoy_counters import EnvoyCounters
from harness.runner.proofs import _share_holds

CALLS = 600
UNSEEN = CALLS // 5
"""The most calls that may end before the proxy has read them."""
DELAYED = """
- fault: {{delay: {{fixedDelay: 0.8s, percentage: {{value: {percent}}}}}}}
  route: [{{destination: {{host: reviews, subset: v3}}}}]
"""


def impatient(url: str, _: int) -> bool:
    """Whether one call was given up after a third of a second."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=0.35)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except TimeoutError:
        return True
    finally:
        connection.close()
    return False


@pytest.mark.parametrize("percent", [10, 30, 50, 90])
def test_a_call_that_is_given_up_in_its_delay_is_one_of_the_calls(world: World, percent: int) -> None:
    """Every call that reached the proxy is counted, and each one that its caller gave up counts as delayed.

    A caller on a stalled machine may give up before the proxy has read its request. Such a call was given up and is
    in neither count, so both counts lack the same calls.
    """
    world.serve(SUBSETS, routes(DELAYED.format(percent=percent)))
    own, edits = EnvoyCounters(), (faulting("delay", "reviews"),)
    before = read(world, own, *edits)
    url = world.mesh.url("loadgenerator", "reviews")
    with ThreadPoolExecutor(16) as callers:
        given_up = sum(callers.map(lambda number: impatient(url, number), range(CALLS)))

    def counted() -> tuple[int, int]:
        rows = grown(before, read(world, own, *edits))
        calls = {key: total for key, total in rows.items() if key[0] == "reviews"}
        return sum(total for key, total in calls.items() if key[2] == "DI"), sum(calls.values())

    def consistent() -> bool:
        hits, total = counted()
        unseen = CALLS - total
        return unseen <= UNSEEN and hits == given_up - unseen

    assert wait_until(consistent, timeout_s=20), (given_up, counted())
    assert _share_holds(*counted(), percent / 100)

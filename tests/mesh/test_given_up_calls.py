"""The dose of a delay by Envoy's own counters, when callers have less patience than the delay lasts."""

from __future__ import annotations

import selectors
import socket
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from mesh_world import SUBSETS, World, routes
from test_envoy_counters import faulting, grown, read

from harness.clients.processes.child import wait_until
from harness.mesh.cluster.proof.envoy_counters import EnvoyCounters
from harness.runner.proofs import _share_holds

CALLS, AT_ONCE = 600, 60
DELAYING = "http.outbound_loadgenerator~reviews.fault.active_faults"
"""Envoy's gauge of the calls that it is delaying."""
DELAYED = """
- fault: {{delay: {{fixedDelay: 1000s, percentage: {{value: {percent}}}}}}}
  route: [{{destination: {{host: reviews, subset: v3}}}}]
"""


def given_up(world: World) -> int:
    """Send some calls at once, give up those that are in their delay when all others have their answers; count them.

    Which calls these are does not depend on the time: no delay ends before its call is given up.
    """
    parts = urlsplit(world.mesh.url("loadgenerator", "reviews"))

    def delaying() -> int:
        return int(world.mesh._envoy.admin.stats(f"^{DELAYING}$").get(DELAYING, 0))

    assert wait_until(lambda: delaying() == 0, timeout_s=60), "calls that were given up before are still delayed"
    with ExitStack() as stack:
        answers = stack.enter_context(selectors.DefaultSelector())
        for _ in range(AT_ONCE):
            call = stack.enter_context(socket.create_connection((parts.hostname, parts.port)))
            call.sendall(b"GET / HTTP/1.1\r\nHost: reviews\r\n\r\n")
            answers.register(call, selectors.EVENT_READ)

        def waiting() -> int:
            return AT_ONCE - len(answers.select(0))

        assert wait_until(lambda: delaying() == waiting(), timeout_s=60), (delaying(), waiting())
        return waiting()


@pytest.mark.parametrize("percent", [10, 30, 50, 90])
def test_a_call_that_is_given_up_in_its_delay_is_one_of_the_calls(world: World, percent: int) -> None:
    """Every call is counted, and each one that its caller gave up counts as delayed."""
    world.serve(SUBSETS, routes(DELAYED.format(percent=percent)))
    own, edits = EnvoyCounters(), (faulting("delay", "reviews"),)
    before = read(world, own, *edits)
    wanted = sum(given_up(world) for _ in range(CALLS // AT_ONCE))

    def counted() -> tuple[int, int]:
        rows = grown(before, read(world, own, *edits))
        calls = {key: total for key, total in rows.items() if key[0] == "reviews"}
        return sum(total for key, total in calls.items() if key[2] == "DI"), sum(calls.values())

    assert wait_until(lambda: counted() == (wanted, CALLS), timeout_s=60), (wanted, counted())
    assert _share_holds(*counted(), percent / 100)

"""The stand-ins answer as recorded: statuses, sizes and latencies by phase and arm, repeatably."""

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from urllib.parse import quote

import numpy as np
import pytest

from harness.model.stand_in import Body
from harness.replay.http_requests import first_request
from harness.replay.playing import Player
from harness.replay.sampling import BinSampler, StatusSampler, is_fine, quantile
from harness.replay.script import Answers, Script, StandIn, Trouble, read_script, script_text
from harness.replay.troupe import playing

FAST = Answers(phase="steady", arm="baseline", statuses=((200, 9), (503, 1)), latency_ms=((2.0, 1.0, 10),))
SLOW = Answers(
    phase="steady", arm="canary", statuses=((200, 1),), latency_ms=((30.0, 1.0, 1),), size_bytes=((64.0, 0.0, 1),)
)
ANY = Answers(statuses=((200, 1),), latency_ms=((1.0, 0.0, 1),))
RATINGS = StandIn(name="ratings-v1", health="/health", answers=(FAST, SLOW, ANY))


def fine_bins(seed=1):
    """A lognormal distribution around 20 ms, in the bins of Envoy's histograms."""
    values, counts = Random(seed), Counter()
    for _ in range(20_000):
        counts[float(int(values.lognormvariate(3.0, 0.4)))] += 1
    return tuple((low, 1.0 if low < 100 else 10.0, count) for low, count in sorted(counts.items()))


def canary(path="/ratings/0"):
    """A request of the canary, as a caller sends it."""
    return "GET", path, {"baggage": "harness.run=x,harness.arm=canary"}


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_quantiles_of_a_thousand_draws_are_the_recorded_ones(share):
    """Within 3 % for bins as fine as Envoy's; independent draws would scatter by more."""
    bins = fine_bins()
    for seed in range(5):
        sampler = BinSampler(bins, Random(seed))
        drawn = [sampler.draw() for _ in range(1000)]
        assert quantile(bins, share) == pytest.approx(float(np.quantile(drawn, share)), rel=0.03)


def test_the_same_seed_draws_the_same():
    """A replay can be repeated."""
    first, second, other = (BinSampler(fine_bins(), Random(seed)) for seed in (1, 1, 2))
    draws = [[one.draw() for _ in range(300)] for one in (first, second, other)]
    assert draws[0] == draws[1] != draws[2]


def test_values_stay_within_the_used_bins():
    """Nothing between two bins is drawn, and nothing of an empty one."""
    bins = ((0.0, 1.0, 1), (5.0, 5.0, 0), (10.0, 10.0, 3))
    sampler = BinSampler(bins, Random(1))
    drawn = [sampler.draw() for _ in range(1000)]
    assert 250 == pytest.approx(sum(value < 1 for value in drawn), abs=15)
    assert all(value <= 1 or 10 <= value <= 20 for value in drawn)


def test_coarse_bins_are_told_from_fine_ones():
    """The buckets of a classic histogram are coarse; Envoy's bins and whole milliseconds are fine."""
    assert is_fine(fine_bins())
    assert not is_fine(((5.0, 5.0, 10),))
    assert is_fine(((5.0, 0.5, 10), (100.0, 100.0, 0)))


def test_statuses_come_in_their_recorded_shares():
    """Three of a hundred calls failed, so three of each hundred answers do."""
    sampler = StatusSampler(((200, 970), (503, 30)), Random(1))
    assert {200: 970, 503: 30} == pytest.approx(Counter(sampler.draw() for _ in range(1000)), abs=2)


def test_a_script_is_read_as_it_was_written():
    """Parent and process agree about every value."""
    body = Body(path="/ratings/*", text="{}")
    trouble = Trouble(phase="fault", share=0.3, delay_s=2.0)
    one = StandIn(name="ratings-v1", health="/", answers=(SLOW,), bodies=(body,), troubles=(trouble,), forward="h:1")
    script = Script(seed=7, stand_ins=(one,), overhead_ms=0.4)
    assert script == read_script(script_text(script))


def test_answers_differ_by_phase_and_arm():
    """The arm is in the baggage; a caller that does not forward it gets what is known of both."""
    player = Player(Script(seed=1, stand_ins=(RATINGS,)))
    answer = player.answering(RATINGS)
    assert 0.001 == answer(*canary()).wait_s
    player.controlled("POST", "/phase/steady", {})
    assert 0.030 <= answer(*canary()).wait_s <= 0.031
    assert 0.001 == answer("GET", "/ratings/0", {}).wait_s
    assert 64 == len(answer(*canary()).body)
    assert json.loads(answer(*canary()).body) == {}
    counts = json.loads(player.controlled("GET", "/counts", {}).body)["counts"]
    assert {"requests": 5, "arm canary": 4, "arm unknown": 1} == {
        name: count for name, count in counts["ratings-v1"].items() if count
    }


def test_a_numbered_phase_has_its_own_answers():
    """The name of the phase of a stage has a space, which is escaped in the URL."""
    numbered = replace(RATINGS, answers=tuple(replace(one, phase=one.phase and "fault 2") for one in RATINGS.answers))
    player = Player(Script(seed=1, stand_ins=(numbered,)))
    answer = player.answering(numbered)
    player.controlled("POST", f"/phase/{quote('fault 2')}", {})
    assert 0.030 <= answer(*canary()).wait_s <= 0.031


def test_bodies_are_chosen_by_path_method_and_status():
    """A body for successes is not sent with an error, and the health check has its own answer."""
    body = Body(path="/ratings/*", text='{"stars": 5}')
    one = StandIn(
        name="r", health="/health", answers=(Answers(statuses=((200, 1),), latency_ms=((9, 0, 1),)),), bodies=(body,)
    )
    answer = Player(Script(seed=1, stand_ins=(one,), overhead_ms=0.5)).answering(one)
    assert b'{"stars": 5}' == answer("GET", "/ratings/7?x=1", {}).body
    assert b"{}" == answer("POST", "/ratings/7", {}).body == answer("GET", "/other", {}).body
    assert 0.0 == answer("GET", "/health", {}).wait_s
    assert pytest.approx(0.0085) == answer("GET", "/ratings/7", {}).wait_s


def test_recorded_bodies_are_answered_where_none_is_written_down():
    """Those of the same path and status, in turn, else those of the same operation."""
    recorded = (
        Body(path="/ratings/1", text="one"), Body(path="/ratings/2", text="two", content_type="text/plain"),
        Body(path="/ratings/2", text="more"), Body(path="/ratings/1", text="failed", status=503),
        Body(path="/own/1", text="recorded"),
    )  # fmt: skip
    own = (Body(path="/own/*", text="written"),)
    one = StandIn(name="r", health="/health", answers=(ANY,), bodies=own, recorded=recorded)
    assert one == read_script(script_text(Script(seed=1, stand_ins=(one,)))).stand_ins[0]
    answer = Player(Script(seed=1, stand_ins=(one,))).answering(one)

    def bodies(path, count):
        return [answer("GET", path, {}).body.decode() for _ in range(count)]

    assert ["two", "more", "two"] == bodies("/ratings/2?x=1", 3)
    assert {"one", "two", "more"} == set(bodies("/ratings/7", 3))
    assert ["written", "{}"] == [*bodies("/own/1", 1), *bodies("/other", 1)]


def test_a_fault_at_the_service_hits_its_share_of_the_requests():
    """In its phase only: exactly 30 of 100 requests wait, and 10 of 100 get an error."""
    troubles = (Trouble(phase="fault", share=0.3, delay_s=2.0), Trouble(phase="fault", share=0.1, status=503))
    one = StandIn(name="r", health="/h", answers=(ANY,), troubles=troubles)
    player = Player(Script(seed=1, stand_ins=(one,)))
    answer = player.answering(one)
    assert not any(answer(*canary()).wait_s > 1 for _ in range(100))
    player.controlled("POST", "/phase/fault", {})
    replies = [answer(*canary()) for _ in range(100)]
    assert (30, 10) == (sum(one.wait_s >= 2 for one in replies), sum(b" 503 " in one.head for one in replies))


@pytest.mark.parametrize(
    ("received", "path", "left"),
    [
        (b"GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\nGET", "/a?b=c", b"GET"),
        (b"POST /a HTTP/1.1\r\ncontent-length: 3\r\n\r\nabcd", "/a", b"d"),
        (b"POST /a HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nrest", "/a", b"rest"),
    ],
)
def test_requests_are_found_in_what_a_proxy_sent(received, path, left):
    """One request ends where the next one begins, and is not complete before."""
    request = first_request(received)
    assert (path, left) == (request.path, received[len(request.raw) :])
    assert all(first_request(request.raw[:size]) is None for size in range(len(request.raw)))


class Real(BaseHTTPRequestHandler):
    """A real workload, which says what it got."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        """Answer with the body."""
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(201)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Write nothing."""


def may_raise_priorities():
    """Return whether this user may raise priorities."""
    words = [sys.executable, "-c", "import os; os.setpriority(os.PRIO_PROCESS, 0, -15)"]
    return subprocess.run(words, stderr=subprocess.DEVNULL, check=False).returncode == 0


def test_one_process_plays_all_of_them(tmp_path):
    """It answers on a port each, waits as long as recorded, and passes requests on to a real workload."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Real) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        real = StandIn(name="real", health="/health", forward=f"127.0.0.1:{server.server_port}")
        with playing(Script(seed=1, stand_ins=(RATINGS, real)), tmp_path) as troupe:
            troupe.begin("steady")
            with closing(http.client.HTTPConnection(troupe.addresses["ratings-v1"], timeout=60)) as connection:
                for _ in range(3):
                    began = time.monotonic()
                    connection.request("GET", "/ratings/0", headers={"baggage": "harness.arm=canary"})
                    answer = connection.getresponse()
                    assert (200, 64) == (answer.status, len(answer.read()))
                    assert 0.03 <= time.monotonic() - began
            with closing(http.client.HTTPConnection(troupe.addresses["real"], timeout=60)) as connection:
                for body in (b"one", b"two"):
                    connection.request("POST", "/x", body=body)
                    answer = connection.getresponse()
                    assert (201, body) == (answer.status, answer.read())
            assert 3 == troupe.counts()[1]["ratings-v1"]["arm canary"]
            if may_raise_priorities():
                assert -15 == os.getpriority(os.PRIO_PROCESS, troupe.pid)
        server.shutdown()
    host, _, port = troupe.addresses["real"].partition(":")
    with socket.socket() as left:
        assert left.connect_ex((host, int(port))) != 0

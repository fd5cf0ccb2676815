"""The fast User classes with a real service."""

from __future__ import annotations

import json
import sys
from collections import Counter

import pytest
from load_runs import execute, plan, run_command

CLIENTS = {
    "CurlUser": "from harness.load.users.curl import CurlUser",
    "LeanUser": "from harness.load.users.lean import LeanUser",
}
WHOLE = """
import json
from locust import constant, task
{imports}


class Visitor({user}):
    n = 0

    @task
    def visit(self):
        Visitor.n += 1
        step = STEPS[Visitor.n % len(STEPS)]
        step(self)


def plain(self):
    answer = self.client.get("/reviews/10", name="plain", headers={{"x-one": "1"}})
    assert (answer.status_code, answer.text, answer.headers["x-harness-arm"]) == (200, "fine", "canary")
    assert answer.ok and "X-Harness-Arm" in answer.headers and len(answer.headers) > 3


def login(self):
    answer = self.client.post("/login", json={{"user": "me"}}, name="login")
    assert answer.json()["token"].startswith("token-")


def failing(self):
    assert self.client.get("/reviews/1?status=503", name="failing").status_code == 503


def missing(self):
    assert not self.client.get("/nowhere", name="missing").ok


def checked(self):
    with self.client.get("/reviews/1", name="checked", catch_response=True) as answer:
        answer.failure("no stars")


def forgiven(self):
    with self.client.get("/nowhere", name="forgiven", catch_response=True) as answer:
        assert answer.status_code == 404
        answer.success()


def reset(self):
    answer = self.client.get("/reviews/1?reset=1", name="reset")
    assert answer.status_code == 0 and answer.error is not None


STEPS = [plain, login, failing, missing, checked, forgiven, reset]
"""


@pytest.mark.parametrize("user", CLIENTS)
def test_a_fast_user_supports_what_locustfiles_need(tmp_path, target, profile, user):
    """Methods, JSON, headers, checks and broken connections work; each request fires Locust's event once."""
    path = profile(WHOLE.format(imports=CLIENTS[user], user=user), whole=True)
    outcome = execute(plan(path, target.url, rate=70, seconds=1, headers={"x-run": "r"}), tmp_path)
    samples, seen = outcome.samples, target.seen()
    kinds = Counter(
        (samples.operations[operation], int(status), bool(error))
        for operation, status, error in zip(samples.operation, samples.status, samples.error, strict=True)
    )
    assert outcome.report.notes == ()
    assert kinds == {
        ("plain", 200, False): 10, ("login", 200, False): 10, ("failing", 503, False): 10, ("missing", 404, False): 10,
        ("checked", 200, True): 10, ("forgiven", 404, False): 10, ("reset", 0, True): 10,
    }  # fmt: skip
    assert outcome.report.recorded == outcome.report.counted == 70
    assert {"r"} == {headers.get("x-run") for headers in seen["headers"]}
    assert 10 == sum(headers.get("x-one") == "1" for headers in seen["headers"])


@pytest.mark.parametrize("user", CLIENTS)
def test_a_fast_user_keeps_its_connections(tmp_path, target, profile, user):
    """Sequential requests use few connections, because reconnecting would count as latency."""
    text = f"""
    from locust import task
    {CLIENTS[user]}


    class Visitor({user}):
        @task
        def visit(self):
            self.client.get("/peer", name="peer")
    """
    outcome = execute(plan(profile(text, whole=True), target.url, rate=200, seconds=1), tmp_path)
    peers = target.seen()["peers"]
    assert outcome.report.recorded == 200
    assert len(set(peers)) <= outcome.report.users + 1
    assert json.dumps(peers) != "[]"


@pytest.mark.parametrize("user", CLIENTS)
def test_a_fast_user_has_a_time_limit(tmp_path, target, profile, user):
    """An answer that takes longer than network_timeout becomes an error sample at the time limit."""
    text = f"""
    from locust import task
    {CLIENTS[user]}


    class Visitor({user}):
        network_timeout = 0.3

        @task
        def visit(self):
            self.client.get("/reviews/1?delay=5", name="slow")
    """
    samples = execute(plan(profile(text, whole=True), target.url, rate=10, seconds=1), tmp_path).samples
    assert len(samples) == 10
    assert samples.failed.all()
    taken_s = samples.latency_s - samples.late_s
    assert 0.3 <= taken_s.min() <= taken_s.max() < 5  # when the service would have answered


HTTP1 = """
import itertools, json, sys
from harness.load.users.http1 import Http1Error, parse_answer

def parsed(data, head=False, ended=False):
    try:
        found = parse_answer(data.encode(), head=head, ended=ended)
    except Http1Error as error:
        return str(error)
    return found and [found[0], found[2].decode(), found[3]]

print(json.dumps([parsed(**case) for case in json.loads(sys.stdin.read())]))
"""
FINE = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"
CHUNKS = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;x=1\r\nfi\r\n2\r\nne\r\n0\r\n\r\n"
CASES = [
    ({"data": FINE}, [200, "fine", True]),
    ({"data": FINE[:-1]}, None),
    ({"data": FINE[:20]}, None),
    ({"data": ""}, None),
    ({"data": FINE[:-1], "ended": True}, "the connection ended in the answer's body"),
    ({"data": FINE[:20], "ended": True}, "the connection ended in the answer's headers"),
    ({"data": "", "ended": True}, "the connection ended in the answer's first byte"),
    ({"data": "SSH-2.0\r\n\r\n"}, "expected an HTTP/1.1 response, found b'SSH-2.0\\r\\n\\r\\n'"),
    ({"data": FINE, "head": True}, [200, "", True]),
    ({"data": "HTTP/1.1 204 No Content\r\n\r\n"}, [204, "", True]),
    ({"data": "HTTP/1.1 100 Continue\r\n\r\n" + FINE}, [200, "fine", True]),
    ({"data": FINE.replace("\r\n\r", "\r\nConnection: close\r\n\r")}, [200, "fine", False]),
    ({"data": FINE.replace("1.1", "1.0")}, [200, "fine", False]),
    ({"data": "HTTP/1.1 200 OK\r\n\r\nfine"}, None),
    ({"data": "HTTP/1.1 200 OK\r\n\r\nfine", "ended": True}, [200, "fine", False]),
    ({"data": CHUNKS}, [200, "fine", True]),
    ({"data": CHUNKS[:-2]}, None),
    ({"data": CHUNKS[:-12]}, None),
    ({"data": CHUNKS.replace("2;x=1", "zz")}, "expected the size of a chunk, found b'zz'"),
    ({"data": CHUNKS.replace("0\r\n", "0\r\nx-trailer: 1\r\n")}, [200, "fine", True]),
]


def test_the_lean_client_parses_responses_as_the_rfc_requires():
    """It reads bodies by length, by chunks or to the end; truncated data and other protocols are errors."""
    command = [sys.executable, "-c", HTTP1]
    asked = json.dumps([case for case, _ in CASES])
    assert json.loads(run_command(command, input=asked).stdout) == [expected for _, expected in CASES]


def test_the_lean_user_is_loaded_only_by_a_profile_that_imports_it():
    """Neither the load generator nor CurlUser imports the extra module or its parser."""
    code = (
        "import sys, harness.load.child.worker, harness.load.users.curl; print([m for m in sys.modules if 'lean' in m])"
    )
    assert run_command([sys.executable, "-c", code]).stdout == "[]\n"

"""The demo's services behave as documented when they run as real processes."""

from __future__ import annotations

import http.client
import json
import re
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.clients.processes.child import start, wait_until
from harness.clients.processes.ports import free_ports, is_free
from harness.config import Config, Workload, read_config, with_environment
from harness.mesh.services import ServiceSet, all_workloads

ROOT = Path(__file__).parents[2]

# Replaces a slow or broken ratings: it waits, answers with a status and prints the headers that it received.
TROUBLE = """
import http.server, json, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(float(sys.argv[2]))
        self.send_response(int(sys.argv[3]))
        self.end_headers()
        print(json.dumps({name.lower(): value for name, value in self.headers.items()}), flush=True)
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def config() -> Config:
    """The demo's configuration."""
    return read_config(ROOT / "harness.yaml")


@contextmanager
def running(config: Config, *names: str, folder: Path, urls: Mapping[str, str] | None = None) -> Iterator[ServiceSet]:
    """Run workloads of the demo that call each other directly; ``urls`` replaces services."""
    workloads = [work for work in all_workloads(config) if work.name in names]
    with ServiceSet(config, workloads, folder) as services:

        def outbound(_: Workload, callee: str) -> str:
            if callee in (urls or {}):
                return (urls or {})[callee]
            host, port = next(end for name, end in services.endpoints.items() if name.startswith(callee))
            return f"http://{host}:{port}"

        services.start(outbound)
        yield services


def get(services: ServiceSet, name: str, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, Any, float]:
    """Return status, JSON (or text) and duration in seconds of an answer."""
    connection = http.client.HTTPConnection(*services.endpoints[name], timeout=60)
    began = time.perf_counter()
    try:
        connection.request("GET", path, headers=dict(headers or {}))
        answer = connection.getresponse()
        body = answer.read().decode()
        took_s = time.perf_counter() - began
        return answer.status, json.loads(body) if body.startswith("{") else body, took_s
    finally:
        connection.close()


def get_many(services: ServiceSet, name: str, count: int) -> list[tuple[int, Any, float]]:
    """Return several answers of reviews, fetched concurrently."""
    with ThreadPoolExecutor(50) as pool:
        return list(pool.map(lambda i: get(services, name, f"/reviews/{i}"), range(count)))


def stars(answer: Any) -> list[Any]:
    """Return the ratings in an answer of reviews."""
    return [review.get("rating") for review in answer["reviews"]]


def test_every_service_answers_on_the_paths_of_bookinfo(config: Config, tmp_path: Path) -> None:
    """The answers look like Bookinfo's: v1 has no stars, v2 black ones and v3 red ones."""
    with running(config, *(work.name for work in all_workloads(config)), folder=tmp_path) as services:
        assert get(services, "ratings-v1", "/ratings/7")[1] == {"id": 7, "ratings": {"Reviewer1": 5, "Reviewer2": 4}}
        assert get(services, "details-v1", "/details/7")[1]["id"] == 7
        seen = {version: stars(get(services, f"reviews-{version}", "/reviews/0")[1]) for version in ("v1", "v2", "v3")}
        page = get(services, "productpage-v1", "/productpage")
        missing = get(services, "reviews-v2", "/reviews/none")[0]
    assert seen == {
        "v1": [None, None],
        "v2": [{"stars": 5, "color": "black"}, {"stars": 4, "color": "black"}],
        "v3": [{"stars": 5, "color": "red"}, {"stars": 4, "color": "red"}],
    }
    assert page[0] == 200
    assert "<dt>author" in page[1]
    assert "I read it in one night" in page[1]
    assert missing == 404


def test_the_page_survives_the_loss_of_its_services(config: Config, tmp_path: Path) -> None:
    """When its services do not answer, productpage apologises instead of failing."""
    nowhere = f"http://127.0.0.1:{free_ports(1)[0]}"
    urls = {"details": nowhere, "reviews": nowhere}
    with running(config, "productpage-v1", folder=tmp_path, urls=urls) as services:
        status, page, _ = get(services, "productpage-v1", "/productpage")
    assert status == 200
    assert "details are currently unavailable" in page
    assert "reviews are currently unavailable" in page


@pytest.mark.parametrize("kind", ["good", "fragile"])
@pytest.mark.parametrize("trouble", ["slow", "failing", "down"])
def test_only_a_fragile_build_fails_with_ratings(config: Config, tmp_path: Path, kind: str, trouble: str) -> None:
    """While ratings is slow, failing or down, the baseline answers without stars, and a fragile canary with 502."""
    port = free_ports(1)[0]
    command = [sys.executable, "-c", TROUBLE, str(port), "30" if trouble == "slow" else "0", "503"]
    settings = with_environment(config, "reviews", "v3", {"REVIEWS_KIND": kind})
    urls = {"ratings": f"http://127.0.0.1:{free_ports(1)[0] if trouble == 'down' else port}"}
    with (
        start(command, name="trouble", log=tmp_path / "trouble.log"),
        running(settings, "reviews-v2", "reviews-v3", folder=tmp_path, urls=urls) as services,
    ):
        assert wait_until(lambda: not is_free(port), timeout_s=30)
        baseline, canary = get(services, "reviews-v2", "/reviews/0"), get(services, "reviews-v3", "/reviews/0")
    without_stars = [{"error": "Ratings service is currently unavailable"}] * 2
    assert (baseline[0], stars(baseline[1])) == (200, without_stars)
    assert canary[0] == (200 if kind == "good" else 502)
    assert max(baseline[2], canary[2]) < 30  # nobody waits for ratings
    log = (tmp_path / "reviews-v3.log").read_text()
    assert re.match(r"20\d\d-\d\d-\d\dT[\d:.]{12}Z WARNING http://127.0.0.1:\d+/ratings/0 .*: no stars\n", log)
    assert ("answering 502" in log) == (kind == "fragile")


def test_a_fragile_build_works_while_ratings_works(config: Config, tmp_path: Path) -> None:
    """Without a fault, a fragile canary behaves like a good one."""
    settings = with_environment(config, "reviews", "v3", {"REVIEWS_KIND": "fragile"})
    with running(settings, "ratings-v1", "reviews-v3", folder=tmp_path) as services:
        answers = get_many(services, "reviews-v3", 100)
    assert [status for status, _, _ in answers] == [200] * 100


def test_a_slow_build_takes_a_third_longer(config: Config, tmp_path: Path) -> None:
    """A quarter of the baseline's answers take less than 0.1 s, and of a slow canary's less than 0.13 s.

    What a busy machine adds to both does not change their difference much; the quarter has the least of it.
    """
    settings = with_environment(config, "reviews", "v3", {"REVIEWS_KIND": "slow"})
    names = ("reviews-v2", "reviews-v3")
    took_s: dict[str, list[float]] = {name: [] for name in names}
    with running(settings, "ratings-v1", *names, folder=tmp_path) as services:
        for name in names * 4:  # in turns, because the machine may become busier
            took_s[name] += [took for _, _, took in get_many(services, name, 50)]
    baseline_s, canary_s = (statistics.quantiles(took_s[name], n=4)[0] for name in names)
    assert 0.01 < canary_s - baseline_s < 0.1


def test_a_build_with_errors_fails_3_percent_of_its_requests(config: Config, tmp_path: Path) -> None:
    """About 18 of the canary's 600 answers have status 500, and none of the baseline's."""
    settings = with_environment(config, "reviews", "v3", {"REVIEWS_KIND": "errors"})
    with running(settings, "ratings-v1", "reviews-v2", "reviews-v3", folder=tmp_path) as services:
        statuses = {
            name: [status for status, _, _ in get_many(services, name, 600)] for name in ("reviews-v2", "reviews-v3")
        }
    assert set(statuses["reviews-v2"]) == {200}
    assert set(statuses["reviews-v3"]) == {200, 500}
    assert 5 <= statuses["reviews-v3"].count(500) <= 40


def test_identity_and_trace_headers_are_forwarded(config: Config, tmp_path: Path) -> None:
    """end-user, trace context and baggage reach the called services; other headers do not."""
    port = free_ports(1)[0]
    given = {
        "end-user": "jason",
        "traceparent": "00-1-2-01",
        "baggage": "run=7",
        "x-request-id": "r",
        "cookie": "secret",
    }
    with (
        start(
            [sys.executable, "-c", TROUBLE, str(port), "0", "503"], name="trouble", log=tmp_path / "headers"
        ) as trouble,
        running(config, "reviews-v2", folder=tmp_path, urls={"ratings": f"http://127.0.0.1:{port}"}) as services,
    ):
        assert wait_until(
            lambda: get(services, "reviews-v2", "/reviews/0", given)[0] == 200 and trouble.tail() != "", timeout_s=30
        )
        seen = json.loads(trouble.tail(1))
    assert {name: seen.get(name) for name in given} == {**given, "cookie": None}


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"REVIEWS_KIND": "slwo", "RATINGS_URL": "http://x"}, "REVIEWS_KIND: expected one of good, slow, errors, fragile, marginal, found 'slwo'"),
        ({}, "RATINGS_URL: expected the URL of ratings"),
    ],
)  # fmt: skip
def test_reviews_rejects_an_invalid_environment(tmp_path: Path, env: dict[str, str], message: str) -> None:
    """With an unknown kind of build, or without the URL of ratings, the process exits with the reason."""
    command = [sys.executable, "-m", "harness.demo.reviews", "--port", "1", "--version", "v3"]
    with start(command, name="reviews-v3", log=tmp_path / "log", env=env, cwd=ROOT) as process:
        assert wait_until(lambda: not process.running(), timeout_s=30)
    assert process.exit_code == 2
    assert message in process.tail()

"""The real server in a process of its own: hostile events, adapters, pages. Commands of jobs are played by a stub."""

import concurrent.futures
import json
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import run_pages
import served
from held import held_release

from harness.live_state import LiveFile
from harness.model.record import Event
from harness.model.verdict import Verdict
from harness.release.store import Store
from harness.run_folder import begin_run
from harness.runner.progress import Progress

STUB = """
import os, sys, time
words = sys.orig_argv[3:]
if words[:1] in (["release"], ["run"]):
    print("played:", words, flush=True)
    end = os.path.join(os.getcwd(), "exit-code")
    deadline = time.time() + 60
    while not os.path.exists(end) and time.time() < deadline:
        time.sleep(0.05)
    os._exit(int(open(end).read()))
"""
SHA = "0123456789abcdef0123456789abcdef01234567"
PUSH = {"repository": {"full_name": "shop/reviews"}, "ref": "refs/heads/main", "after": SHA}
IMAGE = {"action": "push", "target": {"repository": "shop/reviews", "tag": "v1"}, "request": {"host": "registry.test"}}
REGISTRY = {"Authorization": f"Bearer {served.REGISTRY}"}
PAGES = {"Authorization": f"Bearer {served.PAGES}"}
ADAPTER = {"Authorization": f"Bearer {served.ADAPTER}"}


HTTP = httpx.Client(timeout=60, verify=False)  # all addresses are http://, and certificates take time to load
"""One client for all: each client of its own would read the system's certificates again."""


@pytest.fixture
def folder(tmp_path):
    """A project whose jobs end with 0 at once."""
    served.project(tmp_path)
    (tmp_path / "exit-code").write_text("0")
    return tmp_path


@pytest.fixture
def running(folder):
    """A running server of this test alone."""
    with served.server(folder, stub=STUB) as found:
        yield found


@pytest.fixture(scope="module", autouse=True)
def _connections():
    """Close the connections that the client keeps."""
    yield
    HTTP.close()


@pytest.fixture(scope="module")
def shared_folder(tmp_path_factory):
    """The project of the server that several tests share."""
    folder = tmp_path_factory.mktemp("served")
    served.project(folder)
    (folder / "exit-code").write_text("0")
    return folder


@pytest.fixture(scope="module")
def shared(shared_folder):
    """A running server for tests that start no job."""
    with served.server(shared_folder, stub=STUB) as found:
        yield found


def github(running, document, *, event="push", secret=served.SECRET, **headers):
    """Send an event as GitHub does."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    sent = {"X-GitHub-Event": event, "X-Hub-Signature-256": served.signed(body, secret)} | headers
    return HTTP.post(f"{running.hooks}/hooks/github", content=body, headers=sent)


def jobs_on(folder):
    """The jobs on disk."""
    return [json.loads(file.read_text()) for file in sorted((folder / "reports/.server/jobs").glob("*/job.json"))]


def eventually(condition, what, within_s=60.0):
    """Wait for a condition."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {within_s:g} s")


def bad_event(running, number):
    """Send one of many kinds of bad events and return the status."""
    body = json.dumps({**PUSH, "number": number}).encode()
    match number % 10:
        case 0:
            answer = HTTP.post(f"{running.hooks}/hooks/github", content=body, headers={"X-GitHub-Event": "push"})
        case 1:
            answer = github(running, body, secret="another secret")
        case 2:
            answer = github(running, b"{" + secrets.token_bytes(20))
        case 3:
            answer = github(running, {**PUSH, "repository": {"full_name": f"evil/{number}"}})
        case 4:
            answer = github(running, b"[" * 5000 + str(number).encode())
        case 5:
            answer = HTTP.post(f"{running.hooks}/hooks/registry", content=body, headers={"Authorization": "Bearer x"})
        case 6:
            evil = {**IMAGE, "target": {"repository": "shop/reviews", "tag": f"--config=/etc/{number}"}}
            answer = HTTP.post(f"{running.hooks}/hooks/registry", json=evil, headers=REGISTRY)
        case 7:
            answer = github(running, {**PUSH, "after": f"$(touch {number})"})
        case 8:
            return huge_event(running)
        case _:
            answer = HTTP.post(f"{running.hooks}/hooks/registry/wrong-{number}", json=IMAGE)
    return answer.status_code


def huge_event(running):
    """Send a body beyond the limit. The server may close the connection before all of it is sent."""
    try:
        return github(running, b"x" * (2**20 + 1)).status_code
    except httpx.TransportError:
        return 413


def slow_sender(running):
    """Begin a request and never finish it."""
    host, port = running.hooks.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)))
    connection.sendall(b"POST /hooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n")
    return connection


def test_a_thousand_bad_events_start_nothing_and_lose_no_good_one(running, folder):
    """Unsigned, forged, malformed, foreign, huge and slow events do no harm; ten good ones all arrive, and once.

    Each good one is sent again and again, as a replay would be.
    """
    slow = [slow_sender(running) for _ in range(50)]
    good = [{**PUSH, "after": f"{number:040x}"} for number in range(1, 11)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        bad = [pool.submit(bad_event, running, number) for number in range(1000)]
        accepted = [pool.submit(github, running, document) for document in good]
        repeated = [pool.submit(github, running, document) for document in good * 10]
        statuses = {future.result() for future in bad}
        answers = [future.result() for future in (*accepted, *repeated)]
    for connection in slow:
        connection.close()
    assert statuses == {200, 400, 401, 413}
    assert {202} == {answer.status_code for answer in answers}
    subjects = {job["subject"] for job in jobs_on(folder)}
    assert {f"registry.test/shop/reviews:{document['after']}" for document in good} == subjects
    assert 10 == len(jobs_on(folder))


def test_huge_events_are_refused_early(shared, shared_folder):
    """A body beyond the limit is not read."""
    assert 413 == huge_event(shared)
    assert [] == jobs_on(shared_folder)


def test_an_event_runs_harness_release_and_is_told_with_its_output(running, folder):
    """The image reaches the command as one word, and the page of the job shows what it printed."""
    job = HTTP.post(f"{running.hooks}/hooks/registry", json=IMAGE, headers=REGISTRY).json()["jobs"][0]["job"]
    page = eventually(lambda: _done(running, job), "the job's end")
    assert (
        "played: [&#39;release&#39;, &#39;--no-wait&#39;, &#39;--image&#39;, &#39;registry.test/shop/reviews:v1&#39;]"
        in page
    )
    assert "passed" in page


def _done(running, job):
    text = HTTP.get(f"{running.pages}/jobs/{job}").text
    return text if "Exit code" in text else ""


def test_a_killed_server_runs_its_jobs_later(folder):
    """An event that was acknowledged is not lost by SIGKILL."""
    (folder / "exit-code").unlink()
    with served.server(folder, stub=STUB) as running:
        assert 202 == github(running, PUSH).status_code
        eventually(lambda: jobs_on(folder)[0]["state"] == "running", "the job's start")
        running.process.send_signal(signal.SIGKILL)
        running.process.wait(30)
    (folder / "exit-code").write_text("0")
    shutil.rmtree(folder / "stub")
    with served.server(folder, stub=STUB) as running:
        ended = eventually(lambda: [job for job in jobs_on(folder) if job["state"] == "done"], "the job's end")
    assert (1, 2, 0) == (len(ended), ended[0]["attempts"], ended[0]["exit_code"])


SCENARIO = """
import os, pathlib, signal, time

def test_it():
    log = pathlib.Path(__file__).parents[1] / "log"
    def write(word):
        with log.open("a") as file:
            file.write(f"{word} {os.getpid()}\\n")
    def ended(*_):
        time.sleep(1)  # as long as it takes to revert changes
        write("end")
        os._exit(1)
    signal.signal(signal.SIGTERM, ended)
    write("begin")
    while not (log.parent / "exit-code").exists():
        time.sleep(0.05)
"""


def test_the_command_of_a_killed_server_ends_before_it_is_run_again(folder):
    """SIGKILL of the server ends its command too, which reverts its changes first; never do two commands run."""
    (folder / "exit-code").unlink()
    (folder / "scenarios").mkdir()
    (folder / "scenarios/test_ok.py").write_text(SCENARIO)
    log = folder / "log"
    with served.server(folder) as running:
        HTTP.get(f"{running.hooks}/adapters/argo/reviews", params={"key": "shop/reviews@c1"}, headers=ADAPTER)
        eventually(log.exists, "the command's start")
        running.process.send_signal(signal.SIGKILL)
        running.process.wait(30)
        with served.server(folder):
            eventually(lambda: len(log.read_text().splitlines()) == 3, "the command's second start")
            (folder / "exit-code").write_text("0")
            (job,) = eventually(lambda: [job for job in jobs_on(folder) if job["state"] == "done"], "the job's end")
    first, second, third = (line.split() for line in log.read_text().splitlines())
    assert (["begin", "end", "begin"], first[1]) == ([first[0], second[0], third[0]], second[1])
    assert 2 == job["attempts"]


@pytest.mark.parametrize(
    ("code", "verdict", "hooks"),
    [
        (0, "pass", [200, 200, 409]),
        (1, "fail", [412, 412, 200]),
        (10, "marginal", [200, 412, 409]),
        (12, "none", [200, 412, 409]),
    ],
)
def test_argo_and_flagger_ask_for_one_gate(folder, code, verdict, hooks):
    """Both ask again and again; the gate of a revision runs once. Only a pass promotes, only a fail rolls back."""
    (folder / "exit-code").unlink()
    payload = {"name": "reviews", "namespace": "shop", "phase": "Progressing", "checksum": "c1"}
    payload["metadata"] = {"gate": "reviews", "token": served.ADAPTER}
    with served.server(folder, stub=STUB) as running, httpx.Client(base_url=f"{running.hooks}/adapters") as client:
        assert 503 == client.get("/argo/reviews", params={"key": "shop/reviews@c1"}, headers=ADAPTER).status_code
        assert 200 == client.post("/flagger/rollout", json=payload).status_code
        assert 412 == client.post("/flagger/confirm-promotion", json=payload).status_code
        assert 409 == client.post("/flagger/rollback", json=payload).status_code
        (folder / "exit-code").write_text(str(code))
        eventually(lambda: jobs_on(folder)[0]["state"] == "done", "the gate's end")
        answer = client.post("/argo/reviews", json={"key": "shop/reviews@c1"}, headers=ADAPTER)
        asked = [
            client.post(f"/flagger/{hook}", json=payload).status_code
            for hook in ("rollout", "confirm-promotion", "rollback")
        ]
    assert (200, verdict) == (answer.status_code, answer.json()["verdict"])
    assert hooks == asked
    assert 1 == len(jobs_on(folder))


def test_a_marginal_gate_waits_for_a_person(folder):
    """An approval on the page lets Flagger promote, and is kept with name and reason."""
    (folder / "exit-code").write_text("10")
    payload = {"name": "reviews", "namespace": "shop", "phase": "Progressing", "checksum": "c1"}
    payload["metadata"] = {"token": served.ADAPTER}
    with served.server(folder, stub=STUB) as running:
        ask = f"{running.hooks}/adapters/flagger/confirm-promotion"
        HTTP.post(ask, json=payload)
        job = eventually(lambda: [one for one in jobs_on(folder) if one["state"] == "done"], "the gate's end")[0]["id"]
        assert 412 == HTTP.post(ask, json=payload).status_code
        decision = {"approved": True, "by": "Ada", "reason": "the latency is that of a cold cache"}
        url = f"{running.pages}/jobs/{job}/decision"
        assert 401 == HTTP.post(url, json=decision).status_code
        assert 403 == HTTP.post(url, json=decision, headers=PAGES | {"Origin": "http://evil.test"}).status_code
        assert 400 == HTTP.post(url, json=decision | {"reason": " "}, headers=PAGES).status_code
        assert 200 == HTTP.post(url, json=decision, headers=PAGES).status_code
        assert 409 == HTTP.post(url, json=decision, headers=PAGES).status_code
        answer = HTTP.post(ask, json=payload)
    assert (200, True) == (answer.status_code, "approved by Ada" in answer.text)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [("/argo/reviews?key=k", {}, 401), ("/argo/other?key=k", ADAPTER, 404), ("/argo/reviews", ADAPTER, 400),
     ("/argo/..%2f..%2fetc?key=k", ADAPTER, 404)],
)  # fmt: skip
def test_adapters_refuse_what_they_do_not_know(shared, shared_folder, path, headers, status):
    """No token, no such gate, no key: each is refused, and nothing starts."""
    assert status == HTTP.get(f"{shared.hooks}/adapters{path}", headers=headers).status_code
    assert [] == jobs_on(shared_folder)


def test_pages_show_runs_and_keep_to_their_folder(shared, shared_folder):
    """Runs are listed and found; a path that leaves the folder of runs, a link and a strange host are not served."""
    run = run_pages.run_of(shared_folder / "reports/20261128-090000-aaaa", Verdict.FAIL, Verdict.PASS, code=1)
    (shared_folder / "reports/link").symlink_to("/etc")
    with httpx.Client(base_url=shared.pages) as client:
        assert "20261128-090000-aaaa" in client.get("/").text
        assert "20261128-090000-aaaa" not in client.get("/", params={"state": "pass"}).text
        page = client.get(f"/runs/{run.name}")
        assert "FAIL" in page.text
        report = client.get(f"/runs/{run.name}/test_0-fail/report")
        assert "sandbox" in report.headers["content-security-policy"]
        for path in ("/runs/link", "/runs/..%2f..", f"/runs/{run.name}/../../harness.yaml", "/runs/.server",
                     f"/runs/{run.name}/test_0-fail/logs/99", "/jobs/1", "/releases/1"):  # fmt: skip
            assert client.get(path).status_code == 404, path
        assert 421 == client.get("/", headers={"Host": "rebound.evil.test"}).status_code


def test_each_step_of_a_release_has_its_log(shared, shared_folder):
    """Also a step that left no run, whose log says why."""
    release = held_release(shared_folder, hold=1)
    gate = release / "gates" / "0-1-reviews"
    gate.mkdir(parents=True)
    (gate / "gate.log").write_text("no scenario <b>\n")
    page = HTTP.get(f"{shared.pages}/releases/{release.name}").text
    assert "Runs of step 1, reviews" in page
    assert "No run yet." in page
    log = f"/releases/{release.name}/gates/{gate.name}/log"
    assert f'href="{log}"' in page
    answer = HTTP.get(f"{shared.pages}{log}")
    assert (200, "no scenario <b>\n", True) == (
        answer.status_code, answer.text, answer.headers["content-type"].startswith("text/plain"),
    )  # fmt: skip
    assert 404 == HTTP.get(f"{shared.pages}/releases/{release.name}/gates/9-1-reviews/log").status_code


def test_a_bundle_is_judged_again_on_request(folder):
    """With the token, a finished scenario is judged again and the answer has its verdict."""
    run = run_pages.run_of(folder / "reports/20261128-090000-aaaa", Verdict.PASS, code=0)
    with served.server(folder) as running:
        url = f"{running.pages}/runs/{run.name}/test_0-pass/judge"
        assert 401 == HTTP.post(url, json={}).status_code
        answer = HTTP.post(url, json={}, headers=PAGES).json()
    assert answer["exit_code"] in (0, 1, 10, 11)
    assert "verdict" in answer["output"].lower() or answer["output"]


def test_an_open_page_is_told_when_a_run_goes_on(shared, shared_folder):
    """A scenario that runs appears with its phase, and every change is an event for open pages."""
    scenario = shared_folder / "reports/20261128-100000-bbbb/test_live"
    begin_run(scenario.parent)
    progress = Progress(
        elapsed_s=3.0, total_s=40.0, phase="steady", rate_rps=99.0, failed=(0, 2), requests=(50, 50), p50_s=(0.01, 0.02)
    )
    with HTTP.stream("GET", f"{shared.pages}/events") as events:
        lines = events.iter_lines()
        versions = (line for line in lines if line.startswith("data: "))
        first = next(versions)
        with LiveFile(scenario, "test_live", target="local", tell=lambda _: None) as live:
            live(progress)
            live(Event(at_s=3.0, kind="fault", text="delay live"))
            assert first != next(versions)
            page = HTTP.get(f"{shared.pages}/runs/20261128-100000-bbbb").text
    assert "RUNNING" in page
    assert "steady" in page
    assert "delay live" in page


def test_pages_stay_on_loopback(tmp_path):
    """Pages have no encryption, so another address must be asked for."""
    served.project(tmp_path)
    command = [sys.executable, "-m", "harness", "serve", "--address", "0.0.0.0:0"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert 2 == ended.returncode
    assert "expected an address of loopback" in ended.stderr


def test_nothing_is_served_without_its_secret(tmp_path):
    """A variable that is not set turns the events off instead of letting everybody in."""
    served.project(tmp_path, **{"github-secret": "NOT_SET", "registry-token": "NOT_SET", "adapter-token": "NOT_SET"})
    with served.server(tmp_path) as running:
        assert 403 == github(running, PUSH, secret="").status_code
        assert (
            403
            == HTTP.post(
                f"{running.hooks}/hooks/registry", json=IMAGE, headers={"Authorization": "Bearer x"}
            ).status_code
        )
        assert 403 == HTTP.get(f"{running.hooks}/adapters/argo/reviews?key=k").status_code
    assert [] == list(Path(tmp_path / "reports/.server/jobs").glob("*/job.json"))


def test_a_hold_is_decided_on_its_page_and_the_release_goes_on(running, folder):
    """The decision is recorded with name and reason, and a job resumes the release, once."""
    release = held_release(folder)
    url = f"{running.pages}/releases/{release.name}"
    page = HTTP.get(url).text
    assert "Held." in page
    assert "shop/reviews:&lt;b&gt;v1&lt;/b&gt;" in page
    decision = {"approved": True, "by": "Ada", "reason": "a cold cache"}
    assert 401 == HTTP.post(f"{url}/decision", json=decision).status_code
    assert 200 == HTTP.post(f"{url}/decision", json=decision, headers=PAGES).status_code
    assert 409 == HTTP.post(f"{url}/decision", json=decision | {"approved": False}, headers=PAGES).status_code
    found = Store(release).decision(1)
    assert ("approve", "Ada", "a cold cache") == (found.kind.value, found.by, found.reason)
    (job,) = eventually(lambda: [one for one in jobs_on(folder) if one["state"] == "done"], "the job's end")
    assert ["release", "resume", "--no-wait", "--release", release.name] == job["words"]


def test_an_expired_hold_is_resumed_so_that_it_is_rejected(folder):
    """A hold whose process is gone ends in time; its page takes no decision any more."""
    release = held_release(folder, expires_s=time.time() - 1)
    with served.server(folder, stub=STUB) as running:
        answer = HTTP.post(
            f"{running.pages}/releases/{release.name}/decision",
            json={"approved": True, "by": "Ada", "reason": "late"},
            headers=PAGES,
        )
        assert 409 == answer.status_code
        assert "its hold ended" in answer.text
        eventually(lambda: [one for one in jobs_on(folder) if one["state"] == "done"], "the job's end")


def test_two_servers_do_not_share_a_folder(shared, shared_folder):
    """Both would run every job."""
    command = [sys.executable, "-m", "harness", "serve", "--address", "127.0.0.1:0"]
    ended = subprocess.run(command, cwd=shared_folder, capture_output=True, text=True, timeout=60, check=False)
    assert 2 == ended.returncode
    assert "another harness serve uses this folder" in ended.stderr

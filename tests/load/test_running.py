"""A real Locust child sends load to a real service."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import psutil
import pytest
from load_runs import READ, execute, plan
from process_words import words_of

from harness.clients.processes.child import wait_until
from harness.errors import LoadError, LoadProfileError
from harness.load.parent.locust import LocustLoad
from harness.load.protocol.sample_reader import read_headers
from harness.model.load import Arrivals
from harness.model.samples import BASELINE, CANARY

ROOT = Path(__file__).parents[2]
RANDOM = """
@task
def read(self):
    import random
    self.client.get("/reviews/1", name=f"/reviews/{random.randrange(5)}")
"""


def test_every_arrival_becomes_a_sample_with_arm_status_and_size(tmp_path, target):
    """With a shipped profile, the planned, recorded, Locust's and the service's numbers are equal."""
    target.forget()
    outcome = execute(plan(ROOT / "loadprofiles" / "browse.py", target.url, rate=200), tmp_path)
    samples, seen = outcome.samples, target.seen()
    assert [300] * 4 == [outcome.report.planned, outcome.report.recorded, outcome.report.counted, seen["count"]]
    assert sorted(samples.due_s) == pytest.approx(np.arange(300) / 200)
    assert samples.operations == ("/reviews",)
    assert set(samples.status) == {200}
    assert set(samples.size) == {4}
    assert set(samples.arm) == {BASELINE, CANARY}
    assert (samples.latency_s >= samples.late_s).all()
    assert not samples.failed.any()
    assert outcome.report.workers_alive == 1


def test_requests_carry_the_runs_headers_and_some_a_traceparent(tmp_path, target, profile):
    """Every request has the plan's headers; a sampled share has a W3C trace context of its own."""
    load = plan(profile(READ), target.url, headers={"baggage": "harness.run=r1"}, trace_share=0.5, seed=2)
    execute(load, tmp_path)
    headers = target.seen()["headers"]
    traces = [each["traceparent"] for each in headers if "traceparent" in each]
    assert {"harness.run=r1"} == {each.get("baggage") for each in headers}
    assert len(set(traces)) == len(traces)
    assert len(traces) == pytest.approx(75, abs=30)
    assert all(len(trace) == 55 and trace.endswith("-01") for trace in traces)


def test_the_load_chooses_the_arm_when_the_split_is_by_header(tmp_path, target, profile):
    """Each request names its arm, in the planned share, whatever other headers it has."""
    load = plan(profile(READ), target.url, headers={"baggage": "harness.run=r1"}, canary_choice=0.25, seed=2)
    execute(load, tmp_path)
    headers = target.seen()["headers"]
    choices = [each["x-harness-choose"] for each in headers]
    assert {"baseline", "canary"} == set(choices)
    assert choices.count("canary") / len(choices) == pytest.approx(0.25, abs=0.2)
    assert {"harness.run=r1"} == {each["baggage"] for each in headers}


def test_a_seed_fixes_when_requests_are_due_and_what_the_profile_and_the_load_choose(tmp_path, target, profile):
    """As reports say: the same seed sends the same requests at the same times to the same arms, another one does not."""
    sent = []
    for number, seed in enumerate((7, 7, 8)):
        target.forget()
        load = plan(profile(RANDOM), target.url, arrivals=Arrivals.POISSON, canary_choice=0.5, seed=seed)
        samples = execute(load, tmp_path / str(number)).samples
        order = np.argsort(samples.due_s)
        names = [samples.operations[each] for each in samples.operation[order]]
        arms = Counter(each["x-harness-choose"] for each in target.seen()["headers"])
        sent.append((samples.due_s[order].tolist(), names, arms))
    first, second, other = sent
    assert first == second
    assert 1 < len(set(first[1]))
    assert [False, False] == [one == another for one, another in zip(first[:2], other[:2], strict=True)]


def test_the_pytest_process_stays_free_of_locust_and_gevent(tmp_path, target, profile, monkeypatch):
    """A run imports neither module into this process, because both patch the standard library."""
    for name in [name for name in sys.modules if name.partition(".")[0] in {"locust", "gevent"}]:
        monkeypatch.delitem(sys.modules, name)  # a test of the program inside the Locust process has imported it
    execute(plan(profile(READ), target.url, seconds=0.3), tmp_path)
    assert {"locust", "gevent"} & set(sys.modules) == set()


def test_two_processes_together_send_the_schedule_once(tmp_path, target, profile):
    """Forked workers share the arrivals; together they send the schedule, and nothing twice."""
    load = plan(profile(READ), target.url, rate=200, processes=2, arrivals=Arrivals.POISSON, seed=5)
    outcome = execute(load, tmp_path)
    assert outcome.report.planned == outcome.report.recorded == outcome.report.counted == target.seen()["count"]
    assert outcome.report.workers == outcome.report.workers_alive == 2
    assert len(set(outcome.samples.due_s.tolist())) == outcome.report.planned


def test_samples_can_be_read_during_the_run(tmp_path, target, profile):
    """Samples that are read during the run do not change when more arrive."""
    with LocustLoad().start(plan(profile(READ), target.url, seconds=600), tmp_path) as run:
        assert wait_until(lambda: len(run.samples()) >= 50, timeout_s=60)
        early = run.samples()
        before = early.latency_s.copy()
        assert wait_until(lambda: len(run.samples()) >= len(early) + 50, timeout_s=60)
        assert run.finish().recorded == len(run.samples()) >= len(early) + 50
        assert len(early) == len(before)
        assert (early.latency_s == before).all()


def test_finishing_early_stops_the_arrivals_and_waits_for_answers(tmp_path, target, profile):
    """An early end loses no sample, and requests that were not due yet are not missing."""
    with LocustLoad().start(plan(profile(READ), target.url, seconds=600), tmp_path) as run:
        assert wait_until(lambda: len(run.samples()) >= 50, timeout_s=60)
        report = run.finish()
    assert report.planned == report.recorded == report.counted == target.seen()["count"]
    assert any("stopped early" in note for note in report.notes)


def test_open_model_counts_latency_from_the_due_time(tmp_path, target, profile):
    """While the service takes 400 ms, arrivals continue at their rate, and all of them are slow samples."""
    slow = READ.replace("/reviews/1", "/reviews/1?delay=0.4")
    outcome = execute(plan(profile(slow), target.url, rate=100, seconds=1), tmp_path)
    assert len(outcome.samples) == 100
    assert outcome.samples.latency_s.min() >= 0.4
    assert outcome.report.users >= 35


def test_a_request_that_never_ends_is_a_sample_without_an_answer(tmp_path, target, profile):
    """After the drain, a missing answer becomes an error sample with its age as latency."""
    stuck = READ.replace("/reviews/1", "/reviews/1?delay=60")
    outcome = execute(plan(profile(stuck), target.url, rate=10, seconds=1, drain_s=0.5), tmp_path)
    assert outcome.report.unanswered == len(outcome.samples) == 10
    assert outcome.samples.failed.all()
    assert outcome.samples.latency_s.max() >= 1.4


def test_errors_of_the_service_and_of_the_profile_are_distinguished(tmp_path, target, profile):
    """A status is recorded as it is, a failed check by its text, a broken connection with status 0."""
    text = """
    n = 0

    @task
    def mixed(self):
        Visitor.n += 1
        if Visitor.n % 4 == 0:
            self.client.get("/reviews/1?status=503", name="503")
        elif Visitor.n % 4 == 1:
            self.client.get("/reviews/1?status=404", name="404")
        elif Visitor.n % 4 == 2:
            self.client.get("/reviews/1?reset=1", name="reset")
        else:
            with self.client.get("/reviews/1", name="checked", catch_response=True) as answer:
                answer.failure("no stars")
    """
    samples = execute(plan(profile(text), target.url, rate=40, seconds=1), tmp_path).samples
    kinds = Counter(
        (samples.operations[operation], int(status), samples.errors[error].split(":")[-1].strip(), bool(failed))
        for operation, status, error, failed in zip(
            samples.operation, samples.status, samples.error, samples.failed, strict=True
        )
    )
    reset = {key: kinds.pop(key) for key in list(kinds) if key[0] == "reset"}
    assert kinds == {("503", 503, "", True): 10, ("404", 404, "", False): 10, ("checked", 200, "no stars", True): 10}
    assert sum(reset.values()) == 10
    assert all(status == 0 and text and failed for _, status, text, failed in reset)


def test_login_and_task_sets_work_in_the_open_model(tmp_path, target, profile):
    """A user logs in once, keeps its token, runs its task sets in order and calls on_stop."""
    text = """
    from locust import HttpUser, SequentialTaskSet, between, task


    class Shop(SequentialTaskSet):
        @task
        def look(self):
            self.client.get("/reviews/1", name=f"look {self.user.token[:5]}")

        @task
        def buy(self):
            self.client.get("/reviews/2", name="buy")

        @task
        def leave(self):
            self.interrupt()


    class Customer(HttpUser):
        wait_time = between(5, 9)
        tasks = [Shop]

        def on_start(self):
            self.token = self.client.post("/login", name="login").json()["token"]

        def on_stop(self):
            self.client.get("/reviews/3", name="goodbye")
    """
    outcome = execute(plan(profile(text, whole=True), target.url, rate=40, seconds=1), tmp_path)
    samples = outcome.samples
    counts = Counter(samples.operations[number] for number in samples.operation)
    users = outcome.report.users
    assert counts["look token"] + counts["buy"] == 40
    assert abs(counts["look token"] - counts["buy"]) <= users
    assert counts["login"] == counts["goodbye"] == users
    assert outcome.report.task_errors == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("from locust import FastHttpUser\n\n1 / 0\n", r"visit\.py:3: .*ZeroDivisionError"),
        ("def broken(:\n", r"visit\.py:1: .*SyntaxError"),
        ("import nothing_of_that_name\n", r"visit\.py:1: .*nothing_of_that_name"),
        ("x = 1\n", "expected a User class"),
    ],
)
def test_a_profile_that_cannot_be_imported_is_rejected_with_its_line(tmp_path, target, profile, text, words):
    """The error names the profile's own line, not Locust's."""
    with (
        pytest.raises(LoadProfileError, match=words),
        LocustLoad().start(plan(profile(text, whole=True), target.url), tmp_path),
    ):
        pass


def test_a_profile_that_hangs_during_import_is_stopped(tmp_path, target, profile):
    """The wait for the first request is limited, and no process is left running."""
    path = profile("import time\n\nwhile True:\n    time.sleep(0.01)\n", whole=True)
    with (
        pytest.raises(LoadError, match=r"still at visit\.py:\d in <module>; does .* block while it is imported"),
        LocustLoad(start_limit_s=2).start(plan(path, target.url), tmp_path),
    ):
        pass
    assert wait_until(lambda: _children() == [], timeout_s=30)


def test_an_exception_in_a_task_is_counted_and_named(tmp_path, target, profile):
    """The load continues; the report says what was raised and where."""
    outcome = execute(plan(profile(READ + "    {}['stars']\n"), target.url, rate=20, seconds=1), tmp_path)
    assert outcome.report.task_errors == 20
    assert outcome.report.recorded == 20
    assert any("KeyError: 'stars'" in note and "visit.py:8" in note for note in outcome.report.notes)


def test_the_next_arrival_retries_after_a_user_that_cannot_start(tmp_path, target, profile):
    """A login that fails twice costs two arrivals; the third arrival starts a user."""
    text = """
    n = 0

    def on_start(self):
        Visitor.n += 1
        if Visitor.n <= 2:
            raise KeyError("login")
    """
    outcome = execute(plan(profile(text + READ.replace("\n", "\n    ")), target.url, rate=20, seconds=1), tmp_path)
    assert (outcome.report.task_errors, outcome.report.silent, outcome.report.recorded) == (2, 2, 18)


def test_a_task_that_sends_nothing_counts_as_a_silent_arrival(tmp_path, target, profile):
    """An arrival without a request is not a success."""
    outcome = execute(plan(profile("@task\ndef idle(self):\n    pass\n"), target.url, rate=20, seconds=1), tmp_path)
    assert (outcome.report.planned, outcome.report.silent, outcome.report.recorded) == (20, 20, 0)


def test_a_refused_connection_gives_samples_without_answers(tmp_path, profile):
    """If nothing listens, every arrival is an error sample with the reason."""
    outcome = execute(plan(profile(READ), "http://127.0.0.1:9", rate=20, seconds=1), tmp_path)
    assert len(outcome.samples) == 20
    assert outcome.samples.failed.all()
    assert "refused" in outcome.samples.errors[1]
    assert outcome.report.answered == 0


def test_a_host_that_does_not_resolve_gives_samples_without_answers(tmp_path, profile):
    """With an unknown host name, every arrival is an error sample with the reason."""
    samples = execute(plan(profile(READ), "http://nobody.invalid", rate=20, seconds=1), tmp_path).samples
    assert len(samples) == 20
    assert set(samples.status) == {0}
    assert samples.failed.all()


def test_a_killed_load_generator_raises_an_error_and_its_samples_are_kept(tmp_path, target, profile):
    """After SIGKILL of the child, LoadError contains the log, and the recorded samples can be read."""
    load = plan(profile(READ), target.url, seconds=600, most_in_flight=5)
    with LocustLoad().start(load, tmp_path) as run:
        assert wait_until(lambda: len(run.samples()) >= 50, timeout_s=60)
        os.kill(read_headers(tmp_path / "load")[0].pid, signal.SIGKILL)
        with pytest.raises(LoadError, match="ended with exit code -9"):
            wait_until(lambda: not run.running(), timeout_s=60)
        report = run.finish()
        assert report.workers_alive == 0
        assert report.recorded == len(run.samples()) >= 50
        assert target.seen()["count"] - report.recorded <= load.most_in_flight


def test_sigkill_of_the_harness_leaves_no_load_generator_behind(tmp_path, target, profile):
    """The child ends with the process that started it, however that process ends."""
    script = tmp_path / "run.py"
    script.write_text(
        "import time\nfrom pathlib import Path\n"
        "from harness.load.parent.locust import LocustLoad\nfrom harness.model.load import LoadPlan, Stage\n"
        f"plan = LoadPlan(profile=Path({str(profile(READ))!r}), url={target.url!r}, processes=2,\n"
        "    stages=(Stage(duration_s=60, start_rps=20, end_rps=20),))\n"
        f"with LocustLoad().start(plan, Path({str(tmp_path)!r})):\n    print('started', flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, cwd=ROOT) as harness:
        assert harness.stdout is not None
        assert harness.stdout.readline() == "started\n"
        family = psutil.Process(harness.pid).children(recursive=True)
        assert len(family) >= 4
        harness.kill()
    _, alive = psutil.wait_procs(family, timeout=60)
    assert alive == []


def test_a_full_disk_stops_the_run_and_damages_no_sample(tmp_path, target, profile):
    """When the sample file cannot grow, the run ends and reports it, and every sample is complete."""
    text = READ + "\nimport resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, 64 * 1024))\n"
    outcome = execute(plan(profile(text), target.url, rate=1000, seconds=8), tmp_path)
    assert "File too large" in outcome.report.broken
    assert len(outcome.samples) == 64 * 1024 // 32 - 2
    assert (outcome.samples.latency_s > 0).all()
    assert outcome.report.planned > outcome.report.recorded


def test_a_full_disk_for_names_damages_no_sample(tmp_path, target, profile):
    """When the file of names cannot grow, the run ends and reports it, and every sample has its name."""
    text = READ.replace('name="/reviews"', 'name=f"{len(self.environment.stats.entries)}{200 * chr(120)}"')
    text += "\nimport resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, 64 * 1024))\n"
    outcome = execute(plan(profile(text), target.url, rate=500, seconds=4), tmp_path)
    assert "File too large" in outcome.report.broken
    assert 100 < len(outcome.samples.operations) < 64 * 1024 / 200
    assert len(outcome.samples) < outcome.report.planned
    assert {len(name) >= 201 for name in outcome.samples.operations} == {True}


def _children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "locust" in " ".join(words_of(child))]


def test_no_command_line_shows_the_password_of_the_url(tmp_path, target, profile):
    """Everybody on a machine can list command lines; the requests carry the user and the password all the same."""
    token = "canary-token-userinfo"
    url = target.url.replace("://", f"://user:{token}@", 1)
    with LocustLoad().start(plan(profile(READ), url, rate=50, seconds=1.5, processes=2), tmp_path / "run") as run:
        lines = [
            path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.stat().st_uid == os.getuid()
        ]
        assert wait_until(lambda: not run.running(), timeout_s=60)
        report = run.finish()
    assert any(b"locust" in line for line in lines)
    assert not [line for line in lines if token.encode() in line]
    assert report.recorded == target.seen()["count"] == 75
    assert not [
        path for path in (tmp_path / "run").rglob("*") if path.is_file() and token.encode() in path.read_bytes()
    ]

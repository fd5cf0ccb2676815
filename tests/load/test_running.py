"""Load sent by a real Locust child to a real service."""

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
from load_runs import READ, carry_out, plan

from harness.clients.processes.child import wait_until
from harness.errors import LoadError, LoadProfileError
from harness.load.parent.locust import LocustLoad
from harness.load.protocol.sample_reader import read_headers
from harness.model.load import Arrivals
from harness.model.samples import BASELINE, CANARY

ROOT = Path(__file__).parents[2]


def test_every_arrival_becomes_a_sample_with_arm_status_and_size(tmp_path, target):
    """The shipped profile, unedited: planned, recorded, counted by Locust and seen by the service are one number."""
    target.forget()
    outcome = carry_out(plan(ROOT / "loadprofiles" / "browse.py", target.url, rate=200), tmp_path)
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
    """Headers of the plan go with every request; the sampled share gets a W3C trace context of its own."""
    load = plan(profile(READ), target.url, headers={"baggage": "harness.run=r1"}, trace_share=0.5, seed=2)
    carry_out(load, tmp_path)
    headers = target.seen()["headers"]
    traces = [each["traceparent"] for each in headers if "traceparent" in each]
    assert {"harness.run=r1"} == {each.get("baggage") for each in headers}
    assert len(set(traces)) == len(traces)
    assert len(traces) == pytest.approx(75, abs=30)
    assert all(len(trace) == 55 and trace.endswith("-01") for trace in traces)


def test_load_chooses_its_arm_where_it_is_split_by_header(tmp_path, target, profile):
    """Each request says which arm it is for, in the planned share, whatever other headers it has."""
    load = plan(profile(READ), target.url, headers={"baggage": "harness.run=r1"}, canary_choice=0.25, seed=2)
    carry_out(load, tmp_path)
    headers = target.seen()["headers"]
    choices = [each["x-harness-choose"] for each in headers]
    assert {"baseline", "canary"} == set(choices)
    assert choices.count("canary") / len(choices) == pytest.approx(0.25, abs=0.2)
    assert {"harness.run=r1"} == {each["baggage"] for each in headers}


def test_the_pytest_process_stays_free_of_locust_and_gevent(tmp_path, target, profile):
    """A whole run leaves neither module in this process: both would patch the standard library."""
    carry_out(plan(profile(READ), target.url, seconds=0.3), tmp_path)
    assert {"locust", "gevent"} & set(sys.modules) == set()


def test_two_processes_together_send_the_schedule_once(tmp_path, target, profile):
    """Forked workers share the arrivals: the union is the schedule, nothing is sent twice."""
    load = plan(profile(READ), target.url, rate=200, processes=2, arrivals=Arrivals.POISSON, seed=5)
    outcome = carry_out(load, tmp_path)
    assert outcome.report.planned == outcome.report.recorded == outcome.report.counted == target.seen()["count"]
    assert outcome.report.workers == outcome.report.workers_alive == 2
    assert len(set(outcome.samples.due_s.tolist())) == outcome.report.planned


def test_samples_can_be_read_while_the_run_goes_on(tmp_path, target, profile):
    """A look in the middle shows what was answered so far, and stays as it was when more arrives."""
    with LocustLoad().start(plan(profile(READ), target.url, seconds=600), tmp_path) as run:
        assert wait_until(lambda: len(run.samples()) >= 50, timeout_s=60)
        early = run.samples()
        before = early.latency_s.copy()
        assert wait_until(lambda: len(run.samples()) >= len(early) + 50, timeout_s=60)
        assert run.finish().recorded == len(run.samples()) >= len(early) + 50
        assert len(early) == len(before)
        assert (early.latency_s == before).all()


def test_finishing_early_stops_the_arrivals_and_waits_for_answers(tmp_path, target, profile):
    """A guard that ends a run loses no sample, and what was not sent is not missed."""
    with LocustLoad().start(plan(profile(READ), target.url, seconds=600), tmp_path) as run:
        assert wait_until(lambda: len(run.samples()) >= 50, timeout_s=60)
        report = run.finish()
    assert report.planned == report.recorded == report.counted == target.seen()["count"]
    assert any("stopped early" in note for note in report.notes)


def test_open_model_counts_latency_from_the_due_time(tmp_path, target, profile):
    """While the service takes 400 ms, arrivals go on at their rate: all overlap, all are slow, none is left out."""
    slow = READ.replace("/reviews/1", "/reviews/1?delay=0.4")
    outcome = carry_out(plan(profile(slow), target.url, rate=100, seconds=1), tmp_path)
    assert len(outcome.samples) == 100
    assert outcome.samples.latency_s.min() >= 0.4
    assert outcome.report.users >= 35


def test_a_request_that_never_ends_is_a_sample_without_an_answer(tmp_path, target, profile):
    """After the drain, what is still missing counts as an error of its age, not as nothing."""
    stuck = READ.replace("/reviews/1", "/reviews/1?delay=60")
    outcome = carry_out(plan(profile(stuck), target.url, rate=10, seconds=1, drain_s=0.5), tmp_path)
    assert outcome.report.unanswered == len(outcome.samples) == 10
    assert outcome.samples.failed.all()
    assert outcome.samples.latency_s.max() >= 1.4


def test_errors_of_the_service_and_of_the_profile_are_told_apart(tmp_path, target, profile):
    """A status is recorded as it is, a check of the profile by its text, a broken connection with status 0."""
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
    samples = carry_out(plan(profile(text), target.url, rate=40, seconds=1), tmp_path).samples
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
    """A user logs in once, keeps its token, walks its task sets in order and says goodbye."""
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
    outcome = carry_out(plan(profile(text, whole=True), target.url, rate=40, seconds=1), tmp_path)
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
def test_a_profile_that_cannot_be_loaded_is_refused_with_its_line(tmp_path, target, profile, text, words):
    """The error names the profile's own line, not Locust's."""
    with (
        pytest.raises(LoadProfileError, match=words),
        LocustLoad().start(plan(profile(text, whole=True), target.url), tmp_path),
    ):
        pass


def test_a_profile_that_hangs_at_its_import_is_ended(tmp_path, target, profile):
    """The wait for the first request has a limit, and nothing is left running."""
    path = profile("import time\n\nwhile True:\n    time.sleep(0.01)\n", whole=True)
    with (
        pytest.raises(LoadError, match=r"still at visit\.py:\d in <module>; does .* block while it is imported"),
        LocustLoad(start_limit_s=2).start(plan(path, target.url), tmp_path),
    ):
        pass
    assert wait_until(lambda: _children() == [], timeout_s=30)


def test_an_exception_in_a_task_is_counted_and_named(tmp_path, target, profile):
    """The requests go on; the report says what was raised and where."""
    outcome = carry_out(plan(profile(READ + "    {}['stars']\n"), target.url, rate=20, seconds=1), tmp_path)
    assert outcome.report.task_errors == 20
    assert outcome.report.recorded == 20
    assert any("KeyError: 'stars'" in note and "visit.py:8" in note for note in outcome.report.notes)


def test_a_user_that_cannot_start_is_tried_again_by_the_next_arrival(tmp_path, target, profile):
    """A login that fails twice costs two arrivals; the third one is a user as any other."""
    text = """
    n = 0

    def on_start(self):
        Visitor.n += 1
        if Visitor.n <= 2:
            raise KeyError("login")
    """
    outcome = carry_out(plan(profile(text + READ.replace("\n", "\n    ")), target.url, rate=20, seconds=1), tmp_path)
    assert (outcome.report.task_errors, outcome.report.silent, outcome.report.recorded) == (2, 2, 18)


def test_a_task_that_sends_nothing_shows_as_silent_arrivals(tmp_path, target, profile):
    """An arrival that never became a request is no success."""
    outcome = carry_out(plan(profile("@task\ndef idle(self):\n    pass\n"), target.url, rate=20, seconds=1), tmp_path)
    assert (outcome.report.planned, outcome.report.silent, outcome.report.recorded) == (20, 20, 0)


def test_a_refusing_host_gives_samples_without_answers(tmp_path, profile):
    """Nobody listens: every arrival is an error sample with the reason."""
    outcome = carry_out(plan(profile(READ), "http://127.0.0.1:9", rate=20, seconds=1), tmp_path)
    assert len(outcome.samples) == 20
    assert outcome.samples.failed.all()
    assert "refused" in outcome.samples.errors[1]
    assert outcome.report.answered == 0


def test_a_host_that_does_not_resolve_gives_samples_without_answers(tmp_path, profile):
    """A name nobody knows: every arrival is an error sample with the reason."""
    samples = carry_out(plan(profile(READ), "http://nobody.invalid", rate=20, seconds=1), tmp_path).samples
    assert len(samples) == 20
    assert set(samples.status) == {0}
    assert samples.failed.all()


def test_a_generator_that_dies_in_the_run_is_an_error_and_its_samples_stay(tmp_path, target, profile):
    """SIGKILL of the child: LoadError with the log, and what was recorded can still be read."""
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


def test_sigkill_of_the_harness_leaves_no_generator_behind(tmp_path, target, profile):
    """The child ends with the process that started it, however that ends."""
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


def test_a_full_disk_stops_the_run_and_spoils_no_sample(tmp_path, target, profile):
    """When the sample file cannot grow, the run ends, says so, and every sample read is a whole one."""
    text = READ + "\nimport resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, 64 * 1024))\n"
    outcome = carry_out(plan(profile(text), target.url, rate=1000, seconds=8), tmp_path)
    assert "File too large" in outcome.report.broken
    assert len(outcome.samples) == 64 * 1024 // 32 - 2
    assert (outcome.samples.latency_s > 0).all()
    assert outcome.report.planned > outcome.report.recorded


def test_names_for_which_there_is_no_room_spoil_no_sample_either(tmp_path, target, profile):
    """The file of names cannot grow: the run ends and says so; every sample that is there has its name."""
    text = READ.replace('name="/reviews"', 'name=f"{len(self.environment.stats.entries)}{200 * chr(120)}"')
    text += "\nimport resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, 64 * 1024))\n"
    outcome = carry_out(plan(profile(text), target.url, rate=500, seconds=4), tmp_path)
    assert "File too large" in outcome.report.broken
    assert 100 < len(outcome.samples.operations) < 64 * 1024 / 200
    assert len(outcome.samples) < outcome.report.planned
    assert {len(name) >= 201 for name in outcome.samples.operations} == {True}


def _children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "locust" in " ".join(child.cmdline())]

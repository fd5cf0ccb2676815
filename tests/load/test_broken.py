"""Loads that are broken on purpose fail the proof that names the problem."""

from __future__ import annotations

import os
import signal

from load_runs import READ, Outcome, execute, plan

from harness.clients.processes.child import wait_until
from harness.load.parent.locust import LocustLoad
from harness.load.parent.proofs import load_proofs
from harness.load.protocol.sample_reader import read_headers


def failed(outcome: Outcome) -> set[str]:
    """Return the names of the failed proofs."""
    return {proof.name for proof in load_proofs(outcome.report) if not proof.held}


def test_arrivals_beyond_the_limit_in_flight_are_dropped_and_counted(tmp_path, target, profile):
    """If the service is too slow for the limit, the other arrivals are still sent on time."""
    slow = READ.replace("/reviews/1", "/reviews/1?delay=0.5")
    outcome = execute(plan(profile(slow), target.url, rate=40, seconds=1, most_in_flight=5), tmp_path)
    assert outcome.report.planned == outcome.report.recorded + outcome.report.dropped == 40
    assert outcome.report.dropped >= 20
    assert {"no arrival dropped", "load sent"} <= failed(outcome)


def test_a_profile_that_uses_too_much_cpu_is_late(tmp_path, target, profile):
    """A profile that needs 1.5 cores sends its requests late, however busy the machine is."""
    busy = READ + "    end = __import__('time').perf_counter() + 0.03\n"
    busy += "    while __import__('time').perf_counter() < end:\n        pass\n"
    outcome = execute(plan(profile(busy), target.url, rate=50, seconds=2), tmp_path)
    assert "load on time" in failed(outcome)
    assert outcome.report.recorded == 100
    assert outcome.samples.latency_s[-10:].min() > 0.1


def test_a_task_in_an_endless_loop_is_stopped_and_its_line_is_named(tmp_path, target, profile):
    """The loop blocks the child, which cannot end by itself; earlier samples are kept."""
    looping = READ + "    while self.environment.stats.num_requests == 10:\n        pass\n"
    load = plan(profile(looping), target.url, rate=20, seconds=1, drain_s=0.5)
    outcome = execute(load, tmp_path, LocustLoad(end_margin_s=3))
    assert {"load sent", "samples counted", "load workers alive"} <= failed(outcome)
    assert outcome.report.recorded == 10
    assert any("visit.py:8 in read never yielded" in note for note in outcome.report.notes)


def test_a_task_that_does_not_return_is_cut_off_and_counted(tmp_path, target, profile):
    """Its request is a sample, but later requests are missing, so the proof fails."""
    load = plan(profile(READ + "    __import__('time').sleep(600)\n"), target.url, rate=20, seconds=1, drain_s=0.5)
    outcome = execute(load, tmp_path)
    assert "load profile's tasks" in failed(outcome)
    assert (outcome.report.recorded, outcome.report.unfinished) == (20, 20)


def test_interrupted_requests_of_the_closed_model_are_counted(tmp_path, target, profile):
    """Requests in flight at the end are counted; users that wait for their next task are not."""
    slow = "wait_time = constant(600)\n" + READ.replace('"/reviews/1"', "f'/reviews/1?delay={600 * self.n}'")
    slow += "\nn = 0\n\ndef on_start(self):\n    type(self).n += 1\n    self.n = int(type(self).n <= 2)\n"
    load = plan(profile(slow), target.url, users=5, seconds=1, drain_s=0.5)
    outcome = execute(load, tmp_path)
    assert (outcome.report.recorded, outcome.report.unfinished) == (3, 2)
    assert "load profile's tasks" in failed(outcome)


def test_a_count_that_differs_from_locusts_fails_a_proof(tmp_path, target, profile):
    """If a profile clears Locust's statistics during the run, samples and count differ."""
    clearing = READ + "    if self.environment.stats.num_requests == 20:\n        self.environment.stats.clear_all()\n"
    outcome = execute(plan(profile(clearing), target.url, rate=50, seconds=1), tmp_path)
    assert "samples counted" in failed(outcome)
    assert outcome.report.counted == 10


def test_a_killed_worker_fails_a_proof_although_locust_exits_with_0(tmp_path, target, profile):
    """The proof counts the workers that reached the end."""
    with LocustLoad().start(plan(profile(READ), target.url, rate=60, seconds=6, processes=2), tmp_path) as run:
        assert wait_until(lambda: len(run.samples()) > 20, timeout_s=60)
        os.kill(read_headers(tmp_path / "load")[1].pid, signal.SIGKILL)
        assert wait_until(lambda: not run.running(), timeout_s=120)
        outcome = Outcome(report=run.finish(), samples=run.samples(), folder=tmp_path)
    assert {"load workers alive", "load sent"} <= failed(outcome)
    assert (outcome.report.workers, outcome.report.workers_alive, outcome.report.exit_code) == (2, 1, 0)
    assert 180 <= outcome.report.recorded < 360


def test_a_profile_may_stop_the_test(tmp_path, target, profile):
    """StopTest ends the load early; the missing requests fail the proof, and a note has the reason."""
    text = READ.replace("@task", "n = 0\n\n@task", 1)
    text += "    Visitor.n += 1\n    if Visitor.n == 10:\n        from locust.exception import StopTest\n"
    text += "        raise StopTest('enough')\n"
    outcome = execute(plan(profile(text), target.url, rate=20, seconds=5), tmp_path)
    assert "load sent" in failed(outcome)
    assert outcome.report.notes == ("the profile stopped the test: enough",)
    assert 10 <= outcome.report.recorded < 30

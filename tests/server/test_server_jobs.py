"""The jobs of the server: what is acknowledged is on disk, and counts once."""

import pytest

from harness.errors import RecordError
from harness.server.jobs import Answer, Approval, Jobs, JobState


class Clock:
    """A clock that is set by hand."""

    now = 1_000_000.0

    def __call__(self):
        """The time."""
        return self.now


@pytest.fixture
def clock():
    """The clock of the jobs."""
    return Clock()


@pytest.fixture
def jobs(tmp_path, clock):
    """An empty queue."""
    return Jobs(tmp_path / "jobs", most_waiting=3, now=clock)


def add(jobs, subject="shop/reviews:v1", **given):
    """Add a release."""
    words = ("release", "--image", subject)
    return jobs.add(**({"kind": "release", "subject": subject, "words": words, "same": subject} | given))


def test_an_acknowledged_job_survives_the_server(tmp_path, jobs, clock):
    """What was accepted is on disk before the sender hears of it."""
    job = add(jobs, event="e1").job
    again = Jobs(tmp_path / "jobs", most_waiting=3, now=clock)
    assert (job,) == again.all()
    assert Answer.SEEN is add(again, event="e1").answer


def test_a_job_that_ran_when_the_server_died_waits_again(tmp_path, jobs, clock):
    """A SIGKILL loses no job."""
    add(jobs)
    taken = jobs.take(lambda: False)
    (job,) = Jobs(tmp_path / "jobs", most_waiting=3, now=clock).all()
    assert (JobState.RUNNING, JobState.WAITING, 1) == (taken.state, job.state, job.attempts)


def test_several_tags_of_one_push_are_one_job(jobs):
    """A registry that sends an event for each tag starts one release, of the tag that says most."""
    first = add(jobs, "r:latest", same="sha256:aa", event="1")
    second = add(jobs, "r:1.4.2", same="sha256:aa", event="2")
    third = add(jobs, "r:1", same="sha256:aa", event="3")
    assert [Answer.ACCEPTED, Answer.JOINED, Answer.JOINED] == [one.answer for one in (first, second, third)]
    (job,) = jobs.all()
    assert ("r:1.4.2", ("release", "--image", "r:1.4.2"), ("1", "2", "3")) == (job.subject, job.words, job.events)


def test_a_late_tag_of_the_same_digest_joins_a_finished_job(jobs, clock):
    """The same digest within the hour is the same push; a day later somebody wants it again."""
    add(jobs, same="sha256:aa", event="1")
    jobs.end(jobs.take(lambda: False), exit_code=0, reason="passed")
    assert Answer.JOINED is add(jobs, same="sha256:aa", event="2").answer
    clock.now += 86_400
    assert Answer.ACCEPTED is add(jobs, same="sha256:aa", event="3").answer


def test_a_tag_without_a_digest_starts_again_once_the_first_is_done(jobs):
    """Nobody knows that two pushes of a tag are the same build."""
    add(jobs, same="shop/reviews", event="1")
    jobs.end(jobs.take(lambda: False), exit_code=0, reason="passed")
    assert Answer.ACCEPTED is add(jobs, same="shop/reviews", event="2").answer


def test_a_full_queue_refuses_new_jobs_only(jobs):
    """Further tags of a known push are taken even then."""
    for number in range(3):
        add(jobs, same=str(number))
    assert Answer.FULL is add(jobs, same="new").answer
    assert Answer.JOINED is add(jobs, same="1").answer


def test_a_job_waits_for_further_tags(jobs, clock):
    """A job is not taken before its time to settle has passed."""
    add(jobs, settle_s=10.0)
    tries = iter([False, True])
    assert jobs.take(lambda: next(tries), within_s=0.01) is None
    clock.now += 11
    assert jobs.take(lambda: False) is not None


def test_a_job_that_is_stopped_again_and_again_ends(jobs):
    """A job does not run for ever, three attempts at most."""
    add(jobs)
    for _ in range(3):
        last = jobs.put_back(jobs.take(lambda: False), "the server was stopped while it ran")
    assert (JobState.DONE, 12) == (last.state, last.exit_code)


@pytest.mark.parametrize(("code", "decided"), [(0, False), (1, False), (10, True), (11, True), (12, True)])
def test_a_person_decides_once_and_only_what_is_open(jobs, code, decided):
    """A failed gate stays failed, and nobody decides twice."""
    add(jobs, "reviews", kind="gate", same="reviews:abc")
    job = jobs.end(jobs.take(lambda: False), exit_code=code, reason="…")
    approval = Approval(approved=True, by="Ada", reason="looked at it", at_s=1.0)
    assert decided == (jobs.decide(job, approval) is not None)
    assert jobs.decide(job, approval) is None


def test_a_file_that_is_no_job_is_refused(tmp_path):
    """The server does not start on a folder that it does not understand."""
    (tmp_path / "jobs" / "1").mkdir(parents=True)
    (tmp_path / "jobs" / "1" / "job.json").write_text("[]")
    with pytest.raises(RecordError, match="expected a job of this server"):
        Jobs(tmp_path / "jobs", most_waiting=3)

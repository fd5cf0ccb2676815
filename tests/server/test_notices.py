"""Whom the server tells about a job, and what it does when nobody listens."""

import json
from dataclasses import replace

import pytest
from json_schemas import require_fit

from harness.errors import MeshError
from harness.model.serve import ServeSettings
from harness.server.jobs import Job, JobState
from harness.server.notices import Notices

SETTINGS = ServeSettings(
    github_token="GH",
    github_api="https://api.test",
    slack=("SLACK",),
    webhooks=("HOOK",),
    page_url="https://canary.test",
)
ENVIRONMENT = {"GH": "gh-secret", "SLACK": "https://slack.test/T0/secret-path", "HOOK": "https://hook.test/x"}
JOB = Job(
    id="1-a", kind="release", subject="shop/reviews:v1", words=("release",), same="v1", received_s=1.0,
    facts={"repository": "shop/reviews", "sha": "c0ffee", "number": "7"}, events=("e",),
)  # fmt: skip
DONE = replace(JOB, state=JobState.DONE, exit_code=10, reason="marginal: a person decides")


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch):
    """Attempts follow each other at once."""
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)


class Post:
    """Plays the servers that are told; keeps what they got."""

    def __init__(self, answers=None):
        """answers: status and body by the end of a URL, or an error."""
        self.got = []
        self._answers = answers or {}

    def __call__(self, method, url, document, *, headers, timeout_s):
        """Answer a request."""
        self.got.append((method, url, document, headers))
        answer = next((found for end, found in self._answers.items() if end in url), (201, b"[]"))
        if isinstance(answer, Exception):
            raise answer
        return answer


def told(job, post, settings=SETTINGS, environment=ENVIRONMENT):
    """Tell everybody, and return the notes about what failed."""
    noted = []
    Notices(settings=settings, environment=environment, send=post, note=lambda _, text: noted.append(text)).tell(job)
    return noted


def test_everybody_is_told_once():
    """GitHub gets a status and a comment, Slack a sentence, the webhook the whole job."""
    post = Post()
    assert [] == told(DONE, post)
    sent = {url: document for method, url, document, _ in post.got if method != "GET"}
    assert "failure" == sent["https://api.test/repos/shop/reviews/statuses/c0ffee"]["state"]
    assert "https://canary.test/jobs/1-a" == sent["https://api.test/repos/shop/reviews/statuses/c0ffee"]["target_url"]
    assert "marginal" in sent["https://api.test/repos/shop/reviews/issues/7/comments"]["body"]
    assert "shop/reviews:v1" in sent["https://slack.test/T0/secret-path"]["text"]
    require_fit(sent["https://hook.test/x"], "harness.job/1")
    assert ("1-a", 10) == (sent["https://hook.test/x"]["id"], sent["https://hook.test/x"]["exit_code"])
    assert "gh-secret" not in json.dumps([document for *_, document, _ in post.got])


def test_the_comment_of_an_earlier_job_is_replaced():
    """A pull request has one comment of ours, whatever was pushed to it."""
    comments = [{"id": 1, "body": "looks good"}, {"id": 2, "body": "<!-- canary-harness -->\nold"}]
    post = Post({"/comments?": (200, json.dumps(comments).encode())})
    told(DONE, post)
    assert ("PATCH", "https://api.test/repos/shop/reviews/issues/comments/2") in [
        (method, url) for method, url, *_ in post.got
    ]


@pytest.mark.parametrize(
    ("code", "state"),
    [(None, "pending"), (0, "success"), (1, "failure"), (11, "failure"), (12, "error"), (130, "error")],
)
def test_the_status_of_a_commit_follows_the_exit_code(code, state):
    """Trouble is no finding about the commit."""
    job = JOB if code is None else replace(DONE, exit_code=code)
    post = Post()
    told(job, post)
    assert state == next(document["state"] for _, url, document, _ in post.got if "/statuses/" in url)


@pytest.mark.parametrize("answer", [(500, b""), (429, b""), MeshError("no answer"), (404, b""), (201, b"<html>")])
def test_a_message_that_is_refused_harms_nothing_and_tells_no_secret(answer):
    """The job goes on; what was not delivered is noted without a URL that is a secret."""
    notes = told(DONE, Post({"test": answer}))
    assert notes
    assert all("not told" in note for note in notes)
    assert not any("secret" in note for note in notes)


def test_a_busy_server_is_asked_again():
    """Two more attempts follow an answer that may change."""
    post = Post({"hook.test": (503, b"")})
    told(DONE, post, replace(SETTINGS, github_token="", slack=()))
    assert 3 == len(post.got)


def test_a_variable_that_is_not_set_is_noted():
    """A typo in the name of a variable is seen on the page of the job."""
    notes = told(DONE, Post(), environment={})
    assert any("the variable SLACK is not set" in note for note in notes)

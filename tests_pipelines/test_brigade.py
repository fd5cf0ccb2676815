"""The script for Brigade: type-checked, and executed for every event with recorded jobs and with failures."""

from __future__ import annotations

import json
import re

import brigade_events as made
import pytest
import yaml
from brigade_events import Worker, compiled
from checkers import BRIGADE

GATED = ["deploy", "gate"]
EVENTS = {
    ("brigade.sh/github", "ci:pipeline_requested"): made.pull_request(),
    ("brigade.sh/github", "cd:pipeline_requested"): made.published(),
    ("brigade.sh/dockerhub", "push"): made.docker_hub(),
    ("brigade.sh/cloudevents", "cloudevent"): made.harbor("1.4"),
    ("brigade.sh/cron", "nightly"): made.nightly(),
    ("brigade.sh/cli", "exec"): made.person(command="scenarios"),
}


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """The compiled script."""
    folder = tmp_path_factory.mktemp("compiled")
    code, said = compiled(folder)
    assert code == 0, said
    return folder / "brigade.js"


@pytest.fixture
def worker(script, tmp_path):
    """Runs the script; jobs are only written down."""
    return Worker(script=script, folder=tmp_path)


def subscriptions():
    """Each source and type that one of the two projects subscribes to, with the project's file."""
    for path in sorted(BRIGADE.glob("project*.yaml")):
        for one in yaml.safe_load(path.read_text())["spec"]["eventSubscriptions"]:
            yield from ((path.name, one["source"], type_) for type_ in one["types"])


def test_brigades_own_flags_compile_it_too(tmp_path):
    """A worker without our tsconfig.json uses these; a type error would fail every event."""
    flags = ("--target", "ES6", "--module", "commonjs", "--esModuleInterop", "brigade.ts")
    assert (0, "") == compiled(tmp_path, *flags)


def test_a_type_error_is_found(tmp_path):
    """The check is at work."""
    broken = BRIGADE / "broken-for-a-test.ts"
    broken.write_text((BRIGADE / "brigade.ts").read_text().replace("job.timeoutSeconds =", "job.timeOutSeconds =", 1))
    try:
        code, said = compiled(tmp_path, "--strict", "--module", "commonjs", "--target", "ES2018", broken.name)
    finally:
        broken.unlink()
    assert code != 0
    assert "timeOutSeconds" in said


@pytest.mark.parametrize(("project", "source", "type_"), list(subscriptions()))
def test_every_subscription_has_a_handler_that_runs_jobs(worker, project, source, type_):
    """Brigade ignores an event without a handler silently."""
    done = worker.work(EVENTS[source, type_])
    assert (0, True) == (done.code, bool(done.summary)), done.said
    assert done.jobs


def test_an_event_without_a_handler_is_noticed(worker):
    """The check above is at work."""
    assert 3 == worker.work(made.event("brigade.sh/github", "push")).code


def test_pull_requests_reach_only_the_project_without_production():
    """And it subscribes to nothing else."""
    ci = [project for project, _, type_ in subscriptions() if type_.startswith(("ci:", "pull_request", "check_"))]
    assert ["project-pull-requests.yaml"] == ci
    assert [] == [type_ for project, _, type_ in subscriptions() if project not in ci and type_.startswith("ci:")]
    assert 1 == sum(project == "project-pull-requests.yaml" for project, _, _ in subscriptions())


def test_a_release_is_built_deployed_judged_and_promoted(worker):
    """One job a phase; the image is named by the commit that the worker checked out."""
    done = worker.work(made.published())
    assert (0, ["build", *GATED, "promote", "keep-reports"]) == (done.code, done.names)
    image = f"docker.io/shop/reviews:git-{made.COMMIT}"
    assert {image} == {job["environment"]["IMAGE"] for job in done.jobs if job["name"] in {"build", *GATED, "promote"}}
    assert f"{image} is promoted" == done.summary


@pytest.mark.parametrize(
    ("codes", "names", "words"),
    [
        ({"gate": 1}, [*GATED, "reject"], "rejected: verdict fail; the canary is gone"),
        ({"gate": 10}, [*GATED, "hold"], "held: verdict marginal"),
        ({"gate": 11}, [*GATED, "hold"], "held: verdict inconclusive"),
        ({"gate": 12}, [*GATED, "reject"], "no verdict"),
        ({"gate": 2}, [*GATED, "reject"], "no verdict"),
        ({"gate": 137}, [*GATED, "reject"], "no verdict"),
        ({"gate": "none"}, [*GATED, "reject"], "no verdict"),
        ({"deploy": 1}, ["deploy", "reject"], "verdict fail"),
        ({"deploy": 10}, ["deploy", "reject"], "no verdict"),
        ({"promote": 1}, [*GATED, "promote", "reject"], "the promotion did not succeed (exit code 1)"),
        ({"promote": 10}, [*GATED, "promote", "reject"], "the promotion did not succeed (exit code 10)"),
        ({"gate": 1, "reject": 12}, [*GATED, "reject"], "THE CANARY MAY STILL BE THERE (exit code 12)"),
        ({"gate": 10, "hold": 10}, [*GATED, "hold"], "held: verdict marginal"),
    ],
)
def test_what_does_not_pass_fails_the_event(worker, codes, names, words):
    """And the canary is taken out, unless a person decides."""
    done = worker.work(made.docker_hub(), codes)
    assert (1, [*names, "keep-reports"]) == (done.code, done.names), done.said
    assert words in done.failed


def test_a_failed_build_deploys_nothing(worker):
    """There is no image to deploy."""
    done = worker.work(made.published(), {"build": 1})
    assert (1, ["build"]) == (done.code, done.names)


def test_a_hold_says_how_to_decide_and_the_decision_goes_on(worker, tmp_path):
    """The message is a complete command; its payload, sent as a new event, restores the record and goes on with it."""
    done = worker.work(made.docker_hub(), {"gate": 10})
    payload = json.loads(re.search(r"--payload '(\{.*\})'", done.failed)[1])
    again = Worker(script=worker.script, folder=tmp_path / "again").work(made.event("brigade.sh/cli", "exec", payload))
    assert (0, ["restore", "approve", "keep-reports"]) == (again.code, again.names)
    assert "0f2e3d4c-1111-4222-8333-123456789abc" == again.jobs[0]["environment"]["EVENT"]
    assert ("NAME", "WHY") == tuple(again.jobs[1]["environment"][name] for name in ("BY", "REASON"))
    assert "promoted by NAME: WHY" == again.summary


@pytest.mark.parametrize(
    ("code", "names", "words"),
    [(10, ["approve"], "held"), (1, ["approve", "reject"], "rejected"), (12, ["approve", "reject"], "rejected")],
)
def test_an_approved_release_can_be_held_or_rejected_later(worker, code, names, words):
    """Its next steps have gates of their own."""
    event = made.person(command="approve", event=made.HELD, by="ana", reason="harmless")
    done = worker.work(event, {"approve": code})
    assert (1, ["restore", *names, "keep-reports"]) == (done.code, done.names)
    assert words in done.failed


def test_without_a_place_for_records_a_hold_rejects(worker):
    """Nobody could go on with it."""
    event = made.docker_hub()
    del event["project"]["secrets"]["reportsURL"]
    done = worker.work(event, {"gate": 10})
    assert (1, [*GATED, "reject"]) == (done.code, done.names)


@pytest.mark.parametrize(
    "payload",
    [
        {"command": "approve", "event": made.HELD, "by": "", "reason": "why"},
        {"command": "approve", "event": made.HELD, "by": " ", "reason": "why"},
        {"command": "approve", "event": made.HELD, "by": "ana"},
        {"command": "approve", "event": "../other", "by": "ana", "reason": "why"},
        {"command": "reject", "event": "", "by": "ana", "reason": "why"},
        {"command": "deploy"},
        {},
    ],
)
def test_a_decision_of_nobody_or_about_nothing_runs_nothing(worker, payload):
    """Who, why and which release are all needed."""
    done = worker.work(made.event("brigade.sh/cli", "exec", payload))
    assert (1, []) == (done.code, done.names)


@pytest.mark.parametrize(("code", "ends"), [(0, 0), (1, 1), (10, 1), (12, 1)])
def test_a_canary_of_a_pull_request_is_taken_out_whatever_its_verdict(worker, code, ends):
    """It is never promoted, and its image's tag says what it is."""
    done = worker.work(made.pull_request(), {"gate": code})
    assert (ends, ["build", *GATED, "reject", "keep-reports"]) == (done.code, done.names)
    assert f"docker.io/shop/reviews:pr-{made.COMMIT}" == done.jobs[0]["environment"]["IMAGE"]


@pytest.mark.parametrize(
    "event",
    [
        made.pull_request(head=2),
        made.pull_request(pull_requests=[], head_branch=None),  # how GitHub describes a fork's commit
        made.pull_request(head_repository={"id": 2, "fork": True}),
        made.pull_request(head_branch=None),
        made.event("brigade.sh/github", "ci:pipeline_requested", {"action": "created", "comment": {}}),
    ],
)
def test_a_fork_gets_no_secret_and_runs_nothing(worker, event):
    """Not even the build; what does not prove that it is a branch of this repository counts as a fork."""
    done = worker.work(event)
    assert (0, [], "not run: the code comes from a fork") == (done.code, done.names, done.summary)


@pytest.mark.parametrize(
    ("event", "images"),
    [
        (made.docker_hub("1.4"), ["docker.io/shop/reviews:1.4"]),
        (made.docker_hub("latest"), []),
        (made.docker_hub(f"git-{made.COMMIT}"), []),
        (made.docker_hub(f"pr-{made.COMMIT}"), []),
        (made.harbor("1.4", "latest", "1"), [f"docker.io/shop/reviews@{made.DIGEST}"]),
        (made.harbor("latest"), []),
        (made.azure(), [f"docker.io/shop/reviews@{made.DIGEST}"]),
    ],
)
def test_one_push_is_released_once(worker, event, images):
    """Several tags of one image, its second name latest, and images that this pipeline pushed itself."""
    done = worker.work(event)
    assert 0 == done.code, done.said
    assert images == [job["environment"]["IMAGE"] for job in done.jobs if job["name"] == "deploy"]


@pytest.mark.parametrize(
    "event",
    [
        made.docker_hub(repository="somebody/reviews"),
        made.docker_hub(repository="shop/reviews-evil"),
        made.docker_hub("1.4; curl evil"),
        made.docker_hub("$(touch /tmp/x)"),
        made.person(command="release", image="docker.io/shop/reviews"),
        made.person(command="release", image="docker.io/shop/reviews:1@sha256:1"),
        made.person(command="release"),
        made.event("brigade.sh/dockerhub", "push", "not json"),
        made.event("brigade.sh/cloudevents", "cloudevent", {"data": {}}),
        made.event("brigade.sh/github", "cd:pipeline_requested", {}, commit="main"),
        made.event("brigade.sh/github", "cd:pipeline_requested", {}, secrets={"image": ""}),
    ],
)
def test_a_strange_event_runs_nothing(worker, event):
    """Images of others, shell code, payloads of another shape, no commit, no secret."""
    done = worker.work(event)
    assert (1, []) == (done.code, done.names), done.said


@pytest.mark.parametrize(
    "event", [made.published(), made.nightly(), made.person(command="approve", event=made.HELD, by="a", reason="b")]
)
def test_secrets_are_variables_only_and_no_job_is_privileged(worker, event):
    """The arguments of a job are part of its pod, which many can read; a gate outlasts Brigade's 15 minutes."""
    for job in worker.work(event).jobs:
        shown = json.dumps([job["command"], job["words"], job["image"]])
        assert not [value for value in (*made.SECRETS.values(), made.COMMIT) if value in shown], job["name"]
        assert not job["privileged"]
        assert job["timeout"] > 900 or job["name"] in {"keep-reports", "restore"}
    assert "SECRET" not in worker.work(event, {"gate": 1, "scenarios": 1, "approve": 1}).said.split("FAILED")[-1]

"""The load records the bodies that it gets, for replays of runs on a mesh whose proxies record none."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import recorded
from load_runs import execute, plan

from harness.bundle import read_bundle, write_bundle
from harness.gate import judge_record
from harness.load.child.answers import AnswerKeeper
from harness.load.protocol.sample_files import answers_file
from harness.model.bodies import DependencyBody
from harness.runner.kept_bodies import with_bodies


def answer(text: str = "fine", *, arm: str = "baseline", status: int = 200, path: str = "/reviews/1") -> Any:
    """An answer as clients of Locust return it."""
    headers = {"x-harness-arm": arm, "content-type": "text/plain"}
    asked = SimpleNamespace(method="GET", url=f"http://shop{path}")
    return SimpleNamespace(status_code=status, headers=headers, content=text.encode("latin-1"), request=asked)


@pytest.fixture
def keeper(tmp_path: Path) -> AnswerKeeper:
    """It keeps bodies of up to 40 bytes."""
    (tmp_path / "load").mkdir()
    return AnswerKeeper(tmp_path / "load", worker=0, service="reviews", most_bytes=40, arm_header="x-harness-arm")


def kept(folder: Path) -> tuple[DependencyBody, ...]:
    """What the record of the run has, after it was written and read."""
    write_bundle(with_bodies(recorded.record(), folder), folder / "bundle")
    return read_bundle(folder / "bundle").dependency_bodies


def test_whole_answers_of_the_baseline_are_recorded(keeper: AnswerKeeper, tmp_path: Path) -> None:
    """Not those of the canary, too long ones, what is no text, no HTTP or no answer; secrets are hidden."""
    for response in (
        answer('{"token": "abc"}', path="/reviews/1?user=ann"), answer("own", arm=""), answer("new", arm="canary"),
        answer("x" * 41), answer("\xff\xfe"), answer(status=0), SimpleNamespace(status_code=200), None,
    ):  # fmt: skip
        keeper.keep(name="/reviews", response=response, request_type="GET", response_time=3.0)
    first = DependencyBody(
        service="reviews", method="GET", path="/reviews/1", status=200, content_type="text/plain",
        text='{"token": "(hidden)"}',
    )  # fmt: skip
    found = kept(tmp_path)
    assert first == found[0]
    assert ["own"] == [one.text for one in found[1:]]


def test_a_few_different_answers_of_each_kind_are_recorded(keeper: AnswerKeeper, tmp_path: Path) -> None:
    """Five of each request and status; equal ones once, and half a line of a killed worker not at all."""
    for number in range(30):
        for status in (200, 503):
            keeper.keep(name="/reviews", response=answer(f"{number // 2}", status=status))
    with answers_file(tmp_path / "load", 0).open("a") as file:
        file.write('{"service": "rev')
    found = kept(tmp_path)
    assert [200] * 5 + [503] * 5 == sorted(one.status for one in found)
    assert 10 == len(set(found))


def test_answers_that_are_no_text_are_not_read_for_ever(keeper: AnswerKeeper, tmp_path: Path) -> None:
    """Each of them costs the load generator time; those of other requests are recorded as before."""
    for _ in range(60):
        keeper.keep(name="/images", response=answer("\xff\xfe"))
    for name in ("/images", "/reviews"):
        keeper.keep(name=name, response=answer(name))
    assert ["/reviews"] == [one.text for one in kept(tmp_path)]


def test_the_load_records_what_its_plan_asks_for(profile: Any, target: Any, tmp_path: Path) -> None:
    """With the client of Locust, from the answers of a real service."""
    tasks = """
    @task
    def read(self):
        self.client.get("/reviews/1?delay=0", name="/reviews")
        self.client.get("/reviews/10", name="/reviews")
    """
    execute(plan(profile(tasks), target.url, rate=10, seconds=1, answers_of="reviews", answer_bytes=100), tmp_path)
    (body,) = kept(tmp_path)
    assert ("reviews", "GET", "/reviews/1", 200, "fine") == (
        body.service, body.method, body.path, body.status, body.text
    )  # fmt: skip
    assert "text/plain" in body.content_type


def test_nothing_is_kept_twice(keeper: AnswerKeeper, tmp_path: Path) -> None:
    """The bundle has the answers; the file of the worker is removed."""
    keeper.keep(name="/reviews", response=answer())
    outcome = judge_record(recorded.record(), tmp_path, "sequential")
    assert ["fine"] == [one.text for one in outcome.record.dependency_bodies]
    assert not answers_file(tmp_path / "load", 0).exists()

"""The bodies of failed answers are kept for the report, if the load profile asks for them, without secrets."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import recorded
import report_records

from harness.bundle import read_bundle, write_bundle
from harness.errors import LoadProfileError
from harness.load.child.bodies import BodyKeeper
from harness.load.planning.load_plan import plan_load
from harness.load.protocol.sample_files import bodies_file
from harness.model.bodies import Body
from harness.model.masking import redacted
from harness.model.verdict import Verdict
from harness.report import page
from harness.runner.kept_bodies import with_bodies

BODY = Body(at_s=3.25, arm="canary", operation="/cart", status=503, error="", text='{"error": "no db"}', size=18)


def answer(text: str, status: int = 500, arm: str = "canary") -> Any:
    """An answer as clients of Locust return it."""
    return SimpleNamespace(status_code=status, headers={"x-harness-arm": arm}, content=text.encode())


@pytest.fixture
def keeper(tmp_path: Path) -> BodyKeeper:
    """It keeps 40 bytes of each body."""
    return BodyKeeper(tmp_path, worker=0, keep_bytes=40, arm_header="x-harness-arm", arms=("baseline", "canary"))


def kept(folder: Path) -> list[dict[str, Any]]:
    """What was written."""
    file = bodies_file(folder, 0)
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_only_failed_answers_are_kept(keeper: BodyKeeper, tmp_path: Path) -> None:
    """A good answer, a request without an answer and an expected 404 are not; a failure of the profile is."""
    keeper.keep(name="/", response=answer("fine", 200))
    keeper.keep(name="/", response=None, exception=OSError("refused"))
    keeper.keep(name="/", response=answer("not there", 404))
    assert [] == kept(tmp_path)
    keeper.keep(name="/", response=answer("no stars", 200, arm="odd"), exception=ValueError("no stars: token=abc"))
    keeper.keep(name="/", response=answer("down"), request_type="GET", response_time=3.0, context={})
    assert [("no stars", "", "ValueError: no stars: token=(hidden)"), ("down", "canary", "")] == [
        (one["text"], one["arm"], one["error"]) for one in kept(tmp_path)
    ]


def test_a_few_of_each_kind_are_kept_and_cut(keeper: BodyKeeper, tmp_path: Path) -> None:
    """Three of each arm, request and status; the size is that of the whole body."""
    for number in range(50):
        for arm in ("baseline", "canary"):
            keeper.keep(name="/", response=answer(f"{number} " + "é" * 100, 503, arm))
    assert 6 == len(kept(tmp_path))
    assert {202} == {one["size"] for one in kept(tmp_path)}
    assert all(len(one["text"].encode()) <= 40 for one in kept(tmp_path))


def test_a_hundred_bodies_are_the_most(keeper: BodyKeeper, tmp_path: Path) -> None:
    """A profile with many names does not fill the disk."""
    for number in range(500):
        keeper.keep(name=f"/{number}", response=answer("down"))
    assert 100 == len(kept(tmp_path))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"password": "hunter2", "user": "ann"}', '{"password": (hidden), "user": "ann"}'),
        ('{"api_key":"a\\"b', '{"api_key":(hidden)'),
        ("access_token=abc.def&user=ann", "access_token=(hidden)&user=ann"),
        ("Authorization: Bearer abc.def.ghi\nok", "Authorization: (hidden)\nok"),
        ("sent Bearer abcdefghijk to ratings", "sent (hidden) to ratings"),
        ("jwt eyJhbGciOi.eyJzdWIi.c2ln end", "jwt (hidden) end"),
        ("postgres://ann:hunter2@db/shop", "postgres://db/shop"),
        ("<p>no stars today</p>", "<p>no stars today</p>"),
    ],
)
def test_secrets_are_hidden(text: str, shown: str) -> None:
    """By their names in JSON, forms and headers, and by their form; the rest of the text stays."""
    assert shown == redacted(text)


def test_the_profile_says_how_many_bytes(tmp_path: Path) -> None:
    """Without the setting nothing is kept."""
    profile = tmp_path / "shop.py"
    profile.write_text('LOADPROFILE = {"body_bytes": 500}')
    assert 500 == plan_load(profile, "http://127.0.0.1:1").body_bytes
    profile.write_text("")
    assert 0 == plan_load(profile, "http://127.0.0.1:1").body_bytes
    for wrong in ("0", "70000", "'all'", "True"):
        profile.write_text(f'LOADPROFILE = {{"body_bytes": {wrong}}}')
        with pytest.raises(LoadProfileError, match="body_bytes: expected"):
            plan_load(profile, "http://127.0.0.1:1")


def test_bodies_are_recorded_in_seconds_of_the_run(tmp_path: Path) -> None:
    """Half a line of a killed worker is left out, and the bundle keeps what was read."""
    record = recorded.record()
    folder = tmp_path / "load" / "deep"
    folder.mkdir(parents=True)
    line = {name: getattr(BODY, name) for name in Body.__dataclass_fields__} | {"at_s": record.load.started_at + 3.25}
    bodies_file(folder, 0).write_text(json.dumps(line) + "\n" + json.dumps(line)[:20])
    found = with_bodies(record, tmp_path)
    assert (BODY,) == found.bodies
    write_bundle(found, tmp_path / "bundle")
    assert (BODY,) == read_bundle(tmp_path / "bundle").bodies
    assert () == with_bodies(record, tmp_path / "bundle").bodies


def test_the_report_shows_them_as_text() -> None:
    """The canary's first, equal ones once; markup in a body is text."""
    record, analysis = report_records.run(Verdict.FAIL)
    evil = replace(BODY, text="<script>alert(1)</script>", arm="baseline", operation="<b>")
    text = page.render(replace(record, bodies=(evil, BODY, replace(BODY, at_s=4.0))), analysis)
    assert "<script>alert" not in text
    assert text.index("no db") < text.index("&lt;script&gt;alert(1)")
    assert "/cart: HTTP 503 from canary, at 3.25 s and 1 more like it, 18 B" in text

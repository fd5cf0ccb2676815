"""Bodies of dependencies are recorded as far as they are asked for: of traced requests, whole ones, without secrets."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from mesh_world import request, topology, workloads

from harness.clients.processes.child import wait_until
from harness.mesh.local import open_local_mesh
from harness.mesh.local.answer_taps import tapped_bodies
from harness.mesh.local.topology import LOAD_GENERATOR
from harness.model.bodies import DependencyBody

TRACED = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
UNTRACED = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"}


def test_envoy_records_the_answers_to_traced_requests(tmp_path: Path) -> None:
    """Of the services that were asked for, without the query, and nothing is left of the requests afterwards."""
    with workloads(Counter()) as ports:
        asked = replace(topology(ports), recorded_bytes={"ratings": 4096, "details": 10})
        with open_local_mesh(asked, (), tmp_path, entry="productpage", check=lambda: None) as mesh:
            for service, path, headers in (
                ("ratings", "/ratings/7?token=x", TRACED | {"authorization": "Bearer abcdefghijk"}),
                ("ratings", "/ratings/8", UNTRACED),
                ("ratings", "/ratings/9", {}),
                ("details", "/long", TRACED),
                ("reviews", "/reviews/0", TRACED),
            ):
                assert 200 == request(mesh.url(LOAD_GENERATOR, service), path, headers=headers).status
            assert wait_until(mesh.dependency_bodies, timeout_s=60)
            (body,) = mesh.dependency_bodies()
            folder = mesh._bodies
    assert ("ratings", "GET", "/ratings/7", 200) == (body.service, body.method, body.path, body.status)
    seen = json.loads(body.text)
    assert ("ratings-v1", "(hidden)") == (seen["workload"], seen["headers"]["authorization"])
    assert not folder.exists()


def tap(
    folder: Path,
    number: int,
    text: object,
    *,
    path: str = "/a",
    status: str = "200",
    truncated: bool = False,
    arm: str = "",
) -> None:
    """A file as Envoy writes it."""
    trace = {
        "request": {"headers": [{"key": ":path", "value": path}, {"key": ":method", "value": "GET"}]},
        "response": {
            "headers": [
                {"key": ":status", "value": status},
                {"key": "content-type", "value": "application/json"},
                {"key": "x-harness-arm", "value": arm},
            ],
            "body": {"as_string": text, "truncated": truncated},
        },
    }
    (folder / f"ratings_{number}.json").write_text(json.dumps({"http_buffered_trace": trace}))


def test_only_whole_bodies_are_kept_a_few_of_each_kind(tmp_path: Path) -> None:
    """Not the canary's, cut off or half written ones; equal ones once, and five of each operation and status."""
    tap(tmp_path, 0, '{"stars": 1}', path="/a/1?x=y")
    tap(tmp_path, 1, '{"stars": 1}', path="/a/1", arm="baseline")
    tap(tmp_path, 14, '{"stars": 99}', path="/a/2", arm="canary")
    tap(tmp_path, 2, "cut off", truncated=True)
    (tmp_path / "ratings_3.json").write_text('{"http_buffered_trace": {"requ')
    for number in range(4, 14):
        tap(tmp_path, number, f'{{"stars": {number}}}', path=f"/a/{number}", status="503")
    found = list(tapped_bodies(tmp_path))
    assert {200: 1, 503: 5} == Counter(body.status for body in found)
    assert found[0] == DependencyBody(
        service="ratings", method="GET", path="/a/1", status=200, content_type="application/json", text='{"stars": 1}'
    )


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('{"token": "abc", "user": {"password": 7}}', '{"token": "(hidden)", "user": {"password": "(hidden)"}}'),
        ('[{"link": "https://me:pw@shop/x"}]', '[{"link": "https://shop/x"}]'),
        ('{"note": "Bearer abcdefghijkl"}', '{"note": "(hidden)"}'),
        ("password=abc", "password=(hidden)"),
        ('{"secrets": ["a", {"b": "c"}], "private": true}', '{"secrets": ["(hidden)", {"b": "c"}], "private": true}'),
    ],
)
def test_what_looks_like_a_secret_is_hidden(tmp_path: Path, text: str, kept: str) -> None:
    """JSON stays JSON, because a service reads it again."""
    tap(tmp_path, 0, text)
    assert [kept] == [body.text for body in tapped_bodies(tmp_path)]

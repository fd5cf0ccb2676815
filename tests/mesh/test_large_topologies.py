"""A mesh has more listeners than the machine has watches of files, and an edit concerns one small part of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mesh_world import request

from harness.mesh.local import open_local_mesh
from harness.mesh.local.topology import LOAD_GENERATOR, Caller, Service, Topology, table_of
from harness.mesh.local.translation import Translation
from harness.model.json import JsonObject

NAMES = tuple(f"s{number}" for number in range(40))


def _topology(callers: int) -> Topology:
    first = Caller(workload=LOAD_GENERATOR, app="l", version="v", namespace="default", calls=NAMES, any_service=True)
    others = [replace(first, workload=f"w{number}", calls=NAMES[:10], any_service=False) for number in range(callers)]
    services = tuple(Service(name=name, namespace="default", port=80) for name in NAMES)
    return Topology(namespace="default", callers=(first, *others), services=services)


def _answers(status: int, *names: str) -> tuple[JsonObject, ...]:
    return tuple(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": name},
            "spec": {"hosts": [name], "http": [{"directResponse": {"status": status}}]},
        }
        for name in names
    )


def test_more_listeners_than_watches_of_files_are_served(tmp_path: Path) -> None:
    """141 listeners start, each leads to its own service, and an edit reaches the listeners of all callers."""
    members = _topology(callers=10)
    with open_local_mesh(members, _answers(201, *NAMES), tmp_path, entry="s0", check=lambda: None) as mesh:
        mesh.replace((*_answers(203, "s7"), *_answers(202, *(name for name in NAMES if name != "s7"))))
        for caller in (LOAD_GENERATOR, "w0", "w9"):
            statuses = [request(mesh.url(caller, name)).status for name in ("s6", "s7", "s8")]
            assert statuses == [202, 203, 202]
        spoofed = {"x-harness-call": "w0~s6", "host": "s7"}
        assert request(mesh.url(LOAD_GENERATOR, "s8"), headers=spoofed).status == 202
        assert request(mesh.outbound(LOAD_GENERATOR), headers=spoofed).status == 203


def test_an_edit_changes_one_shared_table_and_keeps_what_others_call() -> None:
    """The tables are few, and those of other services stay the same objects' content."""
    translation = Translation(_topology(callers=2), Path("unused"))
    before = translation.of(_answers(201, *NAMES)).tables
    after = translation.of((*_answers(201, *NAMES[1:]), *_answers(503, "s0"))).tables
    assert len(before) <= 17
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {LOAD_GENERATOR, table_of("w0", "s0")}

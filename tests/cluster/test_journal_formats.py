"""Journals of three formats: the one before is undone, ours is ours, a newer one is refused and left alone."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from fake_kubernetes import FakeKubernetes
from shop import Open

from harness.cli import main
from harness.clients.kubernetes.api import Kubernetes
from harness.errors import MeshError
from harness.mesh.cluster.recovery.journal import FORMAT, JOURNAL_LABEL, JournalEntry, change_from_json, left_on_disk
from harness.mesh.cluster.recovery.reaping import reason_to_undo
from harness.model.declared import Declared
from harness.model.step import Edit
from harness.routing.edits import MANAGED_BY, OWNER_LABEL, applied_all
from harness.routing.istio.routing import split_edits
from harness.routing.port import Split

RECORDED = json.loads((Path(__file__).parent / "journals" / "format-1.json").read_text())
"""Entries that a harness of format 1 wrote for a split, a fault, a fault at the called side, and a setting."""


def reader_of_format_1(value: Any) -> None:
    """The check that a harness of format 1 makes before it reads an entry, word for word."""
    known = "1"
    if value.get("format") != known:
        raise MeshError(
            f"journal: expected format {known}, found {value.get('format')!r}: use the harness that wrote it"
        )


def config_map(value: Any) -> Any:
    """A journal in the cluster, as every format keeps it."""
    labels = {**MANAGED_BY, OWNER_LABEL: value["owner"], JOURNAL_LABEL: "true"}
    metadata = {"name": f"harness-{value['owner']}-journal-{value['number']}", "namespace": "shop", "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"change": json.dumps(value)}}


def lease(owner: str) -> Any:
    """The sign of life of a run that died long ago."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": f"harness-{owner}-alive", "labels": {**MANAGED_BY, OWNER_LABEL: owner}},
        "spec": {
            "holderIdentity": owner,
            "leaseDurationSeconds": 1,
            "acquireTime": "2020-01-01T00:00:00.000000Z",
            "renewTime": "2020-01-01T00:00:00.000000Z",
        },
    }


@pytest.fixture
def project(fake: FakeKubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that commands for the fake cluster run in."""
    fake.kubeconfig(tmp_path / "kubeconfig")
    (tmp_path / "harness.yaml").write_text(
        "service: reviews\narms: {baseline: v1, canary: v3}\nnamespace: shop\ntarget: cluster\n"
        "services: {reviews: {versions: {v1: {}, v3: {}}}}\n"
        "cluster: {kubeconfig: kubeconfig, heartbeat: 0.2s, live-within: 5s, patience: 3s}\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def specs(resources: Any) -> Any:
    """What a journal must bring back."""
    return {(item["kind"], item["metadata"]["name"]): item["spec"] for item in resources}


def test_the_reaper_undoes_what_the_previous_format_journalled(
    fake: FakeKubernetes, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Entries, created objects, an EnvoyFilter and a setting are undone to the last key."""
    before = RECORDED["before"]
    fake.put(*before)
    clean = fake.specs()
    edits = [edit for entry in RECORDED["entries"] for edit in change_from_json(entry).edits]
    fake.put(*applied_all(edits, before, namespace="shop"), *map(config_map, RECORDED["entries"]))
    assert clean != fake.specs()
    assert 0 == main(["reaper", "--once"])
    assert clean == fake.specs()
    assert [] == fake.objects("ConfigMap")
    assert 4 == capsys.readouterr().err.count("undone and verified")


def test_an_entry_of_the_previous_format_declares_nothing() -> None:
    """It can be undone, and could not be made again."""
    edits = [edit for entry in RECORDED["entries"] for edit in change_from_json(entry).edits]
    assert {None} == {edit.declared for edit in edits}


def test_our_entries_are_refused_by_a_reader_of_the_previous_format(
    fake: FakeKubernetes, open_mesh: Open, tmp_path: Path
) -> None:
    """In the cluster and on disk it finds another format first, so it undoes nothing by half."""
    arms: dict[str, Any] = {"baseline": {"version": "v1"}, "canary": {"version": "v3"}}
    with open_mesh() as mesh:
        edits = split_edits(
            mesh.resources(), Split(host="reviews", namespace="shop", canary_share=0.5, owner="r1", **arms)
        )
        with mesh.changed(edits, name="split"):
            (kept,) = [item for item in fake.objects("ConfigMap") if JOURNAL_LABEL in item["metadata"]["labels"]]
            line = json.loads((tmp_path / "run" / "journal.jsonl").read_text().splitlines()[0])
    for value in (json.loads(kept["data"]["change"]), line["will_make"]):
        with pytest.raises(MeshError, match=f"expected format 1, found '{FORMAT}'"):
            reader_of_format_1(value)
        assert edits == change_from_json(value).edits
    for entry in RECORDED["entries"]:
        reader_of_format_1(entry)


def test_the_reaper_says_so_and_leaves_a_newer_format_alone(
    fake: FakeKubernetes, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its resources, its journal and the Leases that keep other runs off its hosts all stay."""
    newer = {**RECORDED["entries"][0], "format": "3", "owner": "newer"}
    edits = change_from_json(RECORDED["entries"][0]).edits
    fake.put(*applied_all(edits, RECORDED["before"], namespace="shop"), config_map(newer), lease("newer"))
    during = fake.specs()
    assert 0 == main(["reaper", "--once"])
    assert during == fake.specs()
    assert ["harness-newer-journal-1"] == [item["metadata"]["name"] for item in fake.objects("ConfigMap")]
    assert ["harness-newer-alive"] == [item["metadata"]["name"] for item in fake.objects("Lease")]
    said = capsys.readouterr().err
    assert "expected format 1 or 2, found '3': it is left alone" in said
    assert 12 == main(["inject", "delay", "reviews", "1s", "--for", "1s"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"renewTime": None}, "spec.renewTime: .* found None"),
        ({"renewTime": "soon"}, "cannot be read: Invalid isoformat"),
        ({"leaseDurationSeconds": "1"}, "spec.leaseDurationSeconds: "),
        ({"renewTime": ""}, "does not say when it was renewed"),
    ],
)
def test_a_run_whose_lease_cannot_be_read_counts_as_dead(
    fake: FakeKubernetes, kube: Kubernetes, given: Any, said: str
) -> None:
    """Nobody can tell that it is alive, so its changes are reverted; one such Lease does not stop the reaper."""
    broken = lease("r1")
    broken["spec"] |= given
    fake.put(broken)
    change = JournalEntry(owner="r1", number=1, name="split", steps=(), expires_at=kube.now() + 60)
    assert re.search(said, reason_to_undo(kube, "shop", change))


def test_a_local_journal_of_the_previous_format_is_read(tmp_path: Path) -> None:
    """``harness restore --journal`` knows both."""
    file = tmp_path / "journal.jsonl"
    ours = JournalEntry(
        owner="new", number=1, name="x", expires_at=2.0,
        steps=(Edit(kind="VirtualService", namespace="shop", name="a", owner="new",
                    declared=Declared(id="split", kind="split", host="a", text="split")),),
    )  # fmt: skip
    entries = [RECORDED["entries"][0], ours.to_json()]
    file.write_text("".join(json.dumps({"will_make": entry, "namespace": "shop"}) + "\n" for entry in entries))
    assert ["new", "old"] == [change.owner for _, change in left_on_disk(file)]
    assert ours == left_on_disk(file)[0][1]


def test_the_recorded_entries_are_old(project: Path) -> None:
    """Their time to live was over long before this test was written."""
    assert all(entry["expires_at"] < time.time() for entry in RECORDED["entries"])

"""Edits are made and undone by pure functions, also when others change the resource in the meantime."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from edit_checks import check_restored
from faulting import fault_edits
from hypothesis import given
from hypothesis import strategies as st
from virtual_services import foreign_edits, sample_files, sample_resources, virtual_services

from harness.errors import MeshError, ShapeError, UsageError
from harness.faults import abort, delay
from harness.model.split import SplitBy
from harness.model.step import Edit, Insertion
from harness.model.step_json import step_from_json, step_to_json
from harness.routing.edits import applied, applied_all, prefix, setting, traces, undone, undone_all
from harness.routing.istio.routing import split_edits
from harness.routing.port import Split

SPLIT = {"host": "reviews", "namespace": "shop", "baseline": {"version": "v1"}, "canary": {"version": "v2"}}


def split_of(resource: Any, by: SplitBy = SplitBy.WEIGHT) -> Edit:
    """The VirtualService's edit of a split of reviews."""
    return split_edits([resource], Split(canary_share=0.5, owner="r1", by=by, **SPLIT))[-1]


def fault_of(resource: Any, caller: dict[str, str] | None) -> Edit:
    """The edit of a delay of reviews."""
    return fault_edits(delay("reviews", "2s"), [resource], namespace="shop", caller_labels=caller, owner="r1", index=0)[
        0
    ]


@given(virtual_services(), st.sampled_from(SplitBy))
def test_insert_then_remove_is_the_identity(resource: Any, by: SplitBy) -> None:
    """Making and undoing a split and a fault gives the very same VirtualService, and changes no argument."""
    before = deepcopy(resource)
    edits = (split_of(resource, by), fault_of(applied(split_of(resource, by), resource), None))
    during = applied_all(edits, [resource], namespace="shop")
    assert resource == before
    assert [before] == list(undone_all(edits, during, namespace="shop"))


@given(virtual_services(), foreign_edits(), st.sampled_from(SplitBy))
def test_undo_keeps_exactly_what_others_did(resource: Any, change: Any, by: SplitBy) -> None:
    """Undoing after a foreign edit gives what the foreign edit alone would have left of the others' entries."""
    edit = split_of(resource, by)
    foreign = change(applied(edit, resource))
    ours = {insertion.entry["name"] for insertion in edit.insert}
    expected = deepcopy(foreign)
    expected["spec"]["http"] = [entry for entry in foreign["spec"]["http"] if entry.get("name") not in ours]
    assert expected == undone(edit, foreign)


@given(virtual_services(), foreign_edits())
def test_foreign_edits_before_ours_survive_or_refuse_it(resource: Any, change: Any) -> None:
    """An edit that was planned before somebody else's still fits, or is refused if its place is gone."""
    edit, foreign = split_of(resource), change(resource)
    try:
        made = applied(edit, foreign)
    except MeshError as error:
        assert "plan again" in str(error)  # noqa: PT017 - either outcome is right, by what was dropped
    else:
        assert foreign == undone(edit, made)


@given(virtual_services())
def test_nothing_but_the_inserted_entries_changes(resource: Any) -> None:
    """All entries of others stay in their order, and so does everything outside the list of routes."""
    edit = split_of(resource)
    made = applied(edit, resource)
    ours = [insertion.entry for insertion in edit.insert]
    assert resource["spec"]["http"] == [entry for entry in made["spec"]["http"] if entry not in ours]
    made["spec"].pop("http")
    rest = deepcopy(resource)
    rest["spec"].pop("http")
    assert rest == made


@given(virtual_services())
def test_every_inserted_entry_stands_directly_before_its_original(resource: Any) -> None:
    """The first match applies, so a clone is inserted directly before its original."""
    edit = split_of(resource)
    made = applied(edit, resource)["spec"]["http"]
    for insertion in edit.insert:
        others = [
            entry for entry in made if not entry.get("name", "").startswith("harness-") or entry == insertion.entry
        ]
        assert others[others.index(insertion.entry) + 1] == insertion.before


@given(virtual_services())
def test_applying_and_undoing_are_idempotent(resource: Any) -> None:
    """Doing either twice gives the same as once, and undoing an edit that was never made changes nothing."""
    edit = split_of(resource)
    made = applied(edit, resource)
    assert made == applied(edit, made)
    assert resource == undone(edit, undone(edit, made))
    assert resource == undone(edit, resource)
    assert undone(edit, None) is None


@given(virtual_services())
def test_traces_name_what_is_left(resource: Any) -> None:
    """There are traces while an entry of ours exists, and none before and after."""
    edit = split_of(resource)
    made = applied(edit, resource)
    assert len(edit.insert) == len(traces(edit, made))
    assert traces(edit, resource) == ()
    assert traces(edit, undone(edit, made)) == ()
    assert traces(edit, None) == ()


@given(virtual_services())
def test_an_edit_survives_json(resource: Any) -> None:
    """A journal contains the whole edit."""
    for edit in split_edits([resource], Split(canary_share=0.25, owner="r1", **SPLIT)):
        assert edit == step_from_json(json.loads(json.dumps(step_to_json(edit))))


def test_a_created_resource_is_deleted_by_the_undo() -> None:
    """The undo deletes a resource that we created, but not one that somebody else created."""
    edit = fault_edits(
        abort("ratings", 503), [], namespace="shop", caller_labels={"app": "reviews"}, owner="r1", index=0
    )[0]
    made = applied(edit, None)
    assert undone(edit, made) is None
    assert applied(edit, made) == made
    assert traces(edit, made) == ("VirtualService shop/harness-r1-ratings exists",)
    theirs = deepcopy(made)
    theirs["metadata"]["labels"] = {"team": "ratings"}
    assert undone(edit, theirs) == theirs
    with pytest.raises(MeshError, match="somebody else made"):
        applied(edit, theirs)


def test_a_created_resource_that_others_use_becomes_theirs() -> None:
    """Others' entries in our VirtualService stay, and so does the default entry, which spares other requests a 404."""
    edit = fault_edits(
        abort("ratings", 503), [], namespace="shop", caller_labels={"app": "reviews"}, owner="r1", index=0
    )[0]
    shared = applied(edit, None)
    theirs = {"name": "theirs", "match": [{"uri": {"exact": "/x"}}], "route": [{"destination": {"host": "other"}}]}
    shared["spec"]["http"].insert(1, theirs)
    left = undone(edit, shared)
    assert left["spec"]["http"] == [theirs, {"route": [{"destination": {"host": "ratings"}}]}]
    assert left["metadata"]["labels"] == {}
    assert traces(edit, left) == ()


def test_a_created_rule_that_others_use_keeps_their_subsets() -> None:
    """Subsets that others added to our DestinationRule stay, and ours are removed."""
    rule = split_edits([], Split(canary_share=0.5, owner="r1", **SPLIT))[0]
    shared = applied(rule, None)
    shared["spec"]["subsets"].append({"name": "theirs", "labels": {"version": "v9"}})
    assert undone(rule, shared)["spec"]["subsets"] == [{"name": "theirs", "labels": {"version": "v9"}}]


@pytest.mark.parametrize("spec", [{"http": {"name": "a"}}, []], ids=["list replaced", "mapping replaced"])
def test_an_edit_of_a_resource_with_another_shape_is_refused(spec: Any) -> None:
    """A list or a mapping that the edit needs was replaced by something else after planning."""
    edit = Edit(
        kind="VirtualService",
        namespace="shop",
        name="reviews",
        owner="r1",
        list_at=("spec", "http"),
        insert=(Insertion(entry={"name": "harness-r1-split-0"}),),
    )
    with pytest.raises(MeshError, match="somebody else changed it meanwhile"):
        applied(edit, {"metadata": {"name": "reviews"}, "spec": spec})


def test_an_inserted_entry_needs_a_name() -> None:
    """The undo finds entries by their names, so an edit without one is neither made nor undone."""
    edit = Edit(
        kind="VirtualService",
        namespace="shop",
        name="reviews",
        owner="r1",
        list_at=("spec", "http"),
        insert=(Insertion(entry={"route": []}),),
    )
    resource: Any = {"metadata": {"name": "reviews"}, "spec": {"http": [{"route": []}]}}
    for change in (applied, undone):
        with pytest.raises(ShapeError, match="name: expected a text"):
            change(edit, resource)


def test_an_edit_of_a_deleted_resource_is_refused() -> None:
    """A resource that was deleted after planning cannot be edited."""
    edit = Edit(
        kind="VirtualService",
        namespace="shop",
        name="reviews",
        owner="r1",
        list_at=("spec", "http"),
        insert=(Insertion(entry={"name": "x"}),),
    )
    with pytest.raises(MeshError, match="deleted"):
        applied(edit, None)


values = st.one_of(st.none(), st.integers(0, 3), st.just({"a": 1}))
trees = st.recursive(
    st.integers(0, 3), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=6
)
documents = st.dictionaries(st.sampled_from("abc"), trees, max_size=3)


@given(documents, st.lists(st.sampled_from("abc"), min_size=1, max_size=3), values)
def test_a_setting_is_undone_to_the_last_key(document: Any, path: list[str], value: Any) -> None:
    """A value that is set and undone leaves the document as it was, mappings on the way included."""
    node = document
    for part in path[:-1]:
        node = node.get(part, {}) if isinstance(node, dict) else None
    if not isinstance(node, dict):
        return
    edit = Edit(kind="VirtualService", namespace="n", name="x", owner="r1", settings=(setting(document, path, value),))
    made = applied(edit, document)
    assert document == undone(edit, made)
    assert document == undone(edit, document)
    assert made == applied(edit, made)


def test_a_setting_is_restored_only_while_it_is_ours() -> None:
    """A value that others changed after us stays theirs; a value that they changed before us refuses the edit."""
    resource = {"spec": {"replicas": 3}}
    edit = Edit(
        kind="VirtualService",
        namespace="n",
        name="x",
        owner="r1",
        settings=(setting(resource, ["spec", "replicas"], 0),),
    )
    assert undone(edit, {"spec": {"replicas": 0}}) == {"spec": {"replicas": 3}}
    assert undone(edit, {"spec": {"replicas": 5}}) == {"spec": {"replicas": 5}}
    assert traces(edit, {"spec": {"replicas": 0}}) == ("VirtualService n/x: spec.replicas is 0",)
    with pytest.raises(MeshError, match="found 5"):
        applied(edit, {"spec": {"replicas": 5}})


@pytest.mark.parametrize("owner", ["", "A", "-a", "a-", "a_b", "a" * 41, "a.b"])
def test_an_owner_must_fit_a_name(owner: str) -> None:
    """Owners that Kubernetes would not accept in a name are refused."""
    with pytest.raises(UsageError, match="owner"):
        prefix(owner)


@pytest.mark.parametrize("file", sample_files("route-*.yaml"))
def test_sample_files_are_restored(file: str) -> None:
    """Splits and faults of every sample are undone to the last key."""
    check_restored(sample_resources(file))

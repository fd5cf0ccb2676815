"""Steps as values: paths that name list entries, and actions with an undo or a time to heal."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest

from harness.errors import MeshError, ShapeError, UsageError
from harness.model.declared import Declared, Scope
from harness.model.step import Act, Action, Edit, Ref, Verb, require_declared
from harness.model.step_json import step_from_json, step_to_json
from harness.routing.edits import applied, setting, traces, undone

SAID = Declared(id="x-0", kind="x", host="reviews", text="x", params={"a": 1.5}, scope=Scope(labels={"app": "a"}))
RULE: dict[str, Any] = {
    "kind": "DestinationRule",
    "metadata": {"name": "reviews", "namespace": "shop"},
    "spec": {"host": "reviews", "subsets": [{"name": "v1"}, {"name": "v3", "labels": {"version": "v3"}}]},
}
PATH = ("spec", "subsets[v3]", "trafficPolicy", "connectionPool", "http", "http1MaxPendingRequests")
POD = Ref(kind="Pod", namespace="shop", name="ratings-1", uid="u1")
SCALE = Act(verb=Verb.SCALE, target=Ref(kind="Deployment", namespace="shop", name="a"), args={"replicas": 0, "from": 2})


def pool(resource: Any = RULE, path: tuple[str, ...] = PATH) -> Edit:
    """A pool of one request for a subset."""
    values = (setting(resource, path, 1),)
    return Edit(kind="DestinationRule", namespace="shop", name="reviews", owner="r1", declared=SAID, settings=values)


def test_a_path_can_name_a_list_entry() -> None:
    """The value is set in the entry with that name, and the undo leaves nothing behind."""
    made = applied(pool(), RULE)
    assert {"http": {"http1MaxPendingRequests": 1}} == made["spec"]["subsets"][1]["trafficPolicy"]["connectionPool"]
    assert "trafficPolicy" not in made["spec"]["subsets"][0]
    assert 1 == len(traces(pool(), made))
    assert RULE == undone(pool(), made)
    assert made == applied(pool(), made)


def test_an_entry_is_found_by_name_after_it_has_moved() -> None:
    """Others may insert entries before it or change the rest of it; only our value is undone."""
    made = applied(pool(), RULE)
    made["spec"]["subsets"].insert(0, {"name": "v2"})
    made["spec"]["subsets"][2]["trafficPolicy"]["tls"] = {"mode": "DISABLE"}
    left = undone(pool(), made)
    assert left is not None
    assert [{"name": "v2"}, {"name": "v1"}] == left["spec"]["subsets"][:2]
    assert {"tls": {"mode": "DISABLE"}} == left["spec"]["subsets"][2]["trafficPolicy"]


def test_an_entry_that_is_not_there_is_refused_and_never_made() -> None:
    """Planning and setting refuse such a path; the undo then has nothing to do."""
    with pytest.raises(UsageError, match=r"subsets\[v9\] to be there"):
        pool(path=("spec", "subsets[v9]", "trafficPolicy"))
    with pytest.raises(UsageError, match="to be there"):
        pool(path=("spec", "subsets[v3]"))
    without = {**RULE, "spec": {"host": "reviews", "subsets": [{"name": "v1"}]}}
    with pytest.raises(MeshError, match=r"the entry subsets\[v3\]"):
        applied(pool(), without)
    assert without == undone(pool(), without)


@pytest.mark.parametrize("ways", [{}, {"undo": SCALE, "heals_within_s": 5.0}], ids=["neither", "both"])
def test_an_action_has_an_undo_or_a_time_to_heal(ways: Any) -> None:
    """A change that nothing reverts is never made."""
    with pytest.raises(UsageError, match="expected an undo or the time"):
        Action(owner="r1", declared=SAID, act=SCALE, **ways)


STEPS = [
    pool(),
    Action(owner="r1", declared=SAID, act=SCALE, undo=Act(verb=Verb.SCALE, target=SCALE.target, args={"replicas": 2})),
    Action(owner="r1", declared=SAID, act=Act(verb=Verb.EVICT, target=POD), heals_within_s=60.0),
]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.label)
def test_a_step_survives_json(step: Any) -> None:
    """A journal contains the whole step, with its declaration."""
    read = step_from_json(json.loads(json.dumps(step_to_json(step))))
    assert step == read
    assert SAID == require_declared(read)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"later": 1}, "later"),
        ({"settings": [{"path": ["spec"], "before": 1, "after": 2, "existing": 1, "later": 1}]}, "later"),
        ({"declared": {**asdict(SAID), "arms": "neither"}}, "arms"),
        ({"declared": {**asdict(SAID), "dose": "half"}}, "dose"),
        ({"create": "none"}, "create"),
        ({"insert": None}, "insert"),
        ({"declared": {**asdict(SAID), "scope": None}}, "scope"),
        ({"bare": "no"}, "bare"),
    ],
    ids=[
        "unknown field",
        "unknown field of a setting",
        "unknown arms",
        "dose as text",
        "create as text",
        "no entries",
        "no scope",
        "bare as text",
    ],
)
def test_a_step_that_is_not_fully_understood_is_not_read(change: Any, named: str) -> None:
    """A newer version may have meant something else, so the undo could be wrong."""
    written = json.loads(json.dumps(step_to_json(pool())))
    with pytest.raises(ShapeError, match=named):
        step_from_json({"edit": {**written["edit"], **change}})


def test_insertions_need_the_path_of_their_list() -> None:
    """The kind of the resource does not imply the path."""
    with pytest.raises(UsageError, match="list_at"):
        Edit(kind="X", namespace="a", name="b", owner="r1", insert=({"entry": {}},))

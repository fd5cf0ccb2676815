"""What every fault keeps, ours and those of other packages: run ``check_fault`` on each in a test."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from faulting import SeenWorld

from harness.errors import UsageError
from harness.faults.port import Arguments, Fault, Signals, Usage, Words
from harness.model.counts import RequestCount
from harness.model.declared import ARRANGEMENTS, Declared
from harness.model.hit import Hit, HitState
from harness.model.step import Edit, require_declared
from harness.model.step_json import step_from_json, step_to_json
from harness.routing.edits import applied_all, undone_all
from harness.routing.port import Aim
from harness.runner.counts import fault_counts

ARGUMENTS = {
    "delay": Arguments(host="ratings", value="2s", percent="30"),
    "abort": Arguments(host="ratings", value="503", percent="30"),
    "timeout": Arguments(host="ratings", value="500ms"),
    "latency": Arguments(host="ratings", value="50ms:20%, 1s:1.5%"),
    "grpc_abort": Arguments(host="ratings", value="UNAVAILABLE", percent="30"),
    "retries_off": Arguments(host="ratings", value=""),
    "retry_storm": Arguments(host="ratings", value="10x50ms"),
    "black_hole": Arguments(host="ratings", value=""),
    "header_loss": Arguments(host="ratings", value="authorization"),
    "body_reset": Arguments(host="ratings", value="300ms"),
    "bandwidth_limit": Arguments(host="ratings", value="64"),
    "connection_limit": Arguments(host="ratings", value="1"),
    "request_limit": Arguments(host="ratings", value="1"),
    "outlier_ejection": Arguments(host="ratings", value="1"),
    "kill": Arguments(host="ratings", value=""),
    "pause": Arguments(host="ratings", value=""),
    "restart": Arguments(host="ratings", value=""),
    "deny": Arguments(host="ratings", value=""),
    "rate_limit": Arguments(host="ratings", value="10"),
    "partition": Arguments(host="ratings", value=""),
    "evict": Arguments(host="ratings", value="1"),
    "delete_pods": Arguments(host="ratings", value="1"),
    "scale": Arguments(host="ratings", value="0"),
    "cpu_limit": Arguments(host="ratings", value="50m"),
    "memory_limit": Arguments(host="ratings", value="64Mi"),
}
"""What each built-in kind is called with."""
SHOP: tuple[Any, ...] = (
    {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "ratings", "namespace": "shop"},
        "spec": {"hosts": ["ratings"], "http": [{"route": [{"destination": {"host": "ratings"}}]}]},
    },
)
CALLER = {"app": "reviews"}
RATINGS: dict[str, Any] = {
    "name": "ratings-v1",
    "namespace": "shop",
    "uid": "7@1.00",
    "labels": {"app": "ratings", "version": "v1"},
}
OTHERS: tuple[Any, ...] = (
    {"kind": "Service", "metadata": {"name": "ratings", "namespace": "shop"}, "spec": {"ports": [{"port": 9080}]}},
    {"kind": "Process", "metadata": RATINGS},
    {
        "kind": "Pod",
        "metadata": {**RATINGS, "ownerReferences": [{"kind": "ReplicaSet"}]},
        "spec": {"containers": [{"name": "app", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}]},
        "status": {"phase": "Running"},
    },
    {
        "kind": "Deployment",
        "metadata": RATINGS,
        "spec": {"replicas": 2, "template": {"metadata": {"labels": RATINGS["labels"]}}},
    },
)
"""What runs ratings."""


def check_fault(kind: type[Fault], arguments: Arguments) -> None:
    """Raise AssertionError, or the error of the fault, if it does not keep what the port promises.

    arguments: for a fault on ratings, called by reviews.
    """
    fault = kind.parse(arguments)
    check_parser(kind, arguments)
    check_declaration(fault)
    check_steps(fault)
    check_hits(fault)
    check_words(fault)


def check_parser(kind: type[Fault], arguments: Arguments) -> None:
    """The name and the help are texts, the same words give equal faults, and nonsense is wrong usage."""
    assert kind.kind.islower()
    assert kind.kind not in ARRANGEMENTS
    assert isinstance(kind.usage, Usage)
    assert bool(kind.usage.value) is bool(arguments.value)
    assert kind.usage.value == kind.usage.value.upper().replace("X", "x")
    assert kind.usage.help
    fault = kind.parse(arguments)
    assert type(fault) is kind
    assert fault == kind.parse(arguments)
    assert fault != kind.parse(replace(arguments, host="details"))
    assert hash(fault) == hash(kind.parse(arguments))
    for wrong in (replace(arguments, host=" "), replace(arguments, value="no value, but words")):
        with pytest.raises(UsageError):
            kind.parse(wrong)
    for option in ({"percent": "0"}, {"percent": "nonsense"}):
        with pytest.raises(UsageError):
            kind.parse(replace(arguments, **option))
    from_details = replace(arguments, caller="details")
    if fault.declared("x").scope.every_caller:
        with pytest.raises(UsageError):
            kind.parse(from_details)
    else:
        assert "details" == kind.parse(from_details).declared("x").scope.caller


def check_declaration(fault: Fault) -> None:
    """It has the id that was given, the fault's kind and words, and a dose in (0, 1] or none; JSON can hold it."""
    said = fault.declared("some-7")
    assert isinstance(said, Declared)
    assert ("some-7", fault.kind, "ratings", fault.words().text) == (said.id, said.kind, said.host, said.text)
    assert said.is_fault
    assert said.dose is None or 0 < said.dose <= 1
    assert said.scope.labels is None
    assert said.scope.headers is None
    assert json.loads(json.dumps(dict(said.params))) == said.params


def check_steps(fault: Fault) -> None:
    """Each step is the run's own and declares what the run was told; all are undone to the last key."""
    said = fault.declared("some-7")
    labels = None if said.scope.side == "host" or said.scope.every_caller else CALLER
    said = replace(said, scope=replace(said.scope, labels=labels))
    aim = Aim(declared=said, namespace="shop", owner="r1", index=7, workload_labels={"app": "ratings"})
    steps = fault.steps(SeenWorld(SHOP, others=OTHERS), aim)
    assert steps
    assert {"r1"} == {step.owner for step in steps}
    assert all(require_declared(step) == said for step in steps)
    assert list(steps) == [step_from_json(json.loads(json.dumps(step_to_json(step)))) for step in steps]
    edits = [step for step in steps if isinstance(step, Edit)]
    during = applied_all(edits, SHOP, namespace="shop")
    assert not edits or during != SHOP
    assert undone_all(edits, during, namespace="shop") == SHOP


def check_hits(fault: Fault) -> None:
    """Calls before it was live do not count, flagged ones count whenever they end, and unhit ones are no hits."""
    said = fault.declared("some-7")
    nothing = fault.hit(Signals(), Signals())
    assert isinstance(nothing, Hit)
    assert 0 == nothing.hit
    unhit = fault.hit(signals(("-", 40)), signals(("-", 100)))
    assert 0 == unhit.hit
    assert unhit.requests in (0, 60)
    if unhit.state is not HitState.COUNTED:
        assert unhit.why
    if said.flag:
        before = signals(("-", 10), (said.flag, 5))
        after = Signals(rows=rows(("-", 40), (said.flag, 15)), settled=rows(("-", 90), (said.flag, 25)))
        assert Hit(hit=20, requests=50) == fault.hit(before, after)
        reporter = "destination" if said.scope.side == "host" else "source"
        end = tuple(replace(one, reporter=reporter) for one in after.rows)
        arms = {"v1": "baseline"}
        (row,) = fault_counts(fault, said, phase="fault", live=(), before_removal=end, end=end, arms=arms)
        assert (15, 55, "baseline", said) == (row.hit, row.requests, row.arm, row.declared)


def check_words(fault: Fault) -> None:
    """The short text names kind and host; it is also what pytest shows; the sentence tells what happens."""
    words = fault.words()
    assert isinstance(words, Words)
    assert words.text.startswith(f"{fault.kind}(ratings")
    assert words.text == str(fault)
    assert "ratings" in words.effect
    assert words.effect != words.text


def signals(*counted: tuple[str, int]) -> Signals:
    """What proxies have counted, by response flag."""
    return Signals(rows=rows(*counted), settled=rows(*counted))


def rows(*counted: tuple[str, int]) -> tuple[RequestCount, ...]:
    """Calls of reviews to ratings."""
    return tuple(
        RequestCount(
            source_workload="reviews-v1", source_version="v1", destination_service="ratings.shop.svc.cluster.local",
            destination_version="v1", response_code="200", response_flags=flag, total=total,
        )
        for flag, total in counted
    )  # fmt: skip

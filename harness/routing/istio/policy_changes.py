"""Change how proxies connect to a host: set values in the traffic policy of its DestinationRule or a subset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from harness.model.json import JsonObject, JsonValue
from harness.model.step import Edit, Insertion
from harness.routing.edits import setting
from harness.routing.istio import governing, names
from harness.routing.istio.joining import holder, joined
from harness.routing.istio.kinds import DESTINATION_RULE, SUBSETS
from harness.routing.istio.routing import new_rule
from harness.routing.istio.types import DestinationRule, Subset
from harness.routing.istio.views import as_json
from harness.routing.port import Aim, NotExpressible, PolicyChange, SubsetChange


def policy_edit(resources: Sequence[JsonObject], change: PolicyChange, aim: Aim) -> Edit | NotExpressible:
    """Return the edit that sets the values of ``change``; every other value of the policy stays."""
    said = aim.declared
    if said.scope.narrow:
        return NotExpressible(
            why=f"{said.text}: a traffic policy holds for every caller and every request: it cannot be narrowed to "
            "callers or to test traffic"
        )
    rules = governing.rules_of(resources, host=said.host, namespace=aim.namespace)
    if not rules:
        if change.pods is not None:
            return NotExpressible(why=_no_subset(aim, change.pods))
        made = new_rule(resources, said.host, aim.namespace, [], aim.owner, policy=change.policy)
        return replace(made, declared=said)
    where: tuple[str, ...] = ("spec",)
    rule = holder(rules)
    if change.pods is not None:
        subsets = joined(rules)["spec"].get("subsets") or []
        name = next((item["name"] for item in subsets if (item.get("labels") or {}) == dict(change.pods)), None)
        if name is None:
            return NotExpressible(why=_no_subset(aim, change.pods))
        where, rule = ("spec", f"subsets[{name}]"), holder(rules, name)
    elif any(other is not rule and any(_own_policies(other, change.policy)) for other in rules):
        return NotExpressible(
            why=f"{said.text}: subsets in several DestinationRules of {said.host} have policies of their own, which "
            "one edit cannot change; merge the rules into one"
        )
    places = [(*where, "trafficPolicy"), *(_own_policies(rule, change.policy) if change.pods is None else ())]
    leaves = [leaf for place in places for leaf in _leaves(change.policy, place)]
    return Edit(
        kind=DESTINATION_RULE,
        namespace=names.namespace_of(rule, aim.namespace),
        name=rule["metadata"]["name"],
        owner=aim.owner,
        declared=said,
        settings=tuple(setting(as_json(rule), path, value) for path, value in leaves),
    )


def _own_policies(rule: DestinationRule, policy: JsonObject) -> Iterator[tuple[str, ...]]:
    """Yield where subsets have parts of the policy of their own, which replace those of the rule."""
    for subset in (rule.get("spec") or {}).get("subsets") or ():
        if set(subset.get("trafficPolicy") or {}) & set(policy):
            yield "spec", f"subsets[{subset['name']}]", "trafficPolicy"


def subset_change(resources: Sequence[JsonObject], change: SubsetChange, aim: Aim) -> Edit | NotExpressible:
    """Return the edit that adds the subset to the DestinationRule of the host."""
    host, namespace = aim.declared.host, aim.namespace
    missing: Subset = {"name": change.name, "labels": dict(change.labels)}
    rules = governing.rules_of(resources, host=host, namespace=namespace)
    if not rules:
        return replace(new_rule(resources, host, namespace, [missing], aim.owner), declared=aim.declared)
    rule = rules[0]
    if names.namespace_of(rule, namespace) != namespace:
        return NotExpressible(
            why=f"{aim.declared.text}: {names.label(rule, namespace)} governs {host} from another namespace, which "
            "is not changed"
        )
    return Edit(
        kind=DESTINATION_RULE,
        namespace=namespace,
        name=rule["metadata"]["name"],
        owner=aim.owner,
        declared=aim.declared,
        list_at=SUBSETS,
        insert=(Insertion(entry=as_json(missing)),),
        bare="subsets" not in (rule.get("spec") or {}),
    )


def _no_subset(aim: Aim, pods: Mapping[str, str]) -> str:
    return f"{aim.declared.text}: expected a subset of {aim.declared.host} with the labels {dict(pods)!r}, found none"


def _leaves(policy: JsonObject, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], JsonValue]]:
    for name, value in policy.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), value

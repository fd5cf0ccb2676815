"""Join the DestinationRules of one host as istiod does: subsets add up, and the first traffic policy counts.

Source: pilot/pkg/model/destination_rule.go, mergeDestinationRule.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import TypeVar

from harness.routing.istio.policy_types import TrafficPolicy
from harness.routing.istio.types import DestinationRule, DestinationRuleSpec, Subset, VirtualService

_Resource = TypeVar("_Resource", VirtualService, DestinationRule)


def by_age(resources: Sequence[_Resource]) -> list[_Resource]:
    """Return resources with the oldest first, as Istio sorts them; those without a time keep their order."""
    return sorted(resources, key=lambda one: str(one["metadata"].get("creationTimestamp") or ""))


def joined(rules: Sequence[DestinationRule]) -> DestinationRule:
    """Return one rule with the metadata of the first: a subset or a policy of a later rule only fills a gap."""
    first, *later = rules
    if not later:
        return first
    spec: DestinationRuleSpec = copy(first["spec"])
    subsets: dict[str, Subset] = {}
    for rule in rules:
        for subset in rule["spec"].get("subsets") or ():
            subsets.setdefault(subset["name"], subset)
    if subsets:
        spec["subsets"] = list(subsets.values())
    policy = next(filter(None, map(_policy, rules)), None)
    if policy:
        spec["trafficPolicy"] = policy
    return {**first, "spec": spec}


def holder(rules: Sequence[DestinationRule], subset: str = "") -> DestinationRule:
    """Return the rule whose policy, or whose subset of this name, is in force; without one, the first rule."""
    held = (rule for rule in rules if (_subset(rule, subset) if subset else _policy(rule)))
    return next(held, rules[0])


def _policy(rule: DestinationRule) -> TrafficPolicy | None:
    return rule["spec"].get("trafficPolicy")


def _subset(rule: DestinationRule, name: str) -> bool:
    return any(subset["name"] == name for subset in rule["spec"].get("subsets") or ())

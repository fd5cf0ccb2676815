"""Choose the faults that are worth trying on what a service calls, ordered by risk.

Each kind has a weight: how often such trouble happens, and how much it costs a caller that is not prepared. A kind that
would be refused, or would hit no call, is left out, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import harness.faults as kinds
from harness.errors import ResourceError, UsageError
from harness.faults.port import Fault
from harness.mesh.targets import has_real_users
from harness.model.config import Config
from harness.model.json import JsonObject, objects_at, text_at
from harness.model.quantities import parse_quantity
from harness.routing import APIS
from harness.routing.governed import GovernedRouting
from harness.routing.port import Aim, RoutingApi
from harness.runner.dependencies import Dependency

_LADDER = ((0.9, 1.1), (0.45, 0.9), (0.3, 0.5))
"""The weights of delays around a known timeout, and their shares of it, from the harshest."""
_SLOW_S = 2.0
"""The delay where no timeout is known."""
_PERCENT = 50.0
_SHORTEST_S = 2e-3
"""Istio cuts calls off to the millisecond, so a shorter median is no timeout."""
_AT_ONCE = 0.3
"""With fewer calls at once, three of them, which a limit of one rejects, hardly ever meet."""
_FEWEST_KIB_PER_S = 2.0
_INTO = 10
"""A rate limit passes one of so many requests, and a CPU limit leaves one of so many parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A fault worth trying. source: the Python expression of the fault. risk: the larger, the sooner."""

    dependency: Dependency
    fault: Fault
    source: str
    risk: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A kind that is not tried on a dependency. why: what it needs."""

    dependency: Dependency
    kind: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Manifests:
    """The world as manifests describe it. See ``World`` of the port of faults."""

    seen: Sequence[JsonObject]
    routing: RoutingApi

    def resources(self, kind: str = "") -> tuple[JsonObject, ...]:
        """Return the objects of a kind, or those of the routing APIs."""
        wanted = (kind,) if kind else self.routing.kinds
        return tuple(one for one in self.seen if one.get("kind") in wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What decides which faults can hit the calls of a service.

    target: the mesh. headers: that calls carry and may lose. resources: the manifests; those of Deployments tell the
    limits of containers.
    """

    config: Config
    target: str
    headers: Sequence[str] = ()
    resources: Sequence[JsonObject] = ()

    def calls_per_s(self, dependency: Dependency) -> float:
        """Return how often all callers together call it; one call per request where that is not known."""
        return self.config.load.rate_rps * (1.0 if dependency.calls is None else dependency.calls)

    def calls_per_s_of_an_arm(self, dependency: Dependency) -> float:
        """Return how often the arm with fewer requests calls it."""
        return self.calls_per_s(dependency) * min(self.config.canary_share, 1 - self.config.canary_share)


_Choice = tuple[tuple[float, Fault, str], ...]
"""The weight, the fault and its source, for each value that is worth trying."""


def trials(found: Sequence[Dependency], given: Circumstances) -> tuple[tuple[Trial, ...], tuple[LeftOut, ...]]:
    """Return the faults for each dependency, the riskiest first, and each kind of the target that is left out."""
    tried: list[Trial] = []
    left_out: list[LeftOut] = []
    for dependency in found:
        choices = {**_of_routes(dependency, given), **_of_pods(dependency, given), **_measured(dependency, given)}
        for kind, fault in kinds.known_faults().items():
            if not fault.usage.can_use(given.target):
                continue
            chosen = choices.get(kind, "not known here which value of it is worth trying: add it to the scenario")
            why = chosen if isinstance(chosen, str) else _refusal(chosen[0][1], given) or _no_field(chosen[0][1], given)
            if isinstance(chosen, str) or why:
                left_out.append(LeftOut(dependency=dependency, kind=kind, why=why))
                continue
            for weight, made, source in chosen:
                risk = dependency.risk * weight
                tried.append(Trial(dependency=dependency, fault=made, source=source, risk=risk))
    return tuple(sorted(tried, key=lambda one: -one.risk)), tuple(left_out)


def _choice(weight: float, make: Callable[..., Fault], *values: object, **options: object) -> _Choice:
    """Return a fault with its weight and its source."""
    words = [_literal(value) for value in values] + [f"{name}={_literal(value)}" for name, value in options.items()]
    return ((weight, make(*values, **options), f"{make.__name__}({', '.join(words)})"),)


def _literal(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)


def _of_routes(dependency: Dependency, given: Circumstances) -> dict[str, _Choice | str]:
    """Return a choice, or why there is none, for the kinds that need to know nothing of the calls' numbers."""
    host, limits = dependency.name, given.config.cluster.limits
    most = limits.dose if has_real_users(given.target) else 1.0
    percent = min(_PERCENT, most * 100)
    header = given.headers[0] if given.headers else ""
    fails: dict[str, _Choice | str] = (
        {
            "abort": "it is called by gRPC: see grpc_abort",
            "grpc_abort": _choice(1.0, kinds.grpc_abort, host, "UNAVAILABLE", percent=percent),
        }
        if dependency.grpc
        else {
            "abort": _choice(1.0, kinds.abort, host, 503, percent=percent),
            "grpc_abort": "it is not called by gRPC (services.NAME.protocol: grpc)",
        }
    )
    alone = "without effect while no call fails: try it together with another fault"
    return fails | {
        "delay": _delays(dependency, percent),
        "latency": _choice(0.5, kinds.latency, host, "50ms:20%, 1s:2%"),
        "black_hole": _choice(0.6, kinds.black_hole, host),
        "body_reset": _choice(0.35, kinds.body_reset, host, "200ms"),
        "header_loss": _choice(0.2, kinds.header_loss, host, header)
        if header
        else "no header is known that its calls carry: name one with --header",
        "retries_off": alone,
        "outlier_ejection": alone,
    }


def _delays(dependency: Dependency, percent: float) -> _Choice:
    """Return one long delay, or around a timeout that the routes have: just beyond it, just below it, and half."""
    rungs = [(0.9, _SLOW_S)]
    if dependency.wait_s is not None:
        rungs = [(weight, share * dependency.wait_s) for weight, share in _LADDER]
    made = (
        _choice(weight, kinds.delay, dependency.name, f"{max(1, round(slow_s * 1e3))}ms", percent=percent)
        for weight, slow_s in rungs
    )
    return tuple(each for rung in made for each in rung)


def _of_pods(dependency: Dependency, given: Circumstances) -> dict[str, _Choice | str]:
    """Return a choice for the kinds that change processes, pods, or what their own proxies let in."""
    host = dependency.name
    rate = max(1, round(given.calls_per_s(dependency) / _INTO))
    cpu, memory = _least_limit(given.resources, host, "cpu"), _least_limit(given.resources, host, "memory")
    limitless = "no manifest in istio: of harness.yaml has a Deployment of it whose containers all have such a limit"
    return {
        "pause": _choice(0.7, kinds.pause, host),
        "kill": _choice(0.4, kinds.kill, host),
        "restart": _choice(0.35, kinds.restart, host),
        "scale": _choice(0.7, kinds.scale, host, 0),
        "partition": _choice(0.65, kinds.partition, host),
        "deny": _choice(0.45, kinds.deny, host),
        "delete_pods": _choice(0.45, kinds.delete_pods, host, 1),
        "evict": _choice(0.4, kinds.evict, host, 1),
        "rate_limit": _choice(0.35, kinds.rate_limit, host, rate),
        "cpu_limit": _choice(0.5, kinds.cpu_limit, host, f"{max(10, int(cpu * 1000 / _INTO))}m") if cpu else limitless,
        "memory_limit": _choice(0.3, kinds.memory_limit, host, f"{max(1, int(memory / 2 / 2**20))}Mi")
        if memory
        else limitless,
    }


def _measured(dependency: Dependency, given: Circumstances) -> dict[str, _Choice | str]:
    """Return a choice for the kinds whose value, or whether they hit anything, depends on what was counted."""
    host, median_s, unknown = dependency.name, dependency.median_s, "{} not known: name a run with --learn"
    cut: dict[str, _Choice | str] = dict.fromkeys(
        ("timeout", "retry_storm"), unknown.format("how long its calls take is")
    )
    if median_s is not None:
        half = f"{round(median_s * 1e3)}ms"
        cut = dict.fromkeys(cut, "half of its calls take less than 2 ms, and Istio cuts off to the millisecond")
        if median_s >= _SHORTEST_S:
            cut = {
                "timeout": _choice(0.35, kinds.timeout, host, half),
                "retry_storm": _choice(0.45, kinds.retry_storm, host, 3, per_try=half),
            }
    return cut | _crowded(dependency, given) | {"bandwidth_limit": _bandwidth(dependency, given, unknown)}


def _crowded(dependency: Dependency, given: Circumstances) -> dict[str, _Choice | str]:
    """Return a choice for limits of calls at once, unless hardly any two are known to be."""
    if dependency.median_s is not None:
        at_once = dependency.median_s * given.calls_per_s_of_an_arm(dependency)
        if at_once < _AT_ONCE:
            why = f"an arm has {at_once:.2g} calls at once on average, so a limit of one would reject hardly any"
            return {"connection_limit": why, "request_limit": why}
    return {
        "connection_limit": _choice(0.3, kinds.connection_limit, dependency.name, 1),
        "request_limit": _choice(0.25, kinds.request_limit, dependency.name, 1),
    }


def _bandwidth(dependency: Dependency, given: Circumstances, unknown: str) -> _Choice | str:
    if dependency.answer_bytes is None:
        return unknown.format("the size of its answers is")
    kib_per_s = dependency.answer_bytes * given.calls_per_s_of_an_arm(dependency) / 1024
    if kib_per_s < _FEWEST_KIB_PER_S:
        return f"its answers to an arm are {kib_per_s:.2g} KiB a second, and 1 KiB is the smallest limit"
    return _choice(0.25, kinds.bandwidth_limit, dependency.name, int(kib_per_s / 2))


def _least_limit(resources: Sequence[JsonObject], host: str, resource: str) -> Fraction | None:
    """Return the smallest limit of a service's containers; None if a container, or every Deployment, lacks one."""
    containers = [
        container
        for one in resources
        if one.get("kind") == "Deployment"
        and text_at(one, "spec", "template", "metadata", "labels", "app", default="") == host
        for container in objects_at(one, "spec", "template", "spec", "containers")
    ]
    texts = [text_at(one, "resources", "limits", resource, default="") for one in containers]
    return min(parse_quantity(text, host) for text in texts) if texts and all(texts) else None


def _refusal(fault: Fault, given: Circumstances) -> str:
    """Return why the limits of a cluster do not allow a fault; empty if they do, or if there are no real users."""
    if not has_real_users(given.target):
        return ""
    said, cluster = fault.declared("suite"), given.config.cluster
    if said.scope.every_caller and cluster.only_test_traffic:
        return "it hits every caller, and cluster.only-test-traffic is set"
    if said.scope.every_caller and not cluster.limits.every_caller:
        return "it hits every caller, which cluster.limits.every-caller does not allow"
    if said.worst_dose > min(cluster.limits.dose, cluster.limits.total_dose) + 1e-9:
        return "it may hit more requests than cluster.limits.dose and total-dose allow"
    if fault.kind == kinds.BandwidthLimit.kind and cluster.only_test_traffic:
        return "it counts every call, and cluster.only-test-traffic is set"
    return ""


def _no_field(fault: Fault, given: Circumstances) -> str:
    """Return why the routing API of the manifests cannot express a fault; empty if it can, or if nobody knows.

    Faults that act on pods or processes are not asked, because manifests do not tell which of them run.
    """
    if fault.usage.meshes:
        return ""
    said, config = fault.declared("suite"), given.config
    narrow = replace(said.scope, labels=None if said.scope.every_caller else {"app": config.service})
    aim = Aim(declared=replace(said, scope=narrow), namespace=config.namespace, owner="suite", index=0)
    try:
        fault.steps(_Manifests(seen=given.resources, routing=GovernedRouting(APIS)), aim)
    except ResourceError:  # manifests may lack what a run finds, such as Services; the run says what is wrong there
        return ""
    except UsageError as error:
        return str(error).removeprefix(f"{said.text}: ")
    return ""

"""``harness plan``: show what a run would change in a cluster, with reads and dry runs only."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from harness import gate, wiring
from harness.cli.cluster import add_cluster_arguments, config_of
from harness.cli.options import add_target
from harness.cli.output import clean_print as print
from harness.cli.power import learned, planned, power_lines
from harness.clients.kubernetes.api import Kubernetes
from harness.clients.kubernetes.types import metadata_of
from harness.config import Config
from harness.errors import MeshError, UsageError
from harness.faults import Arguments, Fault, known_faults
from harness.mesh.cluster.arms import fresh_arm_edits, runs
from harness.mesh.cluster.connection import connected
from harness.mesh.cluster.planning import Plan, plan_changes
from harness.mesh.cluster.recovery.locks import Locks
from harness.mesh.cluster.recovery.reaping import require_no_leftovers
from harness.mesh.cluster.resources import plain_resources
from harness.mesh.cluster.safety import limits
from harness.mesh.cluster.safety.ownership import owners_of
from harness.mesh.cluster.safety.rights import require_basics
from harness.mesh.targets import mesh_kind
from harness.model.json import JsonObject
from harness.model.phase import PhasePlan
from harness.model.step import PROCESS, Edit
from harness.model.units import format_duration, format_percent
from harness.routing import routing_where
from harness.routing.edits import key
from harness.routing.port import RoutingApi
from harness.runner.plan_warnings import plan_warnings
from harness.runner.steps import StepMaker

HELP = (
    "Show what a run would send and what it could detect. On a cluster, also show what it would change: diffs, "
    "affected callers, permissions and warnings. Sends only reads and dry runs; with --target local, it sends nothing."
)
EXAMPLES = """\
  harness plan
  harness plan --delay ratings=2s@50 --abort ratings=503@20
  harness plan --target local
  harness plan --effect "latency_p99 < +10%" --effect "error_rate < +0.2pp"
"""
OWNER = "plan"
"""A placeholder for the run's mark in the output."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    for kind, fault in known_faults().items():
        parser.add_argument(
            f"--{kind.replace('_', '-')}",
            dest=kind,
            action="append",
            default=[],
            metavar=_form(fault),
            help=f"plan a fault: {fault.usage.help.replace('%', '%%')}",
        )
    parser.add_argument(
        "--effect",
        action="append",
        default=[],
        metavar="OBJECTIVE",
        help='show how many requests and seconds it takes to detect an effect, such as "latency_p99 < +10%%"',
    )
    add_target(parser)
    add_cluster_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Return 0 if a run could start; raises MeshError if something prevents it."""
    faults = [_fault(text, kind, fault) for kind, fault in known_faults().items() for text in vars(args)[kind]]
    config = config_of(args)
    target = wiring.target(config, args.target)
    config = wiring.for_target(config, target)
    gate.check_scenario(wiring.scenario(config, name=OWNER, seed=0, faults=faults), config, target=target)
    print(wiring.described(config, target))
    if not mesh_kind(target).dry_runs:
        _print_rows(_rows(config, faults, target=target))
        _print_power(config, faults, args.effect, target=target)
        return 0
    with closing(connected(config.cluster, None)) as kube:
        limits.require_meant(kube.context, config.namespace, config.cluster)
        routing = routing_where(kube.serves)
        require_basics(kube, config.namespace, config.cluster, routing.kinds)
        _require_untouched(kube, config, faults)
        world = _World(routing=routing, kube=kube, namespace=config.namespace)
        steps = StepMaker(wiring.arrangement(config, target=target, owner=OWNER, gateway=config.cluster.gateway), world)
        changes = [*_copies(config, kube), *steps.everything(faults, world.resources())]
        plan = plan_changes(kube, config.namespace, config.cluster, changes, _nobody_listens(config, target))
        print(f"context {kube.context}, namespace {config.namespace}")
        for line in _found(config, kube, world):
            print(line)
    _print(plan, _rows(config, faults, target=target))
    _print_power(config, faults, args.effect, target=target)
    if plan.trouble:
        raise MeshError(f"{len(plan.trouble)} problems prevent a run; they are listed above")
    return 0


def _print_power(config: Config, faults: Sequence[Fault], effects: Sequence[str], *, target: str) -> None:
    """Print what the run can see, and what it asks for although it shows little."""
    plan = planned(config, faults, target=target)
    print("\n".join(power_lines(plan, effects, learned(config))))
    for text in plan_warnings(plan, [fault.declared("") for fault in faults]):
        print(f"{'warning'.ljust(22)}{text}")


def _require_untouched(kube: Kubernetes, config: Config, faults: Sequence[Fault]) -> None:
    """Raise MeshError if another run has changed what this run would change: the plan would be one for its changes."""
    require_no_leftovers(kube, config.namespace)
    hosts = {config.service, *(fault.declared("").host for fault in faults)}
    Locks(kube, config.namespace).require_hosts_free(OWNER, {host.partition(".")[0] for host in hosts})


def _nobody_listens(config: Config, target: str) -> tuple[str, ...]:
    try:
        mesh_kind(target).reach(config)
    except MeshError as error:
        return (str(error),)
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _World:
    """Shows a namespace to faults."""

    routing: RoutingApi
    kube: Kubernetes
    namespace: str

    def resources(self, kind: str = "") -> tuple[JsonObject, ...]:
        if kind == PROCESS:
            return ()
        return (
            self.kube.list(kind, self.namespace)
            if kind
            else plain_resources(self.kube, self.namespace, self.routing.kinds)
        )


def _found(config: Config, kube: Kubernetes, world: _World) -> list[str]:
    """Return lines that name the resources that route the service, and the Deployments that run it."""
    service, namespace = config.service, config.namespace
    found = world.routing.governing(
        world.resources(), host=service, namespace=namespace, gateway=config.cluster.gateway
    )
    route, rule = found.route, found.policy
    lines = [
        f"routes of {service}".ljust(22)
        + ("none; the run would create one" if route is None else _label(route, namespace)),
        f"subsets of {service}".ljust(22)
        + ("none; the run would create one" if rule is None else _label(rule, namespace)),
    ]
    deployments = kube.list("Deployment", namespace)
    for arm, version in (("baseline", config.baseline), ("canary", config.canary)):
        labels = config.workload(service, version).labels
        names = [metadata_of(item)["name"] for item in deployments if runs(item, labels)]
        made = "a copy that the run would create" if config.cluster.copied else "no Deployment has its labels"
        lines.append(arm.ljust(22) + (", ".join(names) or made))
    whole = [kube.get(*key(item, namespace)) for item in (route, rule) if item is not None]
    owners = {owner.name for item in whole if item is not None for owner in owners_of(item)}
    return [*lines, f"{'owners'.ljust(22)}{', '.join(sorted(owners)) or 'no controller'}", ""]


def _copies(config: Config, kube: Kubernetes) -> list[tuple[Edit, ...]]:
    if not config.cluster.copied:
        return []
    baseline, canary = (config.workload(config.service, version).labels for version in config.cluster.copied)
    deployments = kube.list("Deployment", config.namespace)
    where = {"service": config.service, "namespace": config.namespace, "owner": OWNER}
    return [fresh_arm_edits(deployments, baseline=baseline, canary=canary, **where)]


def _label(resource: JsonObject, namespace: str) -> str:
    kind, where, name = key(resource, namespace)
    return f"{kind} {where}/{name}"


def _print(plan: Plan, rows: dict[str, str]) -> None:
    for diff in plan.diffs:
        print(f"{diff}\n")
    rights = ", ".join(f"{right}{'' if held else ' (MISSING)'}" for right, held in plan.rights)
    _print_rows({"affected proxies": ", ".join(plan.pods) or "none", **rows, "rights": rights})
    for text in plan.hit:
        print(f"{'faults hit'.ljust(22)}{text}")
    for text in plan.trouble:
        print(f"{'in the way'.ljust(22)}{text}")
    if not plan.trouble:
        print("nothing is in the way")


def _rows(config: Config, faults: Sequence[Fault], *, target: str) -> dict[str, str]:
    run_plan = planned(config, faults, target=target)
    requests = run_plan.rate_rps * run_plan.duration_s
    return {
        "canary's share": f"{format_percent(config.canary_share)}, by {config.split_by}",
        "faults": ", ".join(fault.words().text for fault in faults) or "none",
        "phases": ", ".join(f"{phase.name} {_length(phase)}" for phase in run_plan.phases),
        "requests": f"{requests:.0f}, {requests * config.canary_share:.0f} of them to the canary",
    }


def _length(phase: PhasePlan) -> str:
    longest = format_duration(phase.duration_s)
    return longest if phase.least_s is None else f"{format_duration(phase.least_s)} to {longest}"


def _print_rows(rows: Mapping[str, str]) -> None:
    for name, text in rows.items():
        print(f"{name.ljust(22)}{text}")


def _form(fault: type[Fault]) -> str:
    """Return how the fault is written behind its option."""
    percent = "[@PERCENT]" if "--percent" in fault.usage.example else ""
    return f"HOST={fault.usage.value}{percent}" if fault.usage.value else "HOST"


def _fault(text: str, kind: str, fault: type[Fault]) -> Fault:
    host, _, rest = text.partition("=")
    value, _, percent = rest.partition("@")
    if bool(value) is not bool(fault.usage.value):
        raise UsageError(f"--{kind.replace('_', '-')}: expected {_form(fault)}, found {text!r}")
    return fault.parse(Arguments(host=host, value=value, percent=percent or None))

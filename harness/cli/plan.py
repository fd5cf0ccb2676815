"""``harness plan``: what a run would change in a cluster, found out with reads and dry runs alone."""

from __future__ import annotations

import argparse
from contextlib import closing

from harness.cli.cluster import add_cluster_arguments, config_of
from harness.cli.power import planned, power_lines
from harness.config import Config
from harness.errors import MeshError, UsageError
from harness.faults import faults_edits
from harness.istio.edits import Edit, applied_all
from harness.istio.routing import split_edits
from harness.mesh.cluster.mesh import plain_resources
from harness.mesh.cluster.opening import connected
from harness.mesh.cluster.planning import Plan, plan_changes
from harness.model.fault import Fault, abort, delay
from harness.model.record import Json
from harness.model.units import format_duration, format_percent

HELP = "Say what a run would change in a cluster: differences, whom it hits, rights, warnings. Sends reads and dry runs only."
EXAMPLES = """\
  harness plan
  harness plan --delay ratings=2s@50 --abort ratings=503@20
  harness plan --effect "latency_p99 < +10%" --effect "error_rate < +0.2pp"
"""
_OWNER = "plan"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which faults beside the split, where."""
    parser.add_argument("--delay", action="append", default=[], metavar="HOST=TIME[@PERCENT]", help="a delay to plan")
    parser.add_argument(
        "--abort", action="append", default=[], metavar="HOST=STATUS[@PERCENT]", help="an abort to plan"
    )
    parser.add_argument(
        "--effect",
        action="append",
        default=[],
        metavar="OBJECTIVE",
        help='requests and seconds that it takes to see an effect, such as "latency_p99 < +10%%"',
    )
    add_cluster_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """0 when a run could start; 12 when something is in the way."""
    config = config_of(args)
    faults = [_fault(text, "delay") for text in args.delay] + [_fault(text, "abort") for text in args.abort]
    with closing(connected(config.cluster, None)) as kube:
        resources = plain_resources(kube, config.namespace)
        changes = _changes(config, resources, faults)
        plan = plan_changes(kube, config.namespace, config.cluster, changes)
        print(f"context {kube.context}, namespace {config.namespace}\n")
    _print(plan, config, faults)
    print("\n".join(power_lines(planned(config, faults, target="cluster"), args.effect)))
    if plan.trouble:
        raise MeshError(f"{len(plan.trouble)} things are in the way of a run; they stand above")
    return 0


def _changes(config: Config, resources: tuple[Json, ...], faults: list[Fault]) -> list[tuple[Edit, ...]]:
    baseline, canary = (config.workload(config.service, arm).labels for arm in (config.baseline, config.canary))
    split = split_edits(
        resources,
        host=config.service,
        namespace=config.namespace,
        baseline=baseline,
        canary=canary,
        canary_share=config.canary_share,
        owner=_OWNER,
        gateway=config.cluster.gateway,
    )
    common = {key: value for key, value in baseline.items() if canary.get(key) == value}
    return [
        split,
        faults_edits(
            faults,
            applied_all(split, resources, namespace=config.namespace),
            namespace=config.namespace,
            callers=[None if fault.host == config.service else common for fault in faults],
            owner=_OWNER,
        ),
    ]


def _print(plan: Plan, config: Config, faults: list[Fault]) -> None:
    phases, rate = config.phases, config.load.rate_rps
    seconds = phases.steady_s + (phases.fault_s + phases.recovery_s if faults else 0)
    for diff in plan.diffs:
        print(f"{diff}\n")
    print(f"proxies that change   {', '.join(plan.pods) or 'none'}")
    print(f"canary's share        {format_percent(config.canary_share)}")
    print(f"faults                {', '.join(str(fault) for fault in faults) or 'none'}")
    print(f"length                {format_duration(phases.warm_up_s)} warm-up, then {format_duration(seconds)}")
    requests = rate * seconds
    share = requests * config.canary_share
    print(f"requests              {requests:.0f}, {share:.0f} of them to the canary")
    print("rights                " + ", ".join(f"{right}{'' if held else ' (MISSING)'}" for right, held in plan.rights))
    for text in plan.trouble:
        print(f"in the way            {text}")
    if not plan.trouble:
        print("nothing is in the way")


def _fault(text: str, kind: str) -> Fault:
    host, found, rest = text.partition("=")
    value, _, percent = rest.partition("@")
    if not found or not value or (kind == "abort" and not value.isdigit()):
        raise UsageError(f"--{kind}: expected HOST={'TIME' if kind == 'delay' else 'STATUS'}[@PERCENT], found {text!r}")
    share = percent or 100
    return delay(host, value, percent=share) if kind == "delay" else abort(host, int(value), percent=share)

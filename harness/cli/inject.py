"""``harness inject``: inject one fault by hand; it is reverted after its time or on Ctrl-C."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time

from harness.cli.cluster import add_cluster_arguments, config_of
from harness.cli.options import add_target
from harness.cli.output import clean_print as print
from harness.config import Config
from harness.errors import MeshDrift, MeshGuard, UsageError
from harness.faults import Arguments, Fault, known_faults
from harness.faults.port import Usage
from harness.mesh.port import LiveChange, Mesh
from harness.mesh.targets import mesh_kind
from harness.model.names import did_you_mean, new_run_id
from harness.model.record import Rollback
from harness.model.units import format_duration, parse_duration
from harness.runner.steps import Arrangement, StepMaker
from harness.scratch import scratch
from harness.userinfo import without_userinfo

HELP = (
    "Inject one fault by hand. It is proven live, and undone and verified after its time, on Ctrl-C and on any error."
)
EXAMPLES = """\
  harness inject delay ratings 2s --percent 50 --from reviews --for 60s
  harness inject abort ratings 503 --percent 20 --from reviews --for 5m --target cluster
"""
_LOOK_EVERY_S, _SLACK_S = 0.2, 10.0
_UNVERIFIED = "undone; the resources are verified, the proxies were not asked (cluster.prove is false)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    known = known_faults()
    lines = [(f" {kind} {fault.usage.value}".rstrip(), fault.usage) for kind, fault in known.items()]
    wide = max(len(line) for line, _ in lines)
    parser.add_argument_group(
        "kinds, with the value that each takes (harness faults --list KIND tells more)",
        "\n".join(f"{line.ljust(wide)}  {usage.help}{_only(usage)}" for line, usage in lines),
    )
    parser.add_argument("kind", metavar="KIND", type=_kind, choices=tuple(known), help="what happens to requests")
    parser.add_argument("host", metavar="HOST", help="the service whose requests are hit")
    parser.add_argument("value", metavar="VALUE", nargs="?", default="", help="of the kinds that take one, see below")
    parser.add_argument("--percent", help="share of the requests that is hit (default: 100)")
    parser.add_argument("--from", dest="caller", metavar="SERVICE", help="hit the calls of this service only")
    parser.add_argument(
        "--inbound",
        action="store_true",
        help="in the host's own proxies, for every caller, without an edit of its routes (cluster only)",
    )
    parser.add_argument("--for", dest="time", default="60s", metavar="TIME", help="how long (default: 60s)")
    add_target(parser)
    add_cluster_arguments(parser)


def _only(usage: Usage) -> str:
    return f" ({' and '.join(usage.meshes)} only)" if usage.meshes else ""


def _kind(text: str) -> str:
    known = known_faults()
    if text not in known:
        raise argparse.ArgumentTypeError(
            f"expected one of {', '.join(known)}; found {text!r}{did_you_mean(text, known)}"
        )
    return text


def run(args: argparse.Namespace) -> int:
    """Return 0 if the fault was in force for its time and is gone."""
    from harness import wiring

    fault, time_s = fault_of(args), parse_duration(args.time, "--for")
    if time_s == 0:
        raise UsageError(f"--for: expected a duration above 0 s, found {args.time}")
    config = config_of(args)
    target = wiring.target(config, args.target)
    kind = mesh_kind(target)
    wiring.check_faults([fault], config, target=target)
    if kind.real_users and time_s > config.cluster.limits.duration_s:
        ceiling = format_duration(config.cluster.limits.duration_s)
        raise UsageError(f"--for: expected at most {ceiling} (cluster.limits.duration), found {args.time}")
    config = _with_time_to_live(config, time_s)
    print(wiring.described(config, target), file=sys.stderr)
    owner = f"hand-{new_run_id()}"
    with scratch("harness-inject-") as temporary:
        folder = config.out / owner if kind.real_users else temporary
        with wiring.mesh(config, target=target, folder=folder) as mesh:
            by_hand = wiring.arrangement(config, target=target, owner=owner, gateway=mesh.gateway, by_hand=True)
            rollback = _inject(fault, mesh, by_hand, config, time_s)
    if rollback is not None:
        verified = "undone and verified" if config.cluster.prove or not kind.real_users else _UNVERIFIED
        print(f"{fault.words().text} is {verified}, in {format_duration(rollback.seconds)}")
    return 0


def _is_proven(mesh: Mesh, config: Config) -> bool:
    """Return whether proxies were asked; only a cluster can leave that out."""
    return config.cluster.prove or not mesh_kind(mesh.target).real_users


def _inject(fault: Fault, mesh: Mesh, by_hand: Arrangement, config: Config, time_s: float) -> Rollback | None:
    text = fault.words().text
    steps = StepMaker(by_hand, mesh).fault(fault, mesh.resources(), 0)
    with mesh.changed(steps, name=text) as change:
        until = f"undone in {format_duration(time_s)}, or now with Ctrl-C"
        state = "is live" if _is_proven(mesh, config) else "is sent, not verified (cluster.prove is false)"
        print(f"{text} {state} (run {by_hand.owner}); {until}", flush=True)
        if by_hand.only_test_traffic:
            print(f"only requests with the header 'baggage: harness.run={by_hand.owner}' are hit", flush=True)
        if not mesh_kind(mesh.target).real_users:  # it was started for this command, so nobody knows its address
            entry = mesh.entry()
            print(f"the service is at {without_userinfo(entry.url)}", flush=True)
            if entry.ca_file is not None:
                print(f"its certificate is {entry.ca_file}", flush=True)
        _hold(mesh, change, config, time_s)
    return change.rollback


def _with_time_to_live(config: Config, time_s: float) -> Config:
    """Return the configuration with a time to live that ends soon after the fault's time.

    If this process dies, the reaper reverts the fault then.
    """
    ttl_s = time_s + 2 * config.cluster.live_within_s + _SLACK_S
    limits = dataclasses.replace(config.cluster.limits, duration_s=ttl_s)
    return dataclasses.replace(config, cluster=dataclasses.replace(config.cluster, limits=limits, hold_s=time_s))


def fault_of(args: argparse.Namespace) -> Fault:
    """Return the fault that the arguments describe. Raises UsageError for invalid ones."""
    arguments = Arguments(
        host=args.host, value=args.value, percent=args.percent, caller=args.caller, inbound=args.inbound
    )
    return known_faults()[args.kind].parse(arguments)


def _hold(mesh: Mesh, change: LiveChange, config: Config, time_s: float) -> None:
    """Wait until the time is over. Raises MeshError if an abort condition ends the fault before."""
    from harness import wiring
    from harness.runner.abort_conditions import switched_off
    from harness.runner.guard_thread import AbortCondition, GuardThread

    def mesh_holds() -> str:
        mesh.check()
        return ""

    kill_file = config.out / "KILL"
    asked = (
        AbortCondition(name="kill file", ask=lambda: switched_off(kill_file)),
        AbortCondition(name="mesh", ask=mesh_holds),
        *wiring.guard_conditions(config),
    )
    end = time.monotonic() + time_s
    with GuardThread(asked, undo=change.undo, misses=config.guards.misses) as guards:
        while (left_s := end - time.monotonic()) > 0:
            time.sleep(min(_LOOK_EVERY_S, left_s))
            ending = guards.ended()
            if ending is not None:
                raise MeshDrift(ending.text) if ending.kind == "drift" else MeshGuard(ending.text)

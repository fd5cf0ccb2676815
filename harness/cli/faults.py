"""``harness faults``: list what runs have changed in a cluster now, or the kinds of faults that there are."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import closing

from harness.cli.cluster import add_cluster_arguments, settings_of
from harness.cli.output import clean_print as print
from harness.clients.kubernetes.times import stamp
from harness.errors import UsageError
from harness.faults import known_faults
from harness.faults.port import Usage
from harness.mesh.cluster.connection import connected
from harness.mesh.cluster.recovery.journal import JournalEntry, journalled
from harness.mesh.cluster.recovery.reaping import reason_to_undo
from harness.mesh.cluster.safety.limits import require_namespace
from harness.model.names import did_you_mean

HELP = (
    "List the faults that are injected in a cluster now, with the run and the resource of each, when it ends, and "
    "whether the run is still alive. With --list: every kind of fault that can be injected, without asking a cluster."
)
EXAMPLES = """\
  harness faults --list
  harness faults --list delay evict
  harness faults
  harness faults --namespace shop --context kind-dev
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--list", nargs="*", metavar="KIND", help="tell what every kind of fault does and needs, or only these kinds"
    )
    add_cluster_arguments(parser)


def kinds(asked: Sequence[str] = ()) -> str:
    """Return all that is known of some kinds of faults; of every kind without any. Raises UsageError for others."""
    known = known_faults()
    for kind in asked:
        if kind not in known:
            near = did_you_mean(kind, known)
            raise UsageError(f"--list: expected a kind of fault, found {kind!r}{near}; known: {', '.join(known)}")
    return "\n".join(line for kind in asked or known for line in _about(kind, known[kind].usage))


def _about(kind: str, usage: Usage) -> Iterator[str]:
    yield f"{kind} HOST {usage.value}".rstrip()
    target = "" if usage.can_use("local") else f"--target {usage.meshes[0]}"
    rows = {
        "does": usage.help,
        "meshes": usage.where,
        "needs": usage.needs,
        "proof": usage.signal,
        "undo": usage.undo,
        "closest": f"{usage.closest.replace('HOST', 'ratings')} on the other mesh" if usage.closest else "",
        "example": " ".join(filter(None, ("harness inject", kind, "ratings", usage.example or usage.value, target))),
    }
    for name, text in rows.items():
        if text:
            yield f"  {name.ljust(8)} {text}"


def run(args: argparse.Namespace) -> int:
    """Print the changes in the journal, or the kinds of faults. Return 0, even if there are changes."""
    if args.list is not None:
        print(kinds(args.list))
        return 0
    settings, namespace = settings_of(args)
    with closing(connected(settings, None)) as kube:
        require_namespace(kube, namespace)
        changes = journalled(kube, namespace)
        for change in changes:
            dead = reason_to_undo(kube, namespace, change)
            print(f"{change.name}")
            print(f"  run    {change.owner}, by {change.made_by}: {dead or 'alive'}")
            print(f"  until  {_end(change)}")
            for step in change.steps:
                print(f"  in     {step.label}")
            if dead:
                print(f"  undo   {kube.commands.harness(f'restore --run {change.owner}', namespace)}")
    if not changes:
        print(f"nothing is injected in namespace {namespace}")
    return 0


def _end(change: JournalEntry) -> str:
    """Return when a fault ends: when its run means to undo it, or else when the reaper does so at the latest."""
    latest = f"{stamp(change.expires_at)[:19]}Z"
    if change.ends_at is None:
        return f"its run undoes it, at the latest {latest}"
    return f"{stamp(change.ends_at)[:19]}Z (at the latest {latest}, by the reaper)"

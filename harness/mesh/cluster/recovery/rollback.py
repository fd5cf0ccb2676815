"""Undo a journalled change: surgically, again and again if need be, and verified in the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.clients.kubernetes.api import Kubernetes, ignore
from harness.clients.kubernetes.retry import retry
from harness.errors import ClusterError, RollbackError
from harness.mesh.cluster.recovery.journal import JournalEntry
from harness.routing.istio.edits import Edit, traces, undone


def undo(
    kube: Kubernetes,
    change: JournalEntry,
    *,
    patience_s: float,
    settle: Callable[[Edit], None] = ignore,
    tell: Callable[[str], None] = ignore,
) -> None:
    """Remove everything of the change from the resources, last edit first, and look whether it is gone.

    Every edit is tried, also when another one failed. settle: called after each edit, whoever
    undid it, to wait until the proxies have it: routes must be gone before the subsets they lead to. tell: told of each
    failed try. Raises RollbackError with the commands to mend by hand what is left.
    """
    trouble = []
    for edit in reversed(change.edits):
        try:
            kube.change(
                edit.kind,
                edit.namespace,
                edit.name,
                lambda found, edit=edit: undone(edit, found),  # type: ignore[misc]
                patience_s=patience_s,
                tell=tell,
            )
        except ClusterError as error:
            trouble.append(str(error))
        else:
            settle(edit)
    left = [] if trouble else retry(lambda: left_of(kube, change.edits), patience_s=patience_s, tell=tell)
    if trouble or left:
        raise RollbackError(
            f"{change.name}: expected nothing of run {change.owner} to be left, "
            f"found {'; '.join([*left, *trouble])}\n{by_hand(change)}"
        )


def left_of(kube: Kubernetes, edits: Sequence[Edit]) -> list[str]:
    """What of the edits is still in the cluster's resources."""
    return [trace for edit in edits for trace in traces(edit, kube.get(edit.kind, edit.namespace, edit.name))]


def by_hand(change: JournalEntry) -> str:
    """The commands that undo a change without the harness."""
    lines = [f"try again: harness restore --run {change.owner}", "or by hand:"]
    for edit in reversed(change.edits):
        where = f"{edit.kind.lower()} {edit.name} -n {edit.namespace}"
        if edit.create is not None:
            lines.append(f"  kubectl delete {where}")
        else:
            names = ", ".join(item.entry["name"] for item in edit.insert)
            lines.append(f"  kubectl edit {where}   # remove the entries named {names}")
    lines.append(
        f"  kubectl delete configmap {change.config_map} -n {change.edits[0].namespace if change.edits else ''}"
    )
    return "\n".join(lines)

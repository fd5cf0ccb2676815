"""Revert a journalled change surgically; try again where needed, and verify the result."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from harness.clients.kubernetes.api import Kubernetes, ignore
from harness.clients.kubernetes.commands import Commands
from harness.clients.kubernetes.retry import retry
from harness.errors import ClusterRejected, HarnessError, RollbackError
from harness.mesh.cluster.acting import carry_out, left_of_action, require_healed
from harness.mesh.cluster.recovery.journal import JournalEntry
from harness.mesh.cluster.resizing import RESIZE, resize_patch
from harness.model.step import Action, Edit, Step, Verb
from harness.routing.edits import traces, undone


def undo(
    kube: Kubernetes,
    change: JournalEntry,
    *,
    patience_s: float,
    settle: Callable[[Edit], None] = ignore,
    tell: Callable[[str], None] = ignore,
) -> None:
    """Revert every step of the change, the last one first, and check that nothing of it is left.

    Every step is tried, even if another one failed. settle: called after each edit that was undone, to wait until the
    proxies have lost it; routes must be gone before the subsets that they lead to. tell: receives a message about each
    failed attempt. Raises RollbackError with the commands that revert what is left.
    """
    trouble = []
    for step in reversed(change.steps):
        try:
            _revert(kube, step, patience_s=patience_s, tell=tell)
        except HarnessError as error:
            trouble.append(str(error))
        else:
            if isinstance(step, Edit):
                settle(step)
    left = [] if trouble else retry(lambda: left_of(kube, change.steps), patience_s=patience_s, tell=tell)
    if trouble or left:
        raise RollbackError(
            f"{change.name}: expected nothing of run {change.owner} to be left, "
            f"found {'; '.join(_counted([*left, *trouble]))}\n{by_hand(kube, change)}"
        )


def _counted(texts: Sequence[str]) -> list[str]:
    """Return each text once, with how often it is there."""
    return [text if count == 1 else f"{count} times: {text}" for text, count in Counter(texts).items()]


def _revert(kube: Kubernetes, step: Step, *, patience_s: float, tell: Callable[[str], None]) -> None:
    """Revert one step. An action without an undo heals by itself."""
    if isinstance(step, Edit):
        once = partial(kube.change, *step.place, partial(undone, step), patience_s=patience_s, tell=tell)
        retry(once, patience_s=patience_s, tell=tell, also=(ClusterRejected,))
    elif step.undo is not None:
        carry_out(kube, step.undo, patience_s=patience_s)
    else:
        require_healed(kube, step, step.act.target.namespace)


def left_of(kube: Kubernetes, steps: Sequence[Step]) -> list[str]:
    """Return what of the steps is still in the cluster."""
    found: list[str] = []
    for step in steps:
        if isinstance(step, Edit):
            found += traces(step, kube.get(*step.place))
        else:
            found += [left] if (left := left_of_action(kube, step)) else []
    return found


def by_hand(kube: Kubernetes, change: JournalEntry) -> str:
    """Return the commands that revert a change: with the harness, and without it."""
    namespace = next(map(_namespace, (*change.edits, *change.steps)), "")
    lines = [f"try again: {kube.commands.harness(f'restore --run {change.owner}', namespace)}", "or by hand:"]
    for step in reversed(change.steps):
        if isinstance(step, Action):
            lines.append(f"  {_command(kube.commands, step)}")
            continue
        what = f"{'edit' if step.create is None else 'delete'} {step.kind.lower()} {step.name}"
        remark = f"   # {_by_hand(step)}" if step.create is None else ""
        lines.append(f"  {kube.commands.kubectl(what, step.namespace)}{remark}")
    lines.append(f"  {kube.commands.kubectl(f'delete configmap {change.config_map}', namespace)}")
    return "\n".join(lines)


def _namespace(step: Step) -> str:
    return step.namespace if isinstance(step, Edit) else step.act.target.namespace


def _by_hand(edit: Edit) -> str:
    names = ", ".join(item.name for item in edit.insert)
    values = ", ".join(
        f"remove {'.'.join(item.path)}" if item.before is None else f"set {'.'.join(item.path)} to {item.before!r}"
        for item in edit.settings
    )
    return "; ".join(filter(None, [names and f"remove the entries named {names}", values]))


def _command(commands: Commands, action: Action) -> str:
    target = action.act.target
    where = f"{target.kind.lower()} {target.name}"
    if action.undo is not None and action.undo.verb is Verb.SCALE:
        return commands.kubectl(f"scale {where} --replicas={action.undo.args['replicas']}", target.namespace)
    if action.undo is not None and action.undo.verb is Verb.RESIZE:
        patch = shlex.quote(json.dumps(resize_patch(action.undo)))
        return commands.kubectl(f"patch {where} --subresource {RESIZE} --patch {patch}", target.namespace)
    return f"{commands.kubectl(f'get {where}', target.namespace)}   # {action.label} heals by itself"

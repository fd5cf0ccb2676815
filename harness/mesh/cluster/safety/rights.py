"""Check the rights that a run needs, including those of its undo, before anything is changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.clients.kubernetes.api import Kubernetes
from harness.clients.kubernetes.kinds import kind_of
from harness.errors import ClusterForbidden
from harness.model.cluster import ClusterSettings
from harness.model.step import Edit


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Right:
    """A verb on a kind, or on a subresource of it."""

    verb: str
    kind: str
    subresource: str = ""

    def __str__(self) -> str:
        resource = kind_of(self.kind).plural + (f"/{self.subresource}" if self.subresource else "")
        return f"{self.verb} {resource}"


JOURNAL = tuple(
    Right(verb=verb, kind=kind)
    for kind, verbs in (
        ("ConfigMap", ("get", "list", "create", "delete")),
        ("Lease", ("get", "list", "create", "update", "delete")),
    )
    for verb in verbs
)
LOOK = (Right(verb="get", kind="Namespace"), Right(verb="list", kind="Deployment"))
PODS = (Right(verb="list", kind="Pod"),)
PROOF = (Right(verb="create", kind="Pod", subresource="portforward"),)


def rights_for(edits: Iterable[Edit], settings: ClusterSettings) -> tuple[Right, ...]:
    """Return the rights to make, prove and undo the edits; if other proxies are listed, pods are not needed."""
    needed: dict[Right, None] = dict.fromkeys((*JOURNAL, *LOOK))
    for edit in edits:
        verbs: tuple[str, ...] = ("create", "delete") if edit.create is not None else ()
        if edit.list_at or edit.settings:
            verbs = (*verbs, "update")
        looks = ("get", "list") if edit.list_at or edit.settings else ("get",)
        needed.update(dict.fromkeys(Right(verb=verb, kind=edit.kind) for verb in (*looks, *verbs)))
    return (*needed, *(rights_to_ask(settings) if settings.prove or settings.proxies else PODS))


def rights_to_ask(settings: ClusterSettings) -> tuple[Right, ...]:
    """Return the rights to ask the proxies for their configuration."""
    if settings.proxies:
        return ()
    return PODS if settings.istiod is not None else (*PODS, *PROOF)


def require_basics(kube: Kubernetes, namespace: str, settings: ClusterSettings, kinds: Iterable[str]) -> None:
    """Raise ClusterForbidden with every missing rule that every change needs, independent of its resources.

    kinds: of the resources that route requests.
    """
    read = (Right(verb=verb, kind=kind) for kind in kinds for verb in ("get", "list"))
    require_rights(kube, namespace, (*rights_for((), settings), *read))


def missing_rights(kube: Kubernetes, namespace: str, needed: Iterable[Right]) -> tuple[Right, ...]:
    """Return those of the rights that we do not have in the namespace."""
    return tuple(
        right for right in needed if not kube.allowed(right.verb, right.kind, namespace, subresource=right.subresource)
    )


def require_rights(kube: Kubernetes, namespace: str, needed: Iterable[Right]) -> None:
    """Raise ClusterForbidden with the missing rules."""
    missing = missing_rights(kube, namespace, needed)
    if missing:
        raise ClusterForbidden(
            f"namespace {namespace}: rights are missing that the change or its undo needs: "
            f"{', '.join(str(right) for right in missing)}; if this is the right namespace, grant them with "
            f"{kube.commands.kubectl('apply -k deploy/runner', namespace)} (for faults of the called service itself "
            "also deploy/disruptions, which lets the reaper revert them), bound to the user of this run, or:\n"
            f"{rules_for(missing)}"
        )


def rules_for(rights: Iterable[Right]) -> str:
    """Return the rules of a Role that grant the rights."""
    verbs: dict[tuple[str, str], list[str]] = {}
    for right in rights:
        kind = kind_of(right.kind)
        resource = kind.plural + (f"/{right.subresource}" if right.subresource else "")
        verbs.setdefault((kind.group, resource), []).append(right.verb)
    return "\n".join(
        f'- apiGroups: ["{group}"]\n  resources: ["{resource}"]\n  verbs: [{", ".join(sorted(names))}]'
        for (group, resource), names in verbs.items()
    )

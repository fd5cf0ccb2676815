"""Find the controllers that write a resource: they would overwrite our edits, or our edits would disturb them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from harness.clients.kubernetes.types import ObjectMeta, about, labels_of, metadata_of, named
from harness.errors import UsageError
from harness.model.json import JsonObject, objects_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A controller: how it marks what it owns, and what to do about it.

    label_prefixes: of keys of labels and annotations. managers: names in managedFields. reverts: whether it rewrites
    the resource on its own.
    """

    name: str
    owner_kinds: tuple[str, ...] = ()
    label_prefixes: tuple[str, ...] = ()
    managers: tuple[str, ...] = ()
    released: Mapping[str, str]
    remedy: str
    reverts: bool = True


OWNERS = (
    Owner(
        name="flagger",
        owner_kinds=("Canary",),
        managers=("flagger",),
        released={},
        remedy=(
            "it rebuilds the whole spec when it next runs: put faults on the route of a dependency, for calls of the "
            "canary, or into the called side's proxies (inbound), which both leave this VirtualService alone; or let "
            "Flagger own a delegate (spec.service.delegation) and route to the service in a root VirtualService of "
            "yours; or suspend the Canary (spec.suspend)"
        ),
    ),
    Owner(
        name="argo-rollouts",
        owner_kinds=("Rollout",),
        label_prefixes=("argo-rollouts.argoproj.io/", "rollouts.argoproj.io/"),
        managers=("rollouts-controller", "argo-rollouts"),
        released={},
        remedy=(
            "it sets weights, puts managed routes first, and rejects a second route unless the Rollout lists its "
            "routes by name: list them and pause the Rollout; or put faults on the route of a dependency, for calls of "
            "the canary, or into the called side's proxies (inbound)"
        ),
    ),
    Owner(
        name="argocd",
        label_prefixes=("argocd.argoproj.io/",),
        managers=("argocd-controller", "argocd-application-controller"),
        released={},
        remedy=(
            "self-heal reverts edits: give the Application ignoreDifferences for /spec/http (and /spec/subsets) with "
            "the sync option RespectIgnoreDifferences=true, or put faults into the called side's proxies (inbound)"
        ),
    ),
    Owner(
        name="flux",
        label_prefixes=("kustomize.toolkit.fluxcd.io/", "helm.toolkit.fluxcd.io/"),
        managers=("kustomize-controller", "helm-controller"),
        released={"kustomize.toolkit.fluxcd.io/reconcile": "disabled"},
        remedy=(
            "annotate the resource with kustomize.toolkit.fluxcd.io/reconcile=disabled, or suspend the Kustomization"
        ),
    ),
    Owner(
        name="helm",
        label_prefixes=("meta.helm.sh/",),
        managers=("helm", "Helm"),
        released={},
        remedy="it writes only on an upgrade: do not upgrade during a run",
        reverts=False,
    ),
)


def owners_of(resource: JsonObject) -> tuple[Owner, ...]:
    """Return the controllers that own ``resource``, by its marks."""
    return tuple(owner for owner in OWNERS if _owns(owner, metadata_of(resource)))


def require_unowned(resource: JsonObject, *, allowed: Collection[str]) -> None:
    """Raise UsageError if a controller would revert an edit of ``resource``.

    allowed: controllers that have been told to leave it alone.
    """
    for owner in owners_of(resource):
        if owner.reverts and owner.name not in allowed:
            raise UsageError(
                f"{named(resource)}: is owned by {owner.name}, which would revert our edits: {owner.remedy}; "
                f"then say so with cluster.owners: [{owner.name}]"
            )
        if owner.name == "argo-rollouts":
            _require_names(resource)


def _require_names(resource: JsonObject) -> None:
    """Argo Rollouts marks a Rollout as invalid if a route is added to one that it does not know by name."""
    with about(named(resource)):
        routes = objects_at(resource, "spec", "http")
    nameless = [index for index, route in enumerate(routes) if not route.get("name")]
    if nameless:
        raise UsageError(
            f"{named(resource)}: route #{nameless[0]} has no name, so argo-rollouts would reject our routes next to "
            "it: name it here and in the Rollout's trafficRouting.istio"
        )


def _owns(owner: Owner, metadata: ObjectMeta) -> bool:
    marks = {**labels_of(metadata), **(metadata.get("annotations") or {})}
    if any(marks.get(key) == value for key, value in owner.released.items()):
        return False
    kinds = {reference.get("kind") for reference in metadata.get("ownerReferences") or ()}
    managers = {field.get("manager") for field in metadata.get("managedFields") or ()}
    return (
        bool(kinds & set(owner.owner_kinds))
        or bool(managers & set(owner.managers))
        or any(key.startswith(owner.label_prefixes) for key in marks if owner.label_prefixes)
    )

"""Implements ``World`` and ``Watch`` on a namespace of a cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from harness.clients.kubernetes.api import Kubernetes
from harness.config import Config
from harness.errors import BuildError, MeshError, UsageError
from harness.mesh.cluster.proof.proxies import Proxies
from harness.mesh.cluster.resources import all_applied, plain_resources
from harness.mesh.cluster.safety import limits
from harness.mesh.cluster.safety.ownership import require_unowned
from harness.mesh.cluster.safety.rights import Right, require_rights
from harness.mesh.cluster.safety.rollouts import require_ready
from harness.model.json import JsonObject, objects_at, text_at, texts_at, value_at
from harness.model.release import BuildKind, arm_labels
from harness.model.step import Edit
from harness.printable import printable
from harness.release.cluster.commands import Command, command_of
from harness.release.cluster.deployments import (
    Running,
    arm_name,
    arm_of,
    made_by,
    require_unchanged,
    running_from_text,
    template_hash,
    with_image,
)
from harness.release.cluster.first import (
    first_deployment,
    first_running,
    require_made,
    source_of,
    stable_deployment,
    stable_workload,
)
from harness.release.cluster.images import container_for, image_of, pullable, running_identity
from harness.release.cluster.locks import release_lock, take_lock
from harness.release.cluster.owning import require_no_rollout, require_ours_to_release
from harness.release.ports import Pair, Seen
from harness.release.routed import require_routed_by
from harness.release.seeing import seen_in
from harness.routing import footprint, routing_where
from harness.routing.edits import OWNER_LABEL, prefix
from harness.routing.istio.api import IstioRouting
from harness.routing.istio.kinds import DESTINATION_RULE, VIRTUAL_SERVICE
from harness.routing.port import Footprint, Share, Trace

_RIGHTS = tuple(
    Right(verb=verb, kind=kind)
    for kind, verbs in (
        ("Deployment", ("get", "list", "create", "update", "delete")),
        (VIRTUAL_SERVICE, ("get", "list", "create", "update", "delete")),
        (DESTINATION_RULE, ("get", "list", "create", "update", "delete")),
        ("Lease", ("get", "create", "delete")),
        ("Pod", ("list",)),
    )
    for verb in verbs
)
_HOPELESS = (
    "ErrImageNeverPull",
    "InvalidImageName",
    "ImagePullBackOff",
    "CrashLoopBackOff",
    "CreateContainerConfigError",
)
_PAUSE_S = 0.5


class ClusterWorld:
    """Builds and routes of one namespace."""

    def __init__(self, kube: Kubernetes, config: Config, *, tell: Callable[[str], None]) -> None:
        """tell: receives lines for people."""
        self._kube, self._config, self._tell = kube, config, tell
        self._namespace, self._settings = config.namespace, config.cluster
        self._routing = IstioRouting()
        self._proxies = Proxies(kube, config.namespace, config.cluster)

    def examine(self, pair: Pair) -> Pair:
        """Check what must hold before a release, lock the service, and return what runs."""
        if pair.build.kind is not BuildKind.IMAGE:
            raise UsageError(
                f"{pair.service}: expected an image on a cluster, found {pair.build.kind.value} {pair.build.name}"
            )
        limits.require_cluster(self._kube, self._namespace, self._settings)
        limits.require_no_kill_switch(self._kube, self._namespace)
        require_rights(self._kube, self._namespace, _RIGHTS)
        self._require_routed_by_istio(pair)
        labels = stable_workload(self._config, pair.service).labels
        require_no_rollout(self._kube, self._namespace, pair.service, labels, tell=self._tell)
        found = stable_deployment(self._kube, self._config, pair.service)
        if found is None:
            running = first_running(self._kube, self._config, pair)
            self._require_ours(running.manifest or {})
        else:
            self._require_ours(found)
            name = text_at(found, "metadata", "name")
            require_ready(self._kube, self._namespace, name, within_s=self._settings.live_within_s, still=_go_on)
            running = self._running(pair, found)
        examined = replace(pair, stable=running.to_text(), first=found is None)
        self._routing.share(self._clean(pair), self._share(examined, 0.0))
        take_lock(self._kube, self._namespace, pair)
        return examined

    def _require_routed_by_istio(self, pair: Pair) -> None:
        """Raise UsageError if another routing API routes the service: proxies would ignore the routes of a release."""
        routing = routing_where(self._kube.serves)
        if routing.kinds == self._routing.kinds:
            return
        require_rights(self._kube, self._namespace, [Right(verb="list", kind=kind) for kind in routing.kinds])
        require_routed_by(
            self._routing,
            routing,
            plain_resources(self._kube, self._namespace, routing.kinds),
            service=pair.service,
            namespace=self._namespace,
            gateway=self._settings.gateway,
        )

    def _require_ours(self, deployment: JsonObject) -> None:
        """Raise UsageError or an error about owners if a controller would fight with the release."""
        require_ours_to_release(self._kube, self._namespace, deployment, tell=self._tell)
        require_unowned(deployment, allowed=(*self._settings.owners, "helm"))

    def _running(self, pair: Pair, found: JsonObject) -> Running:
        container = container_for(found, pair.build.name, pair.service)
        image = image_of(found, container)
        pods = self._kube.list("Pod", self._namespace, labels=_selected_by(found))
        return Running(
            deployment=text_at(found, "metadata", "name"),
            uid=text_at(found, "metadata", "uid"),
            container=container,
            image=image,
            identity=running_identity(pods, container, image),
            labels=texts_at(found, "spec", "template", "metadata", "labels"),
            template=template_hash(found, container),
        )

    def deploy(self, pair: Pair) -> Pair:
        """Create both arms. The digest is resolved by a first start of the new image, and then pinned."""
        running = running_from_text(pair.stable)
        source = self._source(pair, running)
        identity = pair.identity or self._resolved(pair, running, source)
        for arm, image in (("canary", pullable(identity)), ("baseline", pullable(running.identity or identity))):
            self._bring(arm_of(source, running, arm=arm, image=image, release=pair.release, service=pair.service))
        for arm in ("canary", "baseline"):
            self._await_arm(pair, arm)
        self._require_identity(arm_name(pair.release, pair.service, "canary"), running.container, identity)
        return replace(pair, identity=identity)

    def _source(self, pair: Pair, running: Running) -> JsonObject:
        """Return the Deployment that the arms are copies of. Raises MeshError if somebody changed it meanwhile."""
        found = self._kube.get("Deployment", self._namespace, running.deployment)
        if not pair.first:
            return require_unchanged(found, running, (running.image,))
        if found is not None:
            require_made(found, pair.release)
        return source_of(running)

    def _resolved(self, pair: Pair, running: Running, source: JsonObject) -> str:
        """Start the image as it is named, and return what it is by its pods."""
        first = arm_of(source, running, arm="canary", image=pair.build.name, release=pair.release, service=pair.service)
        self._bring(first)
        self._await_arm(pair, "canary")
        pods = self._kube.list("Pod", self._namespace, labels=_selected_by(first))
        return running_identity(pods, running.container, pair.build.name)

    def _bring(self, wanted: JsonObject) -> None:
        """Create a Deployment of ours, or bring it to the wanted spec. Raises MeshError for one of somebody else."""
        name, owner = text_at(wanted, "metadata", "name"), value_at(wanted, "metadata", "labels", OWNER_LABEL)

        def change(found: JsonObject | None) -> JsonObject:
            if found is None:
                return wanted
            if value_at(found, "metadata", "labels", OWNER_LABEL) != owner:
                raise MeshError(f"Deployment {name}: expected none or one of this release, found one of somebody else")
            return {**found, "spec": wanted["spec"]}

        self._change("Deployment", name, change)

    def _await_arm(self, pair: Pair, arm: str) -> None:
        """Wait until an arm is ready. Raises BuildError for the new build, with the reasons that its pods give."""
        name, bad = arm_name(pair.release, pair.service, arm), BuildError if arm == "canary" else MeshError

        def hopeless() -> None:
            for pod in self._kube.list("Pod", self._namespace, labels=self._arm_labels(pair, arm)):
                for status in objects_at(pod, "status", "containerStatuses"):
                    why = value_at(status, "state", "waiting", "reason")
                    if why in _HOPELESS:
                        said = value_at(status, "state", "waiting", "message") or "no message"
                        raise bad(
                            f"{pair.service}: the {arm} does not start: pod {text_at(pod, 'metadata', 'name')}: "
                            f"{text_at(status, 'name')}: {why}: {printable(str(said))}"
                        )

        try:
            require_ready(self._kube, self._namespace, name, within_s=self._settings.ready_within_s, still=hopeless)
        except MeshError as error:
            raise bad(f"{pair.service}: the {arm} does not become ready: {error}") from error

    def _arm_labels(self, pair: Pair, arm: str) -> dict[str, str]:
        return {**arm_labels(running_from_text(pair.stable).labels, arm), OWNER_LABEL: pair.release}

    def _require_identity(self, deployment: str, container: str, identity: str) -> None:
        """Check by the pods that a Deployment runs exactly this image."""
        found = self._kube.get("Deployment", self._namespace, deployment)
        pods = [] if found is None else self._kube.list("Pod", self._namespace, labels=_selected_by(found))
        image = "" if found is None else image_of(found, container)
        runs_now = running_identity(pods, container, image)
        if _digest(runs_now) != _digest(identity):
            raise BuildError(f"Deployment {deployment}: expected pods of {identity}, found {runs_now}: the tag moved")

    def route(self, pair: Pair, share: float | None, header: Mapping[str, str] | None = None) -> None:
        """Write the routes of the release, and wait until the proxies have them; None removes them and the lock."""
        if share is None:
            self._unroute(pair)
            return
        edits = self._routing.share(self._clean(pair), self._share(pair, share, header))
        for edit in edits:
            self._write(pair, edit.place, [edit])
        for edit in edits:
            self._prove(edit)

    def _unroute(self, pair: Pair) -> None:
        """Remove the routes first, then the subsets that they led to, and at last the lock."""
        for kind in self._routing.kinds:
            for resource in self._kube.list(kind, self._namespace):
                left = self._routing.without(resource, pair.release)
                if left == resource:
                    continue
                self._write(pair, (kind, self._namespace, text_at(resource, "metadata", "name")), [])
                self._prove_gone(resource, pair.release)
        release_lock(self._kube, self._namespace, pair)

    def _write(self, pair: Pair, place: tuple[str, str, str], edits: Sequence[Edit]) -> None:
        def change(found: JsonObject | None) -> JsonObject | None:
            if found is not None:
                require_unowned(found, allowed=self._settings.owners)
            clean = None if found is None else self._routing.without(found, pair.release)
            after = all_applied(edits, clean)
            if found is not None and clean is None and after is not None:
                return {**found, "spec": after["spec"]}  # ours, made before: only its routes change
            return after

        self._change(place[0], place[2], change)

    def _prove(self, edit: Edit) -> None:
        """Wait until every proxy that routes users has the routes; where none can be asked, give them time."""
        if not self._settings.prove:
            return
        shown = footprint(edit, self._kube.get(*edit.place), namespace=self._namespace)
        if shown.has_routes and not shown.in_sidecars:
            self._tell(
                f"{edit.label}: the gateway's proxy cannot be asked; waiting {self._settings.live_within_s:g} s for it"
            )
            time.sleep(self._settings.live_within_s)
        elif shown.traces:
            self._proxies.require(edit.label, shown, there=True, within_s=self._settings.live_within_s)

    def _prove_gone(self, resource: JsonObject, release: str) -> None:
        if not self._settings.prove:
            return
        routes = [text_at(one, "name", default="") for one in objects_at(resource, "spec", "http")]
        names = [name for name in routes if name.startswith(prefix(release)) and not name.endswith("default")]
        shown = Footprint(traces=tuple(Trace(part="routes", name=name) for name in names))
        if names:
            label = f"routes of {text_at(resource, 'metadata', 'name')}"
            self._proxies.require(label, shown, there=False, within_s=self._settings.live_within_s)

    def settle(self, pair: Pair, *, new: bool) -> None:
        """Roll the stable Deployment out with the new image, or back, and check by its pods what it runs."""
        running, command = running_from_text(pair.stable), command_of(self._config, pair)
        if command:
            by_command = Command(command, self._config, tell=self._tell)
            if new:
                by_command.promote(pair, lambda: self._rolled_out(running, pair.identity))
            else:
                by_command.require_taken_back(self._image_now(running), running)
        elif new:
            ours = (running.image, pullable(pair.identity))

            def change(there: JsonObject | None) -> JsonObject:
                if pair.first:
                    return first_deployment(there, running, ours[1], pair.release)
                return with_image(require_unchanged(there, running, ours), running.container, ours[1])

            self._change("Deployment", running.deployment, change)
            self._rolled_out(running, pair.identity)
        else:
            self._take_back(pair, running)

    def _image_now(self, running: Running) -> str:
        found = self._kube.get("Deployment", self._namespace, running.deployment)
        return "" if found is None else image_of(found, running.container)

    def _take_back(self, pair: Pair, running: Running) -> None:
        """Restore the image before the release, if the Deployment has the one of the release; leave others' changes.

        Of a first release, delete the Deployment that it made.
        """
        found = self._kube.get("Deployment", self._namespace, running.deployment)
        if pair.first:
            if found is not None and made_by(found, pair.release):
                self._change("Deployment", running.deployment, _none)
            return
        if found is None or not pair.identity or image_of(found, running.container) != pullable(pair.identity):
            return

        def change(there: JsonObject | None) -> JsonObject | None:
            if there is None or image_of(there, running.container) != pullable(pair.identity):
                return there
            return with_image(there, running.container, running.image)

        self._change("Deployment", running.deployment, change)
        self._rolled_out(running, "")

    def _rolled_out(self, running: Running, identity: str) -> None:
        require_ready(
            self._kube, self._namespace, running.deployment, within_s=self._settings.ready_within_s, still=_go_on
        )
        if identity:
            self._require_identity(running.deployment, running.container, identity)

    def remove(self, pair: Pair) -> None:
        """Delete both arms; their pods end what they have begun."""
        for arm in ("canary", "baseline"):
            name = arm_name(pair.release, pair.service, arm)
            found = self._kube.get("Deployment", self._namespace, name)
            if found is not None and value_at(found, "metadata", "labels", OWNER_LABEL) == pair.release:
                self._change("Deployment", name, _none)

    def look(self, pair: Pair) -> Seen:
        """Return what the proxies counted, after checking the pods of the new build."""
        pods = self._kube.list("Pod", self._namespace, labels=self._arm_labels(pair, "canary"))
        ready = 0
        for pod in pods:
            for status in objects_at(pod, "status", "containerStatuses"):
                restarts = value_at(status, "restartCount")
                if isinstance(restarts, int) and restarts > 0:
                    name = text_at(pod, "metadata", "name")
                    raise BuildError(
                        f"{pair.service}: pod {name}: {text_at(status, 'name')} was restarted {restarts} times"
                    )
            ready += value_at(pod, "status", "phase") == "Running"
        if not ready:
            raise BuildError(f"{pair.service}: expected running pods of the new build, found none")
        return seen_in(self._proxies.request_counts(), pair.service)

    def stable_labels(self, pair: Pair) -> dict[str, str]:
        """Return the pod labels of the running build."""
        return dict(running_from_text(pair.stable).labels)

    def _share(self, pair: Pair, share: float, header: Mapping[str, str] | None = None) -> Share:
        labels = self.stable_labels(pair)
        return Share(
            host=pair.service,
            namespace=self._namespace,
            stable=labels,
            canary=arm_labels(labels, "canary"),
            share=share,
            owner=pair.release,
            gateway=self._settings.gateway,
            headers=header or {},
        )

    def _clean(self, pair: Pair) -> tuple[JsonObject, ...]:
        found = plain_resources(self._kube, self._namespace, self._routing.kinds)
        return tuple(one for item in found if (one := self._routing.without(item, pair.release)) is not None)

    def _change(self, kind: str, name: str, change: Callable[[JsonObject | None], JsonObject | None]) -> None:
        self._kube.change(kind, self._namespace, name, change, patience_s=self._settings.patience_s, tell=self._tell)


def _selected_by(deployment: JsonObject) -> dict[str, str]:
    return texts_at(deployment, "spec", "selector", "matchLabels")


def _digest(identity: str) -> str:
    return identity.rpartition("sha256:")[2].rstrip(")")


def _none(_: JsonObject | None) -> JsonObject | None:
    return None


def _go_on() -> None:
    """Never end the wait early."""

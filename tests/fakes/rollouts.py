"""The Deployment controller and the kubelet of a fake cluster: they make pods of Deployments, or say why not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fake_kubernetes import WRITES, Call, FakeKubernetes
from fake_store import Place
from shop import pod

OLD, NEW = "sha256:" + "0" * 64, "sha256:" + "1" * 64
SERVICES, TAGS = ("reviews", "ratings"), {"1": OLD, "2": NEW}


@dataclass
class Controller:
    """digests: what each image is in its registry. waiting: why pods of an image do not start. Use ``control``."""

    fake: FakeKubernetes
    digests: dict[str, str] = field(
        default_factory=lambda: {f"shop/{name}:{tag}": digest for name in SERVICES for tag, digest in TAGS.items()}
    )
    waiting: dict[str, str] = field(default_factory=dict)
    quota: str = ""

    def __call__(self, call: Call) -> None:
        """Reconcile after each write of a Deployment."""
        if call.resource == "deployments" and call.method in WRITES and not call.dry_run:
            self.reconcile()

    def reconcile(self) -> None:
        """Bring pods and statuses to what the Deployments ask for."""
        wanted = {name: one for deployment in self.fake.objects("Deployment") for name, one in self._pods(deployment)}
        for there in self.fake.objects("Pod"):
            if there["metadata"]["name"].startswith("made-") and there["metadata"]["name"] not in wanted:
                self._delete(there["metadata"]["name"])
        for one in wanted.values():
            self.fake.put(one)
        for deployment in self.fake.objects("Deployment"):
            self._set_status(deployment)

    def _pods(self, deployment: Any) -> list[tuple[str, Any]]:
        if self.quota and "canary-harness/owner" in deployment["metadata"]["labels"]:
            return []
        made = []
        template = deployment["spec"]["template"]
        for number in range(deployment["spec"].get("replicas", 1)):
            name = f"made-{deployment['metadata']['name']}-{number}"
            one = pod(name, **template["metadata"]["labels"])
            image = template["spec"]["containers"][0]["image"]
            one["status"]["containerStatuses"] = [self._container(image)]
            if self._why(image):
                one["status"]["phase"] = "Pending"
            made.append((name, one))
        return made

    def _why(self, image: str) -> str:
        known = image in self.digests or image.partition("@")[2] in self.digests.values()
        return self.waiting.get(image, "" if known else "ImagePullBackOff")

    def _container(self, image: str) -> Any:
        digest = image.partition("@")[2] or self.digests.get(image, "")
        status: Any = {"name": "app", "restartCount": 0, "imageID": f"docker-pullable://shop/reviews@{digest}"}
        if self._why(image):
            status["state"] = {"waiting": {"reason": self._why(image), "message": f"cannot run {image}"}}
            status["imageID"] = ""
        return status

    def _set_status(self, deployment: Any) -> None:
        count = deployment["spec"].get("replicas", 1)
        image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
        blocked = self.quota and "canary-harness/owner" in deployment["metadata"]["labels"]
        up = 0 if blocked or self._why(image) else count
        deployment["status"] = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": count, "updatedReplicas": 0 if blocked else count, "availableReplicas": up,
        }  # fmt: skip
        if blocked:
            failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": self.quota}
            deployment["status"]["conditions"] = [failure]
        self.fake.put(deployment)

    def _delete(self, name: str) -> None:
        self.fake.store.delete(Place("", "v1", "pods", "shop", name), {}, dry_run=False)


def deployment_of(service: str = "reviews", replicas: int = 2) -> Any:
    """The running Deployment of a service."""
    marks, image = {"app": service, "version": "v1"}, f"shop/{service}:1"
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"{service}-v1", "namespace": "shop", "labels": {"app": service}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": marks},
            "template": {"metadata": {"labels": marks}, "spec": {"containers": [{"name": "app", "image": image}]}},
        },
    }


def control(fake: FakeKubernetes, *, running: bool = True) -> Controller:
    """Start controlling the Deployments of a fake cluster. running: whether reviews runs in it."""
    controller = Controller(fake)
    if running:
        fake.put(deployment_of())
    controller.reconcile()
    fake.after = controller
    return controller

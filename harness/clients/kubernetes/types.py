"""Types of the objects that the Kubernetes API sends, with the fields that the harness reads.

An object comes from a server, so each ``as_...`` function checks the fields that its type lists before it returns the
object itself under that type. Other fields are kept and not looked at. A field that is absent or null is not set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Required, TypeVar, cast

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from harness.errors import ClusterShapeError, ShapeError
from harness.model.json import JsonObject

T = TypeVar("T")


class OwnerReference(TypedDict, total=False):
    """A reference to the object that owns another one."""

    kind: str


class ManagedFields(TypedDict, total=False):
    """The program that set some fields of an object."""

    manager: str


class ObjectMeta(TypedDict, total=False):
    """What every object says about itself."""

    name: Required[str]
    namespace: str
    uid: str
    resourceVersion: str
    generation: int
    creationTimestamp: str | None
    deletionTimestamp: str | None
    labels: dict[str, str] | None
    annotations: dict[str, str] | None
    ownerReferences: list[OwnerReference] | None
    managedFields: list[ManagedFields] | None


class Object(TypedDict, total=False):
    """An object of any kind."""

    apiVersion: str
    kind: str
    metadata: Required[ObjectMeta]


class Condition(TypedDict, total=False):
    """One aspect of an object's status, such as whether a pod is ready."""

    type: str
    status: str
    reason: str
    message: str


class Waiting(TypedDict, total=False):
    """Why a container has not started."""

    reason: str
    message: str


class Terminated(TypedDict, total=False):
    """How a container ended."""

    reason: str
    exitCode: int


class ContainerState(TypedDict, total=False):
    """The state of a container; at most one of the two is set."""

    waiting: Waiting | None
    terminated: Terminated | None


class ContainerStatus(TypedDict, total=False):
    """What the kubelet reports about a container."""

    name: Required[str]
    restartCount: int
    state: ContainerState | None
    lastState: ContainerState | None


class PodStatus(TypedDict, total=False):
    """What the kubelet reports about a pod."""

    phase: str
    message: str
    conditions: list[Condition] | None
    containerStatuses: list[ContainerStatus] | None


class ContainerPort(TypedDict, total=False):
    """A port that a container listens on."""

    name: str
    containerPort: Required[int]


class Container(TypedDict, total=False):
    """A container of a pod."""

    name: Required[str]
    ports: list[ContainerPort] | None


class PodSpec(TypedDict, total=False):
    """The containers of a pod."""

    containers: list[Container] | None
    initContainers: list[Container] | None


class Pod(TypedDict, total=False):
    """A pod."""

    metadata: Required[ObjectMeta]
    spec: PodSpec | None
    status: PodStatus | None


class TemplateMeta(TypedDict, total=False):
    """What a template says about the pods that it makes. It names none."""

    labels: dict[str, str] | None
    annotations: dict[str, str] | None


class PodTemplate(TypedDict, total=False):
    """The pods that a Deployment makes."""

    metadata: TemplateMeta | None
    spec: PodSpec | None


class LabelSelector(TypedDict, total=False):
    """The pods that belong to a Deployment."""

    matchLabels: dict[str, str] | None


class DeploymentSpec(TypedDict, total=False):
    """The pods that are wanted."""

    replicas: int
    paused: bool
    selector: LabelSelector | None
    template: PodTemplate | None


class DeploymentStatus(TypedDict, total=False):
    """How far the rollout of a Deployment is."""

    observedGeneration: int
    replicas: int
    updatedReplicas: int
    availableReplicas: int
    conditions: list[Condition] | None


class Deployment(TypedDict, total=False):
    """A Deployment."""

    metadata: Required[ObjectMeta]
    spec: Required[DeploymentSpec]
    status: DeploymentStatus | None


class LeaseSpec(TypedDict, total=False):
    """Who holds a Lease, and for how many seconds after the last renewal."""

    holderIdentity: str | None
    leaseDurationSeconds: int
    renewTime: str


class Lease(TypedDict, total=False):
    """A Lease."""

    metadata: Required[ObjectMeta]
    spec: Required[LeaseSpec]


class ServicePort(TypedDict, total=False):
    """A port of a Service."""

    port: Required[int]
    targetPort: int | str


class ServiceSpec(TypedDict, total=False):
    """The ports of a Service, and the labels of the pods behind it."""

    selector: dict[str, str] | None
    ports: list[ServicePort] | None


class Service(TypedDict, total=False):
    """A Service."""

    metadata: Required[ObjectMeta]
    spec: Required[ServiceSpec]


class ConfigMap(TypedDict, total=False):
    """A ConfigMap."""

    metadata: Required[ObjectMeta]
    data: dict[str, str] | None


def as_object(resource: JsonObject) -> Object:
    """Return an object of any kind. Raises ClusterShapeError."""
    return _checked(Object, resource)


def as_pod(resource: JsonObject) -> Pod:
    """Return a pod. Raises ClusterShapeError."""
    return _checked(Pod, resource)


def as_deployment(resource: JsonObject) -> Deployment:
    """Return a Deployment. Raises ClusterShapeError."""
    return _checked(Deployment, resource)


def as_lease(resource: JsonObject) -> Lease:
    """Return a Lease. Raises ClusterShapeError."""
    return _checked(Lease, resource)


def as_service(resource: JsonObject) -> Service:
    """Return a Service. Raises ClusterShapeError."""
    return _checked(Service, resource)


def as_config_map(resource: JsonObject) -> ConfigMap:
    """Return a ConfigMap. Raises ClusterShapeError."""
    return _checked(ConfigMap, resource)


def metadata_of(resource: JsonObject) -> ObjectMeta:
    """Return the metadata of an object of any kind. Raises ClusterShapeError."""
    return as_object(resource)["metadata"]


def labels_of(metadata: ObjectMeta) -> dict[str, str]:
    """Return the labels of an object; empty if it has none."""
    return metadata.get("labels") or {}


def template_of(deployment: Deployment) -> TemplateMeta:
    """Return what a Deployment's template says about its pods; empty if it says nothing."""
    return (deployment["spec"].get("template") or {}).get("metadata") or {}


@contextmanager
def about(subject: str) -> Iterator[None]:
    """Name the object in the ShapeErrors that are raised inside: they become ClusterShapeErrors."""
    try:
        yield
    except ClusterShapeError:
        raise
    except ShapeError as error:
        raise ClusterShapeError(error.problem, subject=subject, path=error.path) from error


def named(resource: JsonObject) -> str:
    """Return what is known of kind, namespace and name of an object that may be misshapen."""
    metadata = resource.get("metadata")
    known = metadata if isinstance(metadata, dict) else {}
    place = "/".join(str(known[key]) for key in ("namespace", "name") if known.get(key))
    return f"{resource.get('kind') or 'object'} {place}".rstrip()


_SHAPES = (Object, Pod, Deployment, Lease, Service, ConfigMap)
_ADAPTERS: Mapping[object, TypeAdapter[object]] = {shape: TypeAdapter(shape) for shape in _SHAPES}


def _checked(shape: type[T], resource: JsonObject) -> T:
    try:
        _ADAPTERS[shape].validate_python(resource, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(map(str, first["loc"]))
        said = "expected a value, found none" if first["type"] == "missing" else f"{first['msg']}, found"
        found = "" if first["type"] == "missing" else f" {first['input']!r:.100}"
        raise ClusterShapeError(f"{said}{found}", subject=named(resource), path=path) from error
    return cast("T", resource)

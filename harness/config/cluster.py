"""The ``cluster`` section: how a cluster is reached, and the limits that hold on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import Field

from harness.config.section import Section
from harness.config.values import Between, Count, Duration, Percent, Shaped, Switch, Text, Word, Words, one_of
from harness.model.cluster import ClusterSettings, Limits, Proxy

_DEFAULT, _LIMITS = ClusterSettings(), Limits()
_OwnerName = Literal["flagger", "argo-rollouts", "argocd", "flux", "helm"]
Owner: TypeAlias = Annotated[_OwnerName, one_of(*get_args(_OwnerName))]
Url: TypeAlias = Annotated[str, Shaped(r"https?://[^/\s]+.*", "a URL such as http://reviews.shop:9080")]
AdminUrl: TypeAlias = Annotated[
    str, Shaped(r"https?://[^/\s]+.*", "the URL of Envoy's admin port, such as http://10.0.0.7:15000")
]


class LimitKeys(Section):
    """What no run may exceed."""

    dose: Percent = _LIMITS.dose
    """The largest share of requests that a fault may hit."""

    total_dose: Annotated[float, Between(0.0001, 100)] = _LIMITS.total_dose
    """The largest sum of the doses of all faults that are live at the same time; 1.5 means 100 % and 50 %."""

    duration_s: Duration = _LIMITS.duration_s
    """The longest time that a change may stay live. The reaper undoes it after that."""

    faults: Annotated[int, Count(1, 100)] = _LIMITS.faults
    """The number of faults that may be live at the same time."""

    restarts: Annotated[int, Count(0, 10**6)] = _LIMITS.restarts
    """The number of container restarts in the namespace during a run that ends it when it is exceeded."""

    every_caller: Switch = _LIMITS.every_caller
    """Whether a fault may hit all callers of a service, instead of some by their labels or headers."""


class ProxyKeys(Section):
    """A proxy whose admin port can be reached directly, such as on a virtual machine."""

    url: AdminUrl
    """The URL of Envoy's admin port."""

    labels: dict[str, Word] = Field(default_factory=dict)
    """The labels of its workload."""


class ClusterKeys(Section):
    """How a cluster is reached and what may be done to it. Used with --target cluster only."""

    kubeconfig: Text | None = None
    """A kubeconfig file. Default: as kubectl finds it."""

    context: Text | None = None
    """The kube context to use. Default: the current one."""

    contexts: Words | None = None
    """The names of the kube contexts that may be used. Default: any."""

    uid: Text | None = None
    """The uid of the namespace kube-system of the only cluster that may be used. Default: any cluster."""

    url: Url | None = None
    """The URL where load reaches the entry service."""

    headers: dict[str, Word] = Field(default_factory=dict)
    """Headers that requests to url need, such as Host."""

    gateway: Text = _DEFAULT.gateway
    """The gateway that load comes through, as VirtualServices name it; mesh when load starts between the sidecars."""

    load_workload: Text = _DEFAULT.load_workload
    """The name that proxies use for the workload that load comes from."""

    probe: Text = _DEFAULT.probe
    """A path at url that passes the service under test. It is used to prove changes to a gateway's routes."""

    istiod: Url | None = None
    """The URL of istiod's debug port. Ask it for the configuration that it sent, instead of asking the pods."""

    proxies: dict[str, ProxyKeys] = Field(default_factory=dict)
    """Proxies to ask for configuration and counters, instead of the sidecars of the pods."""

    opt_in: Annotated[str, Shaped(r"[\w./-]+=[\w.-]*", "a label such as key=value")] = _DEFAULT.opt_in
    """The label that a namespace must have before it is used for experiments."""

    owners: Annotated[list[Owner], Field(min_length=1)] | None = None
    """Controllers that may own what is edited, because they have been configured to leave these edits alone."""

    only_test_traffic: Switch = _DEFAULT.only_test_traffic
    """Split and fault only requests with the run's W3C baggage. Services must pass the baggage header on."""

    fresh_arms: Switch = _DEFAULT.fresh_arms
    """Compare new copies of both builds, started at the same time, instead of the pods that are running."""

    ready_within_s: Duration = _DEFAULT.ready_within_s
    """How long to wait for new pods to become ready."""

    prove: Switch = _DEFAULT.prove
    """Whether every change must be seen in the sidecars."""

    live_within_s: Duration = _DEFAULT.live_within_s
    """How long to wait for a change to reach the sidecars."""

    heartbeat_s: Duration = _DEFAULT.heartbeat_s
    """The time between two signs of life. The reaper undoes the changes of a run that misses four of them."""

    patience_s: Duration = _DEFAULT.patience_s
    """How long an undo is tried again while the API server does not answer."""

    watchdog: Switch = _DEFAULT.watchdog
    """Whether a separate process undoes every change when the run is killed."""

    limits: LimitKeys = Field(default_factory=LimitKeys)
    """What no run may exceed."""


def cluster_settings(keys: ClusterKeys, root: Path) -> ClusterSettings:
    """Return the settings of the section. root: the folder that relative paths start at."""
    given = {name: value for name, value in dict(keys).items() if value is not None}
    given |= {
        "kubeconfig": root / keys.kubeconfig if keys.kubeconfig else None,
        "istiod": keys.istiod.rstrip("/") if keys.istiod else None,
        "proxies": tuple(
            Proxy(name=name, url=proxy.url.rstrip("/"), labels=proxy.labels) for name, proxy in keys.proxies.items()
        ),
        "contexts": tuple(keys.contexts or ()),
        "owners": tuple(keys.owners or ()),
        "limits": Limits(**dict(keys.limits)),
    }
    return ClusterSettings(**given)

"""Connect to the Prometheus that the configuration names."""

from __future__ import annotations

from requests.adapters import BaseAdapter

from harness.clients.prometheus import TIMEOUT_S, TRIES, Prometheus
from harness.errors import MetricsError
from harness.model.cluster import ClusterSettings
from harness.model.config import Config
from harness.model.prometheus import PrometheusAccess

_CHECK_TIMEOUT_S = 2.0


def connected(config: Config, *, timeout_s: float | None = None) -> Prometheus:
    """Return a client of the configured server, whose requests go through the Kubernetes API if it is a service there.

    timeout_s: how long a request may take if it is to be sent once only.

    Raises MetricsError without a configured server, and for credentials that are missing.
    """
    if config.prometheus is None:
        raise MetricsError("expected prometheus in harness.yaml to name a server, found nothing")
    return connected_to(config.prometheus, config.prometheus_access, config.cluster, timeout_s=timeout_s)


def connected_to(
    url: str, access: PrometheusAccess, cluster: ClusterSettings, *, timeout_s: float | None = None
) -> Prometheus:
    """Return a client of a server as ``connected`` does. cluster: where a service is that is reached through the API.

    Raises MetricsError for credentials that are missing.
    """
    return Prometheus(
        url,
        access=access,
        transport=_transport(access, cluster),
        timeout_s=timeout_s or TIMEOUT_S,
        tries=TRIES if timeout_s is None else 1,
    )


def check_reachable(config: Config) -> None:
    """Send the server a trivial query. Raises MetricsError if it does not answer within two seconds."""
    with connected(config, timeout_s=_CHECK_TIMEOUT_S) as server:
        server.query("1")


def _transport(access: PrometheusAccess, cluster: ClusterSettings) -> BaseAdapter | None:
    if access.forward is None:
        return None
    from harness.clients.kubernetes.api import connect  # noqa: PLC0415 - the Kubernetes client is slow to import
    from harness.clients.prometheus.forwarding import ForwardedPort  # noqa: PLC0415

    namespace, _, service = access.forward.partition("/")
    kubernetes = connect(kubeconfig=cluster.kubeconfig, context=cluster.context)
    return ForwardedPort(kubernetes, namespace=namespace, service=service, port=access.port)

"""Which API server, with which credentials: kubeconfig files, or the cluster that this process runs in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kubernetes import client, config

from harness.errors import ClusterError

IN_CLUSTER = "in-cluster"


def context_name(kubeconfig: Path | None, context: str | None) -> str:
    """The name of the context that is meant. Raises ClusterError when there is no usable configuration."""
    if (
        kubeconfig is None
        and context is None
        and "KUBERNETES_SERVICE_HOST" in os.environ
        and "KUBECONFIG" not in os.environ
    ):
        return IN_CLUSTER
    with _usable(kubeconfig):
        file = str(kubeconfig) if kubeconfig else None
        _, current = config.list_kube_config_contexts(config_file=file)  # type: ignore[no-untyped-call]
        return str(context or current["name"])


def api_client(kubeconfig: Path | None, context: str | None) -> Any:
    """The official client for a context; None is the cluster that this process runs in."""
    settings = client.Configuration()
    with _usable(kubeconfig):
        if context is None:
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        else:
            file = str(kubeconfig) if kubeconfig else None
            config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=file, context=context, client_configuration=settings
            )
    return client.ApiClient(settings)


@contextmanager
def _usable(kubeconfig: Path | None) -> Iterator[None]:
    try:
        yield
    except (config.ConfigException, OSError, ValueError, TypeError) as error:
        where = kubeconfig or "$KUBECONFIG or ~/.kube/config"
        raise ClusterError(
            f"no usable Kubernetes configuration in {where}: {error}; name one with --kubeconfig, "
            "and a context with --context"
        ) from error

"""Find the API server and the credentials, in kubeconfig files or in the cluster that this process runs in."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kubernetes import client, config
from yaml import YAMLError

from harness.errors import ClusterError
from harness.model.json import parse_json, value_at

IN_CLUSTER = "in-cluster"
_JWT_PARTS = 3
_DEFAULT_PLACE = "$KUBECONFIG or ~/.kube/config"


def context_name(kubeconfig: Path | None, context: str | None) -> str:
    """Return the name of the context to use. Raises ClusterError when there is no usable configuration."""
    if (
        kubeconfig is None
        and context is None
        and "KUBERNETES_SERVICE_HOST" in os.environ
        and "KUBECONFIG" not in os.environ
    ):
        return IN_CLUSTER
    with _usable(kubeconfig):
        file = str(kubeconfig) if kubeconfig else None
        if context is None:
            _, current = config.list_kube_config_contexts(config_file=file)  # type: ignore[no-untyped-call]  # no types
            return str(current["name"])
        names = _context_names(file)
    if context not in names:
        raise ClusterError(
            f"context {context}: expected one of the contexts of {kubeconfig or _DEFAULT_PLACE}: "
            f"{', '.join(names) or 'it has none'}; "
            "choose one with cluster.context in harness.yaml (commands: --context)"
        )
    return context


def _context_names(file: str | None) -> tuple[str, ...]:
    place = file or config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION
    merged = config.kube_config.KubeConfigMerger(place)  # type: ignore[no-untyped-call]  # no types
    if merged.config is None:
        raise config.ConfigException("No configuration found.")
    return tuple(str(item.value["name"]) for item in merged.config.safe_get("contexts") or ())


def api_client(kubeconfig: Path | None, context: str | None) -> client.ApiClient:
    """Return the official client for a context; for None, the one for the cluster that this process runs in."""
    settings = client.Configuration()
    with _usable(kubeconfig):
        if context is None:
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]  # no types
        else:
            file = str(kubeconfig) if kubeconfig else None
            config.load_kube_config(  # type: ignore[no-untyped-call]  # no types
                config_file=file, context=context, client_configuration=settings
            )
    return client.ApiClient(settings)


def token_ends_at(api: client.ApiClient) -> float | None:
    """Return when the bearer token of a client expires, in epoch seconds; None for tokens that do not say it.

    Only JSON Web Tokens say it: those of service accounts and of OpenID Connect.
    """
    for setting in api.configuration.auth_settings().values():
        parts = str(setting.get("value") or "").removeprefix("Bearer ").split(".")
        if len(parts) != _JWT_PARTS:
            continue
        try:
            ends_at = value_at(parse_json(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))), "exp")
        except ValueError:
            continue
        if isinstance(ends_at, int | float):
            return float(ends_at)
    return None


@contextmanager
def _usable(kubeconfig: Path | None) -> Iterator[None]:
    try:
        yield
    except (config.ConfigException, YAMLError, OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        where = kubeconfig or _DEFAULT_PLACE
        # The parser may quote the text that it cannot read, and that may be a token.
        said = "it is not YAML" if isinstance(error, YAMLError) else " ".join(str(error).split())
        raise ClusterError(
            f"no usable Kubernetes configuration in {where}: {said}; name one with cluster.kubeconfig in "
            "harness.yaml, and a context with cluster.context (commands: --kubeconfig, --context)"
        ) from error

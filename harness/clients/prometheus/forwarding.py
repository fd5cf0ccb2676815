"""Carry requests to a Prometheus in the cluster through the port-forward of the Kubernetes API."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPResponse

from harness.clients.kubernetes.api import Kubernetes
from harness.clients.kubernetes.types import ContainerPort, ServicePort, as_pod, as_service
from harness.errors import ClusterError, MetricsError

_TIMEOUT_S = 30.0
_NOT_FORWARDED = frozenset({"host", "connection", "accept-encoding", "user-agent", "content-length"})


class ForwardedPort(BaseAdapter):
    """A transport of requests whose other end is a port of a pod behind a service."""

    def __init__(self, kubernetes: Kubernetes, *, namespace: str, service: str, port: int) -> None:
        """Prepare the transport and send nothing. port: the port of the service."""
        super().__init__()
        self._kubernetes, self._namespace, self._service, self._port = kubernetes, namespace, service, port
        self._target: tuple[str, int] | None = None

    def send(self, request: requests.PreparedRequest, *_: object, **__: object) -> requests.Response:
        """Send one request. Raises requests.ConnectionError if the cluster does not forward it."""
        try:
            if self._target is None:
                self._target = self._found()
            pod, port = self._target
            status, body = self._kubernetes.ask_pod_for(
                self._namespace, pod, port, request.path_url, timeout_s=_TIMEOUT_S, headers=_lines(request.headers)
            )
        except ClusterError as error:
            self._target = None  # the pod may have been replaced
            raise requests.ConnectionError(str(error)) from error
        response = requests.Response()
        response.status_code, response.url, response.request = status, str(request.url), request
        response.headers = CaseInsensitiveDict({"Content-Type": "unknown"})
        response.raw = HTTPResponse(body=BytesIO(body), preload_content=False)
        return response

    def close(self) -> None:
        """Do nothing: each request closes its own connection."""

    def _found(self) -> tuple[str, int]:
        """Return a running pod of the service, and the port that it listens on. Raises MetricsError."""
        where = f"{self._namespace}/{self._service}"
        found = self._kubernetes.get("Service", self._namespace, self._service)
        service = None if found is None else as_service(found)["spec"]
        selector = None if service is None else service.get("selector")
        if service is None or not selector:
            raise MetricsError(f"expected a service {where} with a selector in the cluster, found none")
        pods = [as_pod(one) for one in self._kubernetes.list("Pod", self._namespace, labels=selector)]
        pod = next((one for one in pods if (one.get("status") or {}).get("phase") == "Running"), None)
        if pod is None:
            raise MetricsError(f"expected a running pod of the service {where}, found none of {len(pods)}")
        containers = (pod.get("spec") or {}).get("containers") or ()
        of_pod = [port for one in containers for port in one.get("ports") or ()]
        return pod["metadata"]["name"], self._pod_port(service.get("ports") or [], of_pod)

    def _pod_port(self, ports: list[ServicePort], of_pod: list[ContainerPort]) -> int:
        target = next((one.get("targetPort", self._port) for one in ports if one.get("port") == self._port), None)
        if target is None:
            known = ", ".join(str(one.get("port")) for one in ports)
            raise MetricsError(
                f"expected the service {self._service} to have port {self._port}, found {known or 'none'}"
            )
        named = {one.get("name"): one["containerPort"] for one in of_pod}
        found = target if isinstance(target, int) else named.get(target)
        if found is None:
            raise MetricsError(
                f"expected a port {target!r} of the pods of {self._service}, found {sorted(map(str, named))}"
            )
        return found


def _lines(headers: Mapping[str, str | bytes]) -> str:
    """Return the headers of a request as lines; requests has refused line breaks in them."""
    texts = {name: value if isinstance(value, str) else value.decode() for name, value in headers.items()}
    return "".join(f"{name}: {value}\r\n" for name, value in texts.items() if name.lower() not in _NOT_FORWARDED)

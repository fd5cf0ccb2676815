"""Ask a port on a pod's loopback, such as Envoy's admin port, through the API server's port-forward."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import portforward

from harness.clients.kubernetes_errors import rule
from harness.clients.kubernetes_kinds import kind_of
from harness.errors import ClusterForbidden, ClusterUnreachable


@contextmanager
def forwarded(api: Any, namespace: str, pod: str, port: int) -> Iterator[Any]:
    """A connected socket to ``port`` of the pod. Raises ClusterForbidden without the right to."""
    core = client.CoreV1Api(api)
    try:
        forward = portforward(core.connect_get_namespaced_pod_portforward, pod, namespace, ports=str(port))
    except ApiException as error:
        if "403" in str(error.reason):
            wanted = rule("create", kind_of("Pod")).replace('"pods"', '"pods/portforward"')
            raise ClusterForbidden(
                f"port-forward to pod {namespace}/{pod}: not allowed (403)\ngrant this in a Role of namespace {namespace}:\n{wanted}"
            ) from error
        raise ClusterUnreachable(f"port-forward to pod {namespace}/{pod}:{port}: {_short(error.reason)}") from error
    try:
        yield forward.socket(port)
    finally:
        forward.close()


def http_get(connection: Any, path: str, *, timeout_s: float) -> bytes:
    """The body of ``GET path`` over a forwarded socket. Raises ClusterUnreachable for anything but 200."""
    give_up = time.monotonic() + timeout_s
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept-Encoding: identity\r\n\r\n"
    answer = b""
    try:
        connection.sendall(request.encode())
        while True:
            connection.settimeout(max(give_up - time.monotonic(), 0.01))
            chunk = connection.recv(1 << 16)
            if not chunk:
                break
            answer += chunk
            if _complete(answer):
                break
    except OSError as error:
        raise ClusterUnreachable(f"GET {path} through port-forward: no whole answer within {timeout_s:g} s") from error
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    if status != [b"200"]:
        raise ClusterUnreachable(f"GET {path} through port-forward: expected status 200, found {head[:80]!r}")
    return _dechunked(body) if b"transfer-encoding: chunked" in head.lower() else body


def _complete(answer: bytes) -> bool:
    head, found, body = answer.partition(b"\r\n\r\n")
    if not found:
        return False
    lines = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
    if b"content-length" in lines:
        return len(body) >= int(lines[b"content-length"])
    return body.endswith(b"0\r\n\r\n") if b"chunked" in lines.get(b"transfer-encoding", b"") else False


def _dechunked(body: bytes) -> bytes:
    parts = []
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size.split(b";")[0] or b"0", 16)
        if length == 0:
            break
        parts.append(rest[:length])
        body = rest[length + 2 :]
    return b"".join(parts)


def _short(reason: object) -> str:
    return str(reason).splitlines()[0][:200] if str(reason) else "no reason given"

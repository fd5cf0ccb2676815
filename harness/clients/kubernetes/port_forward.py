"""Send requests to a port on a pod's loopback, such as Envoy's admin port, through the API server's port-forward.

Each connection carries one request, written directly to the web socket. The forwarding thread of the official client
drops what arrives just before the server closes, and leaves sockets open.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from kubernetes.client import Configuration
from kubernetes.stream.ws_client import create_websocket, get_websocket_url
from websocket import ABNF, WebSocket, WebSocketBadStatusException, WebSocketException

from harness.clients.kubernetes.errors import rule
from harness.clients.kubernetes.kinds import kind_of
from harness.errors import ClusterForbidden, ClusterUnreachable

_DATA, _ERROR = 0, 1


def pod_get(
    configuration: Configuration,
    *,
    namespace: str,
    pod: str,
    port: int,
    path: str,
    authorization: str | None,
    timeout_s: float,
    headers: str = "",
) -> tuple[int, bytes]:
    """Return the status and the body of ``GET path`` from a port of a pod.

    configuration: that of the official client. headers: further lines of the request, each with its line end.
    Raises ClusterForbidden without the right to forward ports, and ClusterUnreachable without a complete answer within
    ``timeout_s`` seconds.
    """
    what = f"port-forward to pod {namespace}/{pod}:{port}"
    socket = _opened(configuration, what, namespace=namespace, pod=pod, port=port, authorization=authorization)
    try:
        fixed = "Host: localhost\r\nConnection: close\r\nAccept-Encoding: identity\r\n"
        request = f"GET {path} HTTP/1.1\r\n{fixed}{headers}\r\n"
        socket.send(bytes([_DATA]) + request.encode(), ABNF.OPCODE_BINARY)
        answer = b""
        for piece in _pieces(socket, what, time.monotonic() + timeout_s):
            answer += piece
            if _complete(answer):
                break
    except (WebSocketException, OSError) as error:
        raise ClusterUnreachable(f"{what}: GET {path}: {type(error).__name__} after {timeout_s:g} s at most") from error
    finally:
        with contextlib.suppress(WebSocketException, OSError):
            socket.close(timeout=0)
        socket.shutdown()  # type: ignore[no-untyped-call]  # no types
    return _body(answer, f"{what}: GET {path}")


def _opened(
    configuration: Configuration, what: str, *, namespace: str, pod: str, port: int, authorization: str | None
) -> WebSocket:
    """Return the web socket to a port of a pod."""
    url = f"{str(configuration.host).rstrip('/')}{kind_of('Pod').path(namespace, pod)}/portforward"
    opening = {"sec-websocket-protocol": "v4.channel.k8s.io"}
    if authorization:
        opening["authorization"] = authorization
    try:
        target = get_websocket_url(url, [("ports", str(port))])  # type: ignore[no-untyped-call]  # no types
        opened: WebSocket = create_websocket(  # type: ignore[no-untyped-call]  # no types
            configuration, target, opening
        )
    except WebSocketBadStatusException as error:
        raise _refusal(error.status_code, what, namespace) from error
    except (WebSocketException, OSError) as error:
        raise ClusterUnreachable(f"{what}: {type(error).__name__}: {str(error)[:200]}") from error
    return opened


def _pieces(socket: WebSocket, what: str, give_up: float) -> Iterator[bytes]:
    """Yield data as it arrives. The first frame of each channel only holds the port's number."""
    begun: set[int] = set()
    while True:
        socket.settimeout(max(give_up - time.monotonic(), 0.01))
        opcode, frame = socket.recv_data(control_frame=False)
        if opcode == ABNF.OPCODE_CLOSE:
            return
        channel, data = frame[0], frame[1:]
        if channel not in begun:
            begun.add(channel)
        elif channel == _ERROR:
            raise ClusterUnreachable(f"{what}: {data.decode('utf-8', 'replace')[:200]}")
        else:
            yield data


def _complete(answer: bytes) -> bool:
    head, found, body = answer.partition(b"\r\n\r\n")
    if not found:
        return False
    lines = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
    if b"content-length" in lines:
        return len(body) >= int(lines[b"content-length"])
    return body.endswith(b"0\r\n\r\n") if b"chunked" in lines.get(b"transfer-encoding", b"") else False


def _body(answer: bytes, what: str) -> tuple[int, bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    status = b"".join(head.split(b" ", 2)[1:2])
    if not status.isdigit():
        raise ClusterUnreachable(f"{what}: expected an HTTP status, found {head[:80]!r}")
    if not _complete(answer) and b"content-length" in head.lower():
        raise ClusterUnreachable(f"{what}: the answer ended early")
    return int(status), _dechunked(body) if b"transfer-encoding: chunked" in head.lower() else body


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


def _refusal(status: int, what: str, namespace: str) -> ClusterForbidden | ClusterUnreachable:
    if status != 403:
        return ClusterUnreachable(f"{what}: the API server answered {status}")
    wanted = rule("create", kind_of("Pod"), subresource="portforward")
    return ClusterForbidden(f"{what}: not allowed (403)\ngrant this in a Role of namespace {namespace}:\n{wanted}")

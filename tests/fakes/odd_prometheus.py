"""A server that answers as Prometheus does, or as oddly as a test wants, and remembers what it was asked."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, kw_only=True)
class Said:
    """One answer: a status, a body and headers."""

    status: int = 200
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


def result(*series: object, kind: str = "matrix", **more: object) -> Said:
    """A successful answer with these series."""
    return Said(body=json.dumps({"status": "success", "data": {"resultType": kind, "result": list(series)}, **more}))


def refusal(status: int, kind: str, message: str) -> Said:
    """An error as Prometheus writes it."""
    return Said(status=status, body=json.dumps({"status": "error", "errorType": kind, "error": message}))


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request: its path, parameters and headers."""

    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]


@contextmanager
def odd_prometheus(answer: Callable[[Asked], Said], tls: Path | None = None) -> Iterator[tuple[str, list[Asked]]]:
    """Run the server; its URL, and the requests that it got. tls: a folder with certificates; clients need one too."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            one = Asked(
                path=parts.path,
                params={name: values[-1] for name, values in parse_qs(parts.query).items()},
                headers={name.lower(): value for name, value in self.headers.items()},
            )
            asked.append(one)
            said = answer(one)
            body = said.body.encode()
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls / "leaf.pem", tls / "leaf.key")
        context.load_verify_locations(tls / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        server.handle_error = lambda *_: None
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http{'' if tls is None else 's'}://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()

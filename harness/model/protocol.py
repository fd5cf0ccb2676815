"""The protocols that a service's port can speak, under the names that Istio uses (``appProtocol``)."""

from __future__ import annotations

from enum import StrEnum


class Protocol(StrEnum):
    """What the proxies speak with the service. Callers may use HTTP/1.1 or HTTP/2 with the proxies in any case."""

    HTTP = "http"
    HTTP2 = "http2"
    GRPC = "grpc"

    @property
    def is_http2(self) -> bool:
        """Whether the service is sent HTTP/2: gRPC is HTTP/2 with its own status in the trailers."""
        return self is not Protocol.HTTP

"""Trust the certificate of a local gateway, at the address of the load and nowhere else.

This works for the clients of HttpUser (requests), FastHttpUser (geventhttpclient) and of our own User classes. All of
them verify the certificate. Authorities that a profile names itself, and verification that it turned off, stay. Users
and pools are Any: their attributes depend on the class, and gevent's SSL contexts have no types.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import gevent.ssl
from locust import User
from locust.clients import HttpSession, LocustHttpAdapter
from locust.contrib.fasthttp import FastHttpSession


class _Adapter(LocustHttpAdapter):
    """Verifies certificates with one file of authorities where requests would use the usual ones."""

    def __init__(self, ca_file: Path) -> None:
        super().__init__(pool_manager=None)
        self._ca_file = str(ca_file)

    def send(self, request: Any, *args: Any, **options: Any) -> Any:
        """Send a request as requests does, which passes ``verify`` by its name."""
        if options.get("verify") is True:
            options["verify"] = self._ca_file
        return super().send(request, *args, **options)


def trust_entry(kinds: Sequence[type[User]], url: str, ca_file: Path, note: Callable[[str], None]) -> None:
    """Make users of these classes trust a file of authorities at the scheme, host and port of a URL.

    note: called with a text if a class has no HTTP client that is known here; its requests will fail.
    """
    context = gevent.ssl.create_default_context(cafile=str(ca_file))
    for kind in kinds:
        if hasattr(kind, "entry_ca_file"):
            kind.entry_ca_file = str(ca_file)
        else:
            _wrap(kind, url, ca_file, context, note)


def _wrap(kind: type[User], url: str, ca_file: Path, context: Any, note: Callable[[str], None]) -> None:
    original = kind.__init__

    def init(user: Any, *args: object, **kwargs: object) -> None:
        original(user, *args, **kwargs)
        client = getattr(user, "client", None)
        if isinstance(client, HttpSession):
            parts = urlsplit(url)
            client.mount(f"{parts.scheme}://{parts.netloc}/", _Adapter(ca_file))
        elif isinstance(client, FastHttpSession):
            if user.ssl_context_factory is None:
                _trust_in_pool(client.client.clientpool, url, context)
        else:
            note(
                f"{kind.__name__} has no HTTP client that the harness knows: it cannot verify the gateway's certificate"
            )

    kind.__init__ = init  # type: ignore[assignment]  # Locust creates the users, so their class is changed


def _trust_in_pool(pool: Any, url: str, context: Any) -> None:
    """Put a client for the host of a URL into a pool, which would otherwise make one that verifies nothing."""
    secured = type(pool)(**{**pool.client_args, "insecure": False, "ssl_context_factory": lambda **_: context})
    secured.get_client(url)
    for address, client in secured.clients.items():
        pool.clients.setdefault(address, client)

"""Checks of requests from outside: who sent them, from which page, and whether they were changed. Pure functions."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})


def host_allowed(host: str, allowed: Collection[str]) -> bool:
    """Return whether a ``Host`` header names this server, so that DNS rebinding cannot read the pages.

    allowed: further names without a port. A page of an attacker whose name resolves to 127.0.0.1 sends its own name.
    """
    name = host.lower()
    if not name.endswith("]"):
        head, colon, port = name.rpartition(":")
        name = head if colon and port.isdecimal() else name
    return name in _LOOPBACK or name in {one.lower() for one in allowed}


def same_origin(origin: str | None, fetch_site: str | None, host: str) -> bool:
    """Return whether a request that changes something comes from a page of this server, or from no page at all.

    origin, fetch_site: the headers ``Origin`` and ``Sec-Fetch-Site``, which browsers send and pages cannot set.
    """
    if fetch_site is not None and fetch_site not in {"same-origin", "none"}:
        return False
    return origin is None or origin.partition("://")[2].lower() == host.lower()


def token_matches(given: str | None, expected: str) -> bool:
    """Return whether a token is the expected one, in a time that does not tell where they differ.

    An empty expected token matches nothing.
    """
    return bool(expected) and given is not None and hmac.compare_digest(given.encode(), expected.encode())


def bearer(authorization: str | None) -> str | None:
    """Return the token of an ``Authorization`` header, with or without the word Bearer."""
    if authorization is None:
        return None
    kind, _, token = authorization.partition(" ")
    return token.strip() if kind.lower() in {"bearer", "token"} else authorization.strip()


def signature_matches(body: bytes, signature: str | None, secret: str) -> bool:
    """Return whether ``X-Hub-Signature-256`` is GitHub's for this body: ``sha256=`` and the HMAC in hex."""
    if not secret or signature is None:
        return False
    expected = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(signature.encode("utf-8", "replace"), expected.encode())

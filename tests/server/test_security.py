"""Who sent a request, and from which page."""

import pytest
import served

from harness.server.security import bearer, host_allowed, same_origin, signature_matches, token_matches


@pytest.mark.parametrize(
    ("host", "allowed"),
    [("127.0.0.1:8080", True), ("localhost", True), ("[::1]:8080", True), ("LOCALHOST:1", True), ("canary.test", True),
     ("evil.test", False), ("127.0.0.1.evil.test", False), ("localhost.evil.test:80", False), ("", False),
     ("127.0.0.1:80:80", False), ("127.0.0.1:x", False), ("evil.test#localhost", False)],
)  # fmt: skip
def test_only_our_own_names_are_served(host, allowed):
    """A name of an attacker that resolves to loopback is refused."""
    assert allowed == host_allowed(host, ["Canary.test"])


@pytest.mark.parametrize(
    ("origin", "site", "allowed"),
    [(None, None, True), ("http://127.0.0.1:80", None, True), ("http://127.0.0.1:80", "same-origin", True),
     ("http://evil.test", None, False), ("null", None, False), (None, "cross-site", False), (None, "same-site", False),
     ("http://127.0.0.1:81", None, False), ("http://127.0.0.1:80", "cross-site", False)],
)  # fmt: skip
def test_changes_come_from_our_own_pages(origin, site, allowed):
    """Another page in the same browser cannot approve anything."""
    assert allowed == same_origin(origin, site, "127.0.0.1:80")


def test_signatures_cover_every_byte():
    """Only the exact body with the exact secret matches; without a secret nothing does."""
    body = b'{"a": 1}'
    assert signature_matches(body, served.signed(body), served.SECRET)
    for other, signature, secret in [
        (body + b" ", served.signed(body), served.SECRET),
        (body, served.signed(body, "other"), served.SECRET),
        (body, served.signed(body).removeprefix("sha256="), served.SECRET),
        (body, None, served.SECRET),
        (body, "sha256=\udcff", served.SECRET),
        (body, served.signed(body, ""), ""),
    ]:
        assert not signature_matches(other, signature, secret)


def test_an_empty_token_matches_nothing():
    """A variable that is not set does not open the door."""
    assert not token_matches("", "")
    assert not token_matches(None, "x")
    assert token_matches("x", "x")
    assert ("x", "x", "x", None) == (bearer("Bearer x"), bearer("token x"), bearer("x"), bearer(None))

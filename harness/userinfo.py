"""Remove secrets from URLs in a text: the user and password before the host, and secret query parameters."""

from __future__ import annotations

import re

_USERINFO = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^\s/?#'\"<>]*@")
_QUERY = re.compile(
    r"([?&;](?:[\w.-]*(?:password|passwd|secret|token|credential|api[-_]?key|signature)[\w.-]*|sig|key|auth|code)=)"
    r"[^&;\s#'\"<>]+",
    re.IGNORECASE,
)


def without_userinfo(text: str) -> str:
    """Return ``text`` with every URL in it without user, password and secret parameters."""
    if "://" not in text:
        return text
    return _QUERY.sub(r"\1(hidden)", _USERINFO.sub(r"\1", text))

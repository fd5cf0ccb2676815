"""Plain HTTP requests to configured addresses, such as Envoy's admin port."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping

import urllib3

from harness.errors import MeshError
from harness.model.json import JsonValue
from harness.userinfo import without_userinfo


def http_get(url: str, *, timeout_s: float) -> bytes:
    """Return the body of a response with status 200. Raises MeshError for any other outcome."""
    response = _get(url, {}, timeout_s)
    if response.status != 200:
        raise MeshError(f"GET {url}: expected status 200, found {response.status}")
    return response.data


def http_send_body(
    method: str, url: str, *, body: bytes, headers: Mapping[str, str], timeout_s: float
) -> tuple[int, str]:
    """Return the status and the text of the answer to a request with a body. Raises MeshError without an answer."""
    user = urllib3.util.parse_url(url).auth
    sent = {**(urllib3.make_headers(basic_auth=user) if user else {}), **headers}
    try:
        answer = urllib3.request(
            method, without_userinfo(url), body=body, headers=sent, timeout=timeout_s, retries=False, redirect=False
        )
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise MeshError(
            f"{method} {url}: expected an answer within {timeout_s:g} s, found {type(error).__name__}"
        ) from error
    return answer.status, answer.data.decode("utf-8", "replace")


def response_headers(url: str, headers: Mapping[str, str], *, timeout_s: float) -> dict[str, str]:
    """Return a response's headers by lower-case name, whatever its status. Raises MeshError without a response."""
    return {name.lower(): value for name, value in _get(url, headers, timeout_s).headers.items()}


def _get(url: str, headers: Mapping[str, str], timeout_s: float) -> urllib3.BaseHTTPResponse:
    user = urllib3.util.parse_url(url).auth
    sent = {**(urllib3.make_headers(basic_auth=user) if user else {}), **headers}
    try:
        return urllib3.request(
            "GET", without_userinfo(url), headers=sent, timeout=timeout_s, retries=False, redirect=False
        )
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise MeshError(
            f"GET {url}: expected an answer within {timeout_s:g} s, found {type(error).__name__}"
        ) from error


def http_send(
    method: str, url: str, document: JsonValue, *, headers: Mapping[str, str], timeout_s: float
) -> tuple[int, bytes]:
    """Send a JSON document and return the status and at most a megabyte of the body; None sends no body.

    Redirects are not followed, because headers may carry a token. Raises MeshError without a response.
    """
    body = None if document is None else json.dumps(document).encode()
    sent = {"Content-Type": "application/json", "User-Agent": "canary-harness", **headers}
    try:
        response = urllib3.request(
            method, url, body=body, headers=sent, timeout=timeout_s, retries=False, redirect=False,
            preload_content=False,
        )  # fmt: skip
        with contextlib.closing(response):
            return response.status, response.read(2**20)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise MeshError(
            f"{method} {without_userinfo(url)}: expected an answer within {timeout_s:g} s, found {type(error).__name__}"
        ) from error

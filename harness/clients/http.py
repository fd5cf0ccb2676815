"""Plain HTTP to an address that somebody configured, such as Envoy's admin port."""

from __future__ import annotations

from collections.abc import Mapping

import urllib3

from harness.errors import MeshError


def http_get(url: str, *, timeout_s: float) -> bytes:
    """The body of an answer with status 200. Raises MeshError for anything else."""
    answer = _get(url, {}, timeout_s)
    if answer.status != 200:
        raise MeshError(f"GET {url}: expected status 200, found {answer.status}")
    return answer.data


def answer_headers(url: str, headers: Mapping[str, str], *, timeout_s: float) -> dict[str, str]:
    """Headers of the answer, whatever its status, with names in small letters. Raises MeshError without an answer."""
    return {name.lower(): value for name, value in _get(url, headers, timeout_s).headers.items()}


def _get(url: str, headers: Mapping[str, str], timeout_s: float) -> urllib3.BaseHTTPResponse:
    try:
        return urllib3.request("GET", url, headers=headers, timeout=timeout_s, retries=False, redirect=False)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise MeshError(
            f"GET {url}: expected an answer within {timeout_s:g} s, found {type(error).__name__}"
        ) from error

"""The base class of the fast users' clients: it has FastHttpSession's methods and fires Locust's request event."""

from __future__ import annotations

import json as jsonlib
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, TypeAlias, TypedDict, Unpack
from urllib.parse import urlencode

from locust import User

from harness.load.users.answers import Answer, CheckedAnswer

Body: TypeAlias = bytes | str | Mapping[str, object]
"""What can be sent as data; a mapping is sent as a form."""


class RequestOptions(TypedDict, total=False):
    """The options that every method takes, as in ``HttpClient.request``."""

    name: str | None
    json: object
    params: Mapping[str, object] | None
    headers: Mapping[str, str] | None
    catch_response: bool
    context: Mapping[str, object] | None
    allow_redirects: bool


class HttpClient(ABC):
    """The type of a fast user's ``self.client``."""

    def __init__(self, user: User, base_url: str) -> None:
        self.headers: dict[str, str] = {}
        """Headers that are sent with every request."""
        self._user, self._base_url = user, base_url
        self._fire = user.environment.events.request.fire
        self._has_context = type(user).context is not User.context

    @abstractmethod
    def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, follow: bool
    ) -> tuple[Answer, float]:
        """Send one request and wait for its answer. A failure is returned as an Answer with an error, never raised.

        url: an absolute URL. follow: follow redirects. Also returns the time of ``time.perf_counter`` at which the
        whole answer had arrived, because the time spent on processing it is not the service's.
        """

    # Longer than 40 lines, because it sets every field of Locust's event, and a call would cost time per request.
    def request(
        self,
        method: str,
        url: str,
        name: str | None = None,
        *,
        data: Body | None = None,
        json: object = None,
        params: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        catch_response: bool = False,
        context: Mapping[str, object] | None = None,
        allow_redirects: bool = True,
    ) -> Any:
        """Send a request and wait for its answer.

        url: a path on the host, or an absolute URL. name: the operation's name in the statistics. data: bytes, text or
        a mapping (sent as a form). json: a value to send as JSON. Returns an Answer, or with catch_response a
        CheckedAnswer for use in a with-block; it is typed as Any so that profiles need not tell the two apart.
        """
        absolute = url if url.startswith(("http://", "https://")) else self._base_url + url
        if params:
            absolute += ("&" if "?" in absolute else "?") + urlencode(params)
        sent: Mapping[str, str] = {**self.headers, **headers} if headers else self.headers
        body = None
        if data is not None or json is not None:
            body, sent = _encoded(data, json, sent)
        start_time, began = time.time(), time.perf_counter()
        answer, ended = self.exchange(method, absolute, sent, body, follow=allow_redirects)
        meta = {
            "request_type": method,
            "name": name or url,
            "response_time": (ended - began) * 1e3,
            "response_length": len(answer.content),
            "response": answer,
            "context": {**self._user.context(), **(context or {})} if self._has_context or context else {},
            "exception": answer.error,
            "start_time": start_time,
            "url": absolute,
        }
        if catch_response:
            return CheckedAnswer(answer, self._fire, meta)
        self._fire(**meta)
        return answer

    def get(self, url: str, **more: Unpack[RequestOptions]) -> Any:
        """Send a GET request."""
        return self.request("GET", url, **more)

    def head(self, url: str, **more: Unpack[RequestOptions]) -> Any:
        """Send a HEAD request."""
        return self.request("HEAD", url, **more)

    def delete(self, url: str, **more: Unpack[RequestOptions]) -> Any:
        """Send a DELETE request."""
        return self.request("DELETE", url, **more)

    def options(self, url: str, **more: Unpack[RequestOptions]) -> Any:
        """Send an OPTIONS request."""
        return self.request("OPTIONS", url, **more)

    def post(self, url: str, data: Body | None = None, **more: Unpack[RequestOptions]) -> Any:
        """Send a POST request."""
        return self.request("POST", url, data=data, **more)

    def put(self, url: str, data: Body | None = None, **more: Unpack[RequestOptions]) -> Any:
        """Send a PUT request."""
        return self.request("PUT", url, data=data, **more)

    def patch(self, url: str, data: Body | None = None, **more: Unpack[RequestOptions]) -> Any:
        """Send a PATCH request."""
        return self.request("PATCH", url, data=data, **more)


def _encoded(data: Body | None, json: object, headers: Mapping[str, str]) -> tuple[bytes, Mapping[str, str]]:
    """Return the body as bytes, and the headers with its content type."""
    body: bytes | str
    if data is None:
        body, kind = jsonlib.dumps(json), "application/json"
    elif isinstance(data, Mapping):
        body, kind = urlencode(data), "application/x-www-form-urlencoded"
    else:
        body, kind = data, "application/octet-stream"
    if "content-type" not in {name.lower() for name in headers}:
        headers = {**headers, "Content-Type": kind}
    return body.encode() if isinstance(body, str) else bytes(body), headers

"""What a request of the fast clients returns; the parts of requests' Response that locustfiles use."""

from __future__ import annotations

import json
from types import TracebackType
from typing import Any, Self

from locust.exception import CatchResponseError, ResponseError


class BadStatusError(ResponseError):
    """The status alone says that the request failed."""


class Answer:
    """Status, headers and body. ``status_code`` is 0 when no answer came; ``error`` then says why."""

    __slots__ = ("_header_lines", "_headers", "content", "error", "status_code", "url")

    def __init__(self, url: str, status_code: int, header_lines: list[bytes], content: bytes, error: Exception | None):
        self.url, self.status_code, self.content, self.error = url, status_code, content, error
        self._header_lines = header_lines
        self._headers: dict[str, str] | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Header values by lower-case name; of repeated ones, the last."""
        if self._headers is None:
            headers: dict[str, str] = {}
            for line in self._header_lines:
                if line.startswith(b"HTTP/"):
                    headers.clear()  # of a redirect before
                name, colon, value = line.decode("latin-1").partition(":")
                if colon:
                    headers[name.lower()] = value.strip()
            self._headers = headers
        return self._headers

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode(errors="replace")

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return 0 < self.status_code < 400

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.content)

    def raise_for_status(self) -> None:
        """Raise the error of a request that got no answer or a status of 400 and above."""
        if self.error is not None:
            raise self.error


class CheckedAnswer(Answer):
    """For ``catch_response=True``: used in a with-block, in which the profile says what success is."""

    __slots__ = ("_fire", "_meta", "_said")

    def __init__(self, answer: Answer, fire: Any, meta: dict[str, Any]) -> None:
        super().__init__(answer.url, answer.status_code, answer._header_lines, answer.content, answer.error)  # noqa: SLF001
        self._fire, self._meta, self._said = fire, meta, False

    def success(self) -> None:
        """The request succeeded, whatever its status."""
        self._said = True
        self._meta["exception"] = None

    def failure(self, reason: Any) -> None:
        """The request failed, whatever its status."""
        self._said = True
        self._meta["exception"] = reason if isinstance(reason, Exception) else CatchResponseError(reason)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if isinstance(error, ResponseError) and not self._said:
            self._meta["exception"] = error
        elif error is not None and not self._said:
            return False
        self._fire(**{**self._meta, "response": self})
        return error is None or isinstance(error, ResponseError)

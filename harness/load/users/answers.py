"""The answers that the fast clients return. They have those parts of requests' Response that locustfiles use."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from types import TracebackType
from typing import Any, Self

from locust.exception import CatchResponseError, ResponseError

RECORDED = "recorded_as_request"
"""A client that raises failed requests sets this attribute of the error to True when it has recorded the request."""


@lru_cache(maxsize=256)
def _needle(key: str) -> bytes:
    return f"\n{key.lower()}:".encode("latin-1")


class BadStatusError(ResponseError):
    """The request failed because of its status."""


class Headers(Mapping[str, str]):
    """Header values by case-insensitive name; of repeated headers, the last value."""

    __slots__ = ("_lines", "_parsed")

    def __init__(self, lines: list[bytes]) -> None:
        """lines: pieces of the received header lines: status line and headers, after those of any redirects."""
        self._lines = lines
        self._parsed: dict[str, str] | None = None

    def get(self, key: str, default: Any = None) -> Any:  # Any: Mapping allows every default
        """Return one value without parsing the others."""
        raw, needle = b"".join(self._lines), _needle(key)
        start = raw.rfind(needle)  # most servers send names in lower case
        if start < 0:
            start = raw.lower().rfind(needle)
        if start < 0 or raw.rfind(b"\nHTTP/") > start:
            return default
        return raw[start + len(needle) : raw.find(b"\r\n", start + 1)].strip().decode("latin-1")

    def _all(self) -> dict[str, str]:
        if self._parsed is None:
            self._parsed = {}
            for line in b"".join(self._lines).split(b"\r\n"):
                if line.startswith(b"HTTP/"):
                    self._parsed.clear()
                name, colon, value = line.decode("latin-1").partition(":")
                if colon:
                    self._parsed[name.lower()] = value.strip()
        return self._parsed

    def __getitem__(self, key: str) -> str:
        return self._all()[key.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


class Answer:
    """Status, headers and body. Without an answer, ``status_code`` is 0 and ``error`` says why."""

    __slots__ = ("content", "error", "headers", "status_code", "url")

    def __init__(self, url: str, status_code: int, headers: Headers, content: bytes, error: Exception | None) -> None:
        self.url, self.status_code, self.headers, self.content, self.error = url, status_code, headers, content, error

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode(errors="replace")

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return 0 < self.status_code < 400

    def json(self) -> Any:
        """Return the body as JSON; any type, as from requests."""
        return json.loads(self.content)

    def raise_for_status(self) -> None:
        """Raise the error if the request got no answer or a status of at least 400."""
        if self.error is not None:
            raise self.error


class CheckedAnswer(Answer):
    """The answer for ``catch_response=True``: the profile decides in a with-block whether the request succeeded."""

    __slots__ = ("_decided", "_fire", "_meta")

    def __init__(self, answer: Answer, fire: Callable[..., None], meta: dict[str, object]) -> None:
        super().__init__(answer.url, answer.status_code, answer.headers, answer.content, answer.error)
        self._fire, self._meta, self._decided = fire, meta, False

    def success(self) -> None:
        """Count the request as successful, whatever its status."""
        self._decided = True
        self._meta["exception"] = None

    def failure(self, reason: Exception | str) -> None:
        """Count the request as failed, whatever its status."""
        self._decided = True
        self._meta["exception"] = reason if isinstance(reason, Exception) else CatchResponseError(reason)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if isinstance(error, ResponseError) and not self._decided:
            self._meta["exception"] = error
        elif error is not None and not self._decided:
            return False
        self._fire(**{**self._meta, "response": self})
        return error is None or isinstance(error, ResponseError)

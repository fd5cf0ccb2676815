"""What a request of the fast clients returns; the parts of requests' Response that locustfiles use."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import TracebackType
from typing import Any, Self

from locust.exception import CatchResponseError, ResponseError


@lru_cache(maxsize=256)
def _needle(key: str) -> bytes:
    return f"\n{key.lower()}:".encode("latin-1")


class BadStatusError(ResponseError):
    """The status alone says that the request failed."""


class Headers(Mapping[str, str]):
    """Header values by name, in any case; of repeated ones the last. Parsed only when more than one is asked for."""

    __slots__ = ("_lines", "_parsed")

    def __init__(self, lines: list[bytes]) -> None:
        """lines: pieces of what came: status line and headers, those of redirects before."""
        self._lines = lines
        self._parsed: dict[str, str] | None = None

    def get(self, key: str, default: Any = None) -> Any:
        """One value, found without parsing the others."""
        raw, needle = b"".join(self._lines), _needle(key)
        start = raw.rfind(needle)  # most servers write names in lower case
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
    """Status, headers and body. ``status_code`` is 0 when no answer came; ``error`` then says why."""

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
        super().__init__(answer.url, answer.status_code, answer.headers, answer.content, answer.error)
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

"""The content of a stand-in's answers, as values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The body of answers to requests of a path.

    path: exact, or the beginning of a path that ends with ``*``. status: of the answers.
    """

    path: str
    text: str
    content_type: str = "application/json"
    method: str = "GET"
    status: int = 200

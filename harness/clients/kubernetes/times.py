"""Times as Kubernetes writes them, to and from epoch seconds."""

from __future__ import annotations

from datetime import UTC, datetime


def stamp(at: float) -> str:
    """Epoch seconds as Kubernetes writes precise times."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def epoch(text: str) -> float:
    """Epoch seconds of a time as Kubernetes writes it."""
    return datetime.fromisoformat(text).timestamp()

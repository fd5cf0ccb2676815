"""Convert between epoch seconds and times as Kubernetes writes them."""

from __future__ import annotations

from datetime import UTC, datetime


def stamp(at: float) -> str:
    """Return a time in epoch seconds as Kubernetes writes precise times."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def epoch(text: str) -> float:
    """Return the epoch seconds of a time that Kubernetes wrote."""
    return datetime.fromisoformat(text).timestamp()

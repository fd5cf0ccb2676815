"""The record of one request that changes something in a cluster."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """One request that changes something, or a dry run of one.

    at: epoch seconds. before, after: resourceVersions; empty if there is none. status: the HTTP status; 0 without an
    answer. latency_s: seconds until the answer.
    """

    at: float
    verb: str
    kind: str
    namespace: str
    name: str
    dry_run: bool
    before: str
    after: str
    status: int
    warnings: tuple[str, ...]
    latency_s: float

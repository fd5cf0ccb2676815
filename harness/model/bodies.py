"""The bodies of answers: of failed ones, if a load profile asks for them, and of those of dependencies, for replays.

In a bundle, ``bodies.ndjson`` has one body on each line, with the fields of ``Body`` by name; it exists only if the
profile sets ``body_bytes`` and an answer failed. ``dependency-bodies.ndjson`` exists if ``harness.yaml`` sets
``record-bytes`` for a service that answered traced requests on the local mesh, or all requests of the load elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

MOST_OF_A_KIND, MOST_RECORDED = 5, 500
"""How many different bodies are recorded for replays: for each operation and status, and in total."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The body of one failed answer, without what looks like a secret.

    at_s: when the answer arrived, in seconds since the first due request. arm: baseline, canary, or empty if it is not
    known. operation: the name of the request. status: of HTTP. error: from the profile; empty if the status says all.
    text: the beginning of the body. size: bytes of the whole body.
    """

    at_s: float
    arm: str
    operation: str
    status: int
    error: str
    text: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyBody:
    """The body of an answer of a service that a stand-in may play, without what looks like a secret.

    path: of the request, without its query. status: of HTTP.
    """

    service: str
    method: str
    path: str
    status: int
    content_type: str
    text: str

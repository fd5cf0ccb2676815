"""Messages between the stage and its clients: one JSON object on each line, over a Unix socket."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from typing import BinaryIO

from harness import errors
from harness.errors import HarnessError, MeshError, WorkloadDeath
from harness.model.json import JsonObject, object_at, parse_json, text_at, texts_at, value_at

_KNOWN = (
    "UsageError",
    "ResourceError",
    "EnvoyError",
    "PortError",
    "ServiceError",
    "MeshError",
    "MeshStale",
    "RollbackError",
)


@dataclass(frozen=True, slots=True)
class Line:
    """One connection. Use ``connected``, or give an accepted socket."""

    peer: socket.socket
    file: BinaryIO

    def send(self, message: JsonObject) -> None:
        """Send one message. Raises OSError when the other side is gone."""
        self.peer.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> JsonObject | None:
        """Return the next message, or None when the other side is gone."""
        try:
            text = self.file.readline()
        except OSError:
            return None
        if not text.endswith(b"\n"):
            return None
        found = parse_json(text)
        if not isinstance(found, dict):
            raise MeshError(f"stage: expected a message, found {found!r:.100}")
        return found

    def close(self) -> None:
        """End the connection."""
        self.file.close()
        self.peer.close()


def line_of(peer: socket.socket) -> Line:
    """Return the line over a socket."""
    return Line(peer, peer.makefile("rb"))


def error_message(error: HarnessError) -> JsonObject:
    """Return an error as a message."""
    if isinstance(error, WorkloadDeath):
        death: JsonObject = {
            "name": error.name,
            "labels": dict(error.labels),
            "how": error.how,
            "log": error.log,
            "silent_s": error.silent_s,
        }
        return {"error": "WorkloadDeath", "death": death}
    name = next((kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _KNOWN), "MeshError")
    return {"error": name, "text": str(error)}


def error_of(message: JsonObject) -> HarnessError:
    """Return the error that a message has."""
    if message["error"] == "WorkloadDeath":
        death = object_at(message, "death")
        silent_s = value_at(death, "silent_s")
        return WorkloadDeath(
            name=text_at(death, "name"),
            labels=texts_at(death, "labels"),
            how=text_at(death, "how"),
            log=text_at(death, "log", default=""),
            silent_s=silent_s if isinstance(silent_s, float) else 0.0,
        )
    kind: type[HarnessError] = getattr(errors, str(message["error"]), MeshError)
    return kind(text_at(message, "text"))

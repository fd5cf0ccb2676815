"""The client's side of a stage's socket, and the mesh that gates see."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import TypeAdapter

from harness.errors import MeshError, RollbackError, UsageError
from harness.mesh.port import Entry
from harness.mesh.stage.messages import Line, error_of, line_of
from harness.model.config import Config
from harness.model.counts import RequestCount
from harness.model.json import JsonObject, JsonValue, objects_at, text_at
from harness.model.record import Rollback
from harness.model.step import Step, require_declared
from harness.model.step_json import step_to_json
from harness.routing.istio.api import IstioRouting
from harness.routing.port import MESH, RoutingApi


class Stage:
    """A stage that runs. Each request has a connection of its own, so it can be used from several threads."""

    def __init__(self, address: Path) -> None:
        """address: the path of the stage's socket."""
        self._address = address

    def ask(self, do: str, **arguments: JsonValue) -> JsonObject:
        """Send one request and return the answer. Raises the stage's error, or MeshError if it is gone."""
        line = self.connected()
        try:
            line.send({"do": do, **arguments})
            answer = line.receive()
        except OSError as error:
            raise MeshError(f"{self._gone}: {error}") from error
        finally:
            line.close()
        if answer is None:
            raise MeshError(f"{self._gone}: it ended before it answered {do!r}")
        if "error" in answer:
            raise error_of(answer)
        return answer

    def connected(self) -> Line:
        """Return a new connection. Raises MeshError if the stage is gone."""
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            peer.connect(str(self._address))
        except OSError as error:
            peer.close()
            raise MeshError(f"{self._gone}: {error}") from error
        return line_of(peer)

    @property
    def _gone(self) -> str:
        return f"expected a stage at {self._address}, found none; start one with: harness release up"


class StageChange:
    """A change that is live on the stage; ``rollback`` is None until it has been reverted."""

    def __init__(self, line: Line, proof: str) -> None:
        """line: the connection that keeps the change live."""
        self.rollback: Rollback | None = None
        self.proof = proof
        self._line, self._lock = line, threading.Lock()
        self.trouble: Exception | None = None

    def undo(self) -> None:
        """Revert it now, from any thread; a second call waits for the first."""
        with self._lock:
            if self.rollback is not None or self.trouble is not None:
                return
            try:
                self._line.send({"do": "undo"})
                answer = self._line.receive()
            except OSError as error:
                self.trouble = RollbackError(f"the stage ended before it reverted the change: {error}")
                return
            if answer is None:
                self.trouble = RollbackError("the stage ended before it reverted the change; its proxies ended too")
            elif "error" in answer:
                self.trouble = error_of(answer)
            else:
                self.rollback = TypeAdapter(Rollback).validate_python(answer["rollback"])


class StageMesh:
    """Implements ``harness.mesh.port.Mesh`` on a stage."""

    target = "stage"
    gateway = MESH
    routing: RoutingApi = IstioRouting()

    def __init__(self, stage: Stage) -> None:
        """stage: that runs."""
        self._stage = stage
        self._hello = stage.ask("hello")

    def resources(self, kind: str = "") -> tuple[JsonObject, ...]:
        """Return the objects of a kind as they are now; by default the Istio resources."""
        return tuple(objects_at(self._stage.ask("resources", kind=kind), "resources"))

    @contextmanager
    def changed(self, steps: Sequence[Step], *, name: str) -> Iterator[StageChange]:
        """Carry out the steps on the stage, which reverts them on exit, and also when this process ends."""
        for step in steps:
            require_declared(step)
        line = self._stage.connected()
        try:
            line.send({"do": "change", "steps": [step_to_json(step) for step in steps], "name": name})
            answer = line.receive()
            if answer is None:
                raise MeshError(f"{name}: the stage ended while it made the change")
            if "error" in answer:
                raise error_of(answer)
            change = StageChange(line, text_at(answer, "proof", default=""))
            try:
                yield change
            finally:
                change.undo()
            if change.trouble is not None:
                raise change.trouble
        finally:
            line.close()

    def entry(self) -> Entry:
        """Return where to send load for the entry service."""
        return Entry(url=text_at(self._hello, "entry"))

    def request_counts(self) -> tuple[RequestCount, ...]:
        """Return the requests that the proxies have counted since they started."""
        return TypeAdapter(tuple[RequestCount, ...]).validate_python(self._stage.ask("counts")["counts"])

    def check(self) -> None:
        """Raise an error that explains it if the stage, Envoy or a service has died."""
        self._stage.ask("check")


@contextmanager
def open_stage_mesh(config: Config, folder: Path) -> Iterator[StageMesh]:
    """Use the stage that the configuration names. Raises UsageError without one: only harness release sets it."""
    del folder  # its logs are in the stage's own folder
    if config.stage is None:
        raise UsageError(
            "target stage: expected to be started by harness release, which deploys what is compared; "
            "use the target local for a run on this machine"
        )
    yield StageMesh(Stage(config.stage))

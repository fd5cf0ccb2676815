"""The stage's side of the socket: it owns the proxies and the processes, and does what clients ask for."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from harness.errors import HarnessError, MeshBusy, MeshError, MeshStale
from harness.mesh.local import LocalMesh
from harness.mesh.local.starting import open_stage
from harness.mesh.stage.fleet import (
    ARMS,
    Fleet,
    as_released,
    first_services,
    program_from_json,
    promoted_in,
    stable_workload,
    stage_workloads,
)
from harness.mesh.stage.messages import Line, error_message, line_of
from harness.model.config import Config
from harness.model.json import JsonObject, list_at, objects_at, text_at, texts_at
from harness.model.step_json import step_from_json
from harness.scratch import scratch

ADDRESS = "stage.json"
"""The file in the stage's folder that says where it can be reached."""
_QUIET_WITHIN_S = 20.0
"""How long to wait for the changes of a gate that has just died to be undone."""


class StageServer:
    """Answers clients, each connection in a thread of its own."""

    def __init__(self, mesh: LocalMesh, fleet: Fleet) -> None:
        """mesh: that clients change. fleet: whose processes they start and end."""
        self._mesh, self._fleet = mesh, fleet
        self._changing = threading.RLock()
        self.ended = threading.Event()
        self._do: Mapping[str, Callable[[JsonObject], JsonObject]] = {
            "hello": self._hello,
            "resources": self._resources,
            "replace": self._replace,
            "state": self._state,
            "deploy": self._deploy,
            "remove": self._remove,
            "settle": self._settle,
            "counts": self._counts,
            "check": self._check,
            "end": self._end,
        }

    def serve(self, peer: socket.socket) -> None:
        """Answer the messages of one client until it is gone."""
        line = line_of(peer)
        with suppress(OSError):
            while (message := line.receive()) is not None:
                if message.get("do") == "change":
                    self._change(message, line)
                else:
                    line.send(self._answer(message))
        line.close()

    def _answer(self, message: JsonObject) -> JsonObject:
        do = self._do.get(str(message.get("do")))
        try:
            if do is None:
                raise MeshError(f"stage: unknown message {message.get('do')!r}; known: {', '.join(self._do)}")
            return do(message)
        except HarnessError as error:
            return error_message(error)

    def _change(self, message: JsonObject, line: Line) -> None:
        """Keep a change live until the client says so, or is gone."""
        try:
            steps = [step_from_json(step) for step in objects_at(message, "steps")]
            with self._mesh.changed(steps, name=text_at(message, "name")) as change, suppress(OSError):
                line.send({"proof": change.proof})
                line.receive()
            rolled = change.rollback
            answer: JsonObject = {} if rolled is None else {"rollback": asdict(rolled)}
        except HarnessError as error:
            answer = error_message(error)
        line.send(answer)

    def _hello(self, _: JsonObject) -> JsonObject:
        mesh = self._mesh
        return {
            "entry": mesh.entry().url,
            "outbound": mesh.outbound("loadgenerator"),
            "metrics": mesh.metrics_url,
            "pid": os.getpid(),
            "envoy_pid": mesh.envoy_pid,
            "namespace": mesh.namespace,
        }

    def _resources(self, message: JsonObject) -> JsonObject:
        return {"resources": [*self._mesh.resources(text_at(message, "kind", default=""))]}

    def _replace(self, message: JsonObject) -> JsonObject:
        """Serve other resources; wait for the changes of a dead client to be undone first."""
        give_up = time.monotonic() + _QUIET_WITHIN_S
        while True:
            try:
                self._replace_once(message)
            except (MeshBusy, MeshStale) as error:
                undone_soon = isinstance(error, MeshBusy) or error.live
                if not undone_soon or time.monotonic() > give_up:
                    raise
                time.sleep(0.1)
            else:
                return {}

    def _replace_once(self, message: JsonObject) -> None:
        with self._changing:
            if [*self._mesh.resources()] != list_at(message, "before"):
                live = self._mesh.changes_live
                found = "others, while a change is live" if live else "others"
                raise MeshStale(f"stage: expected the resources as they were read, found {found}", live=live)
            self._mesh.replace(objects_at(message, "after"))

    def _state(self, message: JsonObject) -> JsonObject:
        service = text_at(message, "service")
        with self._changing:
            stable = self._fleet.stable(service)
            return {
                "program": None if stable is None else stable.program.to_json(),
                "labels": dict(self._fleet.labels(service)),
                "arms": {name: arm.program.to_json() for name, arm in self._fleet.arms(service).items()},
            }

    def _deploy(self, message: JsonObject) -> JsonObject:
        arm = text_at(message, "arm")
        if arm not in ARMS:
            raise MeshError(f"stage: expected one of the arms {', '.join(ARMS)}, found {arm!r}")
        program = program_from_json(message["program"])
        with self._changing:
            self._fleet.deploy(text_at(message, "service"), arm, program, texts_at(message, "labels"))
        return {}

    def _remove(self, message: JsonObject) -> JsonObject:
        with self._changing:
            for arm in ARMS:
                self._fleet.remove(text_at(message, "service"), arm)
        return {}

    def _settle(self, message: JsonObject) -> JsonObject:
        with self._changing:
            program = message["program"]
            self._fleet.settle(text_at(message, "service"), None if program is None else program_from_json(program))
        return {}

    def _counts(self, _: JsonObject) -> JsonObject:
        return {"counts": [asdict(count) for count in self._mesh.request_counts()]}

    def _check(self, _: JsonObject) -> JsonObject:
        self._mesh.check()
        return {}

    def _end(self, _: JsonObject) -> JsonObject:
        self.ended.set()
        return {}


def serve_stage(config: Config, folder: Path) -> None:
    """Run a stage until a client ends it. Its address is in ``stage.json`` of the folder as soon as it is ready.

    Raises HarnessError if proxies or services cannot be started.
    """
    released = promoted_in(folder)
    chosen = as_released(stage_workloads(config, released), released)
    absent = [stable_workload(config, name) for name in sorted(first_services(config))]
    with open_stage(config, chosen, folder, absent=absent) as (mesh, services):
        fleet = Fleet(config, services, mesh.serve_from, folder)
        server = StageServer(mesh, fleet)
        with _listening() as listener:
            _announce(folder, listener)
            _accept(listener, server)
            (folder / ADDRESS).unlink(missing_ok=True)


def _accept(listener: socket.socket, server: StageServer) -> None:
    listener.settimeout(0.2)
    while not server.ended.is_set():
        try:
            peer, _ = listener.accept()
        except TimeoutError:
            continue
        peer.settimeout(None)
        threading.Thread(target=server.serve, args=(peer,), daemon=True).start()


@contextmanager
def _listening() -> Iterator[socket.socket]:
    """Listen on a socket in a private folder; its path is short, because socket paths have a limit of 107 bytes."""
    with ExitStack() as held:
        folder = held.enter_context(scratch("harness-stage-"))
        listener = held.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        listener.bind(str(folder / "s"))
        listener.listen(64)
        yield listener


def _announce(folder: Path, listener: socket.socket) -> None:
    written = folder / f".{ADDRESS}"
    written.write_text(json.dumps({"socket": listener.getsockname(), "pid": os.getpid()}), encoding="utf-8")
    written.replace(folder / ADDRESS)

"""The processes of a stage: the running build of each service, and the arms of a release.

The running build of a service is what a Deployment is in a cluster: it keeps its labels and takes a new command when a
build is promoted. The new process is healthy before the old one leaves the mesh.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import MeshError, UsageError
from harness.mesh.local.topology import Endpoint, Service
from harness.mesh.services import ServiceSet
from harness.model.config import Config, Workload
from harness.model.json import JsonObject, JsonValue, list_at, object_at, parse_json, text_at, texts_at

ARMS = ("baseline", "canary")
PROMOTED = "stable.json"
DRAIN_S = 1.5
"""How long a process that gets no new requests may still answer old ones, before it is ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What a process of a build runs. folder: that it runs in. build: what people call it."""

    command: tuple[str, ...]
    env: Mapping[str, str]
    folder: str
    build: str = ""

    @property
    def identity(self) -> str:
        """A hash of all that decides what runs."""
        text = json.dumps([self.command, dict(self.env), self.folder], sort_keys=True)
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"

    def to_json(self) -> JsonObject:
        """Return it as a message has it."""
        return {"command": [*self.command], "env": dict(self.env), "folder": self.folder, "build": self.build}


def program_from_json(value: JsonValue) -> Program:
    """Return the program that ``to_json`` wrote."""
    return Program(
        command=tuple(str(word) for word in list_at(value, "command")),
        env=texts_at(value, "env"),
        folder=text_at(value, "folder"),
        build=text_at(value, "build", default=""),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A process in the mesh. role: ``stable`` or an arm. origin: the workload of harness.yaml that it stands for."""

    workload: Workload
    program: Program
    role: str
    origin: str = ""


class Fleet:
    """Starts and ends processes, and tells the mesh about the endpoints that are there."""

    def __init__(
        self, config: Config, services: ServiceSet, serve: Callable[[tuple[Service, ...]], None], folder: Path
    ) -> None:
        """services: what runs already. serve: makes the proxies use these endpoints. folder: for what must last."""
        self._config, self._services, self._serve, self._file = config, services, serve, folder / PROMOTED
        self._members = {
            one.name: Member(workload=one, program=_program(config, one), role="stable", origin=one.name)
            for one in services.workloads
        }
        self._started = 0

    def stable(self, service: str) -> Member:
        """Return the running build of a service. Raises UsageError unless there is exactly one."""
        found = [one for one in self._members.values() if one.workload.service == service and one.role == "stable"]
        if len(found) != 1:
            names = ", ".join(one.workload.version for one in found) or "none"
            raise UsageError(f"{service}: expected one running build on the stage, found {names}")
        return found[0]

    def arms(self, service: str) -> dict[str, Member]:
        """Return the arms of a service, by name."""
        return {one.role: one for one in self._members.values() if one.workload.service == service and one.role in ARMS}

    def deploy(self, service: str, arm: str, program: Program, labels: Mapping[str, str]) -> None:
        """Start an arm, unless the same program is that arm already. Raises ServiceError as ``ServiceSet`` does."""
        there = self.arms(service).get(arm)
        if there is not None and there.program == program and self._services.runs(there.workload.name):
            return
        self.remove(service, arm)
        self._start(service, program, labels, arm)

    def remove(self, service: str, arm: str) -> None:
        """End an arm, if it is there: first for the proxies, then the process."""
        there = self.arms(service).get(arm)
        if there is not None:
            self._end(there)

    def settle(self, service: str, program: Program) -> None:
        """Make a program the running build of a service. Raises ServiceError if it does not become healthy."""
        old = self.stable(service)
        if old.program == program and self._services.runs(old.workload.name):
            return
        self._start(service, program, old.workload.labels, "stable", replaces=old)
        promoted = {**promoted_in(self._file.parent), old.origin: program}
        written = self._file.with_suffix(".new")
        written.touch(mode=0o600)
        written.write_text(json.dumps({name: one.to_json() for name, one in promoted.items()}), encoding="utf-8")
        written.replace(self._file)

    def _start(
        self, service: str, program: Program, labels: Mapping[str, str], role: str, replaces: Member | None = None
    ) -> None:
        self._started += 1
        workload = Workload(
            service=service,
            version=f"{labels.get('version', role)}.{self._started}",
            labels=labels,
            command=program.command,
            env=program.env,
            folder=Path(program.folder),
        )
        self._services.add(workload)
        origin = "" if replaces is None else replaces.origin
        self._members[workload.name] = Member(workload=workload, program=program, role=role, origin=origin)
        if replaces is None:
            self._serve(self.topology())
        else:
            self._end(replaces)

    def _end(self, member: Member) -> None:
        self._members.pop(member.workload.name)
        self._serve(self.topology())
        time.sleep(DRAIN_S)
        self._services.remove(member.workload.name)

    def topology(self) -> tuple[Service, ...]:
        """Return all services with the endpoints that are there."""
        return tuple(
            Service(
                name=service.name,
                namespace=self._config.namespace,
                port=service.port,
                endpoints=tuple(self._endpoint(one) for one in self._members.values() if one.workload.service == name),
            )
            for name, service in self._config.services.items()
        )

    def _endpoint(self, member: Member) -> Endpoint:
        workload = member.workload
        host, port = self._services.endpoints[workload.name]
        version = workload.labels.get("version", workload.version)
        return Endpoint(workload=workload.name, version=version, labels=workload.labels, host=host, port=port)


def _program(config: Config, workload: Workload) -> Program:
    folder = str(workload.folder or config.root)
    return Program(command=workload.command or (), env=dict(workload.env), folder=folder, build=workload.version)


def promoted_in(folder: Path) -> dict[str, Program]:
    """Return the builds that were promoted on the stage of this folder, by the workload of harness.yaml."""
    file = folder / PROMOTED
    if not file.is_file():
        return {}
    try:
        return {name: program_from_json(one) for name, one in object_at(parse_json(file.read_bytes())).items()}
    except ValueError as error:
        raise MeshError(f"{file}: expected the builds that were promoted, found something else: {error}") from error


def stage_workloads(config: Config) -> tuple[Workload, ...]:
    """Return what runs on a stage before a release: the running build of every service that can run here.

    Of the service under test that is the baseline; of the others, every version that has a command or an address.
    """
    found = []
    for service in config.services.values():
        for workload in service.versions.values():
            other = service.name == config.service and workload.version != config.baseline
            if not other and (workload.command or workload.address):
                found.append(workload)
    if not any(one.service == config.service for one in found):
        raise MeshError(f"{config.service}: expected a command for its version {config.baseline}, found none")
    return tuple(found)


def as_released(workloads: tuple[Workload, ...], stable: Mapping[str, Program]) -> tuple[Workload, ...]:
    """Return the workloads with the builds that were promoted on this stage before."""
    changed = []
    for one in workloads:
        program = stable.get(one.name)
        if program is None:
            changed.append(one)
        else:
            folder = Path(program.folder)
            changed.append(dataclasses.replace(one, command=program.command, env=program.env, folder=folder))
    return tuple(changed)

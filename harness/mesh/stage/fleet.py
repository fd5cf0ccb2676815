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
from harness.mesh.local.members import mesh_services
from harness.mesh.local.topology import Service
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

    def stable(self, service: str) -> Member | None:
        """Return the running build of a service; None if its first release is still to come.

        Raises UsageError if there are several, or none although there should be one.
        """
        found = [one for one in self._members.values() if one.workload.service == service and one.role == "stable"]
        if not found and service in first_services(self._config):
            return None
        if len(found) != 1:
            names = ", ".join(one.workload.version for one in found) or "none"
            raise UsageError(f"{service}: expected one running build on the stage, found {names}")
        return found[0]

    def labels(self, service: str) -> Mapping[str, str]:
        """Return the labels of the running build, which it keeps from one build to the next."""
        there = self.stable(service)
        return stable_workload(self._config, service).labels if there is None else there.workload.labels

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

    def settle(self, service: str, program: Program | None) -> None:
        """Make a program the running build of a service; None: there is none again, as before its first release.

        Raises ServiceError if it does not become healthy.
        """
        old = self.stable(service)
        origin = stable_workload(self._config, service).name if old is None else old.origin
        promoted = promoted_in(self._file.parent)
        if program is None:
            promoted.pop(origin, None)
            self._keep(promoted)
            if old is not None:
                self._end(old)
        elif old is None or old.program != program or not self._services.runs(old.workload.name):
            self._start(service, program, self.labels(service), "stable", replaces=old, origin=origin)
            self._keep({**promoted, origin: program})

    def _keep(self, promoted: Mapping[str, Program]) -> None:
        written = self._file.with_suffix(".new")
        written.touch(mode=0o600)
        written.write_text(json.dumps({name: one.to_json() for name, one in promoted.items()}), encoding="utf-8")
        written.replace(self._file)

    def _start(
        self,
        service: str,
        program: Program,
        labels: Mapping[str, str],
        role: str,
        *,
        replaces: Member | None = None,
        origin: str = "",
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
        return mesh_services(self._config, self._services, [one.workload for one in self._members.values()])


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


def stage_workloads(config: Config, released: Mapping[str, Program]) -> tuple[Workload, ...]:
    """Return what runs on a stage before a release: the running build of every service that can run here.

    Of the service under test that is the baseline; of the others, every version that has a command or an address; of
    those in ``release.first``, nothing until they were promoted. released: what ``promoted_in`` returns.
    """
    first = first_services(config)
    found = [
        workload
        for service in config.services.values()
        for workload in service.versions.values()
        if workload.command or workload.address
        if service.name != config.service or workload.version == config.baseline
        if service.name not in first
        or (workload.name in released and workload == stable_workload(config, service.name))
    ]
    if config.service not in first and not any(one.service == config.service for one in found):
        raise MeshError(f"{config.service}: expected a command for its version {config.baseline}, found none")
    return tuple(found)


def first_services(config: Config) -> frozenset[str]:
    """Return the services that may have no running build yet."""
    return frozenset(() if config.release is None else config.release.first)


def stable_workload(config: Config, service: str) -> Workload:
    """Return the workload of harness.yaml that the running build of a service stands for."""
    versions = config.services[service].versions
    return versions[config.baseline] if service == config.service else next(iter(versions.values()))


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

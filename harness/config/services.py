"""The ``services`` section: what runs, how it is started and which services it calls."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, TypeAlias

from pydantic import Field

from harness.config.mistakes import mistake, require_known
from harness.config.section import Section
from harness.config.values import Duration, Port, Shaped, Word, Words
from harness.model.config import Service, ServicePort, Workload
from harness.model.protocol import Protocol
from harness.yaml_files import Document, Place

_HIGHEST_PORT = 65535
Variable: TypeAlias = Annotated[str, Shaped(r"[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable as key")]
PortName: TypeAlias = Annotated[str, Shaped(r"[a-z][a-z0-9-]*", "the name of a port as key, such as admin")]


class VersionKeys(Section):
    """One version of a service. A version without command and address can only be used on a cluster."""

    labels: dict[str, Word] = Field(default_factory=dict)
    """Labels of its pods. Always includes app (the service) and version, unless they are given here."""

    command: Words | None = None
    """The command that starts it on this machine. Default: the service's command.

    {port} is the port to listen on, {port.NAME} that of a further port, {python} this interpreter, {root} the folder of
    harness.yaml; {service} and {version} are the names. It runs in the folder of harness.yaml.
    """

    env: dict[str, Word] = Field(default_factory=dict)
    """More environment variables, in addition to the service's. The placeholders of command work here too."""

    address: Annotated[str, Shaped(r".+:[0-9]+", "host:port")] | None = None
    """host:port where it answers already or, with a command, where the command listens. Without a command it answers
    there for all ports of the service."""


class PortKeys(Section):
    """A further port of a service."""

    port: Port
    """Its number in the mesh, not that of a process on this machine."""

    protocol: Protocol = Protocol.HTTP
    """What it speaks: http, http2 or grpc."""


class ServiceKeys(Section):
    """One service of the mesh."""

    port: Port = 80
    """Port of the service in the mesh, not of a process on this machine."""

    protocol: Protocol = Protocol.HTTP
    """What the port speaks: http, http2 or grpc. A gRPC service is ready when it speaks HTTP/2; health is not used."""

    ports: dict[PortName, PortKeys] = Field(default_factory=dict)
    """Further ports of the service, by name. The command listens on {port.NAME} for each."""

    health: Annotated[str, Shaped("/.*", "a path that starts with /")] = "/health"
    """Path that answers with a status from 200 to 399 when the service is ready."""

    ready_within_s: Duration = 30.0
    """How long a started process may take to become ready."""

    calls: dict[Variable, Word] = Field(default_factory=dict)
    """Services that it calls: the environment variable gets the URL of the service in the mesh; reviews:9091 is that of
    a further port. A name with a dot that is no service is a host elsewhere, such as payments.example.com: a
    ServiceEntry says where, or istio.outbound."""

    command: Words | None = None
    """The command that starts a version on this machine, for every version without its own."""

    env: dict[str, Word] = Field(default_factory=dict)
    """Environment variables of every version."""

    versions: Annotated[dict[str, VersionKeys], Field(min_length=1)]
    """The versions of the service, by name."""


def services_of(keys: Mapping[str, ServiceKeys], document: Document) -> dict[str, Service]:
    """Return all services in the order of the file.

    Raises ConfigError for a call to an unknown service, for services that call each other in a circle and for a
    misspelt placeholder.
    """
    for name, service in keys.items():
        _require_one_name_each(name, service, document)
        for variable, callee in service.calls.items():
            _require_callee(callee, ("services", name, "calls", variable), keys, document)
    circle = _circle({name: tuple(_inside(service, keys).values()) for name, service in keys.items()})
    if circle:
        message = f"services call each other in a circle: {' -> '.join(circle)}"
        raise mistake(document, ("services", circle[0], "calls"), message)
    return {name: _service(name, service, document, _inside(service, keys)) for name, service in keys.items()}


def _inside(service: ServiceKeys, keys: Mapping[str, ServiceKeys]) -> dict[str, str]:
    """Return the calls of a service to other services of the file."""
    named = {variable: callee.partition(":")[0] for variable, callee in service.calls.items()}
    return {variable: callee for variable, callee in named.items() if callee in keys}


def _require_one_name_each(name: str, service: ServiceKeys, document: Document) -> None:
    """Raise ConfigError for two ports of a service with one number."""
    seen = {service.port: "port"}
    for key, port in service.ports.items():
        if port.port in seen:
            message = f"expected another port than {seen[port.port]} has, found {port.port}"
            raise mistake(document, ("services", name, "ports", key, "port"), message)
        seen[port.port] = f"ports.{key}"


def _require_callee(callee: str, place: Place, keys: Mapping[str, ServiceKeys], document: Document) -> None:
    """Raise ConfigError for a service that is unknown, and for a port that it does not have."""
    name, _, port = callee.partition(":")
    if name in keys and port:
        known = [str(keys[name].port), *(str(one.port) for one in keys[name].ports.values())]
        if port not in known:
            raise mistake(document, place, f"expected a port of {name}: {', '.join(known)}, found {port}")
    elif "." not in callee:
        require_known(document, place, callee, keys)


def _service(name: str, keys: ServiceKeys, document: Document, inside: Mapping[str, str]) -> Service:
    versions = {version: _workload(name, version, keys, document) for version in keys.versions}
    ports = {key: ServicePort(number=one.port, protocol=one.protocol) for key, one in keys.ports.items()}
    return Service(
        name=name,
        port=keys.port,
        health=keys.health,
        calls=inside,
        external={variable: host for variable, host in keys.calls.items() if variable not in inside},
        versions=versions,
        ready_within_s=keys.ready_within_s,
        protocol=keys.protocol,
        ports=ports,
        call_ports=dict(_call_ports(keys, inside)),
    )


def _call_ports(keys: ServiceKeys, inside: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    for variable in inside:
        port = keys.calls[variable].partition(":")[2]
        if port:
            yield variable, int(port)


def _workload(service: str, version: str, keys: ServiceKeys, document: Document) -> Workload:
    """Return a version. It inherits the command and the environment of its service."""
    own, place = keys.versions[version], ("services", service, "versions", version)
    if own.address is not None and not _is_address(own.address):
        raise mistake(document, (*place, "address"), f"expected host:port, found {own.address!r}")
    known = {"python": sys.executable, "root": str(document.file.parent), "service": service, "version": version}
    words = own.command or (None if own.address else keys.command) or []
    names = [*known, "port", *(f"port.{one}" for one in keys.ports)]
    command = tuple(_filled(document, (*place, "command", i), word, known, names) for i, word in enumerate(words))
    env = {
        name: _filled(document, (*place, "env", name), text, known, names)
        for name, text in (keys.env | own.env).items()
    }
    labels = {"app": service, "version": version} | own.labels
    return Workload(
        service=service, version=version, labels=labels, command=command or None, address=own.address, env=env
    )


def _filled(document: Document, place: Place, text: str, known: Mapping[str, str], names: Sequence[str]) -> str:
    """Replace the placeholders in a text. Other braces stay, unless they look like a misspelt placeholder."""
    for name in re.findall(r"\{([a-z_]+|port\.[^{}]+)\}", text):
        close = difflib.get_close_matches(name, names, n=1, cutoff=0.75)
        if name not in names and (close or name.startswith("port.")):
            listed = ", ".join(f"{{{one}}}" for one in names)
            meant = f", did you mean {{{close[0]}}}?" if close else ""
            raise mistake(document, place, f"expected one of {listed}, found {{{name}}}{meant}")
    return re.sub(r"\{([a-z_]+)\}", lambda match: known.get(match[1], match[0]), text)


def _is_address(text: str) -> bool:
    return 1 <= int(text.rpartition(":")[2]) <= _HIGHEST_PORT


def _circle(calls: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return services that call each other in a circle, with the first one repeated at the end, or an empty tuple."""
    done: set[str] = set()

    def walk(name: str, way: tuple[str, ...]) -> tuple[str, ...]:
        if name in way:
            return (*way[way.index(name) :], name)
        if name in done:
            return ()
        done.add(name)
        return next((found for callee in calls[name] if (found := walk(callee, (*way, name)))), ())

    return next((found for name in calls if (found := walk(name, ()))), ())

"""The ``services`` section: what runs, how it is started and who calls whom."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from harness.config.fields import Fields
from harness.model.config import Service, Workload


def read_services(top: Fields, root: Path) -> dict[str, Service]:
    """All services in the order of the file. Raises ConfigError, also for calls to nobody and calls in a circle."""
    services = {name: _service(name, fields, root) for name, fields in top.sections("services")}
    if not services:
        raise top.error((), "expected at least one service under 'services', found none")
    section = top.section("services")
    for service in services.values():
        for variable, callee in service.calls.items():
            section.known((service.name, "calls", variable), callee, services)
    circle = _circle({name: tuple(service.calls.values()) for name, service in services.items()})
    if circle:
        raise section.error((circle[0], "calls"), f"services call each other in a circle: {' -> '.join(circle)}")
    return services


def _service(name: str, fields: Fields, root: Path) -> Service:
    health = fields.text("health", "/health")
    if not health.startswith("/"):
        raise fields.wrong(("health",), "a path that starts with /", health)
    calls = fields.text_map("calls")
    for variable in calls:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):
            raise fields.wrong(("calls", variable), "the name of an environment variable as key", variable)
    command, env = fields.texts("command"), fields.text_map("env")
    port, ready_within_s = fields.port("port", 80), fields.duration_s("ready-within", 30)
    versions: dict[str, Workload] = {}
    for version, own in fields.sections("versions"):
        values = {"python": sys.executable, "root": str(root), "service": name, "version": version}
        versions[version] = _workload(
            own, Workload(service=name, version=version, labels={}, command=command, env=env), values
        )
    fields.end()
    if not versions:
        raise fields.error((), "expected at least one version under 'versions', found none")
    return Service(name=name, port=port, health=health, calls=calls, versions=versions, ready_within_s=ready_within_s)


def _workload(fields: Fields, default: Workload, values: Mapping[str, str]) -> Workload:
    """A version, with the service's own command and environment as defaults."""
    labels = {"app": default.service, "version": default.version} | fields.text_map("labels")
    address = fields.text("address", "") if fields.take("address") is not None else None
    if address is not None and not _is_address(address):
        raise fields.wrong(("address",), "host:port", address)
    own = fields.texts("command")
    words = own or (() if address else default.command or ())
    command = tuple(_filled(fields, ("command", i), word, values) for i, word in enumerate(words))
    env = dict(default.env) | fields.text_map("env")
    fields.end()
    return Workload(
        service=default.service,
        version=default.version,
        labels=labels,
        command=command or None,
        address=address,
        env={name: _filled(fields, ("env", name), value, values) for name, value in env.items()},
    )


def _filled(fields: Fields, place: tuple[str | int, ...], text: str, values: Mapping[str, str]) -> str:
    """The text with its placeholders replaced; other braces stay, unless they look like a misspelt placeholder."""
    for name in re.findall(r"\{([a-z_]+)\}", text):
        close = difflib.get_close_matches(name, [*values, "port"], n=1, cutoff=0.75)
        if close and close[0] != name:
            known = ", ".join(f"{{{one}}}" for one in [*values, "port"])
            raise fields.error(place, f"expected one of {known}, found {{{name}}}, did you mean {{{close[0]}}}?")
    return re.sub(r"\{([a-z_]+)\}", lambda match: values.get(match[1], match[0]), text)


def _is_address(text: str) -> bool:
    host, colon, port = text.rpartition(":")
    return bool(host and colon and port.isdecimal() and 1 <= int(port) <= 65535)


def _circle(calls: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Services that call each other in a circle, first and last the same; empty when there are none."""
    done: set[str] = set()

    def walk(name: str, way: tuple[str, ...]) -> tuple[str, ...]:
        if name in way:
            return (*way[way.index(name) :], name)
        if name in done:
            return ()
        done.add(name)
        return next((found for callee in calls[name] if (found := walk(callee, (*way, name)))), ())

    return next((found for name in calls if (found := walk(name, ()))), ())

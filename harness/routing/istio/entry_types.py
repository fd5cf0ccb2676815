"""Istio's ServiceEntry as typed dictionaries, and the mistakes that one can contain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Required, TypedDict

from harness.model.json import JsonObject
from harness.routing.istio.shapes import Problem
from harness.routing.istio.types import Metadata


class EntryPort(TypedDict, total=False):
    """A port of an external service."""

    number: Required[int]
    protocol: str
    name: Required[str]
    targetPort: int


class EntryEndpoint(TypedDict, total=False):
    """One endpoint: an address or a host, and its own ports by the names of the service's."""

    address: str
    ports: dict[str, int]
    labels: dict[str, str]


class ServiceEntrySpec(TypedDict, total=False):
    """Hosts that are not services of the cluster, with their ports and where they are."""

    hosts: Required[list[str]]
    ports: list[EntryPort]
    resolution: str
    endpoints: list[EntryEndpoint]
    workloadSelector: JsonObject
    exportTo: list[str]


class ServiceEntry(TypedDict, total=False):
    """A whole ServiceEntry."""

    apiVersion: Required[str]
    kind: Required[str]
    metadata: Required[Metadata]
    spec: Required[ServiceEntrySpec]


def service_entry_problems(spec: ServiceEntrySpec) -> Iterator[Problem]:
    """Yield what is wrong with the ``spec`` of a ServiceEntry whose fields have the right shapes."""
    if not spec["hosts"]:
        yield Problem(at=("spec", "hosts"), message="expected at least one host, found none")
    if not spec.get("ports"):
        yield Problem(at=("spec",), message="expected at least one port, found none")
    first: dict[int, str] = {}
    for index, port in enumerate(spec.get("ports") or ()):
        other = first.setdefault(port["number"], port["name"])
        if other != port["name"]:
            message = f"expected each number once, found {port['number']} for {other} and {port['name']}"
            yield Problem(at=("spec", "ports", index, "number"), message=message)
    if spec.get("endpoints") or spec.get("workloadSelector"):
        return
    resolution, wildcards = spec.get("resolution", "NONE"), [host for host in spec["hosts"] if "*" in host]
    if resolution == "STATIC":
        yield Problem(at=("spec",), message="resolves to nothing: STATIC needs endpoints; add some, or write DNS")
    elif resolution.startswith("DNS") and wildcards:
        message = f"resolves to nothing: {wildcards[0]!r} is no name of a host; add endpoints"
        yield Problem(at=("spec", "hosts"), message=message)

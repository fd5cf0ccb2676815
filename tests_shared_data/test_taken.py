"""Most VirtualServices and DestinationRules of public repositories are taken by the local mesh.

The folder ``public-istio`` of the data holds YAML files of public repositories in any number of folders; without it,
Istio's own samples are measured. In each file every service of the main namespace runs, and no other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from shared_data import FOLDER, ISTIO

from harness.errors import HarnessError, ResourceError
from harness.mesh.local.checks import check_for_local_mesh
from harness.mesh.local.topology import Caller, Service, Topology
from harness.mesh.local.translation import translated
from harness.model.json import JsonObject, object_at, text_at
from harness.routing.istio.check_references import destinations
from harness.routing.istio.names import fqdn
from harness.routing.istio.reading import read_resources, replaced
from harness.routing.istio.views import as_virtual_service

KINDS = ("VirtualService", "DestinationRule")
PUBLIC = FOLDER / "public-istio"
FILES = sorted(file for folder in (PUBLIC, ISTIO) for file in folder.rglob("*.y*ml") if "crd-all" not in file.name)


def _namespace(resource: JsonObject) -> str:
    return text_at(resource, "metadata", "namespace", default="default")


def _destinations(resource: JsonObject) -> Iterator[tuple[str, str, int]]:
    """Full host, subset and port of every host that a resource leads to or is about."""
    own = _namespace(resource)
    if resource["kind"] == "DestinationRule":
        yield fqdn(text_at(resource, "spec", "host"), own), "", 0
        return
    for _, target in destinations(as_virtual_service(resource)):
        port = target.get("port")
        yield fqdn(target["host"], own), target.get("subset", ""), port["number"] if port else 0


def _members(resources: list[JsonObject]) -> tuple[Topology, list[JsonObject]]:
    """A topology with the services of the main namespace, and rules for subsets that other files define."""
    namespace = Counter(map(_namespace, resources)).most_common(1)[0][0]
    subsets: dict[str, set[str]] = defaultdict(set)
    ports: dict[str, set[int]] = defaultdict(set)
    for host, subset, port in (found for one in resources for found in _destinations(one)):
        name, _, rest = host.partition(".")
        if rest == f"{namespace}.svc.cluster.local":
            subsets[name].add(subset)
            ports[name] |= {port} if port else set()
    ruled = {text_at(one, "spec", "host").split(".")[0] for one in resources if one["kind"] == "DestinationRule"}
    rules: list[JsonObject] = [
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "DestinationRule",
            "metadata": {"name": f"subsets-of-{name}", "namespace": namespace},
            "spec": {"host": name, "subsets": [{"name": one} for one in sorted(names) if one]},
        }
        for name, names in subsets.items()
        if name not in ruled and any(names)
    ]
    loadgenerator = Caller(workload="l", app="l", version="v", namespace=namespace, calls=tuple(subsets))
    services = tuple(
        Service(name=name, namespace=namespace, port=port) for name in subsets for port in sorted(ports[name]) or [80]
    )
    return Topology(namespace=namespace, callers=(loadgenerator,), services=services), rules


def _refusal(file: Path) -> tuple[Counter[str], str]:
    """The objects of a file by kind, and why it is refused, if it is."""
    try:
        resources = read_resources([file])
    except ResourceError as error:
        return Counter({kind: file.read_text().count(f"kind: {kind}") for kind in KINDS}), str(error)
    mine = [one for one in resources if one["kind"] in KINDS and "networking.istio.io" in text_at(one, "apiVersion")]
    mine = [one for one in mine if object_at(one, "spec")]
    found = Counter(text_at(one, "kind") for one in mine)
    if not mine:
        return found, ""
    try:
        topology, rules = _members(mine)
        taken = check_for_local_mesh(replaced(resources, rules), topology).resources
        translated(taken, topology, file.parent)
    except HarnessError as error:
        return found, str(error)
    return found, ""


@pytest.mark.parametrize(("kind", "bar"), [("VirtualService", 0.95), ("DestinationRule", 0.90)])
def test_nearly_all_objects_are_taken(kind: str, bar: float) -> None:
    """The share of objects in files that are not refused; refused files are listed with the reason."""
    total = refused = 0
    reasons = []
    for file in FILES:
        found, reason = _refusal(file)
        total += found[kind]
        if reason and found[kind]:
            refused += found[kind]
            reasons.append(reason)
    assert (total - refused) / total >= bar, "\n".join([f"{refused} of {total} refused", *reasons])

"""Check Istio resources before they are sent or served.

Istio and its proxies accept much that has no effect, or that breaks every service on a port. All of it is rejected
here, with file, line and path if the resources were read by ``harness.routing.istio.reading``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from harness.errors import ResourceError, located
from harness.model.json import JsonObject, text_at
from harness.routing.edits import key
from harness.routing.istio.check_gateways import gateway_problems
from harness.routing.istio.check_references import (
    Found,
    Services,
    owner_problems,
    reference_problems,
    subset_problems,
)
from harness.routing.istio.check_routes import virtual_service_problems
from harness.routing.istio.check_rules import destination_rule_problems
from harness.routing.istio.entry_types import service_entry_problems
from harness.routing.istio.kinds import GATEWAY, SERVICE_ENTRY, VIRTUAL_SERVICE
from harness.routing.istio.reading import DEFAULT_NAMESPACE, sources_of
from harness.routing.istio.schema import RESOURCES
from harness.routing.istio.shapes import problems, written
from harness.routing.istio.views import (
    as_destination_rule,
    as_gateway,
    as_service_entry,
    as_virtual_service,
    destination_rules,
    virtual_services,
)

_MOST = 10
"""Problems named in one error."""


def check_resources(
    resources: Sequence[JsonObject],
    *,
    namespace: str = DEFAULT_NAMESPACE,
    services: Services | None = None,
    as_istio: bool = False,
) -> tuple[Found, ...]:
    """Raise ResourceError for mistakes in VirtualServices, DestinationRules and Gateways; other kinds are not checked.

    resources: all that belong together, because a route needs the rule that defines its subset. namespace: of resources
    that name none. services: ports by full host name; None if they are not known. as_istio: do not raise but return
    contradictions that Istio accepts, such as an unknown subset.
    """
    known = [item for item in resources if item.get("kind") in RESOURCES and is_istios(item)]
    found = [pair for item in known for pair in _own_problems(item)]
    bearable: list[Found] = []
    if not found:
        routes, rules = virtual_services(known), destination_rules(known)
        found = list(reference_problems(routes, rules, namespace=namespace, services=services))
        bearable = list(subset_problems(routes, rules, namespace=namespace, services=services))
        bearable += owner_problems(routes, rules, namespace=namespace)
    raise_problems(resources, found if as_istio else [*found, *bearable], namespace=namespace)
    return tuple(bearable)


def is_istios(resource: JsonObject) -> bool:
    """Return whether a resource is of Istio's routing API; other vendors have kinds of the same names."""
    return str(resource.get("apiVersion")).startswith("networking.istio.io/")


def raise_problems(resources: Iterable[JsonObject], found: Sequence[Found], *, namespace: str) -> None:
    """Raise one ResourceError with the place of the first problem, and then the others; without problems, nothing."""
    if not found:
        return
    first, *others = [_place(resources, resource, namespace, problem.at) for resource, problem in found[:_MOST]]
    lines = [found[0][1].message]
    for (file, line, path), (_, problem) in zip(others, found[1:_MOST], strict=True):
        lines.append("also " + located(problem.message, file=file, line=line, path=path))
    if len(found) > _MOST:
        lines.append(f"and {len(found) - _MOST} more")
    raise ResourceError("\n".join(lines), file=first[0], line=first[1], path=first[2])


def _own_problems(resource: JsonObject) -> Iterator[Found]:
    kind = text_at(resource, "kind")
    wrong = list(problems(RESOURCES[kind], resource))
    if not wrong and kind == VIRTUAL_SERVICE:
        wrong = list(virtual_service_problems(as_virtual_service(resource)["spec"]))
    elif not wrong and kind == GATEWAY:
        wrong = list(gateway_problems(as_gateway(resource)["spec"]))
    elif not wrong and kind == SERVICE_ENTRY:
        wrong = list(service_entry_problems(as_service_entry(resource)["spec"]))
    elif not wrong:
        wrong = list(destination_rule_problems(as_destination_rule(resource)["spec"]))
    return ((resource, problem) for problem in wrong)


def _place(
    resources: Iterable[JsonObject], resource: JsonObject, namespace: str, at: tuple[str | int, ...]
) -> tuple[str | None, int | None, str]:
    place = key(resource, namespace)
    source, path, name = sources_of(resources).get(place), written(at), f"{place[0]} {place[2]}"
    if source is None:
        return None, None, f"{name}: {path}" if path else name
    return str(source.document.file), source.line(at), f"{name}: {path}" if path else name

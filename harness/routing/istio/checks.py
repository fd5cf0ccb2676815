"""Check Istio resources before they are sent or served.

Istio and its proxies accept much that has no effect, or that breaks every service on a port. All of it is rejected
here, with file, line and path if the resources were read by ``harness.routing.istio.reading``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from harness.errors import ResourceError, located
from harness.model.json import Json
from harness.routing.edits import key
from harness.routing.istio.check_references import Found, Services, reference_problems
from harness.routing.istio.check_routes import virtual_service_problems
from harness.routing.istio.check_rules import destination_rule_problems
from harness.routing.istio.reading import DEFAULT_NAMESPACE, sources_of
from harness.routing.istio.schema import RESOURCES
from harness.routing.istio.shapes import problems, written

_MOST = 10
"""Problems named in one error."""


def check_resources(
    resources: Sequence[Json], *, namespace: str = DEFAULT_NAMESPACE, services: Services | None = None
) -> None:
    """Raise ResourceError for mistakes in VirtualServices and DestinationRules; other kinds are not checked.

    resources: all that belong together, because a route needs the rule that defines its subset. namespace: of resources
    that name none. services: ports by full host name; None if they are not known.
    """
    known = [item for item in resources if item.get("kind") in RESOURCES]
    found = [pair for item in known for pair in _own_problems(item)]
    if not found:
        found = list(reference_problems(known, namespace=namespace, services=services))
    raise_problems(resources, found, namespace=namespace)


def raise_problems(resources: Iterable[Json], found: Sequence[Found], *, namespace: str) -> None:
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


def _own_problems(resource: Json) -> Iterator[Found]:
    wrong = list(problems(RESOURCES[resource["kind"]], resource))
    if not wrong:
        kinds = {"VirtualService": virtual_service_problems, "DestinationRule": destination_rule_problems}
        wrong = list(kinds[resource["kind"]](resource["spec"]))
    return ((resource, problem) for problem in wrong)


def _place(
    resources: Iterable[Json], resource: Json, namespace: str, at: tuple[str | int, ...]
) -> tuple[str | None, int | None, str]:
    source = sources_of(resources).get(key(resource, namespace))
    path = written(at)
    name = f"{resource['kind']} {resource['metadata']['name']}"
    if source is None:
        return None, None, f"{name}: {path}" if path else name
    return str(source.document.file), source.line(at), f"{name}: {path}" if path else name

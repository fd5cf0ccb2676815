"""Find what is valid in Istio resources but probably a mistake: unreachable routes, fields without effect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.errors import located
from harness.model.json import JsonObject
from harness.routing.edits import key
from harness.routing.istio.check_references import Found
from harness.routing.istio.checks import is_istios
from harness.routing.istio.reading import sources_of
from harness.routing.istio.shapes import At, Problem, written
from harness.routing.istio.types import HTTPMatchRequest, HTTPRoute, StringMatch, VirtualService
from harness.routing.istio.views import as_json, virtual_services

_SENDING = ("timeout", "retries", "mirror", "mirrors")
"""Fields about sending a request on."""


def warnings(resources: Sequence[JsonObject], *, namespace: str, notes: Sequence[Found] = ()) -> tuple[str, ...]:
    """Return a line for each note and each field without effect, with file and line if they are known."""
    routes = [one for one in virtual_services(resources) if is_istios(as_json(one))]
    found = [(as_json(route), problem) for route, problem in (*_unreachable(routes), *_without_effect(routes))]
    return tuple(_line(resources, resource, problem, namespace) for resource, problem in (*notes, *found))


def _line(resources: Sequence[JsonObject], resource: JsonObject, problem: Problem, namespace: str) -> str:
    kind, own, name = key(resource, namespace)
    source = sources_of(resources).get((kind, own, name))
    return located(
        problem.message,
        file=source.document.file if source else None,
        line=source.line(problem.at) if source else None,
        path=f"{kind} {own}/{name}: {written(problem.at)}",
    )


def _without_effect(resources: Sequence[VirtualService]) -> Iterator[tuple[VirtualService, Problem]]:
    for resource in resources:
        for index, http in enumerate(resource["spec"].get("http") or ()):
            at: At = ("spec", "http", index)
            answer = next((name for name in ("redirect", "directResponse") if http.get(name)), "")
            for name in _SENDING if answer else ():
                if name in http:
                    message = f"has no effect next to a {answer}: no request is forwarded"
                    yield resource, Problem(at=(*at, name), message=message)
            for number, match in enumerate(http.get("match") or ()):
                uri: StringMatch = match.get("uri") or {}
                for kind, text in (("exact", uri.get("exact")), ("prefix", uri.get("prefix"))):
                    if text and (not text.startswith("/") or "?" in text or "#" in text):
                        message = f"{text!r} is never met: a path begins with / and is compared without its query"
                        yield resource, Problem(at=(*at, "match", number, "uri", kind), message=message)


def _unreachable(resources: Sequence[VirtualService]) -> Iterator[tuple[VirtualService, Problem]]:
    for resource in resources:
        first: int | None = None
        for index, http in enumerate(resource["spec"].get("http") or ()):
            if first is not None:
                message = f"is never reached: spec.http[{first}] takes every request"
                yield resource, Problem(at=("spec", "http", index), message=message)
            elif _takes_all(http):
                first = index


def _takes_all(http: HTTPRoute) -> bool:
    """Return whether a route has no condition, or one that every request meets."""
    blocks = http.get("match") or [{}]
    return any(
        not {name for name, value in block.items() if value not in ({}, [], "")}
        - {"name", "ignoreUriCase", "statPrefix"}
        or _only_any_path(block)
        for block in blocks
    )


def _only_any_path(block: HTTPMatchRequest) -> bool:
    others = set(block) - {"uri", "name", "ignoreUriCase", "statPrefix"}
    return not others and block.get("uri") in ({"prefix": "/"}, {"prefix": ""}, {"regex": ".*"})

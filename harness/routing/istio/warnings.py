"""Find what is valid in Istio resources but hardly intended: unreachable routes, fields without effect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.errors import located
from harness.model.json import Json
from harness.routing.edits import key
from harness.routing.istio.check_references import Found
from harness.routing.istio.governing import label
from harness.routing.istio.reading import sources_of
from harness.routing.istio.shapes import At, Problem, written

_SENDING = ("timeout", "retries", "mirror", "mirrors")
"""Fields about sending a request on."""


def warnings(resources: Sequence[Json], *, namespace: str) -> tuple[str, ...]:
    """Return a line for each field without effect, with file and line if they are known."""
    lines = []
    for resource, problem in (*_unreachable(resources), *_without_effect(resources)):
        source = sources_of(resources).get(key(resource, namespace))
        lines.append(
            located(
                problem.message,
                file=source.document.file if source else None,
                line=source.line(problem.at) if source else None,
                path=f"{label(resource, namespace)}: {written(problem.at)}",
            )
        )
    return tuple(lines)


def _without_effect(resources: Sequence[Json]) -> Iterator[Found]:
    for resource in resources:
        for index, http in enumerate(
            resource["spec"].get("http") or () if resource["kind"] == "VirtualService" else ()
        ):
            at: At = ("spec", "http", index)
            answer = next((name for name in ("redirect", "directResponse") if http.get(name)), "")
            for name in _SENDING if answer else ():
                if name in http:
                    message = f"has no effect next to a {answer}: no request is forwarded"
                    yield resource, Problem(at=(*at, name), message=message)
            for number, match in enumerate(http.get("match") or ()):
                for kind in ("exact", "prefix"):
                    text = (match.get("uri") or {}).get(kind, "")
                    if text and (not text.startswith("/") or "?" in text or "#" in text):
                        message = f"{text!r} is never met: a path begins with / and is compared without its query"
                        yield resource, Problem(at=(*at, "match", number, "uri", kind), message=message)


def _unreachable(resources: Sequence[Json]) -> Iterator[Found]:
    for resource in resources:
        if resource["kind"] != "VirtualService":
            continue
        first: int | None = None
        for index, http in enumerate(resource["spec"].get("http") or ()):
            if first is not None:
                message = f"is never reached: spec.http[{first}] takes every request"
                yield resource, Problem(at=("spec", "http", index), message=message)
            elif _takes_all(http):
                first = index


def _takes_all(http: Json) -> bool:
    """Return whether a route has no condition, or one that every request meets."""
    blocks = http.get("match") or [{}]
    return any(
        not {name for name, value in block.items() if value not in ({}, [], "")}
        - {"name", "ignoreUriCase", "statPrefix"}
        or _only_any_path(block)
        for block in blocks
    )


def _only_any_path(block: Json) -> bool:
    others = set(block) - {"uri", "name", "ignoreUriCase", "statPrefix"}
    return not others and block.get("uri") in ({"prefix": "/"}, {"prefix": ""}, {"regex": ".*"})

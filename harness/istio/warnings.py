"""What is valid in Istio resources but surely not meant: routes that no request ever reaches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.istio.check_references import Found
from harness.istio.governing import label
from harness.istio.shapes import Problem, written
from harness.model.record import Json


def warnings(resources: Sequence[Json], *, namespace: str) -> tuple[str, ...]:
    """One line for each HTTP route that stands behind a route that takes every request."""
    return tuple(
        f"{label(resource, namespace)}: {written(problem.at)}: {problem.message}"
        for resource, problem in _unreachable(resources)
    )


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
    """Whether a route has no condition, or one that every request meets."""
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

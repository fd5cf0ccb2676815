"""Random VirtualServices, foreign edits of them, and our sample files as pytest parameters."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

settings.register_profile("steady", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

SAMPLES = Path(__file__).resolve().parents[1] / "samples" / "istio"

names = st.text("abcdef", min_size=1, max_size=4)
strings = st.dictionaries(st.sampled_from(["exact", "prefix", "regex"]), names, min_size=1, max_size=1)
labels = st.dictionaries(st.sampled_from(["app", "version"]), st.sampled_from(["v1", "v2", "reviews"]), min_size=1)
blocks = st.fixed_dictionaries(
    {},
    optional={
        "uri": strings,
        "method": strings,
        "headers": st.dictionaries(names, strings, min_size=1, max_size=2),
        "sourceLabels": labels,
        "sourceNamespace": st.sampled_from(["shop", "other"]),
        "queryParams": st.dictionaries(names, strings, min_size=1, max_size=1),
    },
).filter(bool)


def destinations(hosts: st.SearchStrategy[str]) -> st.SearchStrategy[list[Any]]:
    """One to three weighted destinations of one host."""
    return hosts.flatmap(
        lambda host: st.lists(
            st.fixed_dictionaries(
                {
                    "destination": st.fixed_dictionaries(
                        {"host": st.just(host)}, optional={"subset": st.sampled_from(["v1", "v2", "v3"])}
                    )
                },
                optional={"weight": st.integers(0, 100)},
            ),
            min_size=1,
            max_size=3,
        )
    )


def routes(hosts: st.SearchStrategy[str], *, matched: bool = False) -> st.SearchStrategy[Any]:
    """HTTP routes, some of which answer themselves. matched: each has a match, so later ones can be reached."""
    match = {"match": st.lists(blocks, min_size=1, max_size=3)}
    options = {
        "name": names,
        "timeout": st.just("1s"),
        "rewrite": st.just({"uri": "/"}),
        "retries": st.just({"attempts": 1, "retryOn": "5xx"}),
        "headers": st.just({"request": {"set": {"a": "b"}}, "response": {"add": {"c": "d"}}}),
        **({} if matched else match),
    }
    required = match if matched else {}
    sent = st.fixed_dictionaries({"route": destinations(hosts), **required}, optional=options)
    redirected = st.fixed_dictionaries({"redirect": st.just({"uri": "/x"}), **match})
    return st.one_of(sent, sent, sent, redirected)


def reachable(resource: Any) -> list[Any]:
    """Return the routes up to the first without a match, which are those that requests can take."""
    found: list[Any] = []
    for route in resource["spec"]["http"]:
        found.append(route)
        if not route.get("match"):
            break
    return found


def virtual_services(host: str = "reviews", *, others: tuple[str, ...] = ("reviews",)) -> st.SearchStrategy[Any]:
    """VirtualServices for ``host`` in namespace shop with at least one route to it."""

    def build(before: list[Any], own: Any, after: list[Any]) -> Any:
        return {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": host, "namespace": "shop"},
            "spec": {"hosts": [host], "http": [*before, {"route": own}, *after]},
        }

    before = st.lists(routes(st.sampled_from(others), matched=True), max_size=3)
    after = st.lists(routes(st.sampled_from(others)), max_size=3)
    return st.builds(build, before, destinations(st.just(host)), after)


@st.composite
def foreign_edits(draw: st.DrawFn) -> Any:
    """A function that changes a VirtualService as somebody else would, but not our entries."""
    inserted = draw(routes(st.just("elsewhere")))
    inserted["name"] = "foreign"
    position, field, dropped = draw(st.integers(0, 8)), draw(names), draw(st.booleans())

    def change(resource: Any) -> Any:
        changed = deepcopy(resource)
        theirs = [entry for entry in changed["spec"]["http"] if not entry.get("name", "").startswith("harness-")]
        if dropped and theirs:
            changed["spec"]["http"].remove(theirs[position % len(theirs)])
        places = len(changed["spec"]["http"]) + 1
        changed["spec"]["http"].insert(position % places, deepcopy(inserted))
        changed["metadata"].setdefault("annotations", {})[field] = "theirs"
        return changed

    return change


def resources_of(*files: Path) -> list[Any]:
    """The resources of some YAML files."""
    return [item for file in files for item in yaml.safe_load_all(file.read_text()) if item]


def sample_resources(*files: str) -> list[Any]:
    """The resources of some of our sample files, by name."""
    return resources_of(*(SAMPLES / file for file in files))


def sample_files(pattern: str) -> list[str]:
    """Names of our sample files that match the pattern, at least one."""
    found = sorted(path.name for path in SAMPLES.glob(pattern))
    if not found:
        raise LookupError(f"no file of {SAMPLES} matches {pattern}")
    return found

"""Adds the run's headers to every request of a profile's users, whatever class of Locust they are.

The clients of HttpUser (requests), FastHttpUser (geventhttpclient) and of the users shipped here are
known; users without HTTP carry no headers, and the report says so. A sampled share of the requests
gets a fresh W3C ``traceparent`` with the sampled flag, so that a few traces of the run exist.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from random import Random
from typing import Any, TypeAlias

from locust import User

from harness.model.split import CHOICE_HEADER

Change: TypeAlias = Callable[[Any], Any]
"""From the headers that a profile gives to one request to those that are sent."""


def add_headers(
    kinds: list[type[User]],
    headers: Mapping[str, str],
    *,
    trace_share: float,
    seed: int,
    note: Callable[[str], None],
    canary_choice: float | None = None,
) -> None:
    """From now on, users of these classes send ``headers`` and, on a share of requests, a traceparent.

    canary_choice: as in ``LoadPlan``.
    """
    random = Random(seed)  # noqa: S311 - trace ids are no secret
    changes: list[Change] = []
    if canary_choice is not None:
        changes.append(_choosing(canary_choice, Random(f"choice {seed}")))  # noqa: S311 - draws arms, guards nothing
    if trace_share > 0:
        changes.append(_traced(trace_share, random))
    for kind in kinds:
        _wrap(kind, headers, changes, note)


def _wrap(kind: type[User], headers: Mapping[str, str], changes: Sequence[Change], note: Callable[[str], None]) -> None:
    make = kind.__init__

    def init(user: Any, *args: Any, **kwargs: Any) -> None:
        make(user, *args, **kwargs)
        client = getattr(user, "client", None)
        own = default_headers(client)
        if own is None:
            note(f"{kind.__name__} has no HTTP client that is known here: the run's headers are not sent")
            return
        own.update(headers)
        if changes:
            client.request = _with(client.request, changes)  # type: ignore[union-attr]

    kind.__init__ = init  # type: ignore[assignment]


def default_headers(client: Any) -> MutableMapping[str, str] | None:
    """The headers that a client sends with every request, to be changed in place; None for an unknown client."""
    inner = getattr(client, "client", None)  # FastHttpSession
    for holder, name in ((inner, "default_headers"), (client, "headers")):
        own = getattr(holder, name, None)
        if isinstance(own, MutableMapping):
            return own
    return None


def traceparent(random: Random) -> str:
    """A new W3C trace context, sampled."""
    return f"00-{random.getrandbits(128) or 1:032x}-{random.getrandbits(64) or 1:016x}-01"


def _with(request: Callable[..., Any], changes: Sequence[Change]) -> Callable[..., Any]:
    def changed(method: str, url: str, *args: Any, headers: Any = None, **kwargs: Any) -> Any:
        for change in changes:
            headers = change(headers)
        return request(method, url, *args, headers=headers, **kwargs)

    return changed


def _traced(share: float, random: Random) -> Change:
    def traced(headers: Any) -> Any:
        return {**(headers or {}), "traceparent": traceparent(random)} if random.random() < share else headers

    return traced


def _choosing(canary: float, random: Random) -> Change:
    def choose(headers: Any) -> Any:
        return {**(headers or {}), CHOICE_HEADER: "canary" if random.random() < canary else "baseline"}

    return choose

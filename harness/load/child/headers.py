"""Add the run's headers to every request of a profile's users, whatever User class of Locust they extend.

This works for the clients of HttpUser (requests), FastHttpUser (geventhttpclient) and of our own User classes. Users
without HTTP send no headers, and the report says so. A sampled share of the requests gets a new W3C ``traceparent``
with the sampled flag, so that tracing records some traces of the run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from random import Random
from typing import Any, TypeAlias

from locust import User

from harness.model.split import CHOICE_HEADER

_Headers: TypeAlias = Mapping[str, str] | None
HeaderEdit: TypeAlias = Callable[[_Headers], _Headers]
"""Takes the headers that a profile passes for one request and returns the headers to send."""


def add_headers(
    kinds: list[type[User]],
    headers: Mapping[str, str],
    *,
    trace_share: float,
    seed: int,
    note: Callable[[str], None],
    canary_choice: float | None = None,
) -> None:
    """Make users of these classes send ``headers``, and a traceparent with a share of the requests.

    canary_choice: see ``LoadPlan``. note: called with a text if a class has no known HTTP client.
    """
    random = Random(seed)  # noqa: S311 - trace ids need no cryptographic randomness
    edits: list[HeaderEdit] = []
    if canary_choice is not None:
        arms = Random(f"choice {seed}")  # noqa: S311 - the choice of arms needs no cryptographic randomness
        edits.append(_choose_arm(canary_choice, arms))
    if trace_share > 0:
        edits.append(_add_traceparent(trace_share, random))
    for kind in kinds:
        _wrap(kind, headers, edits, note)


def _wrap(
    kind: type[User], headers: Mapping[str, str], edits: Sequence[HeaderEdit], note: Callable[[str], None]
) -> None:
    original = kind.__init__
    if hasattr(kind, "authority"):  # GrpcUser names it when it connects
        kind.authority = headers.get("Host") or kind.authority

    def init(user: User, *args: object, **kwargs: object) -> None:
        original(user, *args, **kwargs)
        client: Any = getattr(user, "client", None)
        defaults = default_headers(client)
        if defaults is None:
            note(f"{kind.__name__} has no HTTP client that the harness knows: the run's headers are not sent")
            return
        defaults.update(headers)
        if edits:
            client.request = _edited(client.request, edits)

    kind.__init__ = init  # type: ignore[assignment]  # Locust creates the users, so their class is changed


def default_headers(client: object) -> MutableMapping[str, str] | None:
    """Return the mutable headers that a client sends with every request, or None for an unknown client."""
    inner = getattr(client, "client", None)  # FastHttpSession
    for holder, name in ((inner, "default_headers"), (client, "headers")):
        defaults = getattr(holder, name, None)
        if isinstance(defaults, MutableMapping):
            return defaults
    return None


def traceparent(random: Random) -> str:
    """Return a new, sampled W3C trace context."""
    return f"00-{random.getrandbits(128) or 1:032x}-{random.getrandbits(64) or 1:016x}-01"


def _edited(request: Callable[..., object], edits: Sequence[HeaderEdit]) -> Callable[..., object]:
    def edited(method: str, url: str, *args: object, headers: _Headers = None, **kwargs: object) -> object:
        for edit in edits:
            headers = edit(headers)
        return request(method, url, *args, headers=headers, **kwargs)

    return edited


def _add_traceparent(share: float, random: Random) -> HeaderEdit:
    def add(headers: _Headers) -> _Headers:
        return {**(headers or {}), "traceparent": traceparent(random)} if random.random() < share else headers

    return add


def _choose_arm(canary: float, random: Random) -> HeaderEdit:
    def choose(headers: _Headers) -> _Headers:
        return {**(headers or {}), CHOICE_HEADER: "canary" if random.random() < canary else "baseline"}

    return choose

"""Changes of a route or a destination that a replay tries, from small to large, and their YAML."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import yaml

from harness.errors import UsageError
from harness.model.json import JsonObject, object_at, objects_at
from harness.model.names import did_you_mean
from harness.model.units import format_duration, parse_duration
from harness.routing.istio.api import IstioRouting
from harness.routing.istio.kinds import DESTINATION_RULE, VIRTUAL_SERVICE

KINDS = ("timeout", "retries", "outlier", "connections")
_ON = "5xx,reset,connect-failure,refused-stream"
_BACKOFF = "5ms"
_MOST_ATTEMPTS = 5
_API = "networking.istio.io/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One change. host: whose route or destination. number: retries, errors or connections. time_s: a time limit."""

    kind: str
    host: str
    number: int = 0
    time_s: float | None = None

    def __str__(self) -> str:
        time = "" if self.time_s is None else format_duration(self.time_s).replace(" ", "")
        value = {"timeout": time, "retries": f"{self.number}{f'x{time}' if time else ''}"}.get(
            self.kind, str(self.number)
        )
        return f"{self.host}.{self.kind}={value}"


def parse_try(text: str, hosts: Sequence[str]) -> Try:
    """Return the change in ``timeout=400ms``, ``retries=3``, ``retries=3x60ms``, ``outlier=5`` or ``connections=100``.

    hosts: the services whose routes can be changed; the first one is meant if the text names none (``ratings.``).
    """
    found = re.fullmatch(r"(?:([A-Za-z0-9-]+)\.)?([a-z]+)=(.+)", text)
    host, kind, value = found.groups() if found else (None, "", "")
    if kind not in KINDS:
        raise UsageError(
            f"--try: expected all or NAME=VALUE, where NAME is one of {', '.join(KINDS)}, found {text!r}"
            f"{did_you_mean(kind, KINDS)}"
        )
    if host is not None and host not in hosts:
        raise UsageError(f"--try {text}: expected one of {', '.join(hosts)}, found {host}{did_you_mean(host, hosts)}")
    chosen = host or hosts[0]
    if kind == "timeout":
        return Try(kind=kind, host=chosen, time_s=_time(value, text))
    count, timed, time = value.partition("x") if kind == "retries" else (value, "", "")
    if not count.isdecimal() or (int(count) == 0 and kind != "retries"):
        raise UsageError(f"--try {text}: expected a whole number such as {kind}=3, found {value!r}")
    return Try(kind=kind, host=chosen, number=int(count), time_s=_time(time, text) if timed else None)


def _time(text: str, whole: str) -> float:
    seconds = parse_duration(text, f"--try {whole}")
    if seconds < 1e-3:
        raise UsageError(f"--try {whole}: expected a time of at least 1ms, found {text!r}")
    return seconds


def short_list(host: str, p99_ms: float) -> tuple[Try, ...]:
    """Return what ``--try all`` tries, from small to large. p99_ms: of the service when nothing is wrong.

    A timeout is twice that, so that it cuts off what is out of the ordinary only. An attempt gets a quarter more than
    that: one that is cut off is sent again, and several have to fit into the time that the caller waits.
    """
    limit_s, attempt_s = (math.ceil(max(share * p99_ms, 1.0) / 10) / 100 for share in (2.0, 1.25))
    attempts = range(1, _MOST_ATTEMPTS + 1)
    return (
        Try(kind="timeout", host=host, time_s=limit_s),
        Try(kind="retries", host=host, number=0),
        *(Try(kind="retries", host=host, number=number) for number in attempts[:3]),
        *(Try(kind="retries", host=host, number=number, time_s=attempt_s) for number in attempts),
        Try(kind="outlier", host=host, number=5),
        Try(kind="connections", host=host, number=100),
    )


def in_order(tries: Sequence[Try]) -> tuple[Try, ...]:
    """Return the changes from small to large: by kind, then by number and time."""
    return tuple(
        sorted(tries, key=lambda one: (KINDS.index(one.kind), one.time_s is not None, one.number, one.time_s or 0))
    )


def applied(
    change: Try, resources: Sequence[JsonObject], *, namespace: str
) -> tuple[tuple[JsonObject, ...], JsonObject]:
    """Return the resources with the change, and the resource that has it, as a person would write it."""
    governing = IstioRouting().governing(resources, host=change.host, namespace=namespace)
    route = change.kind in ("timeout", "retries")
    old = governing.route if route else governing.policy
    new = copy.deepcopy(old) if old is not None else _new(change.host, route=route)
    if route:
        for http in objects_at(new, "spec", "http"):
            http.update(_of_route(change))
    else:
        spec = object_at(new, "spec")
        spec["trafficPolicy"] = {**object_at(spec, "trafficPolicy"), **_of_policy(change)}
    others = tuple(one for one in resources if one is not old)
    return (*others, new), new


def _new(host: str, *, route: bool) -> JsonObject:
    kind = VIRTUAL_SERVICE if route else DESTINATION_RULE
    spec: JsonObject = (
        {"hosts": [host], "http": [{"route": [{"destination": {"host": host}}]}]} if route else {"host": host}
    )
    return {"apiVersion": _API, "kind": kind, "metadata": {"name": host}, "spec": spec}


def _of_route(change: Try) -> JsonObject:
    if change.kind == "timeout":
        return {"timeout": _seconds(change.time_s)}
    retries: JsonObject = {"attempts": change.number}
    if change.number:
        retries |= {"retryOn": _ON, "backoff": _BACKOFF}
        if change.time_s is not None:
            retries["perTryTimeout"] = _seconds(change.time_s)
    return {"retries": retries}


def _of_policy(change: Try) -> JsonObject:
    if change.kind == "outlier":
        return {
            "outlierDetection": {"consecutive5xxErrors": change.number, "interval": "1s", "baseEjectionTime": "10s"}
        }
    limit: JsonObject = {
        "tcp": {"maxConnections": change.number},
        "http": {"http1MaxPendingRequests": change.number, "http2MaxRequests": change.number},
    }
    return {"connectionPool": limit}


def _seconds(time_s: float | None) -> str:
    return f"{round((time_s or 0) * 1000)}ms"


def snippet(resource: JsonObject) -> str:
    """Return a resource as YAML."""
    return yaml.safe_dump(resource, sort_keys=False)

"""Read how many requests Envoy sent to each endpoint, from ``/clusters?format=json`` of its admin port."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from harness.errors import EnvoyError, ShapeError
from harness.model.json import JsonObject, object_at, objects_at, parse_json, text_at

PATH = "/clusters?format=json"


class Upstream(NamedTuple):
    """An endpoint of a cluster. address: an IP address."""

    cluster: str
    address: str
    port: int


def endpoint_requests(text: str | bytes) -> Counter[Upstream]:
    """Count the requests that Envoy sent to each endpoint of each cluster; pipes are left out.

    Raises EnvoyError for a text that is not such a list.
    """
    counted: Counter[Upstream] = Counter()
    try:
        for cluster in objects_at(parse_json(text), "cluster_statuses"):
            for host in objects_at(cluster, "host_statuses"):
                address = object_at(host, "address", "socket_address")
                if address:
                    where = Upstream(text_at(cluster, "name", default=""), text_at(address, "address"), _port(address))
                    counted[where] += _sent(host)
    except ValueError as error:
        raise EnvoyError(f"expected the clusters of Envoy as JSON from its admin port: {error}") from error
    return counted


def _port(address: JsonObject) -> int:
    return _number(address.get("port_value"), "port_value")


def _sent(host: JsonObject) -> int:
    """Return Envoy's count of requests. It writes 64-bit numbers as texts, and leaves out zero."""
    stats = [stat for stat in objects_at(host, "stats") if stat.get("name") == "rq_total"]
    return sum(_number(stat.get("value"), "value") for stat in stats)


def _number(value: object, name: str) -> int:
    if value is None:
        return 0
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64:
        return value
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 20:  # as 2**64 has
        return int(value)
    raise ShapeError(f"expected a count, found {value!r:.100}", path=name)

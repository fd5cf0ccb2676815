"""Client of Envoy's admin port: the active configuration, accepted and rejected updates, and statistics."""

from __future__ import annotations

import http.client
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote

from harness.clients.envoy.endpoints import PATH, endpoint_requests
from harness.errors import EnvoyError, ShapeError
from harness.model.json import JsonObject, object_at, objects_at, parse_json, text_at

TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Admin:
    """The admin port of one Envoy on loopback."""

    port: int

    def get(self, path: str) -> str:
        """Return the body of the answer to ``GET path``. Raises EnvoyError unless there is one with status 200."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            raise EnvoyError(
                f"expected an answer from Envoy's admin port 127.0.0.1:{self.port}{path}, found: {error}"
            ) from error
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise EnvoyError(
                f"expected status 200 from Envoy's admin port for {path}, found {answer.status}: {text[:200]}"
            )
        return text

    def listener_ports(self) -> dict[str, int]:
        """Return the port of every listener, by the listener's name."""
        path = "/listeners?format=json"
        with _shaped(path):
            listeners = objects_at(parse_json(self.get(path)), "listener_statuses")
            return {text_at(item, "name"): _port(item) for item in listeners}

    def ready(self) -> bool:
        """Return whether Envoy has loaded its first configuration and its listeners accept connections."""
        return self.get("/server_info").find('"state": "LIVE"') > 0

    def versioned_tables(self, names: Sequence[str] | None = None) -> dict[str, tuple[str, JsonObject]]:
        """Return active route tables that were loaded from files, by name, each with the version of its file.

        names: those that are wanted; None for all.
        """
        return self._dumped("dynamic_route_configs", names, "route_config")

    def table_versions(self, names: Sequence[str]) -> dict[str, tuple[str, JsonObject]]:
        """Return the versions of active route tables, by name, without the tables, which are slow to write out."""
        return self._dumped("dynamic_route_configs", names, "route_config", mask="version_info,route_config.name")

    def versioned_clusters(self, names: Sequence[str] | None = None) -> dict[str, tuple[str, JsonObject]]:
        """Return active clusters that were loaded from a file, by name, each with the version in which it changed last.

        names: those that are wanted; None for all.
        """
        return self._dumped("dynamic_active_clusters", names, "cluster")

    def versioned_listeners(self, names: Sequence[str]) -> dict[str, tuple[str, JsonObject]]:
        """Return active listeners of these names that were loaded from a file, each with the version of its file."""
        path = f"/config_dump?resource=dynamic_listeners&name_regex={_either(names)}"
        with _shaped(path):
            states = {text_at(one, "name"): object_at(one, "active_state") for one in self._items(path)}
            return {
                name: (text_at(state, "version_info", default=""), object_at(state, "listener"))
                for name, state in states.items()
                if state
            }

    def route_tables(self) -> dict[str, JsonObject]:
        """Return every active route table that was loaded from a file, by name."""
        return {name: table for name, (_, table) in self.versioned_tables().items()}

    def clusters(self) -> dict[str, JsonObject]:
        """Return every active cluster that was loaded from a file, by name."""
        return {name: cluster for name, (_, cluster) in self.versioned_clusters().items()}

    def _dumped(
        self, resource: str, names: Sequence[str] | None, part: str, *, mask: str = ""
    ) -> dict[str, tuple[str, JsonObject]]:
        """Return parts of a resource by name. mask: the fields that Envoy writes out; empty for all."""
        path = f"/config_dump?resource={resource}{'' if names is None else f'&name_regex={_either(names)}'}"
        path += f"&mask={mask}" if mask else ""
        with _shaped(path):
            items = self._items(path)
            found = [(text_at(one, "version_info", default=""), object_at(one, part)) for one in items]
            return {text_at(one, "name"): (version, one) for version, one in found}

    def _items(self, path: str) -> list[JsonObject]:
        return objects_at(parse_json(self.get(path)), "configs")

    def stats(self, pattern: str) -> dict[str, int | str]:
        """Return every counter, gauge and text readout whose name matches the regular expression."""
        path = f"/stats?format=json&filter={quote(pattern)}"
        with _shaped(path):
            found = objects_at(parse_json(self.get(path)), "stats")
            return {text_at(item, "name"): _stat(item) for item in found if "name" in item}

    def prometheus(self, pattern: str) -> str:
        """Return the metrics whose name matches the regular expression, in Prometheus's text format."""
        return self.get(f"/stats/prometheus?filter={quote(pattern)}")

    def endpoint_requests(self) -> Counter[str]:
        """Count the requests that Envoy sent to each ``address:port``, over all clusters."""
        counted: Counter[str] = Counter()
        for upstream, sent in endpoint_requests(self.get(PATH)).items():
            counted[f"{upstream.address}:{upstream.port}"] += sent
        return counted

    def updates(self) -> dict[str, UpdateCounts]:
        """Count the updates so far, by the name of the route table; ``cds`` are the clusters, ``lds`` listeners."""
        counted = self.stats(r"(\.rds\.|^cluster_manager\.cds\.|^listener_manager\.lds\.).*update_(success|rejected)$")
        with _shaped("/stats"):
            return {
                _subject(name): UpdateCounts(
                    accepted=int(value), rejected=int(counted.get(name.replace("_success", "_rejected"), "none"))
                )
                for name, value in counted.items()
                if name.endswith("_success")
            }


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateCounts:
    """How often Envoy has accepted and rejected a file."""

    accepted: int
    rejected: int


@contextmanager
def _shaped(path: str) -> Iterator[None]:
    """Turn what is no JSON, or JSON of another shape, into an EnvoyError."""
    try:
        yield
    except ValueError as error:
        raise EnvoyError(f"expected Envoy's own JSON from its admin port for {path}: {error}") from error


def _either(names: Sequence[str]) -> str:
    """Return the part of a path that asks for these names."""
    return quote("|".join(map(re.escape, names)), safe="")


def _port(listener: JsonObject) -> int:
    port = object_at(listener, "local_address", "socket_address").get("port_value")
    if not isinstance(port, int):
        raise ShapeError(f"expected a port, found {port!r:.100}", path="local_address.socket_address.port_value")
    return port


def _stat(item: JsonObject) -> int | str:
    value = item.get("value")
    if not isinstance(value, (int, str)):
        raise ShapeError(f"expected a number or a text, found {value!r:.100}", path="value")
    return value


def _subject(stat: str) -> str:
    """Return the name of a route table, which may have dots, ``cds`` or ``lds``."""
    counted, dot, _ = stat.rpartition(".")
    if not dot:
        raise ShapeError(f"expected the name of a statistic, found {stat!r:.100}", path="name")
    return counted.rpartition(".rds." if ".rds." in counted else ".")[2]

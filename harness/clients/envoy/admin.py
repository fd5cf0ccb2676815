"""Client of Envoy's admin port: the active configuration, accepted and rejected updates, and statistics."""

from __future__ import annotations

import http.client
import json
from collections import Counter
from dataclasses import dataclass
from urllib.parse import quote

from harness.clients.envoy.endpoints import PATH, endpoint_requests
from harness.errors import EnvoyError
from harness.model.json import JsonObject

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
            text = answer.read().decode()
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
        listeners = json.loads(self.get("/listeners?format=json"))["listener_statuses"]
        return {item["name"]: item["local_address"]["socket_address"]["port_value"] for item in listeners}

    def ready(self) -> bool:
        """Return whether Envoy has loaded its first configuration and its listeners accept connections."""
        return self.get("/server_info").find('"state": "LIVE"') > 0

    def route_tables(self) -> dict[str, JsonObject]:
        """Return every active route table that was loaded from a file, by name."""
        dump = json.loads(self.get("/config_dump?resource=dynamic_route_configs"))
        tables = (item["route_config"] for item in dump.get("configs", []))
        return {table["name"]: table for table in tables}

    def clusters(self) -> dict[str, JsonObject]:
        """Return every active cluster that was loaded from a file, by name."""
        dump = json.loads(self.get("/config_dump?resource=dynamic_active_clusters"))
        return {item["cluster"]["name"]: item["cluster"] for item in dump.get("configs", [])}

    def stats(self, pattern: str) -> dict[str, int | str]:
        """Return every counter, gauge and text readout whose name matches the regular expression."""
        text = self.get(f"/stats?format=json&filter={quote(pattern)}")
        return {item["name"]: item["value"] for item in json.loads(text)["stats"] if "name" in item}

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
        """Count the updates so far, by the name of the route table; ``cds`` stands for the clusters."""
        counted = self.stats(r"(\.rds\.|^cluster_manager\.cds\.).*update_(success|rejected)$")
        return {
            _subject(name): UpdateCounts(
                accepted=int(value), rejected=int(counted[name.replace("_success", "_rejected")])
            )
            for name, value in counted.items()
            if name.endswith("_success")
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateCounts:
    """How often Envoy has accepted and rejected a file."""

    accepted: int
    rejected: int


def _subject(stat: str) -> str:
    parts = stat.split(".")
    return "cds" if parts[0] == "cluster_manager" else parts[-2]

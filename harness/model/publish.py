"""Settings that say where a run is published after it has ended."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishSettings:
    """grafana: the URL that gets annotations; grafana_token_env: the variable with a token of a service account.

    pushgateway: the URL of a Pushgateway, and textfile: a file of node_exporter's collector, for the harness's metrics.
    """

    grafana: str | None = None
    grafana_token_env: str | None = None
    pushgateway: str | None = None
    textfile: Path | None = None

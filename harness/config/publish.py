"""The ``publish`` section: who is told about a run when it is over."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

from harness.config.section import Section
from harness.config.values import Shaped, Text
from harness.model.publish import PublishSettings

_Url: TypeAlias = Annotated[str, Shaped(r"https?://[^/]+.*", "a URL such as http://127.0.0.1:3000")]


class PublishKeys(Section):
    """Who is told about a run when it is over. Somebody who cannot be reached is a warning and never fails a run."""

    grafana: _Url | None = None
    """The URL of a Grafana that gets an annotation for each phase, fault, step and verdict. Default: none."""

    grafana_token_env: Annotated[str, Shaped(r"[A-Za-z_]\w*", "the name of an environment variable")] | None = None
    """The environment variable that has a token of a Grafana service account. Default: none."""

    pushgateway: _Url | None = None
    """The URL of a Pushgateway that gets the harness's own metrics. Default: none."""

    textfile: Text | None = None
    """A file for the textfile collector of node_exporter, with the harness's own metrics. Default: none."""


def publish_settings(keys: PublishKeys, root: Path) -> PublishSettings:
    """Return the settings. Paths are relative to ``root``."""
    return PublishSettings(
        grafana=keys.grafana,
        grafana_token_env=keys.grafana_token_env,
        pushgateway=keys.pushgateway,
        textfile=None if keys.textfile is None else root / keys.textfile,
    )

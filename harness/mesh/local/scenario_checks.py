"""Reject scenarios that the local mesh cannot carry out, before anything is started."""

from __future__ import annotations

from harness.errors import UsageError
from harness.model.config import Config
from harness.model.scenario import Scenario


def require_known_hosts(scenario: Scenario, config: Config) -> None:
    """Raise UsageError for a fault on a host that is not a service of the configuration, and for inbound faults."""
    for fault in scenario.faults:
        if fault.inbound:
            raise UsageError(
                f"{fault}: the local mesh has one proxy for all callers and no proxies of the called services: "
                "leave inbound out here, or run the scenario with --harness-target=cluster"
            )
        if fault.host.split(".")[0] not in config.services:
            raise UsageError(
                f"{fault}: expected a service of {config.file.name}, found {fault.host!r}; "
                f"known: {', '.join(config.services)}"
            )

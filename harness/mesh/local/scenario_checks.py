"""Reject faults that the local mesh cannot inject, before anything is started."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import UsageError
from harness.mesh.command_checks import require_commands
from harness.mesh.local.topology import LOAD_GENERATOR
from harness.mesh.services import needed_workloads
from harness.model.config import Config
from harness.model.declared import Declared
from harness.model.names import did_you_mean


def require_possible(faults: Sequence[Declared], config: Config) -> None:
    """Raise UsageError for faults that cannot be injected here, and ConfigError for commands that do not exist."""
    for fault in faults:
        require_known_services(fault, config)
    require_commands(config, needed_workloads(config))


def require_known_services(fault: Declared, config: Config) -> None:
    """Raise UsageError for a fault on or from something that is not a service, and for inbound faults."""
    if fault.scope.side == "host":
        raise UsageError(
            f"{fault.text}: the local mesh has one proxy for all callers and no proxies of the called services: "
            "leave inbound out here (an abort comes closest to a refusal or a rate limit), or run the scenario with "
            "--harness-target=cluster"
        )
    apps = {
        workload.labels.get("app") for service in config.services.values() for workload in service.versions.values()
    }
    callers = {*config.services, *apps, LOAD_GENERATOR}
    for name, known in ((fault.host.split(".")[0], config.services), (fault.scope.caller, callers)):
        if name is not None and name not in known:
            raise UsageError(
                f"{fault.text}: expected a service of {config.file.name}, found {name!r}"
                f"{did_you_mean(name, config.services)}; known: {', '.join(config.services)}"
            )

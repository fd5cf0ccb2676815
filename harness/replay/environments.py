"""Environment variables whose values a record shows, because ``recorded-env`` of the recorded run lists them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.model.config import Config
from harness.model.json import object_at
from harness.model.masking import HIDDEN
from harness.model.record import Record


def with_recorded_env(config: Config, record: Record) -> Config:
    """Return the configuration with the recorded values of the variables that it sets for workloads."""
    services = dict(config.services)
    for name, service in config.services.items():
        versions = {
            version: replace(one, env={**one.env, **_shown(record, name, version)})
            for version, one in service.versions.items()
        }
        services[name] = replace(service, versions=versions)
    return replace(config, services=services)


def other_env(config: Config, record: Record) -> Iterator[str]:
    """Yield a sentence for each variable of an arm that has another value here, where the record shows one."""
    for version in (config.baseline, config.canary):
        here = config.services[config.service].versions[version].env
        for name, then in sorted(_shown(record, config.service, version).items()):
            if here.get(name) != then:
                yield f"{config.service}-{version}: {name} was {then}, here it is {here.get(name, 'not set')}"


def _shown(record: Record, service: str, version: str) -> dict[str, str]:
    recorded = object_at(dict(record.config), "services", service, "versions", version, "env")
    return {name: str(value) for name, value in recorded.items() if value not in (HIDDEN, None)}

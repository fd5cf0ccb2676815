"""The only reader of configuration files: ``harness.yaml`` in, ``Config`` out.

The models in ``harness.config.keys`` are the keys with their defaults and meanings. ``harness config reference`` prints
all of them on an example, and ``harness config schema`` prints a JSON Schema that lets an editor check the file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from harness.config.building import build
from harness.config.keys import Keys
from harness.config.mistakes import refusal
from harness.errors import ConfigError
from harness.model.config import Config, LoadSettings, PhaseSettings, Service, Workload
from harness.model.json import JsonObject, JsonValue
from harness.model.masking import SAFE_HEADERS, command_shape, masked, names_only
from harness.yaml_files import Document, read_documents

__all__ = [
    "Config",
    "LoadSettings",
    "PhaseSettings",
    "Service",
    "Workload",
    "read_config",
    "resolved",
    "with_environment",
]


def read_config(path: Path, *, overrides: Mapping[str, JsonValue] | None = None) -> Config:
    """Return the settings of a file. Raises ConfigError that names file, line and key.

    overrides: values that replace those of the file, by dotted key, e.g. ``{"phases.steady": "10s"}``.
    """
    if not path.exists():
        raise ConfigError(
            f"expected the configuration {path}, found no such file: name one with --config, "
            "or run harness init to write one"
        )
    documents = read_documents(path.absolute(), ConfigError)
    if len(documents) != 1:
        raise ConfigError(f"expected one YAML document, found {len(documents)}", file=path)
    document = documents[0]
    for key, value in (overrides or {}).items():
        _override(document, key.split("."), value)
    try:
        keys = Keys.model_validate(document.value)
    except ValidationError as error:
        raise refusal(document, Keys, error) from error
    return build(keys, document)


def with_environment(config: Config, service: str, version: str, env: Mapping[str, str]) -> Config:
    """Return the same settings with more environment variables for one workload."""
    workload = config.workload(service, version)
    changed = dataclasses.replace(workload, env={**workload.env, **env})
    old = config.services[service]
    new = dataclasses.replace(old, versions={**old.versions, version: changed})
    return dataclasses.replace(config, services={**config.services, service: new})


def resolved(config: Config) -> JsonObject:
    """Return the settings as JSON values for the record, without secrets.

    Of environment variables, headers and commands only the names are kept, except for what is known to be harmless and
    the variables that ``recorded-env`` lists. URLs lose user and password.
    """
    values: JsonObject = to_jsonable_python(config)
    del values["lines"], values["approve"]  # the manifest has it, and it says nothing about what is tested
    values["stand_ins"] = [*sorted(config.stand_ins)]  # their bodies may be anything
    for service in _mappings(values["services"]):
        for workload in _mappings(service["versions"]):
            workload["env"] = names_only(_mapping(workload["env"]), config.recorded_env)
            if isinstance(workload["command"], list):
                workload["command"] = command_shape([str(word) for word in workload["command"]])
    release = _mapping(values["release"])
    for name in ("promote_command", "build_command"):
        if isinstance(words := release.get(name), list):
            release[name] = command_shape([str(word) for word in words])
    cluster = _mapping(values["cluster"])
    safe = [name for name in config.cluster.headers if name.lower() in SAFE_HEADERS]
    cluster["headers"] = names_only(_mapping(cluster["headers"]), safe)
    access = _mapping(values["prometheus_access"])
    access["headers"] = names_only(_mapping(access["headers"]), ())
    return masked(values)


def _mapping(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _mappings(value: JsonValue) -> list[JsonObject]:
    return [_mapping(item) for item in _mapping(value).values()]


def _override(document: Document, keys: list[str], value: JsonValue) -> None:
    target = document.value
    for key in keys[:-1]:
        if isinstance(target, dict) and target.get(key) is None:
            target[key] = {}
        target = target[key] if isinstance(target, dict) else None
    if not isinstance(target, dict):
        message = "expected a key to override, found a value or a list around it"
        raise ConfigError(message, file=document.file, path=".".join(keys))
    target[keys[-1]] = value
